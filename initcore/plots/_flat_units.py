"""Which unit is flat on which sample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .._types import Floats
from ..errors import ArgumentError
from ..network import require_network
from ._display import Display

_MOST = 512                 # rows and columns shown


@dataclass
class FlatUnitsDisplay(Display):
    """Image of one layer: samples down, units across, the relative slope as brightness; flat is dark.

    Attributes
    ----------
    slope : ``(samples, units)``, relative slope 0 to 1; units sorted by their mean slope.
    units : index of each column's unit.   name : of the layer.
    """

    slope: Floats
    units: Any
    name: str = ""

    @classmethod
    def from_network(cls, net: Any, x: Any, *, layer: int = 0) -> FlatUnitsDisplay:
        """The slopes of layer ``layer`` on the first rows of ``x (batch, features)``.

        Raises ArgumentError for a layer that does not exist.
        """
        layers = require_network(net).layers
        if not 0 <= layer < len(layers):
            raise ArgumentError(f"layer={layer} is not in the network; there are {len(layers)} (0 to "
                                f"{len(layers) - 1}).")
        phi = layers[layer].activation
        with np.errstate(all="ignore"):
            slope = np.abs(phi.dphi(net.trace(x[:_MOST]).z[layer].astype(np.float64))) / phi.max_slope
        order = np.argsort(-slope.mean(axis=0), kind="stable")
        order = order[np.linspace(0, len(order) - 1, min(len(order), _MOST)).astype(int)] if len(order) else order
        return cls(slope[:, order], order, f"layers[{layer}]")

    def _draw(self, ax: Any) -> None:
        image = ax.imshow(self.slope, aspect="auto", cmap="cividis", vmin=0.0, vmax=1.0, interpolation="nearest")
        ax.set(xlabel="unit, steepest first", ylabel="sample", title=f"Slope of every unit of {self.name}")
        ax.figure.colorbar(image, ax=ax, label="slope, as a share of the greatest")
