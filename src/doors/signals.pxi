# One layer's statistics as Python sees them.

import math as _math

cdef enum:
    _SIGNAL_BINS = 32

_SIGNAL_KINDS = ("z", "z2", "a2", "slope", "signed_slope", "slope2", "log_slope", "below_10pct", "below_1pct", "zero",
                 "flat", "positive", "distance")

cdef int run_signals(int code, double alpha, int kind, const Matrix* z, const Matrix* a, const double* limits,
                     double* out, unsigned long long* histogram) noexcept nogil:
    if kind == cnp.NPY_FLOAT32:
        table.signals_f32(code, alpha, <float*> z.data, z.row, <float*> a.data, a.row, z.rows, z.cols, limits, out,
                          histogram)
    else:
        table.signals_f64(code, alpha, <double*> z.data, z.row, <double*> a.data, a.row, z.rows, z.cols, limits, out,
                          histogram)
    return 0


cdef tuple signals_in_strips(object phi, object z, object a, tuple zero):
    """:func:`signals` of large matrices: the units in strips; histograms are added up."""
    cdef Py_ssize_t cols = cnp.PyArray_DIM(z, 1), step = strip_of(cnp.PyArray_DIM(z, 0), ONCE), j
    sums, total = dict(zip(_SIGNAL_KINDS, np.empty((len(_SIGNAL_KINDS), cols)))), None
    for j in range(0, cols, step):
        PyErr_CheckSignals()
        found, histogram = signals(phi, z[:, j:j + step], a[:, j:j + step], zero=zero)
        for kind, values in found.items():
            sums[kind][j:j + step] = values
        if histogram is not None:
            total = histogram if total is None else total + histogram
    return sums, total


def signals(activation, z, a, *, zero=(-_math.inf, _math.inf)):
    """Per-unit sums over a batch of pre-activations ``z`` and outputs ``a = phi(z)``, both ``(batch, units)``.

    Returns ``(sums, histogram)``: sums is a dictionary of float64 ``(units,)`` arrays: sums over the batch of z, z^2
    (``z2``), a^2 (``a2``), ``|phi'|`` (``slope``), phi' (``signed_slope``), phi'^2 (``slope2``), ``ln|phi'|``
    (``log_slope``), and counts of relative slope below 0.1 and 0.01 (``below_10pct``, ``below_1pct``), of z outside
    the open interval ``zero``, of phi' = 0 (``flat``), of z > 0 (``positive``), and the sum of
    ``|a - center|/half_range`` (``distance``). histogram holds counts of a in 32 equal bins over a bounded range, or
    None. Sums are kept in the element type over 64 rows, then in float64. Arrays that are not C-contiguous are copied.

    >>> import numpy as np
    >>> from initcore import kernels
    >>> z = np.array([[0.0, 10.0]], dtype=np.float32)
    >>> kernels.signals("tanh", z, np.tanh(z))[0]["below_1pct"]
    array([0., 1.])
    """
    cdef Matrix zm, am, sm, hm
    cdef double[8] limits
    cdef unsigned long long[32] counts
    cdef bint bounded
    cdef int code, kind
    cdef double alpha
    phi = compiled(activation)
    kind = kind_of(z)
    if kind < 0 or not take(z, kind, &zm) or not take_rows(z, kind, zm.rows, zm.cols, &zm) \
            or not take_rows(a, kind, zm.rows, zm.cols, &am):
        z = plain("z", z, 2, None)
        a = plain_rows("a", a, z.shape, z.dtype, "z")
        z = plain_rows("z", z, z.shape, z.dtype, "z")
        kind = kind_of(z)
        measured(z, kind, &zm)
        measured(a, kind, &am)
    if not isinstance(zero, (tuple, list)) or len(zero) != 2:
        raise _ArgumentTypeError(f"zero must be a pair (low, high) of numbers, got {_checks.describe(zero)}.")
    bounded = _math.isfinite(phi.low) and _math.isfinite(phi.high)
    limits[0] = 0.1 * phi.max_slope
    limits[1] = 0.01 * phi.max_slope
    limits[2] = real_number("zero[0]", zero[0])
    limits[3] = real_number("zero[1]", zero[1])
    limits[4] = phi.center
    limits[5] = phi.half_range
    limits[6] = phi.low if bounded else 0.0
    limits[7] = _SIGNAL_BINS / (phi.high - phi.low) if bounded else 0.0
    if zm.rows * zm.cols > ONCE and zm.cols > strip_of(zm.rows, ONCE):
        return signals_in_strips(phi, z, a, (limits[2], limits[3]))
    code, alpha = phi.code, phi.alpha
    memset(counts, 0, sizeof(counts))
    sums = new_matrix(len(_SIGNAL_KINDS), zm.cols, cnp.NPY_FLOAT64, &sm)
    if zm.rows > 0 and zm.cols > 0:
        with nogil:
            run_signals(code, alpha, kind, &zm, &am, limits, <double*> sm.data, counts if bounded else NULL)
    else:
        sums[...] = 0
    histogram = None
    if bounded:
        histogram = new_vector(_SIGNAL_BINS, cnp.NPY_INT64, &hm)
        memcpy(hm.data, counts, sizeof(counts))
    return dict(zip(_SIGNAL_KINDS, sums)), histogram
