"""Per-unit statistics of one layer on data, and what they add up to."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from .. import kernels
from ..activations import Activation
from ..network import Dense, Network
from . import _layer_moments as _gauss

Array = np.ndarray
BINS = 32


class Statistics(NamedTuple):
    """Means over the batch for each unit, float64 ``(units,)``."""

    z: Array
    z2: Array
    a2: Array
    slope: Array             # |phi'|
    signed_slope: Array      # phi'
    slope2: Array
    log_slope2: Array
    below_10pct: Array
    below_1pct: Array
    zero: Array              # slope exactly 0 as frameworks compute it
    flat: Array              # slope exactly 0 as our kernels compute it
    positive: Array          # share of z > 0
    distance: Array          # |phi - center| / half range
    histogram: Array | None


def layer_statistics(phi: Activation, z: Array, a: Array) -> Statistics:
    """One pass of the ``signals`` kernel over z and a; its NumPy twin for callables."""
    cuts = _gauss.zero_intervals(phi, z.dtype.name)
    inner = (max((b for a_, b in cuts if a_ == -math.inf), default=-math.inf),
             min((a_ for a_, b in cuts if b == math.inf), default=math.inf))
    with np.errstate(over="ignore", invalid="ignore"):
        if phi.code is None or any(math.isfinite(low) and math.isfinite(high) for low, high in cuts):
            sums, histogram = twin(phi, z, a, inner)
        else:
            sums, histogram = kernels.signals(phi, z, a, zero=inner)
        mean = {k: v / len(z) for k, v in sums.items()}
    mean["log_slope2"] = 2 * mean.pop("log_slope")
    return Statistics(**mean, histogram=histogram)


def twin(phi: Activation, z: Array, a: Array, zero: tuple[float, float]) -> tuple[dict[str, Array], Array | None]:
    """What :func:`initcore.kernels.signals` computes, in plain NumPy and float64."""
    z, a = z.astype(np.float64), a.astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore", under="ignore"):
        d = np.asarray(phi.dphi(z), np.float64)
        r = np.abs(d)
        parts = {"z": z, "z2": z * z, "a2": a * a, "slope": r, "signed_slope": d, "slope2": d * d,
                 "log_slope": _gauss.log_slope(phi, z) / 2, "below_10pct": r < 0.1 * phi.max_slope,
                 "below_1pct": r < 0.01 * phi.max_slope, "zero": (z < zero[0]) | (z > zero[1]), "flat": r == 0,
                 "positive": z > 0, "distance": np.abs(a - phi.center) / phi.half_range}
    bounded = math.isfinite(phi.low) and math.isfinite(phi.high)
    ends = (phi.low, phi.high)
    histogram = np.histogram(np.clip(a, *ends), bins=BINS, range=ends)[0] if bounded else None
    return {k: np.asarray(np.sum(v, axis=0, dtype=np.float64)) for k, v in parts.items()}, histogram


def chi(layer: Dense, slope2: Array) -> float:
    """Mean-square gradient factor ``E|dx|^2 / E|dy|^2`` of a layer: ``sum_ij W_ij^2 E phi'(z_j)^2 / n_out``.

    For independent weights of variance s2 it is ``n_in s2 E phi'^2``, the chi_1 of mean field theory.
    """
    with np.errstate(over="ignore"):
        columns = np.einsum("ij,ij->j", layer.w, layer.w, dtype=np.float64)
        return float(columns @ slope2 / layer.fan_out) if layer.fan_out else 0.0


def layer_signal(make: Any, net: Network, i: int, f: Statistics, gradient: float) -> Any:
    """One layer of a measurement."""
    layer = net.layers[i]
    phi = layer.activation

    def mean(v: Array) -> float:
        return float(np.mean(v)) if v.size else math.nan
    with np.errstate(over="ignore", invalid="ignore"):
        variance = np.maximum(f.z2 - np.square(f.z), 0)
        one_sided = (f.below_10pct == 1) & ((f.positive == 1) | (f.positive == 0))
        return make(
            index=i, name=f"layers[{i}]", activation=phi.name, fan_in=layer.fan_in, units=layer.fan_out, q=mean(f.z2),
            mean=mean(f.z), variance=mean(variance), slope_below_10pct=mean(f.below_10pct),
            slope_below_1pct=mean(f.below_1pct), slope_zero=mean(f.zero), mean_slope=mean(f.slope) / phi.max_slope,
            chi=chi(layer, f.slope2), typical_factor=math.exp(0.5 * mean(f.log_slope2)),
            rakitianskaia=mean(f.distance) if f.histogram is not None else math.nan,
            activation_rms=math.sqrt(mean(f.a2)), gradient=gradient, dead_units=mean((f.flat == 1).astype(float)),
            one_sided=mean(one_sided.astype(float)), unit_q=f.z2, histogram=f.histogram)
