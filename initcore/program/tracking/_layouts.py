"""Moving the elements of a value: the numbers of its units move with them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from ..._types import Array
from ._tracks import DATA, SAME, UNIT, Dims, Factor, Track, Unsaid, Weights, flat, size


def cuts(factors: Sequence[Factor]) -> list[int]:
    """Where factors end, counted in elements from the last: 1 is left out, the whole is the last."""
    out, n = [], 1
    for f in reversed(factors):
        n *= f.size
        out.append(n)
    return out


def cut(factors: Sequence[Factor], at: set[int]) -> list[Factor]:
    """The factors, split where ``at`` asks (in elements from the last)."""
    out: list[Factor] = []
    inner = 1
    for f in reversed(factors):
        marks = sorted(m for m in at if inner < m < inner * f.size)
        last = inner
        for m in [*marks, inner * f.size]:
            if m % last:
                raise Unsaid("a factor cannot be split there")
            out.append(Factor(m // last, f.kind))
            last = m
        inner *= f.size
    return out[::-1]


def settled(track: Track, dims: Dims) -> Track:
    """The track with dims of finer or merged factors, ``ids`` shaped accordingly."""
    if track.ids is None:
        return replace(track, dims=dims)
    shape = [f.size for f in flat(dims) if f.kind == UNIT]
    return replace(track, dims=dims, ids=track.ids.reshape(shape))


def merged(factors: Sequence[Factor]) -> tuple[Factor, ...]:
    """Neighbours of one kind as one factor."""
    out: list[Factor] = []
    for f in factors:
        if out and out[-1].kind == f.kind:
            out[-1] = Factor(out[-1].size * f.size, f.kind)
        else:
            out.append(f)
    return tuple(out)


def reshape(track: Track, shape: Sequence[int]) -> Track:
    """Split and merge factors."""
    known = None if track.known is None else track.known.reshape(shape)
    weights = track.weights
    if weights is not None:
        weights = _moved(weights, lambda a: a.reshape(shape))
    if 0 in shape:
        raise Unsaid("nothing in it")
    ends, n = set(), 1
    for s in reversed(shape):
        n *= s
        ends.add(n)
    factors = flat(track.dims)
    try:
        pieces = cut(factors, ends)
    except Unsaid:
        pieces = cut(merged(factors), ends)
    dims, at = [], len(pieces)
    for s in reversed(shape):
        stop, total = at, 1
        while total < s and at:
            at -= 1
            total *= pieces[at].size
        if total != s:
            raise Unsaid("a dim of the new shape splits a factor")
        dims.append(tuple(pieces[at:stop]))
    return settled(replace(track, known=known, weights=weights), tuple(dims[::-1]))


def _moved(weights: Weights, move: Callable[[Array], Array]) -> Weights:
    before = weights.array
    return replace(weights, array=lambda a: move(before(a)))


def permute(track: Track, dims: Sequence[int]) -> Track:
    """Dims in a new order."""
    new = tuple(track.dims[d] for d in dims)
    ids = track.ids
    if ids is not None:
        place, k = [], 0
        for d in track.dims:
            mine = []
            for f in d:
                if f.kind == UNIT:
                    mine.append(k)
                    k += 1
            place.append(mine)
        ids = ids.transpose([k for d in dims for k in place[d]])
    known = None if track.known is None else track.known.transpose(dims)
    weights = track.weights and _moved(track.weights, lambda a: a.transpose(dims))
    return Track(new, ids, weights, known)


def broadcast(track: Track, shape: Sequence[int], dims: Sequence[int]) -> Track:
    """Dim i becomes dim ``dims[i]`` of ``shape``; the others are the same all along."""
    if list(dims) != sorted(dims):
        order = [int(i) for i in np.argsort(dims)]
        return broadcast(permute(track, order), shape, sorted(dims))
    new: list[tuple[Factor, ...]] = []
    for d, n in enumerate(shape):
        old = track.dims[dims.index(d)] if d in dims else ()
        new.append(old if size(old) == n else ((Factor(n, SAME),) if n != 1 else ()))
    def wide(a: Array) -> Array:
        inner = [1] * len(shape)
        for i, d in enumerate(dims):
            inner[d] = a.shape[i]
        return np.broadcast_to(a.reshape(inner), shape)
    known = None if track.known is None else wide(track.known)
    # A parameter is kept small: its repeated dims are dims of size 1 to whatever joins it.
    weights = track.weights and _moved(track.weights, wide)
    return Track(tuple(new), track.ids, weights, known)


def _along(track: Track, d: int, move: Callable[[Array, int], Array], n: int) -> Track:
    """Move the elements of one dim: of one factor, or of its outermost where the others are whole."""
    factors = track.dims[d]
    kinds = {f.kind for f in factors}
    if len(kinds) > 1:
        raise Unsaid("units and data in one dim")
    kind = kinds.pop() if kinds else DATA
    if (kind == SAME and track.ids is not None) or not factors:
        kind = SAME if n != 1 else DATA
        new: tuple[Factor, ...] = (Factor(n, SAME),) if n != 1 else ()
    else:
        new = (Factor(n, kind),) if n != 1 else ()
    ids = track.ids
    if ids is not None and kind == UNIT:
        whole = settled(track, (*track.dims[:d], merged(factors), *track.dims[d + 1:]))
        at = sum(f.kind == UNIT for f in flat(whole.dims[:d]))
        assert whole.ids is not None
        ids = move(whole.ids, at)
        if n == 1:
            ids = np.squeeze(ids, at)
    known = None if track.known is None else move(track.known, d)
    weights = track.weights and _moved(track.weights, lambda a: move(a, d))
    return Track((*track.dims[:d], new, *track.dims[d + 1:]), ids, weights, known)


def cut_out(track: Track, starts: Sequence[int], stops: Sequence[int], steps: Sequence[int]) -> Track:
    """A part of every dim."""
    for d, (n, a, b, s) in enumerate(zip(track.shape, starts, stops, steps, strict=True)):
        if (a, b, s) == (0, n, 1):
            continue
        kept = len(range(n)[a:b:s])
        if not kept:
            raise Unsaid("nothing in it")
        factors = track.dims[d]
        inner = size(factors[1:])
        if len({f.kind for f in factors}) > 1 and s == 1 and a % inner == 0 and kept % inner == 0:
            rest = reshape(track, (*track.shape[:d], n // inner, inner, *track.shape[d + 1:]))
            rest = _along(rest, d, _part(a // inner, (a + kept) // inner, 1), kept // inner)
            track = reshape(rest, (*track.shape[:d], kept, *track.shape[d + 1:]))
            continue
        track = _along(track, d, _part(a, b, s), kept)
    return track


def _part(a: int, b: int, s: int) -> Callable[[Array, int], Array]:
    return lambda x, d: x[(slice(None),) * d + (slice(a, b, s),)]


def flip(track: Track, dims: Sequence[int]) -> Track:
    """Dims the other way round."""
    for d in dims:
        track = _along(track, d, lambda x, at: np.flip(x, at), track.shape[d])
    return track


def roll(track: Track, shifts: Sequence[int], dims: Sequence[int]) -> Track:
    """Dims turned round by ``shifts`` elements."""
    for k, d in zip(shifts, dims, strict=True):
        track = _along(track, d, lambda x, at, k=k: np.roll(x, k, at), track.shape[d])  # type: ignore[misc]
    return track


def common(lists: Sequence[Sequence[Factor]]) -> list[list[Factor]]:
    """Lists of factors of one product, each split where any of them is."""
    at = {m for factors in lists for m in cuts(factors)}
    try:
        return [cut(factors, at) for factors in lists]
    except Unsaid:
        whole = [merged(factors) for factors in lists]
        at = {m for factors in whole for m in cuts(factors)}
        return [cut(factors, at) for factors in whole]
