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
    if lengthy(w, ONCE_QUICK):
        return by_strips(lambda part: _ties_project(part, v), w, ONCE_QUICK)
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


def _ties_fields(w, r, p, inverse, powers):
    """``e_kj = sum_i r_ki w_ij mod p[k mod 2]`` for ``w (n, m)``, ``r (2 or 4, n)`` uint64 below p; the two primes p,
    their inverses mod 2^64 and the ``powers (2, 2048)`` of two are those of reference.field.Field."""
    cdef Matrix wm, rm, pm, im, tm, e
    cdef int kind
    w = plain("w", w, 2, None)
    r = exactly("r", r, np.dtype(np.uint64), (-1, w.shape[0]), "w", w.shape)
    if r.shape[0] != 2 and r.shape[0] != 4:
        raise _ShapeError(f"r has {r.shape[0]} rows, but it must have 2 or 4: one or two for each prime.")
    p = exactly("p", p, np.dtype(np.uint64), (2,), "w", w.shape)
    inverse = exactly("inverse", inverse, np.dtype(np.uint64), (2,), "w", w.shape)
    powers = exactly("powers", powers, np.dtype(np.uint64), (2, 2048), "w", w.shape)
    if lengthy(w, ONCE):
        return by_strips(lambda part: (_ties_fields(part, r, p, inverse, powers),), w, ONCE)[0]
    kind = kind_of(w)
    measured(w, kind, &wm)
    measured(r, cnp.NPY_UINT64, &rm)
    measured(p, cnp.NPY_UINT64, &pm)
    measured(inverse, cnp.NPY_UINT64, &im)
    measured(powers, cnp.NPY_UINT64, &tm)
    sums = zeros(rm.rows, wm.cols, cnp.NPY_UINT64, &e)
    if wm.rows > 0 and wm.cols > 0:
        with nogil:
            if kind == cnp.NPY_FLOAT32:
                table.ties_fields_f32(<float*> wm.data, wm.row, wm.col, wm.rows, wm.cols, <u64*> rm.data, rm.rows,
                                      <u64*> pm.data, <u64*> im.data, <u64*> tm.data, <u64*> e.data)
            else:
                table.ties_fields_f64(<double*> wm.data, wm.row, wm.col, wm.rows, wm.cols, <u64*> rm.data, rm.rows,
                                      <u64*> pm.data, <u64*> im.data, <u64*> tm.data, <u64*> e.data)
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
    if lengthy(w, ONCE_QUICK):
        return by_strips(lambda part: _ties_multisets(part, colour, sign, both), w, ONCE_QUICK)
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
    if lengthy(w, ONCE_QUICK):
        found = []
        by_strips(lambda part: (found.append(_ties_look(part)), ())[1], w, ONCE_QUICK)
        return min(found) if min(found) < 1 else int((w[0] == w[0, 0]).all())
    kind = kind_of(w)
    measured(w, kind, &wm)
    with nogil:
        result = run_look(kind, &wm)
    return result
