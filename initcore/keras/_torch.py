"""A Keras model on PyTorch as a module whose parameters bear the variables' paths."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch

from .. import torch as room
from ..program import Program
from ..verdict import ModuleReport
from ._variables import called, copied, paths


def program(model: Any, inputs: Sequence[Any]) -> Program:
    """Through PyTorch's export."""
    return room.program(Wrapped(model), tuple(inputs))


def check(model: Any, x: Any, y: Any, **options: Any) -> ModuleReport:
    """The verdict of :func:`initcore.torch.check`, whose repair is a copy of the model."""
    return room.check(Wrapped(model), x, y, **options).repairing(lambda mended: copied(model, mended.tensors()))


class Wrapped(torch.nn.Module):
    """Calls the model with its own parameters. A copy has tensors of its own and the same model, which holds none of
    them."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        object.__setattr__(self, "model", model)            # no submodule: its tensors are registered here
        found = paths(model)
        trained = len(model.trainable_variables)
        self.names = [name.replace(".", "_") for name, _ in found]
        for k, (name, (_, v)) in enumerate(zip(self.names, found)):
            if k < trained:
                self.register_parameter(name, torch.nn.Parameter(v.value.detach()))
            else:
                self.register_buffer(name, v.value.detach())
        self.__class__ = type(model.name, (Wrapped,), {})

    def __deepcopy__(self, memo: dict[int, Any]) -> Wrapped:
        made = Wrapped(self.model)
        for name in self.names:
            mine = copy.deepcopy(self.get(name).detach(), memo)
            if name in made._parameters:
                made._parameters[name] = torch.nn.Parameter(mine)
            else:
                made._buffers[name] = mine
        return made

    def get(self, name: str) -> Any:
        """A tensor by its path."""
        return self._parameters[name] if name in self._parameters else self._buffers[name]

    def tensors(self) -> dict[str, Any]:
        """All, by the variables' paths."""
        return {path: self.get(name).detach() for name, (path, _) in zip(self.names, paths(self.model))}

    def forward(self, *inputs: Any) -> Any:
        """As in training."""
        return called(self.model, [self.get(name) for name in self.names], inputs)
