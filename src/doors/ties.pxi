# Signature passes as initcore/_partition.py calls them: any strides, float32 or float64, sources by units.

import numpy as np


def _ties_project(w not None, const double[:, ::1] v not None):
    """``f_kj = sum_i v_ki w_ij`` and ``a_j = sum_i max_k |v_ki w_ij|`` for ``w (n, m)``, ``v (2, n)``."""
    cdef Py_ssize_t n = w.shape[0], m = w.shape[1]
    f, a = np.zeros((2, m)), np.zeros(m)
    cdef double[:, ::1] to = f
    cdef double[::1] size = a
    cdef const float[:, :] single
    cdef const double[:, :] double_
    if v.shape[0] != 2 or v.shape[1] != n:
        raise ValueError(f"v must have shape (2, {n}).")
    if n == 0 or m == 0:
        return f, a
    if w.dtype == np.float32:
        single = w
        with nogil:
            table.ties_project_f32(&single[0, 0], single.strides[0] // 4, single.strides[1] // 4, n, m, &v[0, 0],
                                   &to[0, 0], &size[0])
    else:
        double_ = w
        with nogil:
            table.ties_project_f64(&double_[0, 0], double_.strides[0] // 8, double_.strides[1] // 8, n, m, &v[0, 0],
                                   &to[0, 0], &size[0])
    return f, a


def _ties_fields(w not None, const unsigned long long[:, ::1] r not None):
    """``e_kj = sum_i r_ki w_ij`` in F_p for ``w (n, m)``, ``r (k, n)``."""
    cdef Py_ssize_t n = w.shape[0], m = w.shape[1], k = r.shape[0]
    e = np.zeros((k, m), dtype=np.uint64)
    cdef unsigned long long[:, ::1] to = e
    cdef const float[:, :] single
    cdef const double[:, :] double_
    if r.shape[1] != n:
        raise ValueError(f"r must have shape (k, {n}).")
    if n == 0 or m == 0 or k == 0:
        return e
    if w.dtype == np.float32:
        single = w
        with nogil:
            table.ties_fields_f32(&single[0, 0], single.strides[0] // 4, single.strides[1] // 4, n, m, &r[0, 0], k,
                                  &to[0, 0])
    else:
        double_ = w
        with nogil:
            table.ties_fields_f64(&double_[0, 0], double_.strides[0] // 8, double_.strides[1] // 8, n, m, &r[0, 0], k,
                                  &to[0, 0])
    return e


def _ties_multisets(w not None, const unsigned long long[:, ::1] colour not None, const double[::1] sign not None,
                    bint both=True):
    """Multiset hashes of the entries ``sign_i w_ij`` and, with ``both``, of their negatives."""
    cdef Py_ssize_t n = w.shape[0], m = w.shape[1], k = colour.shape[0]
    plus = np.zeros((k, m), dtype=np.uint64)
    minus = np.zeros((k, m), dtype=np.uint64)
    cdef unsigned long long[:, ::1] p = plus
    cdef unsigned long long[:, ::1] q = minus
    cdef const float[:, :] single
    cdef const double[:, :] double_
    if colour.shape[1] != n or sign.shape[0] != n:
        raise ValueError(f"colour must have shape (k, {n}) and sign ({n},).")
    if n == 0 or m == 0 or k == 0:
        return plus, minus
    cdef unsigned long long* other = &q[0, 0] if both else NULL
    if w.dtype == np.float32:
        single = w
        with nogil:
            table.ties_multisets_f32(&single[0, 0], single.strides[0] // 4, single.strides[1] // 4, n, m,
                                     &colour[0, 0], k, &sign[0], &p[0, 0], other)
    else:
        double_ = w
        with nogil:
            table.ties_multisets_f64(&double_[0, 0], double_.strides[0] // 8, double_.strides[1] // 8, n, m,
                                     &colour[0, 0], k, &sign[0], &p[0, 0], other)
    return plus, minus


def _ties_look(w not None):
    """1: all entries equal; 0: not all equal; -1: some not finite."""
    cdef const float[:, :] single
    cdef const double[:, :] double_
    cdef Py_ssize_t n = w.shape[0], m = w.shape[1]
    cdef int result
    if n == 0 or m == 0:
        return 1
    if w.dtype == np.float32:
        single = w
        with nogil:
            result = table.ties_look_f32(&single[0, 0], single.strides[0] // 4, single.strides[1] // 4, n, m)
    else:
        double_ = w
        with nogil:
            result = table.ties_look_f64(&double_[0, 0], double_.strides[0] // 8, double_.strides[1] // 8, n, m)
    return result
