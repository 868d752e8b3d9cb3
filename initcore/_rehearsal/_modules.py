"""A rehearsal of a module of any framework, beside a copy of it that was repaired.

What differs between frameworks is a :class:`Trainee`; what is tried, how long and what counts stands here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np

from .._types import Array
from ..lab import permutation
from ._progress import BATCH, ROWS, WINDOW, WORK, Outcome, Progress, Shares, cut, in_orders, least, order, over_rates

DESCENT = 60            # values of a loss that nothing is known of, for its least constant
CALL = 2e4              # multiplications in the time that a framework takes to call one operation


class Trial(Protocol):
    """A module with rows to learn from and rows kept apart, ready to be trained again and again from its start.

    products : multiplications of one pass forward over a batch. constant, apart : what the best constant output costs
    on the rows learnt from, and on those kept apart.
    """

    products: float
    constant: float
    apart: float

    def begin(self, family: str, rate: float) -> None:
        """Back to the start, with a new optimiser of :data:`initcore.rules.learning.FAMILIES`."""

    def step(self, at: slice) -> float:
        """One step on some of the rows learnt from; the loss before it, infinite or NaN where none can be taken."""

    def held(self) -> float:
        """The loss on the rows kept apart."""


class Trainee(Protocol):
    """What can be rehearsed."""

    @property
    def rows(self) -> int:
        """Of data."""

    @property
    def size(self) -> int:
        """Numbers in the parameters."""

    @property
    def operations(self) -> int:
        """Calls in one pass forward."""

    def trial(self, learnt: Array, held: Array) -> Trial | None:
        """It with some rows; None where nothing can be said (a fixed number of rows, a loss nothing is known of)."""


def beside_repaired(own: Trainee, repaired: Callable[[], Trainee | None], family: str, limits: Mapping[str, float]
                    ) -> Outcome | None:
    """A module's progress and, where that is small, its repaired copy's; None where nothing can be said: no rows, a
    loss whose least constant is not known, too few steps that can be paid for.

    ``limits`` are the thresholds of SIG307.
    """
    if own.rows < 2:
        return None
    first = np.asarray(permutation(own.rows, rng=0)[:ROWS])
    kept = cut(len(first))
    learnt, held = first[:kept], first[kept:] if kept < len(first) else first
    done = _rehearse(own, learnt, held, family, limits)
    if done is None:
        return None
    done, good = in_orders(done, lambda k: _rehearse(own, learnt[order(kept, k)], held, family, limits), limits), None
    if done.explained(limits) < limits["enough"]:
        other = repaired()
        good = None if other is None else _rehearse(other, learnt, held, "adam",
                                                    {**limits, "enough": limits["enough"] / limits["share"]})
    return Outcome(done, good)


def _rehearse(one: Trainee, learnt: Array, held: Array, family: str, limits: Mapping[str, float]) -> Progress | None:
    """The best progress over the learning rates; None where nothing can be said."""
    def steps_at(products: float) -> int:
        return int(min(limits["steps"] / 2, WORK / 3 / (3 * (max(products, one.size) + CALL * one.operations))))
    if steps_at(0) < 3 * WINDOW:                # too large for any number of rows: not even copied
        return None
    trial = one.trial(learnt, held)
    if trial is None or not (trial.constant > 1e-12 and trial.apart > 1e-12):
        return None
    steps = steps_at(trial.products)
    if steps < 3 * WINDOW:
        return None
    return over_rates(lambda rate: _shares(trial, family, rate, steps, len(learnt)), family, limits)


def _shares(trial: Trial, family: str, rate: float, steps: int, rows: int) -> Shares:
    """Shares explained on the rows just learnt from and on the rows kept apart, after each window of steps."""
    trial.begin(family, rate)
    batch, total = min(BATCH, rows), 0.0
    for t in range(steps):
        start = t % (rows // batch) * batch
        value = trial.step(slice(start, start + batch))
        if not value < 1e12:
            return
        total += value
        if t % WINDOW == WINDOW - 1:
            yield 1 - total / WINDOW / trial.constant, 1 - trial.held() / trial.apart
            total = 0.0


def constant(y: Array | None, loss: str | None) -> float:
    """What the best constant output costs: under one of initcore's losses, of targets whose negative classes are left
    out; nan where it is not known.

    >>> import numpy as np
    >>> round(constant(np.array([[0, 0], [1, -100]]), "softmax_cross_entropy"), 4), constant(None, "mse")
    (0.6365, nan)
    """
    if y is None or loss is None or y.dtype.kind not in "fiub" or not y.size:
        return math.nan
    if loss == "softmax_cross_entropy" and y.dtype.kind != "f":
        y = y[y >= 0].astype(np.int64).reshape(-1)
        return float(least(y, loss).mean()) if y.size else math.nan
    return float(least(y if y.ndim > 1 else y[:, None], loss).mean())


def lowest(slope: Callable[[Array], tuple[float, Array]], shape: tuple[int, ...]) -> float:
    """The least of a loss over constant outputs of a shape, near enough: descent from 0 with steps that double and are
    quartered. ``slope`` gives value and gradient. nan where it has none.

    >>> import numpy as np
    >>> round(lowest(lambda c: (1 + float(np.square(c - 300).sum()), 2 * (c - 300)), (2,)), 3)
    1.0
    """
    at, step = np.zeros(shape), 1.0
    value, g = slope(at)
    for _ in range(DESCENT):
        if not (math.isfinite(value) and np.isfinite(g).all()):
            return math.nan
        further, way = slope(at - step * g)
        if further < value:
            at, value, g, step = at - step * g, further, way, 2 * step
        else:
            step /= 4
    return value
