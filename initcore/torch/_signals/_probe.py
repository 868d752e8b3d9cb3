"""Activations of a module on one batch, again and again: the graph is exported once."""

from __future__ import annotations

import math
from typing import Any

from torch import nn

from ._export import export, place_of
from ._facts import label
from ._inputs import call_of
from ._session import Session


class Probe:
    """The share of flat slopes and of dead units at every activation of a module, for the weights it has now."""

    def __init__(self, module: nn.Module, x: Any) -> None:
        call = call_of(module, x)
        exported = export(module, call.args, call.kwargs)
        self._session = Session(exported, exported.flat_inputs(call.args, call.kwargs), None, None)
        self._places = {n: place_of(n) for n in exported.structure.nodes}

    def look(self) -> dict[str, dict[str, float]]:
        """By activation: ``flat``, ``dead``."""
        recorder = self._session.run(self._session.watch(), grad=False)[0]
        out: dict[str, dict[str, float]] = {}
        for key, found in recorder.looks.items():
            node, part = key if isinstance(key, tuple) else (key, "")
            name, number = f"{label(node, self._places)} {part}".strip(), 2
            while name in out:
                name, number = f"{label(node, self._places)} {part}".strip() + f" #{number}", number + 1
            flat = found.signal.slope_below_1pct
            out[name] = {"flat": 0.0 if math.isnan(flat) else flat, "dead": found.signal.dead_units}
        return out
