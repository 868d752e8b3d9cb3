"""Layers that are alike share one search for their cause: what decides its outcome are a few numbers, the weights'
scale and mean beside what the activation asks for, the bias, and the signal.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from .._context import Context
from .._finding import Blame
from .._weights import spread, start

ALIKE = 0.25         # difference below which a number counts as the same: a quarter of a size, an eighth of a share
TRIALS = 24          # searches a check makes at most for one question, beside the first of every kind


class Likeness(NamedTuple):
    """A layer as a search for its cause sees it: ``kind`` must be equal, ``numbers`` near, to have the same cause."""

    kind: tuple[str, ...]
    numbers: tuple[float, ...]

    @classmethod
    def of(cls, c: Context, i: int, causes: tuple[str, ...]) -> Likeness:
        """Layer i, of which ``causes`` are suspected."""
        assert c.predicted is not None
        layer, la = c.net.layers[i], c.predicted.layers[i]
        mean, std = spread(layer)
        target, size = start(c.net, i).std, math.sqrt(_finite(la.q)) or 1e-150
        b = np.zeros(1) if layer.b is None or not layer.b.size else layer.b.astype(np.float64)
        bias, offset = math.sqrt(_finite(float(np.mean(np.square(b))))), _finite(float(np.mean(b)))
        shares = (la.slope_below_1pct, la.mean_slope, la.dead_units, la.mean / size, la.variance / size ** 2,
                  bias / (bias + size), offset / (bias + size), mean / (abs(mean) + std + target))
        return cls((layer.activation.name, *causes),
                   (math.log(size), math.log(std / target + 1e-3), *(2 * _finite(s) for s in shares)))

    def apart(self, other: Likeness) -> float:
        """The largest difference between two layers of one kind; infinite for others."""
        if self.kind != other.kind:
            return math.inf
        return max(abs(a - b) for a, b in zip(self.numbers, other.numbers, strict=True))


class Trial(NamedTuple):
    """A search that was made: of which layer, and what it found."""

    likeness: Likeness
    found: Blame | None


def nearest(likeness: Likeness, trials: list[Trial]) -> Trial | None:
    """The trial that stands for a layer: one like it; after TRIALS the nearest of its kind; None to search anew."""
    best = min(trials, key=lambda t: likeness.apart(t.likeness), default=None)
    if best is None:
        return None
    return best if likeness.apart(best.likeness) < (ALIKE if len(trials) < TRIALS else math.inf) else None


def _finite(value: float) -> float:
    """A number whose square and logarithm are finite; 0 for NaN."""
    return 0.0 if math.isnan(value) else max(-1e150, min(value, 1e150))
