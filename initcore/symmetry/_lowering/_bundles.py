"""Units that operations unite make one bundle; bundles that are made and used alike make one axis.

Design
A. Every number that tracking gave out is made by one operation. Elementwise operations unite what they take and
   make: a *bundle* runs a small program of its own at every place of the data. Two units can be one for ever only if
   their bundles run the same program, so bundles are compared only where all of it agrees: which operation made each
   member, from which members, and what takes them.
B. A member's *slot* is the kind of operation that made it and its rank among the members of that kind in the bundle (a
   rotated pair of channels has two). Ranks follow the order of the units, so equal slots are compared, no others.
C. Operations are of one kind where they are the same function of their weights (program/tracking/_marks.py): the
   layers of two critics, the experts of a list. Their bundles share an axis, one *span* of it each.
D. Agreement is by 64-bit sums of mixed words; a finer division than needed loses ties and never invents one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..._types import Array
from ...program.tracking import Trace
from ._wires import wires

_U = np.uint64


def mix(x: Array) -> Array:
    """Scramble 64-bit words (splitmix64)."""
    with np.errstate(over="ignore"):
        z = np.asarray(x).astype(np.uint64) + _U(0x9E3779B97F4A7C15)
        z = (z ^ (z >> _U(30))) * _U(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> _U(27))) * _U(0x94D049BB133111EB)
        return z ^ (z >> _U(31))


def components(n: int, pairs: Sequence[tuple[Array, Array]]) -> Array:
    """The smallest number of each number's connected component."""
    parent = np.arange(n)
    if not pairs:
        return parent
    a, b = (np.concatenate([np.asarray(p[k]).ravel() for p in pairs]) for k in (0, 1))
    while True:
        x, y = parent[a], parent[b]
        open_ = x != y
        if not open_.any():
            return parent
        a, b, x, y = a[open_], b[open_], x[open_], y[open_]
        np.minimum.at(parent, np.maximum(x, y), np.minimum(x, y))
        while True:
            up = parent[parent]
            if (up == parent).all():
                break
            parent = up


@dataclass
class Group:
    """One axis: ``members (bundles, slots)``; ``families``: of each slot of the first bundle.

    output : the loss sees it.   spans : bundles that the same operations make, with their families.
    """

    members: Array
    families: tuple[int, ...]
    output: bool
    spans: tuple[tuple[slice, tuple[int, ...]], ...]

    @property
    def n(self) -> int:
        """Number of bundles."""
        return len(self.members)


class Bundles:
    """``axis``, ``index`` (of the bundle in its axis) and ``slot`` of every number.

    promised : units of outputs with one target may share an axis.
    """

    def __init__(self, trace: Trace, promised: bool = False) -> None:
        n = trace.count
        self.family = np.repeat(np.arange(len(trace.families)), [f.n for f in trace.families])
        self.wires = wires(trace)
        root = components(n, self.wires.unions(trace))
        kinds = np.asarray(trace.kinds, dtype=np.int64)[self.family]
        order = np.lexsort((kinds, root))
        rank = np.empty(n, dtype=np.int64)
        rank[order] = _run_positions(root[order], kinds[order])
        slot = mix(kinds * 4096 + rank)
        record = slot.copy()
        with np.errstate(over="ignore"):
            for f in trace.families:
                span = slice(f.start, f.start + f.n)
                for k, (mode, ids) in enumerate(f.operands):
                    cut = (f.index, k) in self.wires.cut
                    word = mix(np.array([k * 8 + (4 if cut else ("in", "out", "data", "group").index(mode))]))
                    record[span] += mix(word + (slot[ids] if ids is not None else _U(1)))
            record = mix(record)
            for (number, k), tree in self.wires.cut.items():
                term = trace.families[number].operands[k][1]
                assert term is not None
                np.add.at(record, term, mix(slot[term] ^ mix(np.array([-3 - trace.kinds[tree]]))))
            for ids, op, tag in trace.reads:
                np.add.at(record, ids, mix(slot[ids] ^ mix(np.array([trace.marks[op] * 4096 + tag]))))
            for k, ids in enumerate(trace.outputs):
                np.add.at(record, ids, mix(slot[ids] ^ mix(np.array([4096 * (k * (not promised)) + 4095]))))
            total = np.zeros(n, dtype=np.uint64)
            np.add.at(total, root, record)
        self.groups: list[Group] = []
        self.axis, self.index, self.slot = (np.empty(n, dtype=np.int64) for _ in range(3))
        seen = np.zeros(n, dtype=bool)
        for ids in trace.outputs:
            seen[root[ids]] = True
        self._gather(order, root, total, seen)

    def _gather(self, order: Array, root: Array, total: Array, seen: Array) -> None:
        heads, start, size = np.unique(root[order], return_index=True, return_counts=True)
        kind, first = np.unique(total[heads], return_index=True)
        for k in np.argsort(first):
            mine = np.flatnonzero(total[heads] == kind[k]) if len(kind) < 2048 else None
            if mine is None:
                mine = self._of_kind(total[heads], kind)[k]
            width = int(size[mine[0]])
            members = order[start[mine][:, None] + np.arange(width)]
            members, spans = self._spans(members)
            axis = len(self.groups)
            self.axis[members], self.index[members] = axis, np.arange(len(mine))[:, None]
            self.slot[members] = np.arange(width)
            self.groups.append(Group(members, spans[0][1], bool(seen[heads[mine[0]]]), spans))

    def _spans(self, members: Array) -> tuple[Array, tuple[tuple[slice, tuple[int, ...]], ...]]:
        """The bundles in the order of the operations that make them."""
        made = self.family[members]
        if (made == made[0]).all():
            return members, ((slice(0, len(members)), tuple(made[0].tolist())),)
        rows, first, which = np.unique(made, axis=0, return_index=True, return_inverse=True)
        turn = np.argsort(np.argsort(first))[which.ravel()]
        edges = np.r_[0, np.cumsum(np.bincount(turn))]
        return members[np.argsort(turn, kind="stable")], tuple(
            (slice(int(a), int(b)), tuple(rows[k].tolist()))
            for a, b, k in zip(edges, edges[1:], np.argsort(first)))

    def _of_kind(self, totals: Array, kind: Array) -> list[Array]:
        if not hasattr(self, "_parts"):
            place = np.searchsorted(kind, totals)
            order = np.argsort(place, kind="stable")
            self._parts = np.split(order, np.cumsum(np.bincount(place, minlength=len(kind)))[:-1])
        return self._parts


def _run_positions(root: Array, family: Array) -> Array:
    """Position within each run of equal (root, family)."""
    if not len(root):
        return np.zeros(0, dtype=np.int64)
    new = np.r_[True, (root[1:] != root[:-1]) | (family[1:] != family[:-1])]
    start = np.flatnonzero(new)
    return np.arange(len(root)) - np.repeat(start, np.diff(np.r_[start, len(root)]))
