"""Which axes of a graph hold units that may be one: promised by the caller, or seen from the layers that make them.

Design
A. Axes of one *class* are joined for the proof and reported each by itself. Joining proves nothing and costs nothing:
   units are compared only where layers of one role write to them and read of them.
B. A layer's role is its ends, its part and its *site*: what it is besides its weights. Of convolutions (stride,
   dilation) and of layers at a stream (which is read and written many times) a graph does not know that, so each is
   a site of its own, unless the caller promised that the axes at one end are alike.
C. Classes that nobody promised are found by refinement: axes of one function, whose layers come from axes of one
   class and lead to axes of one class. Cells, attention, experts and convolutions are never taken for alike unasked.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace

import numpy as np

from ...errors import ArgumentError
from ._axis import Axis
from ._joint import kind_of
from ._system import Block, Coupling

Join = tuple[int, list[int]]


def sited(blocks: Sequence[Block], axes: Sequence[Axis], streams: AbstractSet[int]) -> list[Block]:
    """The blocks with sites of their own where a graph does not say enough, and no promise says the rest."""
    out = []
    for k, b in enumerate(blocks):
        promised = axes[b.source].like >= 0 or axes[b.target].like >= 0
        unknown = b.call >= 0 or b.source in streams or b.target in streams
        if unknown and not promised:
            b = replace(b, site=(*b.site, b.call if b.call >= 0 else -2 - k))
        out.append(b)
    return out


def promised(axes: list[Axis], couplings: list[Coupling], classes: list[list[int]], joins: list[Join]) -> list[Join]:
    """Joins of the axes that the caller called alike; of outputs: they have one target, tower by tower."""
    out = []
    for parts in classes:
        held = [inside for _, inside in joins if set(inside) & set(parts)]
        if held and not set(parts) <= set(held[0]):
            raise ArgumentError(f"{axes[parts[0]].name!r} and {axes[parts[1]].name!r} are called alike, but a "
                                "concatenation holds some of them only; parts of one are alike with other parts of it.")
        if held:                                     # joined already
            continue
        first, total = axes[parts[0]], sum(axes[i].n for i in parts)
        name = " = ".join(axes[i].name for i in parts)
        if first.fixed is None:
            axes.append(Axis(name, total, layer=_last(axes)))
        else:
            axes.append(Axis(name, total, fixed=np.tile(first.fixed, len(parts)), coloured=True))
            owner = np.repeat(np.arange(len(parts)), first.n)
            couplings.append(Coupling([(len(axes) - 1, owner)], len(parts)))
        out.append((len(axes) - 1, parts))
    return out


def found(axes: list[Axis], blocks: Sequence[Block], couplings: Sequence[Coupling], joins: list[Join],
          streams: AbstractSet[int]) -> list[Join]:
    """Joins of axes that play one role in the graph, so that their units may be one."""
    closed = {i for join in joins for i in (join[0], *join[1])} | set(streams)
    closed |= {i for c in couplings for i, _ in c.members}
    closed |= {b.target for b in blocks if b.source in streams or b.call >= 0 or b.source == b.target}
    written = {b.target for b in blocks}
    open_ = [i for i, a in enumerate(axes) if i in written and a.fixed is None and not a.lone and i not in closed and
             a.product in ("", "gated") and a.layer is not None and a.n]
    role: list[Hashable] = [-1 - i for i in range(len(axes))]
    for _, parts in joins:                           # what is joined is one axis to its neighbours
        for i in parts:
            role[i] = role[parts[0]]
    for i in open_:
        role[i] = (kind_of(axes[i]), len(axes[i].bias))
    count = 0
    while len(set(role)) != count:
        count = len(set(role))
        number = {r: k for k, r in enumerate(dict.fromkeys(role))}
        now = [number[r] for r in role]
        ends: dict[int, list[tuple[object, ...]]] = {i: [(now[i],)] for i in open_}
        for b in blocks:
            own = (b.part, b.structural, b.frozen, b.site)
            if b.target in ends:
                ends[b.target].append((now[b.source], 0, *own))
            if b.source in ends:
                ends[b.source].append((now[b.target], 1, *own))
        for i in open_:
            role[i] = (now[i], *sorted(map(repr, ends[i])))
    classes: dict[Hashable, list[int]] = {}
    for i in open_:
        classes.setdefault(role[i], []).append(i)
    out = []
    for parts in classes.values():
        if len(parts) > 1:
            name = " = ".join(axes[i].name for i in parts)
            axes.append(Axis(name, sum(axes[i].n for i in parts), layer=_last(axes)))
            out.append((len(axes) - 1, parts))
    return out


def _last(axes: Sequence[Axis]) -> int:
    """A number above those of all reported layers."""
    return 1 + max((a.layer for a in axes if a.layer is not None), default=-1)
