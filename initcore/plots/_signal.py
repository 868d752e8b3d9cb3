"""The signal over depth: its spread and gradient, the saturated share, its histograms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._types import Array, Floats
from ..errors import ArgumentError
from ._display import COLOURS, FEW, Display, look, whole_numbers

_NORMAL_BINS = 32
_RANGE = 4.0                # of a foretold histogram, in standard deviations of the layer's z


def layers_of(report: Any) -> tuple[Any, ...]:
    """The layers' signals of a :class:`~initcore.saturation.SignalReport`, or of a report that holds one."""
    layers = tuple(getattr(report, "layers", ()))
    if not layers or not hasattr(layers[0], "slope_below_1pct"):
        raise ArgumentError("report holds no signal of any layer: its weights are not finite, or it is no report of "
                            "initcore.check, saturation.predict or saturation.measure.")
    return layers


def kind_of(report: Any) -> str:
    """ "predicted" or "measured"."""
    return str(getattr(getattr(report, "signal", None) or report, "kind", ""))


@dataclass
class SignalDisplay(Display):
    """Spread of the pre-activations and size of the gradient, layer by layer, on a logarithmic axis.

    Of a module of a framework: size of the signal and of the back-signal after every step of its main way.

    Attributes
    ----------
    names : of the layers.   kind : "predicted" or "measured".
    spread : sqrt(q), root mean square of z.
    gradient : norm of the back-signal at z, 1 at the last hidden output.
    typical : the same for the typical path: the product of the typical factors above, times the top's gradient.
        NaN for modules, whose back-signal is 1 at the end of the way.
    along : what is counted, "layer" or "step of the main way".
    """

    names: tuple[str, ...]
    spread: Floats
    gradient: Floats
    typical: Floats
    kind: str = ""
    along: str = "layer"

    @property
    def quantity(self) -> str:
        """What :attr:`spread` is of."""
        return "spread of z" if self.along == "layer" else "size of the signal"

    @classmethod
    def from_report(cls, report: Any) -> SignalDisplay:
        """From a report of :func:`initcore.check`, ``saturation.predict`` or ``saturation.measure``."""
        way = getattr(report, "way", ())
        if way:
            gradient = np.array([s.gradient_after for s in way], dtype=np.float64)
            with np.errstate(all="ignore"):
                gradient = gradient / gradient[-1]
            return cls(tuple(s.name for s in way), np.array([s.after for s in way], dtype=np.float64), gradient,
                       np.full(len(way), np.nan), kind_of(report), "step of the main way")
        layers = layers_of(report)
        with np.errstate(all="ignore"):
            spread = np.sqrt([la.q for la in layers])
            gradient = np.array([la.gradient for la in layers], dtype=np.float64)
            factors = np.array([la.typical_factor for la in layers], dtype=np.float64)
            above = np.append(np.cumprod(factors[::-1])[::-1][1:], 1.0)
        return cls(tuple(la.name for la in layers), spread, gradient, gradient[-1] * above, kind_of(report))

    def _draw(self, ax: Any) -> None:
        n = len(self.names)
        for k, (label, y) in enumerate(((self.quantity, self.spread), ("gradient, root mean square", self.gradient),
                                        ("gradient, typical path", self.typical))):
            if not np.isnan(y).all():
                ax.plot(np.arange(n), positive(y), label=label, **look(k, n))
        ax.set_yscale("log")
        ax.set(xlabel=self.along, ylabel="size (1: unit back-signal, unit spread)",
               title=f"Signal and gradient by depth{f', {self.kind}' if self.kind else ''}")
        whole_numbers(ax.xaxis)
        ax.legend()


def positive(y: Floats) -> Floats:
    """What a logarithmic axis can show: zeros and infinities become gaps."""
    return np.where((y > 0) & np.isfinite(y), y, np.nan)


@dataclass
class SaturationDisplay(Display):
    """Share of (unit, sample) pairs whose relative slope is below 10%, below 1% and exactly 0: foretold and measured.

    Attributes
    ----------
    names : of the layers.
    measured, predicted : ``(3, layers)``, shares 0 to 1 in that order; None where there is none.
    """

    names: tuple[str, ...]
    measured: Floats | None
    predicted: Floats | None
    levels = ("slope below 10%", "slope below 1%", "slope exactly 0")

    @classmethod
    def from_report(cls, report: Any, predicted: Any = None) -> SaturationDisplay:
        """From a report; ``predicted``: another, to set a forecast beside a measurement."""
        layers = layers_of(report)
        other = predicted if predicted is not None else getattr(report, "predicted", None)
        found = {"measured": None, "predicted": None if other is None else _shares(layers_of(other))}
        found["measured" if kind_of(report) == "measured" else "predicted"] = _shares(layers)
        return cls(tuple(la.name for la in layers), found["measured"], found["predicted"])

    def _draw(self, ax: Any) -> None:
        from matplotlib.ticker import PercentFormatter
        n = len(self.names)
        for k, level in enumerate(self.levels):
            if self.measured is not None:
                ax.plot(np.arange(n), self.measured[k], label=f"{level}, measured", **look(k, n))
            if self.predicted is not None:
                style = {**look(k, n), "markerfacecolor": "none", "markersize": 7, "linewidth": 1.0}
                if self.measured is not None and n <= FEW:
                    style["linestyle"] = ""
                ax.plot(np.arange(n), self.predicted[k], label=f"{level}, foretold", **style)
        ax.set(xlabel="layer", ylabel="share of units and samples", ylim=(-0.02, 1.02),
               title="Saturated share by depth")
        whole_numbers(ax.xaxis)
        ax.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        ax.legend(fontsize="small")


def _shares(layers: Sequence[Any]) -> Floats:
    return np.array([[la.slope_below_10pct for la in layers], [la.slope_below_1pct for la in layers],
                     [la.slope_zero for la in layers]], dtype=np.float64)


@dataclass
class HistogramDisplay(Display):
    """A histogram a layer, one above the other: of outputs where they are bounded and were measured, else of z.

    Attributes
    ----------
    names : of the layers.   edges : ``(layers, bins + 1)``.   density : ``(layers, bins)``, the largest of each is 1.
    quantity : what is on the axis.
    """

    names: tuple[str, ...]
    edges: Floats
    density: Floats
    quantity: str = "z"
    size = (6.4, 5.0)

    @classmethod
    def from_report(cls, report: Any) -> HistogramDisplay:
        """Measured outputs of bounded activations; otherwise z as the mixture of normals of the units' mean squares."""
        layers = layers_of(report)
        hidden = [la for la in layers if la.histogram is not None]
        if hidden:
            counts = np.array([la.histogram for la in hidden], dtype=np.float64)
            edges = np.tile(np.linspace(-1.0, 1.0, counts.shape[1] + 1), (len(hidden), 1))
            return cls(tuple(la.name for la in hidden), edges, _tallest_one(counts),
                       "output, as a share of its range")
        edges = np.array([_span(la) * np.linspace(-1.0, 1.0, _NORMAL_BINS + 1) for la in layers])
        density = np.array([_mixture(la.unit_q, e) for la, e in zip(layers, edges)])
        return cls(tuple(la.name for la in layers), edges, _tallest_one(density), "z, foretold")

    @classmethod
    def from_network(cls, net: Any, x: Any, *, bins: int = 64) -> HistogramDisplay:
        """The pre-activations z of every layer on data ``x (batch, features)``."""
        edges, counts = [], []
        for z in net.trace(x).z:
            finite = z[np.isfinite(z)].astype(np.float64)
            top = float(np.quantile(np.abs(finite), 0.999)) if finite.size else 1.0
            edges.append((top or 1.0) * np.linspace(-1.0, 1.0, bins + 1))
            counts.append(np.histogram(finite, edges[-1])[0])
        return cls(tuple(f"layers[{i}]" for i in range(len(edges))), np.array(edges),
                   _tallest_one(np.array(counts, dtype=np.float64)), "z")

    def _draw(self, ax: Any) -> None:
        n = len(self.names)
        step, height = 1.0, 1.5 if n <= FEW else 3.0
        for i in range(n):
            low = (n - 1 - i) * step
            ax.stairs(low + height * self.density[i], self.edges[i], baseline=low, fill=True, zorder=i,
                      facecolor=COLOURS[0], alpha=0.75, edgecolor=COLOURS[5], linewidth=0.5)
        shown = range(0, n, max(1, -(-n // 20)))
        ax.set_yticks([(n - 1 - i) * step for i in shown], [self.names[i] for i in shown])
        ax.set(xlabel=self.quantity, title="Histogram of every layer")
        reach = np.abs(self.edges).max(axis=1)
        if reach.max() > 20 * reach.min() > 0:      # widths apart: a straight axis would show the widest layer only
            from matplotlib.ticker import AsinhLocator
            ax.set_xscale("asinh", linear_width=float(reach.min()))
            ax.xaxis.set_major_locator(AsinhLocator(float(reach.min()), numticks=7))


def _span(la: Any) -> float:
    q = float(la.q)
    return _RANGE * math.sqrt(q) if q > 0 and math.isfinite(q) else _RANGE


def _mixture(unit_q: Array, edges: Floats) -> Floats:
    """Density in each bin of normal z with the units' mean squares; a unit that is always 0 falls into the middle."""
    q = np.asarray(unit_q, dtype=np.float64).ravel()
    q = q[np.isfinite(q)]
    middle = (edges[:-1] + edges[1:]) / 2
    width = edges[1] - edges[0]
    q = np.quantile(q, np.linspace(0, 1, 65)) if len(q) > 64 else q
    s = np.sqrt(np.maximum(q, (width / 4) ** 2))
    return (1 / s) @ np.exp(-np.square(middle / s[:, None]) / 2) if len(s) else np.zeros(len(middle))


def _tallest_one(counts: Floats) -> Floats:
    top = counts.max(axis=1, keepdims=True)
    return counts / np.where(top > 0, top, 1.0)
