# Statistics of a weight matrix as initcore/_weights.py calls them: any strides, float32 or float64, sources by units.

import numpy as np
from initcore import _checks as _weights_checks


def _weights_matrix(w):
    """w as a two-dimensional, aligned array of float32 or float64 whose strides are whole elements."""
    w = np.asarray(_weights_checks.float_array("w", w, ndim=2))
    if not w.flags.aligned or w.strides[0] % w.itemsize or w.strides[1] % w.itemsize:
        w = w.copy()
    return w


def _weights_vector(name, v, Py_ssize_t n):
    """v as n adjacent float64."""
    v = np.require(_weights_checks.float_array(name, v, ndim=1), np.float64, ["C", "A"])
    if v.shape[0] != n:
        raise _weights_checks.ShapeError(f"{name} has {v.shape[0]} entries, but w has {n} rows.")
    return v


def _weights_statistics(w, double tiny=0.0, double small=0.0):
    """Per unit mean, variance (float64) and hash (uint32) of ``w (n, m)``; of all weights ``[largest |w| that is finite,
    finite weights, finite ones that are not 0, non-zero below tiny, non-zero below small]``.

    Variances are over the n sources, not the n - 1. NaN and infinity make their unit's mean and variance NaN or
    infinite. Equal columns have equal hashes; without rows everything is 0.
    """
    w = _weights_matrix(w)
    cdef Py_ssize_t n = w.shape[0], m = w.shape[1]
    mean, variance = np.zeros(m), np.zeros(m)
    hashes, totals = np.zeros(m, np.uint32), np.zeros(5)
    cdef double[::1] a = mean, b = variance, t = totals
    cdef unsigned int[::1] h = hashes
    cdef const float[:, :] single
    cdef const double[:, :] double_
    if n == 0 or m == 0:
        return mean, variance, hashes, totals
    if w.dtype == np.float32:
        single = w
        with nogil:
            table.weights_statistics_f32(&single[0, 0], single.strides[0] // 4, single.strides[1] // 4, n, m, tiny,
                                         small, &a[0], &b[0], &h[0], &t[0])
    else:
        double_ = w
        with nogil:
            table.weights_statistics_f64(&double_[0, 0], double_.strides[0] // 8, double_.strides[1] // 8, n, m, tiny,
                                         small, &a[0], &b[0], &h[0], &t[0])
    return mean, variance, hashes, totals


def _weights_sums(w, u, v):
    """``sum_i u_i w_ij`` and ``sum_i v_i w_ij^2`` in float64 for ``w (n, m)``, ``u (n,)``, ``v (n,)``."""
    w = _weights_matrix(w)
    cdef Py_ssize_t n = w.shape[0], m = w.shape[1]
    u, v = _weights_vector("u", u, n), _weights_vector("v", v, n)
    first, second = np.zeros(m), np.zeros(m)
    cdef const double[::1] a = u, b = v
    cdef double[::1] p = first, q = second
    cdef const float[:, :] single
    cdef const double[:, :] double_
    if n == 0 or m == 0:
        return first, second
    if w.dtype == np.float32:
        single = w
        with nogil:
            table.weights_sums_f32(&single[0, 0], single.strides[0] // 4, single.strides[1] // 4, n, m, &a[0], &b[0],
                                   &p[0], &q[0])
    else:
        double_ = w
        with nogil:
            table.weights_sums_f64(&double_[0, 0], double_.strides[0] // 8, double_.strides[1] // 8, n, m, &a[0],
                                   &b[0], &p[0], &q[0])
    return first, second
