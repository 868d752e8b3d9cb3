# Signature passes as initcore/symmetry calls them: any strides, float32 or float64, sources by units.

cdef int run_look(int kind, const Matrix* w) noexcept nogil:
    if kind == cnp.NPY_FLOAT32:
        return table.ties_look_f32(<float*> w.data, w.row, w.col, w.rows, w.cols)
    return table.ties_look_f64(<double*> w.data, w.row, w.col, w.rows, w.cols)


cdef object zeros(Py_ssize_t rows, Py_ssize_t cols, int kind, Matrix* m):
    a = new_matrix(rows, cols, kind, m)
    memset(m.data, 0, rows * cols * 8)
    return a


def _ties_project(w, v):
    """``f_kj = sum_i v_ki w_ij`` and ``a_j = sum_i max_k |v_ki w_ij|`` for ``w (n, m)``, ``v (2, n)`` float64."""
    cdef Matrix wm, vm, f, a
    cdef int kind
    w = plain("w", w, 2, None)
    v = exactly("v", v, np.dtype(np.float64), (2, w.shape[0]), "w", w.shape)
    kind = kind_of(w)
    measured(w, kind, &wm)
    measured(v, cnp.NPY_FLOAT64, &vm)
    sums, sizes = zeros(2, wm.cols, cnp.NPY_FLOAT64, &f), zeros(1, wm.cols, cnp.NPY_FLOAT64, &a)
    if wm.rows > 0 and wm.cols > 0:
        with nogil:
            if kind == cnp.NPY_FLOAT32:
                table.ties_project_f32(<float*> wm.data, wm.row, wm.col, wm.rows, wm.cols, <double*> vm.data,
                                       <double*> f.data, <double*> a.data)
            else:
                table.ties_project_f64(<double*> wm.data, wm.row, wm.col, wm.rows, wm.cols, <double*> vm.data,
                                       <double*> f.data, <double*> a.data)
    return sums, sizes[0]


def _ties_fields(w, r):
    """``e_kj = sum_i r_ki w_ij`` in F_p for ``w (n, m)``, ``r (k, n)`` uint64 below p."""
    cdef Matrix wm, rm, e
    cdef int kind
    w = plain("w", w, 2, None)
    r = exactly("r", r, np.dtype(np.uint64), (-1, w.shape[0]), "w", w.shape)
    kind = kind_of(w)
    measured(w, kind, &wm)
    measured(r, cnp.NPY_UINT64, &rm)
    sums = zeros(rm.rows, wm.cols, cnp.NPY_UINT64, &e)
    if wm.rows > 0 and wm.cols > 0 and rm.rows > 0:
        with nogil:
            if kind == cnp.NPY_FLOAT32:
                table.ties_fields_f32(<float*> wm.data, wm.row, wm.col, wm.rows, wm.cols, <u64*> rm.data, rm.rows,
                                      <u64*> e.data)
            else:
                table.ties_fields_f64(<double*> wm.data, wm.row, wm.col, wm.rows, wm.cols, <u64*> rm.data, rm.rows,
                                      <u64*> e.data)
    return sums


def _ties_multisets(w, colour, sign, both=True):
    """Multiset hashes of the entries ``sign_i w_ij`` and, with ``both``, of their negatives: ``w (n, m)``, ``colour
    (k, n)`` uint64, ``sign (n,)`` float64."""
    cdef Matrix wm, cm, sm, p, q
    cdef u64* other = NULL
    cdef int kind
    w = plain("w", w, 2, None)
    colour = exactly("colour", colour, np.dtype(np.uint64), (-1, w.shape[0]), "w", w.shape)
    sign = exactly("sign", sign, np.dtype(np.float64), (w.shape[0],), "w", w.shape)
    kind = kind_of(w)
    measured(w, kind, &wm)
    measured(colour, cnp.NPY_UINT64, &cm)
    measured(sign, cnp.NPY_FLOAT64, &sm)
    plus = zeros(cm.rows, wm.cols, cnp.NPY_UINT64, &p)
    minus = zeros(cm.rows, wm.cols, cnp.NPY_UINT64, &q)
    if yes_or_no("both", both):
        other = <u64*> q.data
    if wm.rows > 0 and wm.cols > 0 and cm.rows > 0:
        with nogil:
            if kind == cnp.NPY_FLOAT32:
                table.ties_multisets_f32(<float*> wm.data, wm.row, wm.col, wm.rows, wm.cols, <u64*> cm.data, cm.rows,
                                         <double*> sm.data, <u64*> p.data, other)
            else:
                table.ties_multisets_f64(<double*> wm.data, wm.row, wm.col, wm.rows, wm.cols, <u64*> cm.data, cm.rows,
                                         <double*> sm.data, <u64*> p.data, other)
    return plus, minus


def _ties_look(w):
    """1: all entries equal; 0: not all equal; -1: some not finite."""
    cdef Matrix wm
    cdef int kind, result
    w = plain("w", w, 2, None)
    kind = kind_of(w)
    measured(w, kind, &wm)
    with nogil:
        result = run_look(kind, &wm)
    return result
