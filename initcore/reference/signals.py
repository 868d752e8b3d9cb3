"""The plain NumPy twin of src/variant/signals.pxi: per-unit sums over a batch of pre-activations and outputs."""

import math
from typing import Any

import numpy as np

from .._types import Array
from ..activations import Activation

BINS = 32


def log_slope(phi: Activation, z: Array) -> Array:
    """``ln|phi'(z)|``, finite far out where the slope itself underflows."""
    a = np.abs(z)
    if phi.name == "tanh":
        return np.asarray(math.log(4) - 2 * a - 2 * np.log1p(np.exp(-2 * a)))
    if phi.name == "sigmoid":
        return np.asarray(-a - 2 * np.log1p(np.exp(-a)))
    if phi.name == "erf":
        return np.asarray(math.log(2 / math.sqrt(math.pi)) - np.square(z))
    return np.asarray(np.log(np.abs(phi.dphi(z))))


def signals(phi: Activation, z: Array, a: Array, zero: tuple[float, float]) -> tuple[dict[str, Any], Array | None]:
    """What :func:`initcore.kernels.signals` computes, in float64: sums over the rows of ``z, a (batch, units)``."""
    z, a = z.astype(np.float64), a.astype(np.float64)
    with np.errstate(all="ignore"):
        d = np.asarray(phi.dphi(z), np.float64)
        r = np.abs(d)
        parts = {"z": z, "z2": z * z, "a2": a * a, "slope": r, "signed_slope": d, "slope2": d * d,
                 "log_slope": log_slope(phi, z), "below_10pct": r < 0.1 * phi.max_slope,
                 "below_1pct": r < 0.01 * phi.max_slope, "zero": (z < zero[0]) | (z > zero[1]), "flat": r == 0,
                 "positive": z > 0, "distance": np.abs(a - phi.center) / phi.half_range}
        sums = {k: np.asarray(np.sum(v, axis=0, dtype=np.float64)) for k, v in parts.items()}
    bounded = math.isfinite(phi.low) and math.isfinite(phi.high)
    ends = (phi.low, phi.high)
    histogram = np.histogram(np.clip(a, *ends), bins=BINS, range=ends)[0] if bounded else None
    return sums, histogram
