"""Per-unit statistics of one layer on data, and what they add up to."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from .. import kernels
from .._gaussian.shares import zero_intervals
from .._types import Array
from ..activations import Activation
from ..network import Dense, Network
from ..reference import signals as twin
from ._signal import LayerSignal

_CHUNK = 1 << 18          # elements the NumPy twin works on at once


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
    cuts = zero_intervals(phi, z.dtype.name)
    inner = (max((b for a_, b in cuts if a_ == -math.inf), default=-math.inf),
             min((a_ for a_, b in cuts if b == math.inf), default=math.inf))
    with np.errstate(all="ignore"):
        if phi.code is None or any(math.isfinite(low) and math.isfinite(high) for low, high in cuts):
            sums, histogram = _twin(phi, z, a, inner)
        else:
            sums, histogram = kernels.signals(phi, z, a, zero=inner)
        mean = {k: v / len(z) for k, v in sums.items()}
    mean["log_slope2"] = 2 * mean.pop("log_slope")
    return Statistics(**mean, histogram=histogram)


def _twin(phi: Activation, z: Array, a: Array, inner: tuple[float, float]) -> tuple[dict[str, Array], Array | None]:
    """The NumPy twin over blocks of columns: it needs a dozen arrays of a block's size."""
    step = max(1, _CHUNK // max(len(z), 1))
    parts = [twin.signals(phi, z[:, j:j + step], a[:, j:j + step], inner) for j in range(0, z.shape[1], step)]
    if len(parts) < 2:
        return parts[0] if parts else twin.signals(phi, z, a, inner)
    counts = [h for _, h in parts if h is not None]
    sums = {k: np.concatenate([s[k] for s, _ in parts]) for k in parts[0][0]}
    return sums, np.sum(counts, axis=0) if counts else None


def chi(layer: Dense, slope2: Array) -> float:
    """Mean-square gradient factor ``E|dx|^2 / E|dy|^2`` of a layer: ``sum_ij W_ij^2 E phi'(z_j)^2 / n_out``.

    For independent weights of variance s2 it is ``n_in s2 E phi'^2``, the chi_1 of mean field theory.
    """
    ones = np.ones(layer.fan_in)
    with np.errstate(all="ignore"):
        columns = kernels._weights_sums(layer.w, ones, ones)[1]
        return float(columns @ slope2 / layer.fan_out) if layer.fan_out else 0.0


def layer_signal(net: Network, i: int, f: Statistics, gradient: float, *, histogram: bool = True) -> LayerSignal:
    """One layer's signal from its statistics; the histogram is of measurements only."""
    layer = net.layers[i]
    return activation_signal(layer.activation, f, gradient, histogram=histogram, index=i, name=f"layers[{i}]",
                             fan_in=layer.fan_in, chi=chi(layer, f.slope2))


def activation_signal(phi: Activation, f: Statistics, gradient: float, *, index: int, name: str, fan_in: int,
                      chi: float, histogram: bool = True) -> LayerSignal:
    """The signal at an activation from the statistics of its input."""
    def mean(v: Array) -> float:
        return float(np.mean(v)) if v.size else math.nan
    with np.errstate(all="ignore"):
        variance = np.maximum(f.z2 - np.square(f.z), 0)
        one_sided = (f.below_10pct == 1) & ((f.positive == 1) | (f.positive == 0))
        return LayerSignal(
            index=index, name=name, activation=phi.name, fan_in=fan_in, units=len(f.z), q=mean(f.z2),
            mean=mean(f.z), variance=mean(variance), slope_below_10pct=mean(f.below_10pct),
            slope_below_1pct=mean(f.below_1pct), slope_zero=mean(f.zero), mean_slope=mean(f.slope) / phi.max_slope,
            chi=chi, typical_factor=math.exp(0.5 * mean(f.log_slope2)),
            rakitianskaia=mean(f.distance) if f.histogram is not None else math.nan,
            activation_rms=math.sqrt(mean(f.a2)), gradient=gradient, dead_units=mean((f.flat == 1).astype(float)),
            one_sided=mean(one_sided.astype(float)), unit_q=f.z2, histogram=f.histogram if histogram else None)
