"""A program with its weights and a batch, run in NumPy: what the rules on nodes ask to have measured."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Hashable, Mapping
from typing import Any

import numpy as np

from ... import _running
from ..._running import Run, Unrun
from ..._signals import Ask, Changes, Look, Measured, described
from ..._types import Array
from ...activations import Activation
from ...program import Op, Program, Value
from ...rules import nodes
from ._batch import Batch
from ._loss import Ends, Loss

TRIALS = 1 << 38            # products of all passes that look for the cause of a fault
CALL = 1 << 17              # products in the time of one call of NumPy
STEPS = 4                   # tried where weights get no gradient in the first
Met = Callable[[Value, Look], None]


class Session:
    """See :class:`initcore._signals.Session`."""

    def __init__(self, program: Program, origins: Mapping[Value, Hashable], batch: Batch, ends: Ends, loss: Loss,
                 words: nodes.Words) -> None:
        self.program, self.origins, self.batch, self.ends, self.loss = program, origins, batch, ends, loss
        self.told, self.words = loss.told, words
        self.outputs: tuple[Value, ...] = () if ends.main is None else (ends.main,)
        self._weights: dict[Value, Array] = {p.value: np.asarray(p.read()) for p in program.parameters}
        self._names = {p.value: p.names[0] for p in program.parameters if p.trainable and not p.buffer}
        self._made: dict[Value, Array] = {}
        self._left = TRIALS
        work = _running.work_of(program)
        self._cost = max(work.products, CALL * work.calls) * len(batch.batches)

    def measure(self, values: frozenset[Value], looks: Mapping[Value, Ask], keys: frozenset[Value], met: Met
                ) -> Measured:
        """One forward and one backward pass."""
        run = _running.forward(self.program, self.batch.batches, self._weights)
        self._made = {v: arrays[0] for v, arrays in run.values.items() if v not in run.live}
        loss, seeds = self._loss(run)
        gradients: dict[Value, float] = {}
        moved: set[Value] = set()

        def see(v: Value, gs: list[Array]) -> None:
            if v in values:
                gradients[v] = math.sqrt(sum(float(np.square(g, dtype=np.float64).sum()) for g in gs))
            if v in self._names and any(bool(g.any()) for g in gs):
                moved.add(v)
        run.backward(seeds, see)
        self._first = self._seen(run, values, looks)
        self._tell(self._first[1], looks, met)
        return Measured(self._first[0], gradients, frozenset(n for v, n in self._names.items() if v not in moved), loss)

    @np.errstate(all="ignore")
    def again(self, changes: Changes, values: frozenset[Value], looks: Mapping[Value, Ask], met: Met
              ) -> Mapping[Value, float]:
        """A forward pass with tensors set right; when all that trials may cost is spent, nothing seems to mend."""
        rms, seen = self._first
        if changes and self._left >= self._cost:
            self._left -= self._cost

            def change(v: Value, a: Array) -> Array:
                factor, offset = changes.get(v, (1.0, 0.0))
                return a if (factor, offset) == (1.0, 0.0) else (a * factor + offset).astype(a.dtype)
            with contextlib.suppress(Unrun):                   # numbers that steer what is taken may be set wrong
                run = _running.forward(self.program, self.batch.batches, self._weights, change=change, keep=False,
                                       wanted=values | looks.keys())
                rms, seen = self._seen(run, values, looks)
        self._tell(seen, looks, met)
        return rms

    def _loss(self, run: Run) -> tuple[float, dict[Value, list[Array]]]:
        return self.loss.value({v: run.values[v] for v in self._ends()})

    def _ends(self) -> set[Value]:
        return {*self.ends.sent, *([self.ends.main] if self.ends.main is not None else [])}

    def _seen(self, run: Run, values: frozenset[Value], looks: Mapping[Value, Ask]
              ) -> tuple[dict[Value, float], dict[Value, Look]]:
        return ({v: _rms(run.values[v]) for v in values},
                {v: _look(run.values[v], ask.channel, ask.most) for v, ask in looks.items()})

    def _tell(self, seen: Mapping[Value, Look], looks: Mapping[Value, Ask], met: Met) -> None:
        for z in looks:
            met(z, seen[z])

    def label(self, op: Op, activation: Activation | None) -> str:
        """The result of an operation in words."""
        return described(op, activation)

    def array(self, v: Value) -> Array:
        """The value of a weight."""
        a = self._weights.get(v, self._made.get(v))
        if a is None:
            raise Unrun("a weight depends on the inputs")
        return a

    def inputs(self) -> Mapping[Value, Array]:
        """The batch."""
        return self.batch.features

    def stuck(self) -> frozenset[str]:
        """Names of the parameters that get no gradient in the next steps either."""
        weights, still = dict(self._weights), set(self._names.values())
        for _ in range(STEPS):
            run = _running.forward(self.program, self.batch.batches, weights)
            seeds = self._loss(run)[1]

            def see(v: Value, gs: list[Array], weights: dict[Value, Any] = weights) -> None:
                g = gs[0]
                size = math.sqrt(float(np.square(g, dtype=np.float64).mean())) if g.size else 0.0
                if v not in self._names or not 0 < size < math.inf:
                    return
                still.discard(self._names[v])
                p = weights[v]
                step = 0.01 * (1 + math.sqrt(float(np.square(p, dtype=np.float64).mean()))) / size
                weights[v] = (p - step * g).astype(p.dtype)
            run.backward(seeds, see)
            if not still:
                break
        return frozenset(still)


def _rms(arrays: list[Array]) -> float:
    count = sum(a.size for a in arrays)
    return math.sqrt(sum(float(np.square(a, dtype=np.float64).sum()) for a in arrays) / count) if count else 0.0


def _look(arrays: list[Array], channel: int, most: int) -> Look:
    """Rows of a sample, the largest value of every unit, positions of the data."""
    moved = [np.moveaxis(a.reshape((1,) * max(2 - a.ndim, 0) + a.shape), channel, -1) for a in arrays]
    units = max(moved[0].shape[-1], 1)
    rows = np.concatenate([a.reshape(-1, units) for a in moved])
    step = max(1, math.ceil(rows.size / max(most, 64 * units)))
    if step > 1:                                       # no divisor of a row of pixels or a time step's rows
        while len(rows) % step == 0 and step < len(rows) and step > 2:
            step += 1
    return Look(np.ascontiguousarray(rows[::step]), rows.max(0) if len(rows) else np.zeros(units), len(rows))
