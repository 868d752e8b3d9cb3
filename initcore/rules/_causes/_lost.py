"""Units that are lost by no chance of a draw: one by one, where half a layer may be off by chance."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from ..._types import Array

DEFAULT = 3.0               # times 1 / sqrt(fan_in): no library draws a bias so far below 0
ODD = 5.0                   # standard errors of a unit's mean weight, from ROWS weights on
ROWS = 16
NAMED = 6


class Lost(NamedTuple):
    """Numbers of units, and the cause of most of them: "bias" or "weight_mean"."""

    units: Array
    cause: str

    def __str__(self) -> str:
        more = len(self.units) - NAMED
        return "units " + ", ".join(str(k) for k in self.units[:NAMED]) + (f" and {more} more" if more > 0 else "")


def lost_units(w: Array, b: Array | None, highest: Array) -> Lost:
    """Numbers of the units of a ReLU layer ``w (fan_in, units)`` that are never above 0 on the data, and whose own bias
    or own mean weight is the reason.

    highest : the largest z of every unit. Of a sound draw biases are at most 1 / sqrt(fan_in) and the mean of a unit's
    weights is 0 but for its standard error, whatever the depth; there units are off by chance, up to half of them.

    >>> import numpy as np
    >>> lost = lost_units(np.eye(4)[:, :3], np.array([0.0, -2.0, 0.5]), np.array([1.0, -0.5, 2.0]))
    >>> str(lost), lost.cause
    ('units 1', 'bias')
    """
    fan_in = max(len(w), 1)
    dead = highest <= 0
    low = np.zeros(len(dead), bool) if b is None else (b < -DEFAULT / math.sqrt(fan_in))
    mean, spread = w.mean(axis=0, dtype=np.float64), w.std(axis=0, dtype=np.float64)
    odd = (fan_in >= ROWS) & (spread > 0) & (np.abs(mean) > ODD * spread / math.sqrt(fan_in))
    return Lost(np.flatnonzero(dead & (low | odd)), "bias" if (dead & low).sum() >= (dead & odd).sum() else
                "weight_mean")
