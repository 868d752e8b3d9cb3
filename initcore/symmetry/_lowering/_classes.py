"""Some numbers of tracking by axis and slot, and how they stand there."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..._types import Array
from ._bundles import Bundles


class Class(NamedTuple):
    """Numbers of one axis and slot: their positions among those asked about, and their bundles."""

    axis: int
    slot: int
    at: Array
    bundles: Array
    turn: int


def classes(found: Bundles, ids: Array) -> list[Class]:
    """Of some ids; a bundle met twice is two classes, turn 0 and 1."""
    axis, slot, index = found.axis[ids], found.slot[ids], found.index[ids]
    order = np.lexsort((np.arange(len(ids)), index, slot, axis))
    key = np.stack([axis[order], slot[order], index[order]])
    new = np.r_[True, (key[:, 1:] != key[:, :-1]).any(axis=0)] if len(ids) else np.zeros(0, bool)
    start = np.flatnonzero(new)
    turn = np.empty(len(ids), dtype=np.int64)
    turn[order] = np.arange(len(ids)) - np.repeat(start, np.diff(np.r_[start, len(ids)]))
    out = []
    for a, s, k in sorted(set(zip(axis.tolist(), slot.tolist(), turn.tolist()))):
        at = np.flatnonzero((axis == a) & (slot == s) & (turn == k))
        out.append(Class(a, s, at, index[at], k))
    return out


def ordered(values: Array, at: Array, index: Array) -> Array:
    """The values at some positions, in the order of their bundles."""
    return values[at[np.argsort(index, kind="stable")]]


def span(at: Array, index: Array, n: int) -> tuple[slice | None, slice | Array, bool]:
    """The run of units (None where they do not stand together), the positions in their order, and whether it is all."""
    order = np.argsort(index, kind="stable")
    run = index[order]
    start, stop = int(run[0]), int(run[-1]) + 1
    if stop - start != len(run):
        return None, slice(0), False
    pick = at[order]
    first, step = int(pick[0]), (int(pick[1] - pick[0]) if len(pick) > 1 else 1)
    if step > 0 and (np.diff(pick) == step).all():
        return slice(start, stop), slice(first, int(pick[-1]) + 1, step), stop - start == n
    return slice(start, stop), pick, stop - start == n
