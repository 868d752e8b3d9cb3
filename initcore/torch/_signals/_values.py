"""The values of weights, also of those that operations on parameters make (weight norm, transposed, cast)."""

from __future__ import annotations

from typing import Any

import torch
from torch.fx import Interpreter, Node

from ..._types import Array
from ...program import Value
from ._export import Exported
from ._moves import Points
from ._recorder import as_floats


class Values:
    """Values of weights, computed when they are asked for."""

    def __init__(self, exported: Exported, points: Points) -> None:
        self._exported, self._points = exported, points
        self._nodes: dict[str, Node] = {n.name: n for n in exported.graph.graph.nodes}
        self._computed: dict[str, Any] = {}

    def array(self, v: Value) -> Array | None:
        """As float32 or float64 on the CPU; None where no tensor tells it."""
        point = self._points.of(v)
        if point is None:
            return None
        name, _, part = point.name.partition("#")
        if name not in self._nodes:                       # inside of a region: a weight made there
            return None
        made = self._of(self._nodes[name])
        return as_floats(self._points.made(point.ops, made[int(part)] if part else made))

    @torch.no_grad()
    def _of(self, n: Node) -> Any:
        held = self._exported.tensors.get(n.name)
        if held is not None:
            return held[1].detach()
        if n.name not in self._computed:
            self._computed[n.name] = self._evaluate(n)
        return self._computed[n.name]

    def _evaluate(self, n: Node) -> Any:
        """The value of a node that depends on parameters alone."""
        machine = Interpreter(self._exported.graph.graph_module, garbage_collect_values=False)

        def load(m: Node) -> Any:
            if m not in machine.env:
                if m.name in self._exported.tensors:
                    machine.env[m] = self._exported.tensors[m.name][1].detach().clone()
                else:
                    for a in m.all_input_nodes:
                        load(a)
                    machine.env[m] = machine.run_node(m)
            return machine.env[m]
        return load(n)
