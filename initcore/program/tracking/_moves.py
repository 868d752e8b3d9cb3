"""Operations that move elements: units keep their identity, also where several values are put side by side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .._program import Op
from ._layouts import broadcast, common, cut_out, flip, permute, reshape, roll
from ._trace import Trace, aligned
from ._tracks import DATA, SAME, UNIT, Factor, Track, Unsaid, data, plain_dims


def relocate(trace: Trace, op: Op, tracks: list[Track | None]) -> list[Track]:
    """reshape, permute, broadcast, slice, concatenate, flip, roll, pad."""
    some = [t for t in tracks if t is not None]
    x, a, shape = some[0], op.attributes, op.outputs[0].shape
    if op.kind == "concatenate":
        if _stacked(trace, op, some):
            return [_side_by_side(trace, some, a["dim"], shape)]
        return [concatenate(trace, some, a["dim"], shape)]
    if op.kind == "pad":
        return [_pad(trace, x, a["low"], a["high"], shape)]
    try:
        return [_moved(x, op)]
    except Unsaid:
        if x.data:
            return [data(shape)]
        raise


def _moved(x: Track, op: Op) -> Track:
    a = op.attributes
    if op.kind == "reshape":
        return reshape(x, a["shape"])
    if op.kind == "permute":
        return permute(x, a["dims"])
    if op.kind == "broadcast":
        return broadcast(x, a["shape"], a["dims"])
    if op.kind == "slice":
        steps = a.get("steps") or (1,) * len(x.shape)
        return cut_out(x, a["starts"], a["stops"], steps)
    if op.kind == "flip":
        return flip(x, a["dims"])
    return roll(x, a["shifts"], a["dims"])


def concatenate(trace: Trace, tracks: Sequence[Track], dim: int, shape: tuple[int, ...]) -> Track:
    """Along data: a function of each unit. Along units: the units of all, each under a name of its operand."""
    if len(tracks) == 1:
        return tracks[0]
    if all(t.data for t in tracks):
        return data(shape)
    live = [t for t in tracks if t.ids is not None]
    along = {f.kind for t in live for f in t.dims[dim]}
    if UNIT in along:
        if along != {UNIT}:
            raise Unsaid("units and data side by side")
        return _side_by_side(trace, tracks, dim, shape)
    if not live:                                    # parameters alone: units where they are long
        return _side_by_side(trace, [trace.as_units(t) for t in tracks], dim, shape)
    thin = (*shape[:dim], 1, *shape[dim + 1:])
    parts = [_thin(trace, t, live, dim, thin) for t in tracks]
    y = trace.join(parts, thin, "choose" if all(t.ids is not None for t in parts) else "sum", "concatenate")
    return Track((*y.dims[:dim], *plain_dims((shape[dim],)), *y.dims[dim + 1:]), y.ids)


def _stacked(trace: Trace, op: Op, tracks: Sequence[Track]) -> bool:
    """Are values that are one function of their weights put side by side along a dim of their own?"""
    if len(tracks) < 2 or any(t.ids is None or t.dims[op.attributes["dim"]] for t in tracks):
        return False
    ids = np.concatenate([t.ids.ravel() for t in tracks if t.ids is not None])
    return len({trace.values[v] for v in op.inputs if v is not None}) == 1 and len(np.unique(ids)) == len(ids)


def _thin(trace: Trace, t: Track, live: Sequence[Track], dim: int, thin: tuple[int, ...]) -> Track:
    """The value without the dim along which it is put; a parameter as numbers at its places."""
    if t.weights is not None:
        lists = [aligned(Track((*u.dims[:dim], (), *u.dims[dim + 1:]), u.ids), thin) for u in live]
        mine = aligned(Track((*t.dims[:dim], (), *t.dims[dim + 1:])), thin)
        split = [common([x[d] for x in lists] + [mine[d]]) for d in range(len(thin))]
        kinds: list[tuple[Factor, ...]] = []
        for rows in split:
            kinds.append(tuple(Factor(f.size, UNIT if any(r[i].kind == UNIT for r in rows[:-1]) else DATA)
                               for i, f in enumerate(rows[-1])))
        own = [list(rows[-1]) for rows in split]
        own[dim], kinds[dim] = list(t.dims[dim]), t.dims[dim]
        t, _ = trace._lift(t, own, tuple(kinds))
    return Track((*t.dims[:dim], (), *t.dims[dim + 1:]), t.ids)


def _side_by_side(trace: Trace, tracks: Sequence[Track], dim: int, shape: tuple[int, ...]) -> Track:
    live = [t for t in tracks if t.ids is not None]
    rows = [[list(d) for d in t.dims] for t in live]
    split: list[list[list[Factor]]] = [common([r[d] for r in rows]) if d != dim else [[] for _ in live]
                                       for d in range(len(shape))]
    pieces = []
    kinds = [tuple(Factor(f.size, UNIT if any(r[i].kind == UNIT for r in split[d]) else
                          DATA if any(r[i].kind == DATA for r in split[d]) else SAME)
                   for i, f in enumerate(split[d][0])) for d in range(len(shape))]
    at = sum(f.kind == UNIT for d in range(dim) for f in kinds[d])
    outer = [f.size for d in range(len(shape)) if d != dim for f in kinds[d] if f.kind == UNIT]
    index = -1
    for t in tracks:
        n = t.shape[dim]
        full = [*outer[:at], n, *outer[at:]]
        if t.ids is not None:
            index += 1
            own = [[r[index][i].kind for i in range(len(r[index]))] for r in split]
            if any((k == UNIT) != (g.kind == UNIT) for d in range(len(shape)) for k, g in zip(own[d], kinds[d])):
                raise Unsaid("side by side with what lacks some units")
            pieces.append(trace.alike(Track(t.dims, t.ids), "sum", "concatenate").ids.reshape(full))  # type: ignore
        elif t.data:
            made = trace.family(full, "constant", grows=False)
            trace.discrete(made.ids)
            pieces.append(made.ids)
        else:
            raise Unsaid("a parameter beside units")
    ids = np.concatenate(pieces, axis=at)
    kinds[dim] = (Factor(shape[dim], UNIT),)
    return Track(tuple(kinds), ids)


def _pad(trace: Trace, x: Track, low: Sequence[int], high: Sequence[int], shape: tuple[int, ...]) -> Track:
    if x.data:
        return data(shape)
    x = trace.as_units(x)
    dims = list(x.dims)
    wide = [d for d in range(len(shape)) if low[d] or high[d]]
    for d in wide:
        if any(f.kind == UNIT for f in x.dims[d]):
            before = [data((*x.shape[:d], low[d], *x.shape[d + 1:]))] if low[d] else []
            after = [data((*x.shape[:d], high[d], *x.shape[d + 1:]))] if high[d] else []
            new = (*x.shape[:d], shape[d], *x.shape[d + 1:])
            x = concatenate(trace, [*before, x, *after], d, new)
            dims = list(x.dims)
        else:
            dims[d] = plain_dims((shape[d],))[0]
    return trace.alike(x, "spread", "linear", dims=tuple(dims))

