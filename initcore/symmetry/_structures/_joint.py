"""Several axes made one: the sources of a concatenation, the layers of networks that are judged together.

Units of the parts can then be tied to each other. Blocks keep their arrays and say which units they cover; blocks that
play one role in different parts (same ends, same part, same place in the order) are kin.
"""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Any

import numpy as np

from ..._types import Array
from ...errors import ShapeError
from ._axis import Axis, Term, plain
from ._system import Coupling, Slice, System, chain

_Place = dict[int, tuple[int, int]]       # part -> (joint axis, first unit)
_KIN = 1 << 20                     # above every index of a block in its axis


def together(networks: Sequence[Any], same_targets: bool) -> System:
    """Chains of dense layers that read the same inputs, as one system of joint axes, layer by layer."""
    first = networks[0]
    for k, layers in enumerate(networks):
        ends = (layers[0].fan_in, layers[-1].fan_out, len(layers))
        if ends != (first[0].fan_in, first[-1].fan_out, len(first)):
            raise ShapeError(f"networks judged together need equal inputs, outputs and depth: network {k} has {ends}, "
                             f"network 0 has {(first[0].fan_in, first[-1].fan_out, len(first))}.")
    axes, blocks, depth = [Axis("inputs", first[0].fan_in, fixed=np.arange(first[0].fan_in))], [], len(first)
    for k, layers in enumerate(networks):
        single = chain(layers)
        shift = k * depth
        for i, a in enumerate(single.axes[1:]):
            layer = None if a.layer is None else k * (depth - 1) + i
            axes.append(replace(a, name=f"nets[{k}].{a.name}", layer=layer))
        blocks += [replace(b, source=b.source + shift if b.source else 0, target=b.target + shift,
                           name=f"nets[{k}].{b.name}") for b in single.blocks]
        for a in axes[-depth:]:
            a.bias = [t._replace(name=f"nets[{k}].{t.name}") for t in a.bias]
    joins, count, m = [], len(networks), first[-1].fan_out
    for i in range(depth):
        parts = [1 + k * depth + i for k in range(count)]
        n = sum(axes[j].n for j in parts)
        out = i == depth - 1
        labels = (np.tile(np.arange(m), count) if same_targets else np.arange(n)) if out else None
        joins.append((len(axes), parts))
        axes.append(Axis("outputs" if out else f"layers[{i}]", n, fixed=labels, coloured=out and same_targets,
                         layer=None if out else count * depth + i))
    spans: list[list[tuple[int, slice]]] = [[] for _ in networks]
    for target, parts in joins:
        start = 0
        for k, j in enumerate(parts):
            spans[k].append((target, slice(start, start + axes[j].n)))
            start += axes[j].n
    towers = Coupling([(joins[-1][0], np.repeat(np.arange(count), m))], count)
    return joined(System(axes, blocks, [towers], networks=spans), joins, {target for target, _ in joins})


def joined(system: System, joins: list[tuple[int, list[int]]], apart: AbstractSet[int] = frozenset()) -> System:
    """``joins``: (axis, its parts in order); each axis takes the place of its parts, which are reported as slices.

    apart : joint axes that are reported by their parts alone.
    """
    if not joins:
        return system
    joins = _inner_first(joins)
    place: _Place = {}
    axes, slices = list(system.axes), list(system.slices)
    for target, parts in joins:
        start = 0
        for i in parts:
            place[i] = (target, start)
            a = system.axes[i]
            if a.layer is not None and i not in apart:
                slices.append(Slice(a.name, a.layer, target, slice(start, start + a.n), target in apart))
            start += a.n
        axes[target] = _merged(axes[target], [axes[i] for i in parts])
        for i in parts:
            axes[i] = Axis(system.axes[i].name, 0, fixed=np.arange(0))
    place = {i: _final(i, place) for i in place}
    slices = [_moved(s, place) for s in slices]
    count: dict[tuple[object, ...], int] = {}
    roles: dict[tuple[object, ...], int] = {}
    blocks = []
    for b in system.blocks:
        ends = (b.source, b.target, b.part, b.structural, b.frozen, b.site)
        order = count[ends] = count.get(ends, -1) + 1
        source, rows = _placed(b.source, b.rows, system.axes, place)
        target, cols = _placed(b.target, b.cols, system.axes, place)
        kin = None
        if rows is not None or cols is not None:
            kin = _KIN + roles.setdefault((source, target, *ends[2:], order), len(roles))
        blocks.append(replace(b, source=source, target=target, rows=rows, cols=cols, kin=kin))
    couplings = _couplings([*_statistics(system, joins), *system.couplings], system.axes, axes, place)
    for a in axes:
        if a.partner is not None:
            a.partner = place.get(a.partner, (a.partner, 0))[0]
    return System(axes, blocks, couplings, slices, system.queries, system.networks,
                  apart=frozenset(place.get(t, (t, 0))[0] for t in apart))


def _inner_first(joins: list[tuple[int, list[int]]]) -> list[tuple[int, list[int]]]:
    """Joins of parts before the joins that these are parts of."""
    out, rest = [], list(joins)
    while rest:
        open_ = {t for t, _ in rest}
        out += [j for j in rest if not open_ & set(j[1])]
        rest = [j for j in rest if open_ & set(j[1])]
    return out


def _couplings(old: list[Coupling], axes: list[Axis], new: list[Axis], place: _Place) -> list[Coupling]:
    """The couplings on the joint axes; those that play one role on parts called alike are one coupling."""
    out: list[Coupling] = []
    alike: dict[tuple[object, ...], list[Coupling]] = {}
    count: dict[tuple[int, ...], int] = {}
    for c in old:
        if not any(i in place for i, _ in c.members):
            out.append(c)
            continue
        wide = replace(c, members=[_member(i, owner, c.groups, new, place) for i, owner in c.members],
                       groups=c.groups + 1, rest=True)
        ends = tuple(i for i, _ in c.members)
        order = count[ends] = count.get(ends, -1) + 1
        if all(i in place and axes[i].like >= 0 for i in ends):
            key = (tuple((place[i][0], axes[i].like) for i in ends), c.together, order)
            alike.setdefault(key, []).append(wide)
        else:
            out.append(wide)
    return [*out, *(_one(same) for same in alike.values())]


def _one(same: list[Coupling]) -> Coupling:
    """Couplings of different units as one: their groups side by side, the last for all other units."""
    if len(same) == 1:
        return same[0]
    total = sum(c.groups - 1 for c in same)
    members, parts, first = [], [], 0
    for k, (i, owner) in enumerate(same[0].members):
        own, first = np.full(len(owner), total), 0
        for c in same:
            mine = c.members[k][1]
            own = np.where(mine < c.groups - 1, mine + first, own)
            first += c.groups - 1
        members.append((i, own))
    first = 0
    for c in same:
        if c.name:
            parts.append((c.name, slice(first, first + c.groups - 1)))
        first += c.groups - 1
    return Coupling(members, total + 1, together=same[0].together, rest=True, parts=tuple(parts))


def _statistics(system: System, joins: list[tuple[int, list[int]]]) -> list[Coupling]:
    """Parts that are normalised each by itself compare only where they are made of the same cells."""
    out = []
    for target, parts in joins:
        if any(system.axes[i].norm in ("layer", "rms", "group") for i in parts):
            out.append(Coupling([(target, np.repeat(np.arange(len(parts)), [system.axes[i].n for i in parts]))],
                                len(parts)))
    return out


def _final(i: int, place: _Place) -> tuple[int, int]:
    """Where a part of a part of a joint axis ends up."""
    start = 0
    while i in place:
        i, first = place[i]
        start += first
    return i, start


def _moved(s: Slice, place: _Place) -> Slice:
    axis, start = _final(s.axis, place)
    return s._replace(axis=axis, units=slice(s.units.start + start, s.units.stop + start))


def _placed(i: int, span: slice | None, axes: list[Axis], place: _Place) -> tuple[int, slice | None]:
    if i not in place:
        return i, span
    axis, start = place[i]
    span = span or slice(0, axes[i].n)
    return axis, slice(span.start + start, span.stop + start)


def _member(i: int, owner: Array, groups: int, axes: list[Axis], place: _Place) -> tuple[int, Array]:
    """Units outside the part belong to a group of their own kind, the last."""
    if i not in place:
        return i, owner
    axis, start = place[i]
    wide = np.full(axes[axis].n, groups)
    wide[start:start + len(owner)] = owner
    return axis, wide


def _merged(target: Axis, parts: list[Axis]) -> Axis:
    """One axis of the units of several: relations that all admit, parameters side by side, absent ones a colour."""
    n, first = sum(p.n for p in parts), parts[0]
    edges = np.cumsum([0, *(p.n for p in parts)])
    spans = [slice(int(a), int(b)) for a, b in zip(edges, edges[1:])]
    out = replace(first, name=target.name, n=n, layer=target.layer, fixed=target.fixed, coloured=target.coloured,
                  bias=[], colours=list(target.colours), gains=[],
                  norm=target.norm or first.norm, norm_groups=target.norm_groups, direct=False)

    def wide(values: Array, span: slice, fill: float = 0.0) -> Array:
        full = np.full((*np.shape(values)[:-1], n), fill)
        full[..., span] = values
        return full

    kinds = {(t.part, t.term, t.null) for p in parts for t in p.bias}
    for kind in sorted(kinds):
        has = np.zeros(n)
        for p, span in zip(parts, spans):
            for t in p.bias:
                if (t.part, t.term, t.null) == kind:
                    out.bias.append(Term(wide(t.values, span), t.name, *kind, _within(span, t.span)))
                    has[out.bias[-1].span] += 1
        out.colours.append((has, f"{target.name}.biases"))
    for p, span in zip(parts, spans):
        out.colours += [(wide(np.reshape(v, (-1, p.n)), span, -np.inf), name) for v, name in p.colours]    # no number
        out.gains += [g._replace(values=wide(np.reshape(g.values, (-1, p.n)), span, 1.0), span=_within(span, g.span))
                      for g in p.gains]
    out.gains = [g._replace(after=True) for g in target.gains] + out.gains
    out.zero, out.forward_zero, out.half_line, out.odd, out.homogeneous, out.even = (
        all(getattr(p, key) for p in parts)
        for key in ("zero", "forward_zero", "half_line", "odd", "homogeneous", "even"))
    if target.bias:                  # numbers added after the functions
        out.forward_zero = out.half_line = False
        out.bias += [t._replace(term=t.term + 100) for t in target.bias]
    if any(p.norm in ("layer", "group") for p in parts):
        out = plain(out)
        out.norm = target.norm
    out.turns = first.turns if all(p.turns == first.turns for p in parts) else ()
    out.lone, out.groups = any(p.lone for p in parts), sum(p.groups for p in parts)
    names = {kind_of(p): k for k, p in enumerate(parts)}
    which = [k if p.lone and p.like < 0 else names[kind_of(p)] for k, p in enumerate(parts)]
    if any(which):                   # different functions: their units have nothing in common
        out.colours.append((np.repeat(which, [p.n for p in parts]).astype(float), f"{target.name}.function"))
    return out


def _within(span: slice, inner: slice | None) -> slice:
    """The units of a part that have something of their own."""
    return span if inner is None else slice(span.start + inner.start, span.start + inner.stop)


def kind_of(p: Axis) -> tuple[object, ...]:
    """What two parts must have in common for their units to be comparable."""
    phi = p.activation
    return (phi and (phi.name, phi.phi), p.product, p.norm, p.plain, len(p.gains), len(p.colours), p.made, p.parts,
            p.gate, p.shut, p.turned, p.like if p.lone else -1)
