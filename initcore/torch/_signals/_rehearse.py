"""A module that takes a few steps on the rows at hand; see :mod:`initcore._rehearsal`.

The module itself is run, as a copy, so that any number of rows can go in at once.
"""

from __future__ import annotations

import contextlib
import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree
from torch.utils.flop_counter import FlopCounterMode

from ..._rehearsal import constant, lowest
from ..._types import Array
from .._places.memory import as_array
from ._export import untouched
from ._inputs import Call
from ._loss import Loss, loss_of


@dataclass(frozen=True)
class Trainee:
    """See :class:`initcore._rehearsal.Trainee`: a module, the call's tensors and the targets, the user's loss."""

    module: nn.Module
    call: Call
    y: Any
    loss: Any
    operations: int

    @property
    def rows(self) -> int:
        """How many rows the batch has: of the targets, else of the first argument that has any."""
        found = [v for v in (self.y, *self.call.args, *self.call.kwargs.values()) if isinstance(v, Tensor) and v.ndim]
        return int(found[0].shape[0]) if found else 0

    @property
    def size(self) -> int:
        """Numbers in the parameters."""
        return sum(p.numel() for p in self.module.parameters())

    def trial(self, learnt: Array, held: Array) -> Trial | None:
        """The module with some rows; None where its own code takes no other number of rows, or edges between them."""
        one = Trial(self, torch.from_numpy(learnt.copy()), torch.from_numpy(held.copy()))
        try:
            with torch.no_grad(), FlopCounterMode(display=False) as counter:
                self.value(copy.deepcopy(self.module), one.rest)
                whole = counter.get_total_flops()
                args, kwargs, y = self.batch(one.learnt[:32])
                result = copy.deepcopy(self.module)(*args, **kwargs)
                loss = loss_of(result, y, self.loss)
            if loss.value is None or not loss.known:
                return None
            one.products = (counter.get_total_flops() - whole) / 2
            one.constant, one.apart = (self._constant(loss, result, at) for at in (one.learnt, one.rest))
        except Exception:
            return None
        return one

    def value(self, net: nn.Module, at: Tensor) -> Loss:
        """The loss on some rows."""
        args, kwargs, y = self.batch(at)
        return loss_of(net(*args, **kwargs), y, self.loss)

    def batch(self, at: Tensor) -> tuple[tuple[Any, ...], dict[str, Any], Any]:
        """Arguments, keywords and targets of some rows; what has no rows goes in whole."""
        rows = self.rows

        def take(v: Any) -> Any:
            return v[at.to(v.device)] if isinstance(v, Tensor) and v.ndim and v.shape[0] == rows else v
        args, kwargs, y = pytree.tree_map(take, (tuple(self.call.args), dict(self.call.kwargs), self.y))
        return args, kwargs, y

    def _constant(self, loss: Loss, result: Any, at: Tensor) -> float:
        """What the best constant costs: of the classes, of the labels that the module itself takes, of any loss of one
        tensor."""
        _, kwargs, y = self.batch(at)
        if loss.kind is not None:
            y = kwargs.get("labels") if y is None else y
            return constant(as_array(y) if isinstance(y, Tensor) else None, loss.kind)
        if y is None or not isinstance(result, Tensor) or not result.ndim:
            return math.nan

        def slope(c: Array) -> tuple[float, Array]:
            one = torch.from_numpy(c).to(result).requires_grad_()
            with torch.enable_grad():
                value = loss_of(one.expand(len(at), *one.shape), y, self.loss).value
                assert value is not None
                value.backward()
            return float(value.detach()), as_array(one.grad).astype("float64")
        return lowest(slope, tuple(result.shape[1:]))


class Trial:
    """See :class:`initcore._rehearsal.Trial`."""

    products = constant = apart = math.nan

    def __init__(self, trainee: Trainee, learnt: Tensor, rest: Tensor) -> None:
        self._trainee, self.learnt, self.rest = trainee, learnt, rest

    def begin(self, family: str, rate: float) -> None:
        """A new copy; dropout's draws are the same for the same module."""
        torch.manual_seed(0)
        self._net = copy.deepcopy(self._trainee.module)
        mine = [p for p in self._net.parameters() if p.requires_grad] or [torch.zeros(1, requires_grad=True)]
        self._optimizer: torch.optim.Optimizer = torch.optim.Adam(mine, rate) if family == "adam" else torch.optim.SGD(
            mine, rate, momentum=0.9 if family == "momentum" else 0.0)

    def step(self, at: slice) -> float:
        """One step on some rows."""
        self._optimizer.zero_grad()
        with torch.enable_grad():
            value = self._trainee.value(self._net, self.learnt[at]).value
            if value is None or not value.requires_grad or not float(value.detach()) < math.inf:
                return math.inf
            value.backward()
        self._optimizer.step()
        return float(value.detach())

    def held(self) -> float:
        """The loss on the rows kept apart."""
        with torch.no_grad():
            value = self._trainee.value(self._net, self.rest).value
        return math.inf if value is None else float(value)


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """The random generators as they were afterwards, and one thread: steps as small as these pay for no second one,
    and wait long for it where cores are busy."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with untouched():
            yield
    finally:
        torch.set_num_threads(threads)
