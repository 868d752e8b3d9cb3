"""Which part of an array a rank holds: placements replayed on ranges of indices. Plain Python, no framework.

Design
A. An axis of the local array is a tuple of runs, half-open ranges of global indices, in order. A placement splits
   runs as ``torch.chunk`` splits a tensor: pieces of ceil(n / parts), the last ones short or empty.
B. Placements act from the first mesh dimension to the last. Two on one axis split what the first has left.
   A strided one first cuts into ``factor`` chunks, splits each, and joins the pieces of equal number: several runs.
C. A local array is the product of its axes' runs: a grid of boxes, each contiguous in global indices.
D. FSDP1 keeps a range of the flattened array: at most 2 rank - 1 boxes (:func:`flat_boxes`).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

Runs = tuple[tuple[int, int], ...]


class Split(NamedTuple):
    """One mesh dimension splits ``axis`` into ``parts``; this rank has part ``number``; ``factor`` > 1: strided."""

    axis: int
    parts: int
    number: int
    factor: int = 1


class Box(NamedTuple):
    """A box of the local array: ``local`` its slices there, ``start`` its first global index on each axis."""

    local: tuple[slice, ...]
    start: tuple[int, ...]
    shape: tuple[int, ...]


def size(runs: Runs) -> int:
    """Number of indices.

    >>> size(((0, 2), (6, 7)))
    3
    """
    return sum(stop - start for start, stop in runs)


def cut(runs: Runs, first: int, last: int) -> Runs:
    """Positions ``first:last`` of the indices that ``runs`` list, neighbours joined.

    >>> cut(((0, 4), (6, 9)), 2, 6)
    ((2, 4), (6, 8))
    """
    out: list[tuple[int, int]] = []
    at = 0
    for start, stop in runs:
        low, high = max(first - at, 0), min(last - at, stop - start)
        at += stop - start
        if low >= high:
            continue
        if out and out[-1][1] == start + low:
            out[-1] = (out[-1][0], start + high)
        else:
            out.append((start + low, start + high))
    return tuple(out)


def chunk(runs: Runs, parts: int, number: int) -> Runs:
    """Chunk ``number`` of ``parts``, as ``torch.chunk`` cuts; past the last one there is nothing.

    >>> [chunk(((0, 10),), 4, i) for i in range(4)]
    [((0, 3),), ((3, 6),), ((6, 9),), ((9, 10),)]
    >>> chunk(((0, 3),), 4, 3)
    ()
    """
    step = -(-size(runs) // parts)
    return cut(runs, step * number, step * (number + 1))


def split(runs: Runs, by: Split) -> Runs:
    """What the rank has left of ``runs``.

    >>> split(((0, 8),), Split(0, parts=2, number=1, factor=2))
    ((2, 4), (6, 8))
    """
    if by.factor == 1:
        return chunk(runs, by.parts, by.number)
    pieces = (chunk(chunk(runs, by.factor, i), by.parts, by.number) for i in range(by.factor))
    joined = tuple(run for piece in pieces for run in piece)
    return cut(joined, 0, size(joined))


def owned(shape: Sequence[int], splits: Iterable[Split]) -> tuple[Runs, ...]:
    """The runs of every axis after all splits.

    >>> owned((8, 6), [Split(0, 2, 0, factor=2), Split(0, 2, 1), Split(1, 3, 2)])
    (((4, 6),), ((4, 6),))
    """
    axes: list[Runs] = [((0, n),) if n else () for n in shape]
    for by in splits:
        axes[by.axis] = split(axes[by.axis], by)
    return tuple(axes)


def boxes(axes: Sequence[Runs]) -> Iterator[Box]:
    """The grid of boxes, in the local array's C order.

    >>> [(b.local[0], b.start) for b in boxes([((2, 4), (6, 8)), ((0, 3),)])]
    [(slice(0, 2, None), (2, 0)), (slice(2, 4, None), (6, 0))]
    """
    placed = []
    for runs in axes:
        ends = itertools.accumulate(stop - start for start, stop in runs)
        placed.append([(slice(end - (stop - start), end), start) for end, (start, stop) in zip(ends, runs)])
    for corner in itertools.product(*placed):
        local = tuple(s for s, _ in corner)
        yield Box(local, tuple(start for _, start in corner), tuple(s.stop - s.start for s in local))


def flat_boxes(shape: Sequence[int], first: int, last: int) -> Iterator[Box]:
    """Elements ``first:last`` of the flattened array as boxes; ``local`` is one slice of the flat piece.

    >>> [(b.start, b.shape) for b in flat_boxes((4, 5), 3, 17)]
    [((0, 3), (1, 2)), ((1, 0), (2, 5)), ((3, 0), (1, 2))]
    """
    yield from _flat(tuple(shape), first, last, 0, ())


def _flat(shape: tuple[int, ...], first: int, last: int, at: int, outer: tuple[int, ...]) -> Iterator[Box]:
    """As :func:`flat_boxes` for the axes after the fixed indices ``outer``; ``at``: place in the flat piece."""
    if first >= last:
        return
    rank = len(outer) + len(shape)
    if len(shape) <= 1:
        count = (1,) * len(outer) + (last - first,) * len(shape)
        yield Box((slice(at, at + last - first),), (*outer, first)[:rank], count)
        return
    row = math.prod(shape[1:])
    top, bottom = -(-first // row), last // row
    if top > bottom:                                    # within one row
        yield from _flat(shape[1:], first - bottom * row, last - bottom * row, at, (*outer, bottom))
        return
    yield from _flat(shape[1:], first - (top - 1) * row, row, at, (*outer, top - 1)) if first < top * row else ()
    at += top * row - first
    if top < bottom:
        taken = (bottom - top) * row
        start = (*outer, top) + (0,) * (len(shape) - 1)
        yield Box((slice(at, at + taken),), start, (1,) * len(outer) + (bottom - top, *shape[1:]))
        at += taken
    yield from _flat(shape[1:], 0, last - bottom * row, at, (*outer, bottom))
