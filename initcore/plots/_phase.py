"""Between order and chaos: phases, the critical line, and where a network stands."""

from __future__ import annotations

import textwrap
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from .. import activations, meanfield
from .._checks import quiet
from .._types import Array, Floats
from ..errors import ArgumentError, InitcoreError
from ._display import COLOURS, Display

_LINE = np.geomspace(1e-4, 1e3, 48)             # q along the critical line
_MOST = 3.0                                     # of the own point's scale, how much of the plane is shown


@dataclass
class PhaseDisplay(Display):
    """The plane of weight and bias variance with its critical line and the layers of a network.

    Attributes
    ----------
    activation : its name.
    line : ``(points, 2)``, sigma_w2 and sigma_b2 of the edge of chaos where it can be realised.
    points : ``(layers, 2)``, the same of each hidden layer of the network (none without one).
    own : :class:`~initcore.meanfield.FixedPoint` at the points' mean; None without.
    extent : sigma_w2 and sigma_b2 up to which is shown.
    diagram : :class:`~initcore.meanfield.PhaseDiagram` of the plane, made when it is drawn.
    """

    activation: str
    line: Floats
    points: Floats
    own: Any = None
    extent: tuple[float, float] = (4.0, 0.5)
    diagram: Any = None
    _phi: Any = field(default=None, repr=False)
    shades: ClassVar[dict[str, int]] = {"ordered": 0, "critical": 4, "chaotic": 1, "none": 5}     # its colours

    @classmethod
    @quiet
    def from_activation(cls, activation: Any, *, sigma_w2: float | None = None, sigma_b2: float | None = None,
                        points: Any = ()) -> PhaseDisplay:
        """Of an activation; ``sigma_w2`` and ``sigma_b2``: how far the axes reach."""
        phi = activations.get(activation)
        given = np.asarray(points, dtype=np.float64).reshape(-1, 2)
        line = _critical(phi)
        own = None
        if len(given):
            own = meanfield.fixed_point(phi, sigma_w2=float(given[:, 0].mean()), sigma_b2=float(given[:, 1].mean()))
        start = line[0, 0] if len(line) else 2.0
        extent = (sigma_w2 or max(_MOST * start, 1.15 * float(given[:, 0].max(initial=0))),
                  sigma_b2 or max(0.5, 1.15 * float(given[:, 1].max(initial=0))))
        return cls(phi.name, line, given, own, (float(extent[0]), float(extent[1])), None, phi)

    @classmethod
    def from_report(cls, report: Any) -> PhaseDisplay:
        """Of the commonest hidden activation of the network of a report, with that network's layers.

        sigma_w2 is fan_in times the mean square of a layer's weights, sigma_b2 the mean square of its biases.
        """
        return cls.from_network(getattr(report, "net", report))

    @classmethod
    def from_network(cls, net: Any) -> PhaseDisplay:
        """The same of a network. Raises ArgumentError for one without hidden layers."""
        hidden = list(getattr(net, "layers", ()))[:-1]
        if not hidden or not hasattr(hidden[0], "fan_in"):
            raise ArgumentError("the phase diagram is of a network with hidden layers; this has none.")
        phi = Counter(la.activation for la in hidden).most_common(1)[0][0]
        return cls.from_activation(phi, points=[_variances(la) for la in hidden if la.activation is phi])

    @property
    def reach(self) -> tuple[float, float]:
        """The ends of the axis of sigma_w2; it starts at 0 where it is straight, above where it is logarithmic, as when
        the layers stand far from the critical line."""
        start = float(self.line[0, 0]) if len(self.line) else 2.0
        seen = self.points[:, 0][self.points[:, 0] > 0]
        least = float(seen.min(initial=start))
        far = self.extent[0] > 3 * _MOST * start or least < 0.05 * start
        return (min(0.1 * start, 0.5 * least), 2 * self.extent[0]) if far else (0.0, self.extent[0])

    @property
    def said(self) -> str:
        """The network's own point in words; "" without one."""
        if self.own is None:
            return ""
        p = self.own
        depth = "without end" if not np.isfinite(p.xi_c) else f"over {max(p.xi_c, 0.1):.2g} layers"
        where = {"ordered": f"ordered: inputs become alike {depth}, gradients vanish",
                 "chaotic": f"chaotic: inputs part {depth}, gradients grow",
                 "critical": "critical: signal and gradient keep their size",
                 "none": "without a fixed point: the signal grows without end"}[p.phase]
        return f"sigma_w2 = {p.sigma_w2:.3g}, sigma_b2 = {p.sigma_b2:.3g}: {where} (chi = {p.chi:.3g})"

    def regions(self, across: int, up: int) -> Any:
        """:class:`~initcore.meanfield.PhaseDiagram` of what is shown, at ``across`` values of sigma_w2 and ``up`` of
        sigma_b2."""
        low, high = self.reach
        w = np.geomspace(low, high, across) if low else np.linspace(0, high, across + 1)[1:]
        return meanfield.phase_diagram(self._phi or self.activation, w, np.linspace(0, self.extent[1], up))

    def _draw(self, ax: Any) -> None:
        from matplotlib.colors import ListedColormap
        low, high = self.reach
        self.diagram = self.diagram or self.regions(96, 40)
        w, b = self.diagram.sigma_w2, self.diagram.sigma_b2
        words = list(self.shades)
        index = np.vectorize(words.index)(self.diagram.phase)
        ax.pcolormesh(w, b, index.T, cmap=ListedColormap([COLOURS[self.shades[k]] for k in words]), vmin=-0.5, vmax=3.5,
                      alpha=0.35, rasterized=True, shading="nearest")
        for word in words:
            if (self.diagram.phase == word).any():
                ax.fill_between([], [], [], color=COLOURS[self.shades[word]], alpha=0.35,
                                label="no fixed point" if word == "none" else word)
        if len(self.line):
            ax.plot(self.line[:, 0], self.line[:, 1], color=COLOURS[5], linewidth=2, label="critical line")
        if len(self.points):
            ax.plot(self.points[:, 0], self.points[:, 1], "o", markerfacecolor="none", color=COLOURS[3], markersize=5,
                    clip_on=False, zorder=5, label="layers of the network")
        ax.set(xlabel="weight variance times inputs, sigma_w2", ylabel="bias variance, sigma_b2",
               xscale="log" if low else "linear",
               xlim=(low, high), ylim=(0, self.extent[1]),
               title="\n".join([f"{self.activation}: order and chaos", *textwrap.wrap(self.said, 62)]))
        ax.title.set_fontsize("medium")
        ax.legend(fontsize="small", loc="upper left")


def _critical(phi: Any) -> Floats:
    """Points of the critical line that some bias variance realises."""
    try:
        found = [meanfield.critical_line(phi, q=float(q)) for q in _LINE]
    except InitcoreError:                       # a jump, or no slope anywhere: there is no line
        return np.zeros((0, 2))
    kept = [(p.sigma_w2, p.sigma_b2) for p in found if p is not None and p.admissible and p.stable]
    if kept and np.ptp([k[1] for k in kept]) == 0:          # one point: beyond it signals grow whatever the biases
        kept = [(kept[0][0], 0.0), (kept[0][0], 1e3)]
    return np.array(kept, dtype=np.float64).reshape(-1, 2)


def _variances(layer: Any) -> tuple[float, float]:
    w: Array = layer.w
    with np.errstate(all="ignore"):
        square = float(np.einsum("ij,ij->", w, w, dtype=np.float64, casting="same_kind"))
        bias = 0.0 if layer.b is None or not layer.b.size else float(np.mean(np.square(layer.b, dtype=np.float64)))
    return square / max(layer.fan_out, 1), bias
