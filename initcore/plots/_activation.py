"""An activation: its curve, its slope, and where the slope is used up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import activations
from .._checks import quiet
from .._types import Floats
from ..gains import gain
from ._display import COLOURS, Display

_POINTS = 401


@dataclass
class ActivationDisplay(Display):
    """Curve and relative slope of an activation, with the cut-offs beyond which less than 10% and 1% are left.

    Attributes
    ----------
    name : of the activation.   z, phi, slope : the curve, and ``|phi'| / max |phi'|``.
    cutoffs : ``{0.1: |z|, 0.01: |z|}`` where the activation saturates, else {}.
    gain : what keeps a signal's size, at q = 1.
    """

    name: str
    z: Floats
    phi: Floats
    slope: Floats
    cutoffs: dict[float, float]
    gain: float

    @classmethod
    @quiet
    def from_activation(cls, activation: Any, *, reach: float | None = None) -> ActivationDisplay:
        """Of a name, an Activation or a callable, for ``|z|`` up to ``reach`` (default: beyond the last cut-off)."""
        phi = activations.get(activation)
        cutoffs = {r: float(phi.cutoff(r)) for r in (0.1, 0.01)} if phi.cutoff is not None else {}
        top = reach if reach is not None else 1.3 * max(cutoffs.values(), default=3.0)
        z = np.linspace(-top, top, _POINTS)
        return cls(phi.name, z, phi.phi(z), np.abs(phi.dphi(z)) / phi.max_slope, cutoffs, float(gain(phi)))

    def _draw(self, ax: Any) -> None:
        ax.plot(self.z, self.phi, color=COLOURS[0], label=f"{self.name}(z)")
        ax.plot(self.z, self.slope, color=COLOURS[1], linestyle="--", label="relative slope")
        for k, (r, cut) in enumerate(self.cutoffs.items()):
            for sign in (-1, 1):
                ax.axvline(sign * cut, color=COLOURS[2 + k], linestyle=(":", "-.")[k], linewidth=1.0,
                           label=f"less than {r:.0%} beyond |z| = {cut:.2f}" if sign > 0 else "_")
        ax.set(xlabel="pre-activation z", ylabel="value and slope",
               title=f"{self.name}: gain {self.gain:.4g} keeps a signal's size (q = 1)")
        ax.legend(fontsize="small")
