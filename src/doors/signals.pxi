# signals: checked wrapper.

import math as _math

_SIGNAL_KINDS = ("z", "z2", "a2", "slope", "signed_slope", "slope2", "log_slope", "below_10pct", "below_1pct", "zero",
                 "flat", "positive", "distance")
_SIGNAL_BINS = 32


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
    phi = _activations.get(activation)
    if phi.code is None:
        raise _ArgumentError(f"activation {phi.name!r} is a callable without a kernel.")
    z = _float_array("z", z, ndim=2)
    a = _float_array("a", a, ndim=2, dtype=z.dtype)
    if a.shape != z.shape:
        raise _ShapeError(f"a has shape {a.shape}, but z has shape {z.shape}.")
    bounded = _math.isfinite(phi.low) and _math.isfinite(phi.high)
    limits = np.array([0.1 * phi.max_slope, 0.01 * phi.max_slope, zero[0], zero[1], phi.center, phi.half_range,
                       phi.low if bounded else 0.0, _SIGNAL_BINS / (phi.high - phi.low) if bounded else 0.0])
    sums = np.zeros((len(_SIGNAL_KINDS), z.shape[1]))
    histogram = np.zeros(_SIGNAL_BINS, np.uint64)
    if z.size:
        z, a = np.ascontiguousarray(z), np.ascontiguousarray(a)
        if z.dtype == np.float32:
            _signals_f32(phi.code, phi.alpha, z, a, limits, sums, histogram, bounded)
        else:
            _signals_f64(phi.code, phi.alpha, z, a, limits, sums, histogram, bounded)
    return dict(zip(_SIGNAL_KINDS, sums)), histogram.astype(np.int64) if bounded else None


def _signals_f32(int code, double alpha, const float[:, ::1] z not None, const float[:, ::1] a not None,
                 const double[::1] limits not None, double[:, ::1] out not None,
                 unsigned long long[::1] histogram not None, bint bounded):
    with nogil:
        table.signals_f32(code, alpha, &z[0, 0], z.shape[1], &a[0, 0], z.shape[1], z.shape[0], z.shape[1], &limits[0],
                          &out[0, 0], &histogram[0] if bounded else NULL)


def _signals_f64(int code, double alpha, const double[:, ::1] z not None, const double[:, ::1] a not None,
                 const double[::1] limits not None, double[:, ::1] out not None,
                 unsigned long long[::1] histogram not None, bint bounded):
    with nogil:
        table.signals_f64(code, alpha, &z[0, 0], z.shape[1], &a[0, 0], z.shape[1], z.shape[0], z.shape[1],
                          &limits[0],
                          &out[0, 0], &histogram[0] if bounded else NULL)
