# Statistics of a weight matrix as initcore/_weight_statistics.py calls them: any strides, float32 or float64, sources
# by units.

cdef object zero_vector(Py_ssize_t n, int kind, Py_ssize_t size, Matrix* m):
    a = new_vector(n, kind, m)
    memset(m.data, 0, n * size)
    return a


cdef tuple statistics_counted(object part, double tiny, double small, object counted):
    """What a strip gives for its units; its counts go into those of the whole."""
    *units, counts = _weights_statistics(part, tiny, small)
    counted[0] = max(counted[0], counts[0])
    counted[1:] += counts[1:]
    return tuple(units)


def _weights_statistics(w, tiny, small):
    """Per unit mean, variance (float64) and hash (uint32) of ``w (n, m)``; of all weights ``[largest finite |w|,
    finite weights, finite ones that are not 0, non-zero below tiny, non-zero below small]``.

    Variances are over the n sources, not the n - 1. NaN and infinity make their unit's mean and variance NaN or
    infinite. Equal columns have equal hashes; without rows everything is 0.
    """
    cdef Matrix wm, mean, variance, hashes, totals
    cdef double least = real_number("tiny", tiny), below = real_number("small", small)
    w = plain("w", w, 2, None)
    if lengthy(w, ONCE):
        counted = np.zeros(5)
        units = by_strips(lambda part: statistics_counted(part, least, below, counted), w, ONCE)
        return *units, counted
    cdef int kind = kind_of(w)
    measured(w, kind, &wm)
    a, b = zero_vector(wm.cols, cnp.NPY_FLOAT64, 8, &mean), zero_vector(wm.cols, cnp.NPY_FLOAT64, 8, &variance)
    h, t = zero_vector(wm.cols, cnp.NPY_UINT32, 4, &hashes), zero_vector(5, cnp.NPY_FLOAT64, 8, &totals)
    if wm.rows > 0 and wm.cols > 0:
        with nogil:
            if kind == cnp.NPY_FLOAT32:
                table.weights_statistics_f32(<float*> wm.data, wm.row, wm.col, wm.rows, wm.cols, least, below,
                                             <double*> mean.data, <double*> variance.data, <u32*> hashes.data,
                                             <double*> totals.data)
            else:
                table.weights_statistics_f64(<double*> wm.data, wm.row, wm.col, wm.rows, wm.cols, least, below,
                                             <double*> mean.data, <double*> variance.data, <u32*> hashes.data,
                                             <double*> totals.data)
    return a, b, h, t


def _weights_sums(w, u, v):
    """``sum_i u_i w_ij`` and ``sum_i v_i w_ij^2`` in float64 for ``w (n, m)``, ``u (n,)``, ``v (n,)`` float64."""
    cdef Matrix wm, um, vm, first, second
    w = plain("w", w, 2, None)
    u = exactly("u", u, np.dtype(np.float64), (w.shape[0],), "w", w.shape)
    v = exactly("v", v, np.dtype(np.float64), (w.shape[0],), "w", w.shape)
    if lengthy(w, ONCE_QUICK):
        return by_strips(lambda part: _weights_sums(part, u, v), w, ONCE_QUICK)
    cdef int kind = kind_of(w)
    measured(w, kind, &wm)
    measured(u, cnp.NPY_FLOAT64, &um)
    measured(v, cnp.NPY_FLOAT64, &vm)
    a, b = zero_vector(wm.cols, cnp.NPY_FLOAT64, 8, &first), zero_vector(wm.cols, cnp.NPY_FLOAT64, 8, &second)
    if wm.rows > 0 and wm.cols > 0:
        with nogil:
            if kind == cnp.NPY_FLOAT32:
                table.weights_sums_f32(<float*> wm.data, wm.row, wm.col, wm.rows, wm.cols, <double*> um.data,
                                       <double*> vm.data, <double*> first.data, <double*> second.data)
            else:
                table.weights_sums_f64(<double*> wm.data, wm.row, wm.col, wm.rows, wm.cols, <double*> um.data,
                                       <double*> vm.data, <double*> first.data, <double*> second.data)
    return a, b
