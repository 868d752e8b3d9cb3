"""How far the first steps of a training get, and how that is counted: learning rates, orders of the rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from .._types import Array
from ..lab import permutation

BATCH, WINDOW = 32, 20
ROWS = 2048                 # at most so many are looked at: the fewer, the sooner they are learnt by heart
HELD = 128                  # from so many rows on a quarter of them, or APART, is kept apart: it shows what is
APART = 256                 # learnt by heart
WORK = 6e9                  # multiplications at one learning rate; larger networks get fewer steps
# the middle of the road first: most networks are decided by it; the others are a factor of ten away and further
RATES = {"sgd": (0.1, 1.0, 0.01, 0.001), "adam": (0.003, 0.03, 0.0003)}

# shares explained on the rows just learnt from and on the rows kept apart, after each window of steps
Shares = Iterator[tuple[float, float]]


class Progress(NamedTuple):
    """Share of the loss of the best constant that was explained, at best: on the rows learnt from, and on the others.

    ``steps`` were taken at the learning rate ``rate``, which did best.
    """

    seen: float
    held: float
    steps: int
    rate: float

    def explained(self, limits: Mapping[str, float]) -> float:
        """What counts: what also holds for the rows kept apart, or else a part of what was learnt by heart."""
        return max(min(self.seen, self.held), limits["heart"] * self.seen)


class Outcome(NamedTuple):
    """A network's own progress, and that of a good start (None where not needed)."""

    own: Progress
    good: Progress | None


def over_rates(run: Callable[[float], Shares], family: str, limits: Mapping[str, float]) -> Progress:
    """The best progress over the learning rates of a family; what explains enough ends the search.

    ``family`` is "sgd" (the gradient itself), "momentum" (.9, at a tenth of the rate) or "adam".
    """
    best = Progress(-math.inf, -math.inf, 0, math.nan)
    for rate in RATES["adam" if family == "adam" else "sgd"]:
        if family == "momentum":
            rate /= 10
        one = best._replace(seen=-math.inf, held=-math.inf, steps=0, rate=rate)
        for seen, held in run(rate):
            one = one._replace(seen=max(one.seen, seen), held=max(one.held, held), steps=one.steps + WINDOW)
            if one.explained(limits) >= limits["enough"]:
                return one
        best = max(best, one, key=lambda p: (p.explained(limits), p.steps))
    return best


def in_orders(own: Progress, again: Callable[[int], Progress | None], limits: Mapping[str, float]) -> Progress:
    """The least progress over other orders of the rows, which are asked for where the first took long.

    Whoever shows nothing for a while is on a plateau and leaves it, or not, by the luck of the order: it must do so
    in other orders of the rows too. ``again(k)`` rehearses in order ``k`` of :func:`order`.
    """
    if own.steps > limits["late"]:
        for k in range(int(limits["orders"])):
            if own.explained(limits) < limits["enough"]:
                break
            own = min(own, again(k) or own, key=lambda p: p.explained(limits))
    return own


def order(n: int, k: int) -> Array:
    """Other orders of n rows: the last first (k = 0), then random ones.

    >>> order(3, 0).tolist()
    [2, 1, 0]
    """
    return np.arange(n)[::-1] if k == 0 else permutation(n, rng=k)


def cut(n: int) -> int:
    """How many of n rows are learnt from, where the others are kept apart.

    >>> cut(100), cut(400), cut(2000)
    (100, 300, 1744)
    """
    return n - min(n // 4, APART) if n >= HELD else n


def least(y: Array, loss: str) -> Array:
    """Each row's loss under the best constant output: the entropy of the classes, the variance.

    Rows stand first; classes are whole numbers, probabilities stand last.

    >>> import numpy as np
    >>> least(np.array([0, 0, 0, 1]), "softmax_cross_entropy").mean().round(3)
    np.float64(0.562)
    """
    if loss == "softmax_cross_entropy" and y.ndim == 1:
        classes: Array = -np.log(np.bincount(y) / len(y))[y]
        return classes
    y = y.astype(np.float64)
    mean = y.mean(axis=0)
    if loss == "mse":
        squares: Array = np.square(y - mean).reshape(len(y), -1).mean(axis=1)
        return squares
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(y > 0, -y * np.log(mean), 0)
        if loss == "softmax_cross_entropy":
            rows: Array = terms.sum(axis=-1)
        else:
            rows = (terms + np.where(y < 1, -(1 - y) * np.log(1 - mean), 0)).reshape(len(y), -1).mean(axis=1)
        return rows
