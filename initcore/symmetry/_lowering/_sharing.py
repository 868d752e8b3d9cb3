"""One parameter used at several places: which units it binds together, told by where its numbers lie in memory."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ..._types import Array
from ...program.tracking import Use

_INDEX = 1 << 22


@dataclass
class Sites:
    """A use, its weights as arranged, and the parameter's own array."""

    use: Use
    w: Array
    a: Array


@dataclass
class Shared:
    """Along one dim of the parameter: the ids that each use has there; ``discrete``: data in one of them."""

    n: int
    units: list[Array]
    discrete: bool


@dataclass
class _View:
    start: int
    dims: dict[tuple[int, int], Array | None]          # (stride, size) -> ids, None for data
    elements: Array | None


def sharing(sites: list[Sites]) -> list[Shared] | None:
    """What must agree between the uses of one parameter; None where it cannot be said."""
    views = [v for s in sites for v in _views(s)]
    if len(views) < 2:
        return []
    if any(s.use.weights.copied or len(s.use.target) > 1 for s in sites) or None in views:
        return None
    seen = [v for v in views if v is not None]
    known: list[list[_View]] = []
    for v in seen:
        for same in known:
            if same[0].start == v.start and set(same[0].dims) == set(v.dims):
                same.append(v)
                break
        else:
            known.append([v])
    heads = [k[0] for k in known]
    for i, a in enumerate(heads):
        for b in heads[:i]:
            if _meet(a, b):
                return None
    out = []
    for same in known:
        if len(same) > 1:
            for key in same[0].dims:
                rows = [v.dims[key] for v in same]
                units = [r for r in rows if r is not None]
                if units:
                    out.append(Shared(key[1], units, len(units) < len(rows)))
    return out


def _views(s: Sites) -> list[_View | None]:
    """One view for each copy of a use, by strides in elements of the parameter; None where it is too large a copy."""
    base = s.a.__array_interface__["data"][0]
    size = s.a.itemsize
    w = s.w
    inside = base <= w.__array_interface__["data"][0] < base + max(1, s.a.nbytes) and np.may_share_memory(w, s.a)
    if not inside and s.a.size <= _INDEX and not s.use.weights.copied:
        elements = s.use.arrange(np.arange(s.a.size).reshape(s.a.shape))
        return [_by_elements(s.use, elements, h) for h in range(s.use.target.shape[1])]
    if not inside:
        return [None]
    start = (w.__array_interface__["data"][0] - base) // size
    out: list[_View | None] = []
    for h in range(s.use.target.shape[1]):
        dims: dict[tuple[int, int], Array | None] = {}
        for d, n in enumerate(w.shape):
            if n > 1:
                dims[(w.strides[d] // size, n)] = _ids(s.use, d, h)
        out.append(_View(start, dims, None))
    return out


def _by_elements(use: Use, elements: Array, h: int) -> _View:
    dims: dict[tuple[int, int], Array | None] = {}
    start = int(elements.ravel()[0]) if elements.size else 0
    for d, n in enumerate(elements.shape):
        if n > 1:
            row = elements[tuple(slice(None) if i == d else 0 for i in range(4))]
            steps = {int(y - x) for x, y in pairwise(row.tolist())}
            dims[(steps.pop() if len(steps) == 1 else -hash(row.tobytes()), n)] = _ids(use, d, h)
    return _View(start, dims, elements)


def _ids(use: Use, d: int, h: int) -> Array | None:
    """The ids along one dim of ``(E, taps, P, Q)``, E = 1; None for data."""
    side: Array | None = use.target if d == 3 else use.source if d == 2 else None
    return None if side is None else np.asarray(side[0, h])


def _meet(a: _View, b: _View) -> bool:
    """Might two views of one parameter hold a common element?"""
    if a.elements is None and b.elements is None and (_last(a) < b.start or _last(b) < a.start):
        return False
    return max(_count(a), _count(b)) > _INDEX or bool(np.intersect1d(_numbers(a), _numbers(b)).size)


def _last(v: _View) -> int:
    return v.start + sum(stride * (n - 1) for stride, n in v.dims)


def _count(v: _View) -> int:
    return int(np.prod([n for _, n in v.dims], dtype=np.int64))


def _numbers(v: _View) -> Array:
    if v.elements is not None:
        return v.elements.ravel()
    out = np.array([v.start])
    for stride, n in v.dims:
        out = (out[:, None] + np.arange(n)[None] * stride).ravel()
    return out
