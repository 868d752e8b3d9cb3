"""Other ways in which units of one axis may be each other up to signs (theory 4.9, Lemma 6).

A unit that is a product of several factors has a sign for each: of gate, feature and column two may be negated, any two
where the gate is odd. A partition knows one way for each axis. The others are tried in partitions of their own: each is
a proof by itself, and units that are one in any of them are one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from ..._types import Array
from ._system import Block, System


class Turn(NamedTuple):
    """Which parts agree literally (``plain``); ``even``: the others are negated and the unit is not, else it is, too.

    The rest as in :class:`~initcore.symmetry._structures._system.Axis`.
    """

    plain: frozenset[int]
    even: bool = False
    zero: bool = True
    forward_zero: bool = False
    gate: int | None = None
    shut: bool = False


def turned(system: System, free: list[Array]) -> list[System]:
    """The system with each axis's next way of signs, as often as there are ways that could find something.

    free : of each axis, the units that are not one with others yet.
    """
    able = {i: a.turns for i, a in enumerate(system.axes) if a.turns and _alike(system, i, free[i])}
    out = []
    for k in range(max(map(len, able.values()), default=0)):
        axes = list(system.axes)
        for i, turns in able.items():
            if k < len(turns):
                t = turns[k]
                axes[i] = replace(axes[i], plain=t.plain, even=t.even, odd=not t.even, zero=t.zero, gate=t.gate,
                                  shut=t.shut, forward_zero=t.forward_zero, half_line=False, homogeneous=False)
        out.append(replace(system, axes=axes))
    return out


def _alike(system: System, i: int, units: Array) -> bool:
    """Are there two units whose weights have equal sums of sizes, in every block? Without, entry by entry, no sign
    relation."""
    for blocks, ahead in ((system.incoming(i), True), (system.outgoing(i), False)):
        for b in blocks:
            if len(units) < 2:
                return False
            units = _repeated(_sizes(b, ahead, system.axes[i].n), units)
    return len(units) > 1


def _sizes(b: Block, ahead: bool, n: int) -> Array:
    """Sum of the sizes of each unit's weights; units that the block does not cover have none."""
    out = np.zeros(n)
    out[(b.cols if ahead else b.rows) or slice(None)] = np.abs(b.w).sum(axis=0 if ahead else 1, dtype=np.float64)
    return out


def _repeated(size: Array, units: Array) -> Array:
    """The units whose size another one has, up to rounding."""
    order = units[np.argsort(size[units], kind="stable")]
    near = np.diff(size[order]) <= 1e-9 * size[order[1:]]
    return np.sort(order[np.r_[near, False] | np.r_[False, near]])
