"""Sums of terms that are one function of their weights: experts of a list, gates of two branches.

Design
A. An elementwise sum unites the units it adds: unit j of each term and unit j of the sum are one bundle. Where several
   terms are of one kind that would hide that they may change places. They are left bundles of their own then, and the
   sum reads them by fixed weights: 1 between unit j of a term and unit j of the sum, 0 elsewhere.
B. All terms of one tree of sums enter by one part: which sum of the tree adds a term makes no difference to the whole.
   So a tree ends at sums that something else reads, too.
C. Terms that are sums with weights themselves stay united: of their biases only the sum counts.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from ..._types import Array
from ...program.tracking import Family, Trace

_LIMIT = 1 << 23            # entries of a sum's fixed weights
_UNITED = ("weigh", "lift", "constant", "sum", "reduce", "spread", "detach")


@dataclass
class Wires:
    """``cut``: operands (family, position) that are read by fixed weights, and the sum at the root of their tree.

    inner : sums that are only a part of a tree's.
    """

    cut: dict[tuple[int, int], int] = field(default_factory=dict)
    inner: set[int] = field(default_factory=set)

    def unions(self, trace: Trace) -> list[tuple[Array, Array]]:
        """What unites units, without what is cut."""
        if not self.cut:
            return trace.unions
        gone = {id(trace.families[f].operands[k][1]) for f, k in self.cut}
        return [pair for pair in trace.unions if id(pair[1]) not in gone]


def wires(trace: Trace) -> Wires:
    """The sums whose terms can change places."""
    ends = np.cumsum([f.n for f in trace.families])
    sums = {f.index: terms for f in trace.families if (terms := _terms(trace, f, ends)) is not None}
    out = Wires()
    used: Counter[int] | None = None
    for root in sorted(sums, reverse=True):
        if root in out.inner or not _alike(trace, [t for *_, t in _leaves(sums, root, None)]):
            continue
        used = _uses(trace, ends) if used is None else used
        leaves = _leaves(sums, root, used)
        alike = _alike(trace, [t for _, _, t in leaves])
        mine = [(f, k, t) for f, k, t in leaves if trace.kinds[t] in alike]
        if not mine or sum(trace.families[t].n for *_, t in mine) * trace.families[root].n > _LIMIT:
            continue
        out.cut |= {(f, k): root for f, k, _ in mine}
        out.inner |= {f for f, _, _ in leaves} - {root}
    return out


def _terms(trace: Trace, f: Family, ends: Array) -> list[int] | None:
    """The families that a sum adds, one a position (-1: none, or units of several); None for what is no such sum."""
    if f.role != "sum" or f.call != "add" or len(f.operands) < 2:
        return None
    out = []
    for mode, ids in f.operands:
        k = -1
        if mode == "in" and ids is not None and ids.size:
            k = int(np.searchsorted(ends, ids[0], side="right"))
            made = trace.families[k]
            if ids.min() < made.start or ids.max() >= made.start + made.n or len(ids) != made.n:
                k = -1
        out.append(k)
    return out


def _leaves(sums: dict[int, list[int]], root: int, used: Counter[int] | None) -> list[tuple[int, int, int]]:
    """(sum, position, term) of a tree; of unknown ``used`` every sum in it counts as read once."""
    out, todo = [], [root]
    while todo:
        f = todo.pop()
        for k, t in enumerate(sums[f]):
            if t in sums and (used is None or used[t] == 1):
                todo.append(t)
            elif t >= 0:
                out.append((f, k, t))
    return out


def _alike(trace: Trace, terms: list[int]) -> set[int]:
    """Kinds of which several terms are."""
    count = Counter(trace.kinds[t] for t in set(terms) if t >= 0 and trace.families[t].role not in _UNITED)
    return {kind for kind, n in count.items() if n > 1}


def _uses(trace: Trace, ends: Array) -> Counter[int]:
    """How often something takes units of each family."""
    used: Counter[int] = Counter()
    taken = [ids for f in trace.families for _, ids in f.operands] + [ids for ids, *_ in trace.reads] + trace.outputs
    for ids in taken:
        if ids is not None:
            used.update(np.unique(np.searchsorted(ends, ids, side="right")).tolist())
    return used
