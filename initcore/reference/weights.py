"""The plain NumPy twin of src/variant/weights.pxi: statistics of a weight matrix."""

import math

import numpy as np

from .._types import Array


def statistics(w: Array, tiny: float, small: float) -> tuple[Array, Array, Array]:
    """Per unit mean and variance of ``w (sources, units)``, float64 about the first source, and five totals.

    Totals: largest finite |w|; how many are finite, finite and not 0, not 0 and below ``tiny``, below ``small``.
    """
    wide = w.astype(np.float64)
    with np.errstate(all="ignore"):
        shift = np.where(np.isfinite(wide[0]), wide[0], 0.0)
        mean = (wide - shift).mean(axis=0)
        variance = np.maximum(np.square(wide - shift).mean(axis=0) - np.square(mean), 0.0)
        size, finite = np.abs(w), np.isfinite(w)
        totals = [size[finite].max(initial=0), finite.sum(), (finite & (w != 0)).sum(),
                  ((size > 0) & (size < tiny)).sum(), ((size > 0) & (size < small)).sum()]
    return shift + mean, variance, np.array(totals, dtype=np.float64)


def equal_columns(w: Array) -> Array:
    """Labels of units with equal columns, 0 and -0 being equal; NaN equals the NaN of the same bits."""
    rows = np.ascontiguousarray(w.T) + 0.0
    keys = [row.tobytes() for row in rows]
    first: dict[bytes, int] = {}
    return np.array([first.setdefault(key, len(first)) for key in keys], dtype=np.intp)


def sums(w: Array, u: Array, v: Array) -> tuple[Array, Array]:
    """``sum_i u_i w_ij`` and ``sum_i v_i w_ij^2``, correctly rounded."""
    wide = w.astype(np.float64)
    first = [math.fsum(column) for column in (wide * u[:, None]).T]
    return np.array(first), np.array([math.fsum(column) for column in (np.square(wide) * v[:, None]).T])
