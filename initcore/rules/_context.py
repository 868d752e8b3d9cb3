"""What the rules look at, gathered once a check, and how they say what they found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .._rehearsal import Outcome
from .._types import Array
from .._weight_statistics import WeightStatistics, weight_statistics
from ..network import LayerGradient, Network, Trace
from ..saturation import SignalReport
from ..saturation._state import State
from ..saturation._walk import Walk
from ._catalogue import Rule
from ._finding import Blame, Finding


@dataclass
class Context:
    """Network, data and what was computed from them; None where it could not be. ``rule``: the one that is running."""

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
    steps: Walk | None = None
    trace: Trace | None = None
    predicted: SignalReport | None = None
    blamed: dict[str, dict[int, Blame]] = field(default_factory=dict)      # causes by question and layer, found once
    trials: dict[str, list[Any]] = field(default_factory=dict)             # the searches made for them
    open_paths: float | None = None        # share of paths on which no slope is gone, once a rule asks
    signal: SignalReport | None = None     # measured when there is data, else predicted
    taken: str | None = None               # the loss that the targets were measured with
    value: float | None = None             # that loss on (x, y)
    gradients: list[LayerGradient] | None = None       # on (x, y); without y for random back-signals at the output
    optimizer: str = "sgd"                 # and its details, in words
    trained: bool = False                  # said, or seen from a low loss
    family: str = "sgd"                    # what the optimiser does, for a rehearsal
    rehearsal: Outcome | None = None       # done when a rule first asks for it
    rule: Rule | None = None
    seen: dict[str, WeightStatistics] = field(default_factory=dict)

    def statistics(self, name: str, a: Array) -> WeightStatistics:
        """What one pass over a tensor finds, made once."""
        if name not in self.seen:
            self.seen[name] = weight_statistics(a, small=self.numbers["NUM403"]["smallest"])
        return self.seen[name]

    @property
    def hidden(self) -> range:
        """Indices of the hidden layers."""
        return range(len(self.net.layers) - 1)

    @property
    def measured(self) -> bool:
        """Is the signal measured on data?"""
        return self.signal is not None and self.signal.kind == "measured"

    @property
    def limits(self) -> dict[str, float]:
        """Thresholds of the running rule."""
        assert self.rule is not None
        return self.numbers[self.rule.id]

    @property
    def motionless(self) -> bool:
        """Is every weight's gradient exactly 0 on the data?"""
        return self.gradients is not None and not any(g.w.any() for g in self.gradients)

    def zero(self, i: int) -> bool:
        """Is a weight matrix all zero?"""
        return self.net.layers[i].look().nonzero == 0

    def finding(self, layer: int | None, text: str, *, severity: str | None = None, measured: Any = None,
                expected: Any = None, cause: str | None = None, cure: str = "", tensor: str | None = None,
                layers: tuple[int, ...] = ()) -> Finding:
        """A finding of the running rule: at its own severity and about the layer's weights, where not said."""
        assert self.rule is not None
        where = f"layers[{layer}].w" if tensor is None and layer is not None else tensor
        return Finding(self.rule.id, severity or self.rule.severity, layer, text, measured, expected, cause, cure,
                       where, layers or (() if layer is None else (layer,)))
