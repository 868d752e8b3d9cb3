"""A plan of blocks: which parts of an array to make where, for any engine that runs functions."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from .._checks import integer
from .._checks import shape as _shape
from .._types import Array, Shape


class Block(NamedTuple):
    """A part of an array: where it starts, its shape, and the shape of the whole. A tuple of ints; it pickles.

    >>> from initcore import random
    >>> part = Block((2, 0), (2, 3), (6, 3))
    >>> bool((part.make(random.normal, rng=0) == random.normal((6, 3), rng=0)[part.slices]).all())
    True
    """

    start: tuple[int, ...]
    shape: tuple[int, ...]
    whole: tuple[int, ...]

    @property
    def slices(self) -> tuple[slice, ...]:
        """The part as an index of the whole."""
        return tuple(slice(a, a + n) for a, n in zip(self.start, self.shape))

    def make(self, initializer: Callable[..., Array], **arguments: Any) -> Array:
        """What the initialiser, or the distribution, has here: ``initializer(shape, global_shape=, start=, ...)``."""
        return initializer(self.shape, global_shape=self.whole, start=self.start, **arguments)


def blocks(shape: Shape, *, elements: int = 1 << 24) -> Iterator[Block]:
    """Blocks of at most ``elements`` elements that cover an array, each contiguous in C order and in that order.

    Nothing is made and nothing is drawn: give each to a process, a Ray task or a Spark partition, and let it call
    :meth:`Block.make` with the key. Any cut gives the same bits.

    >>> [tuple(b[:2]) for b in blocks((4, 3), elements=6)]
    [((0, 0), (2, 3)), ((2, 0), (2, 3))]
    >>> sum(1 for _ in blocks((10**6, 10**5), elements=10**8))
    1000
    """
    whole, most = _shape("shape", shape), integer("elements", elements, low=1)
    if 0 in whole:
        return
    axis, inner = len(whole), 1                         # axes from this one on lie in a block whole
    while axis and inner * whole[axis - 1] <= most:
        axis -= 1
        inner *= whole[axis]
    if not axis:
        yield Block((0,) * len(whole), whole, whole)
        return
    step, cut = max(1, most // inner), axis - 1
    for outer in range(math.prod(whole[:cut])):
        at = _index(outer, whole[:cut])
        for first in range(0, whole[cut], step):
            yield Block((*at, first, *[0] * (len(whole) - axis)),
                        (*[1] * cut, min(step, whole[cut] - first), *whole[axis:]), whole)


def _index(number: int, sizes: tuple[int, ...]) -> tuple[int, ...]:
    """The index of element ``number`` in C order."""
    out = []
    for n in reversed(sizes):
        number, rest = divmod(number, n)
        out.append(rest)
    return tuple(reversed(out))
