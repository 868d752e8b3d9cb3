"""What the rules look at, gathered once a check."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..network import Network, Trace
from ..saturation import SignalReport
from ..saturation._propagate import State, Step
from ._blame import Blame
from ._finding import Finding

Array = np.ndarray
RuleFunction = Callable[["Context"], list[Finding]]


@dataclass
class Context:
    """Network, data and what was computed from them; None where it could not be."""

    net: Network
    x: Array | None
    y: Array | None
    loss: str | None
    numbers: dict[str, dict[str, float]]
    finite_weights: bool = True
    finite_data: bool = True
    overflow: int | None = None            # first layer whose z overflows on the data
    symmetry: Any = None
    state: State | None = None
    steps: list[Step] | None = None
    trace: Trace | None = None
    predicted: SignalReport | None = None
    blamed: dict[int, Blame] = field(default_factory=dict)       # causes of saturated layers, found once
    signal: SignalReport | None = None     # measured when there is data, else predicted

    @property
    def hidden(self) -> range:
        """Indices of the hidden layers."""
        return range(len(self.net.layers) - 1)

    @property
    def measured(self) -> bool:
        """Is the signal measured on data?"""
        return self.signal is not None and self.signal.kind == "measured"

    def zero(self, i: int) -> bool:
        """Is a weight matrix all zero?"""
        return not self.net.layers[i].w.any()
