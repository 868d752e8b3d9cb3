"""The values of weights, also of those that operations on parameters make (weight norm, transposed, cast)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.fx import Interpreter, Node

from ..._signals import origins
from ..._types import Array
from ._session import Session


class Values:
    """Names and values of weights, computed when they are asked for."""

    def __init__(self, session: Session) -> None:
        self._exported = session.exported
        self._computed: dict[Node, Any] = {}

    def sources(self, n: Node) -> frozenset[str]:
        """Names of the parameters a weight is made of."""
        return frozenset(self._exported.tensors[p][0] for p in self._origins(n)
                         if p in self._exported.structure.parameters)

    def _origins(self, n: Node) -> list[Node]:
        return origins(n, lambda m: m.all_input_nodes, self._exported.tensors)

    def name(self, n: Node) -> str:
        """The parameter's name; of a weight made of several, the largest's."""
        found = self._origins(n)
        best = max(found, key=lambda p: (p in self._exported.structure.parameters, _size(self._exported.tensors[p][1])),
                   default=None)
        return self._exported.tensors[best][0] if best is not None else n.name

    def trainable(self, n: Node) -> bool:
        """Is any parameter of it trained?"""
        return any(isinstance(t := self._exported.tensors[p][1], Tensor) and t.requires_grad for p in self._origins(n))

    def of(self, n: Node) -> Tensor:
        """The value, without gradient."""
        if n in self._exported.tensors:
            value = self._exported.tensors[n][1]
            assert isinstance(value, Tensor)
            return value.detach()
        if n not in self._computed:
            self._computed[n] = _evaluate(n, self)
        return self._computed[n]

    def array(self, n: Node) -> Array:
        """The value as float32 or float64 on the CPU."""
        value = self.of(n)
        return value.to("cpu", torch.float64 if value.dtype == torch.float64 else torch.float32).numpy()


def _size(t: Any) -> int:
    return t.numel() if isinstance(t, Tensor) else 0


@torch.no_grad()
def _evaluate(n: Node, values: Values) -> Any:
    """The value of a node that depends on parameters alone."""
    machine = Interpreter(values._exported.program.graph_module, garbage_collect_values=False)

    def load(m: Node) -> Any:
        if m not in machine.env:
            if m in values._exported.tensors:
                machine.env[m] = values._exported.tensors[m][1].detach().clone()
            else:
                for a in m.all_input_nodes:
                    load(a)
                machine.env[m] = machine.run_node(m)
        return machine.env[m]
    return load(n)
