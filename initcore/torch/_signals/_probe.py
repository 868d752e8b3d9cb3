"""Activations of a module on one batch, again and again: the graph is exported once."""

from __future__ import annotations

import math
from typing import Any

from torch import nn

from ..._signals import Gathered
from ._export import export
from ._inputs import call_of
from ._session import Session


class Probe:
    """The share of flat slopes and of dead units at every activation of a module, for the weights it has now."""

    def __init__(self, module: nn.Module, x: Any) -> None:
        call = call_of(module, x)
        exported = export(module, call.args, call.kwargs)
        self._session = Session(exported, exported.flat_inputs(call.args, call.kwargs), None, None)
        self._gathered = Gathered(self._session)

    def look(self) -> dict[str, dict[str, float]]:
        """By activation: ``flat``, ``dead``."""
        out: dict[str, dict[str, float]] = {}
        for said, signal in self._gathered.activities():
            name, number = said, 2
            while name in out:
                name, number = f"{said} #{number}", number + 1
            flat = signal.slope_below_1pct
            out[name] = {"flat": 0.0 if math.isnan(flat) else flat, "dead": signal.dead_units}
        return out
