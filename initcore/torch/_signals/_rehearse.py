"""The first steps of a module's training on the rows at hand, beside those of its repaired copy.

The module itself is run, as a copy, so that any number of rows can go in at once; see :mod:`initcore._rehearsal`.
"""

from __future__ import annotations

import contextlib
import copy
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree
from torch.utils.flop_counter import FlopCounterMode

from ..._rehearsal import BATCH, ROWS, WINDOW, WORK, Outcome, Progress, Shares, cut, in_orders, order, over_rates
from ._export import untouched
from ._inputs import Call
from ._loss import Loss, loss_of

NODE = 2e4              # multiplications in the time that PyTorch takes to call one operation


@dataclass(frozen=True)
class Stage:
    """What is rehearsed: the call's tensors and the targets, how many rows they have, and the user's loss."""

    call: Call
    y: Any
    loss: Any
    rows: int
    operations: int

    def batch(self, at: Tensor) -> tuple[tuple[Any, ...], dict[str, Any], Any]:
        """Arguments, keywords and targets of some rows (labels that the module itself takes); what has no rows goes in
        whole."""
        def take(v: Any) -> Any:
            return v[at.to(v.device)] if isinstance(v, Tensor) and v.ndim and v.shape[0] == self.rows else v
        args, kwargs, y = pytree.tree_map(take, (tuple(self.call.args), dict(self.call.kwargs), self.y))
        return args, kwargs, kwargs.get("labels") if y is None else y

    def value(self, net: nn.Module, at: Tensor) -> Loss:
        """The loss on some rows."""
        args, kwargs, y = self.batch(at)
        return loss_of(net(*args, **kwargs), None if self.y is None else y, self.loss)

    def constant(self, loss: Loss, at: Tensor) -> float:
        """What the best constant output costs on some rows: the entropy of the classes, the variance."""
        y = self.batch(at)[2]
        if loss.classes and isinstance(y, Tensor) and not y.is_floating_point():
            counts = torch.bincount(y[y >= 0].reshape(-1)).double()
            share = counts[counts > 0] / counts.sum()
            return float(-(share * share.log()).sum())
        return loss.nothing


def outcome(module: nn.Module, stage: Stage, family: str, limits: Mapping[str, float],
            repaired: Callable[[], nn.Module]) -> Outcome | None:
    """The module's progress and, where that is small, its repaired copy's; None where nothing can be said: no rows, a
    loss whose least constant is not known, too few steps that can be paid for."""
    if stage.rows < 2:
        return None
    with untouched(), _alone():
        first = torch.randperm(stage.rows, generator=torch.Generator().manual_seed(0))[:ROWS]
        kept = cut(len(first))
        learnt, held = first[:kept], first[kept:] if kept < len(first) else first

        def again(k: int) -> Progress | None:
            return _rehearse(module, stage, learnt[torch.from_numpy(order(kept, k).copy())], held, family, limits)
        own = _rehearse(module, stage, learnt, held, family, limits)
        if own is None:
            return None
        own, good = in_orders(own, again, limits), None
        if own.explained(limits) < limits["enough"]:
            good = _rehearse(repaired(), stage, learnt, held, "adam",
                             {**limits, "enough": limits["enough"] / limits["share"]})
    return Outcome(own, good, None)


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """One thread: steps as small as these pay for no second one, and wait long for it where cores are busy."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _rehearse(module: nn.Module, stage: Stage, learnt: Tensor, held: Tensor, family: str, limits: Mapping[str, float]
              ) -> Progress | None:
    """The best progress over the learning rates; None where nothing can be said."""
    size = sum(p.numel() for p in module.parameters())

    def steps_at(products: float) -> int:
        return int(min(limits["steps"] / 2, WORK / 3 / (3 * (max(products, size) + NODE * stage.operations))))
    if steps_at(0) < 3 * WINDOW:                # too large for any number of rows: not even copied
        return None
    try:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            stage.value(copy.deepcopy(module), held)
            whole = counter.get_total_flops()
            loss = stage.value(copy.deepcopy(module), learnt[:BATCH])
    except Exception:                          # the user's own code: a fixed number of rows, edges between rows
        return None
    constant, apart = stage.constant(loss, learnt), stage.constant(loss, held)
    if loss.value is None or not loss.known or not (constant > 1e-12 and apart > 1e-12):
        return None
    steps = steps_at((counter.get_total_flops() - whole) / 2)
    if steps < 3 * WINDOW:
        return None

    def run(rate: float) -> Shares:
        torch.manual_seed(0)                            # dropout's draws: the same for the same module
        for seen, other in _run(copy.deepcopy(module), stage, learnt, held, family, rate, steps):
            yield 1 - seen / constant, 1 - other / apart
    return over_rates(run, family, limits)


def _run(net: nn.Module, stage: Stage, learnt: Tensor, held: Tensor, family: str, rate: float, steps: int
         ) -> Shares:
    """Losses on the rows just learnt from and on the rows kept apart, after each window of steps."""
    mine = [p for p in net.parameters() if p.requires_grad]
    if not mine:
        return
    optimizer: torch.optim.Optimizer = torch.optim.Adam(mine, rate) if family == "adam" else torch.optim.SGD(
        mine, rate, momentum=0.9 if family == "momentum" else 0.0)
    batch = min(BATCH, len(learnt))
    total = 0.0
    for t in range(steps):
        start = t % (len(learnt) // batch) * batch
        optimizer.zero_grad()
        with torch.enable_grad():
            value = stage.value(net, learnt[start:start + batch]).value
            if value is None or not value.requires_grad or not float(value.detach()) < 1e12:
                return
            value.backward()
        optimizer.step()
        total += float(value.detach())
        if t % WINDOW == WINDOW - 1:
            with torch.no_grad():
                other = stage.value(net, held).value
            yield total / WINDOW, math.inf if other is None else float(other)
            total = 0.0
