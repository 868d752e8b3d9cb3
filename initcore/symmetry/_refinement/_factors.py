"""What a unit is made of besides its sums: parameters that must be equal, factors that make it dead (theory 4.9)."""

import numpy as np

from ..._types import Array
from .._structures._axis import Axis
from ._grouping import group
from ._signatures import COLUMN, GATE, ROW


def dead(axis: Axis, seen: Array, units: Array, moving: bool) -> Array:
    """Which units are zero for ever by the factors not seen to be non-zero (theory 4.9, Lemma 6).

    A gain that is one number for all units is none while any of them could move it (``moving``).
    """
    row, gate, column = (seen & ROW) == 0, (seen & GATE) == 0, (seen & COLUMN) == 0
    if axis.gate is not None:
        zero: Array = row.astype(int) + (2 if axis.shut else 1) * gate + column >= 2
        return zero
    before, after = np.zeros(len(units), dtype=int), np.zeros(len(units), dtype=int)
    for g in axis.gains:
        if not (g.scalar and moving):
            count = after if g.after else before
            count += ~np.any(np.reshape(g.values, (-1, axis.n))[:, units], axis=0)
    low = row | (before > 0)
    if axis.shifted:
        zero = (low if axis.forward_zero else low & column) & ~lifted(axis)[units]
    elif axis.forward_zero:
        zero = low | ((after > 0) & column)
    else:
        zero = row + before + after + column >= 2
    return zero


def colours(axis: Axis) -> Array:
    """One label a unit for everything that must simply be equal."""
    label = np.zeros(axis.n, dtype=np.int64)
    for values in (*(c[0] for c in axis.colours), *(g.values for g in axis.gains)):
        for column in np.reshape(np.asarray(values, dtype=np.float64), (-1, axis.n)):
            label = group(label, column + 0.0)
    return label


def lifted(axis: Axis) -> Array:
    """Units that a number added after their gains keeps from being zero."""
    out = np.zeros(axis.n, dtype=bool)
    for t in axis.bias:
        if t.term:
            out |= np.asarray(t.values) > 0 if axis.half_line else np.asarray(t.values) != 0
    return out
