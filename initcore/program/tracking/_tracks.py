"""What a value carries: every dim is a list of factors, each data, units, or the same all along.

Design
A. ``ids`` holds one number a unit. Its dims are the unit factors of the value's dims in their order, so moving
   elements of the value moves numbers in ``ids`` exactly as NumPy moves elements.
B. A factor of size 1 is left out: a dim of size 1 has none.
C. What cannot be said (a split across factors, units and data interleaved) raises :class:`Unsaid`; the operation is
   then opaque, which loses ties and never invents one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ..._types import Array
from .._program import Parameter

UNIT, DATA, SAME = "unit", "data", "same"


class Unsaid(Exception):
    """What an operation does to the units cannot be said."""


class Factor(NamedTuple):
    """A factor of a dim: how many, of what."""

    size: int
    kind: str


Dims = tuple[tuple[Factor, ...], ...]


@dataclass(frozen=True)
class Weights:
    """A parameter as moved about: ``array()`` makes it from what the parameter reads."""

    parameter: Parameter
    array: Callable[[Array], Array]
    copied: bool = False               # not a view of the parameter's memory
    frozen: bool = False               # no gradient comes back to it from here


@dataclass(frozen=True)
class Track:
    """The factors of a value's dims; units (``ids``), or a parameter, or data (neither).

    known : the numbers themselves, of a constant.
    """

    dims: Dims
    ids: Array | None = None
    weights: Weights | None = None
    known: Array | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the dims."""
        return tuple(size(d) for d in self.dims)

    @property
    def data(self) -> bool:
        """Neither units nor a parameter."""
        return self.ids is None and self.weights is None


def size(factors: Sequence[Factor]) -> int:
    """The product of some factors."""
    out = 1
    for f in factors:
        out *= f.size
    return out


def plain_dims(shape: Sequence[int], kind: str = DATA) -> Dims:
    """One factor a dim."""
    return tuple((Factor(n, kind),) if n != 1 else () for n in shape)


def data(shape: Sequence[int], known: Array | None = None) -> Track:
    """A value of data."""
    return Track(plain_dims(shape), known=known)


def flat(dims: Dims) -> list[Factor]:
    """The factors of all dims, in order."""
    return [f for d in dims for f in d]
