"""What :func:`predict` and :func:`measure` return: the signal at every layer.

One scale for every activation: the relative slope ``r = |phi'(z)| / max|phi'|``. Saturated is not vanishing,
so three numbers stand together: the saturated share, chi (mean-square gradient factor) and the typical factor.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from .._checks import quiet
from .._types import Array

_DRAWS = 2048


@dataclass(frozen=True)
class LayerSignal:
    """The signal at one layer.

    Attributes
    ----------
    index, name, activation, units : which layer; ``name`` is "layers[i]", of a module the path of what it stands in.
    q : mean of z^2 over units and data. mean, variance : of z over the data, averaged over units.
    slope_below_10pct, slope_below_1pct : share of (unit, sample) pairs with r < 0.1, r < 0.01.
    slope_zero : share whose slope is exactly 0 in the network's dtype (tanh' and sigmoid' from their outputs,
        as frameworks compute them).
    mean_slope : mean r.
    chi : mean-square gradient factor ``E|dx|^2/E|dy|^2`` of the layer (norm ratio); ``chi_per_unit`` the same for
        the mean square per unit, ``chi fan_out / fan_in``.
    typical_factor : ``exp(E ln phi'^2 / 2)``, 0 where a share of the slopes is 0 (ReLU).
    rakitianskaia : E|phi~|, phi~ the output rescaled to [-1, 1]; NaN where the range is unbounded.
    activation_rms : root mean square of the layer's output.
    gradient : norm of the back-signal at this layer's z for a unit back-signal at the last hidden output.
    dead_units : share of units whose slope is 0 on all of the data (predicted: with probability above 0.9999).
    one_sided : share of units with r < 0.1 and one sign of z on all of the data (predicted: the same).
    unit_q : E z^2 of each unit.
    histogram : counts of the output over 32 equal bins of its range (measured and bounded), else None.
    """

    index: int
    name: str
    activation: str
    fan_in: int
    units: int
    q: float
    mean: float
    variance: float
    slope_below_10pct: float
    slope_below_1pct: float
    slope_zero: float
    mean_slope: float
    chi: float
    typical_factor: float
    rakitianskaia: float
    activation_rms: float
    gradient: float
    dead_units: float
    one_sided: float
    unit_q: Array = field(repr=False, compare=False)
    histogram: Array | None = field(default=None, repr=False, compare=False)

    @property
    @quiet
    def chi_per_unit(self) -> float:
        """chi for the mean square per unit instead of the squared norm."""
        return self.chi * self.units / self.fan_in if self.fan_in else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, for JSON."""
        skip = ("unit_q", "histogram")
        return {k: getattr(self, k) for k in self.__dataclass_fields__ if k not in skip}


@dataclass(frozen=True)
class SignalReport:
    """Every layer's signal, in order.

    ``kind`` is "predicted" or "measured"; ``assumed`` says what was taken for granted about the inputs;
    ``input_rms`` is the root mean square of the input.
    """

    kind: str
    layers: tuple[LayerSignal, ...]
    input_rms: float
    assumed: str = ""
    outputs: Outputs | None = field(default=None, repr=False, compare=False)

    @functools.cached_property
    @quiet
    def expected_loss(self) -> float:
        """Softmax cross entropy expected of the outputs as logits, for labels independent of them (predicted only).

        ``E logsumexp(z) - mean E z`` over normal z, by 2048 fixed normal draws (a private generator, always the same).
        """
        return math.nan if self.outputs is None else _expected_loss(self.outputs)

    @property
    def placed(self) -> bool:
        """Whether the signals are those of activations within a module, and ``name`` tells where each stands."""
        return any(la.name and la.name != f"layers[{la.index}]" for la in self.layers)

    def excerpt(self, most: int, ends: int, worst: int) -> list[int]:
        """Which layers a table shows: all, up to ``most``; else so many at either end and of the worst, in order.

        The worst: flattest (share of slopes below 1%), or with chi furthest from 1.
        """
        n = len(self.layers)
        if n <= most:
            return list(range(n))
        bad = sorted(range(n), key=lambda i: -_badness(self.layers[i]))[:worst]
        return sorted({*range(ends), *range(n - ends, n), *bad})

    @quiet
    def __str__(self) -> str:
        head = f"Signal, {self.kind}" + (f" ({self.assumed})" if self.assumed else "")
        lines = [head[:80], "layer activation     units        q  <10%  <1% zero  mean r       chi  typical"]
        for la in self.layers:
            lines.append(f"{la.index:>5} {la.activation[:12]:<12} {la.units:>7} {la.q:>8.3g}  "
                         f"{_pc(la.slope_below_10pct)} "
                         f"{_pc(la.slope_below_1pct)} {_pc(la.slope_zero)} {la.mean_slope:>7.3f} {la.chi:>9.3g} "
                         f"{la.typical_factor:>8.2g}")
        return "\n".join(lines)


def _badness(la: LayerSignal) -> float:
    flat = 0.0 if math.isnan(la.slope_below_1pct) else la.slope_below_1pct
    turn = abs(math.log(la.chi)) if la.chi > 0 and math.isfinite(la.chi) else 50.0
    return float(flat + 0.1 * turn)


def _pc(share: float) -> str:
    return " n/a" if math.isnan(share) else f"{100 * share:3.0f}%"


class Outputs(NamedTuple):
    """What is known of a network's outputs: means ``(units,)``, covariance or variances, and draws where there are."""

    mean: Array
    cov: Array
    sample: Array | None


def _expected_loss(out: Outputs) -> float:
    """See :attr:`SignalReport.expected_loss`."""
    n = len(out.mean)
    if out.sample is not None and n > 1:
        return _mean_loss(out.sample.astype(np.float64))
    if n < 2 or out.cov.ndim != 2 or n > 1024 or not np.all(np.isfinite(out.cov)):
        return math.nan
    draws = np.random.Generator(np.random.PCG64(0)).standard_normal((_DRAWS, n))
    with np.errstate(all="ignore"):
        values, vectors = np.linalg.eigh(out.cov)
        z = out.mean + (draws * np.sqrt(np.maximum(values, 0))) @ vectors.T
    return _mean_loss(z, out.mean)


def _mean_loss(z: Array, mean: Array | None = None) -> float:
    with np.errstate(all="ignore"):
        top = z.max(axis=1)
        below = np.exp(z - top[:, None]).sum(axis=1)
        return float(np.mean(top + np.log(below)) - (z if mean is None else mean).mean())
