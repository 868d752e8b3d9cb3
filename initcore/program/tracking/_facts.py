"""The facts of a trace: families of units, links between them, weights, colours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from ..._types import Array
from ._tracks import Weights

SQUARES = "squares"         # a sum over units that does not see their signs


@dataclass
class Family:
    """The units one operation makes: numbers ``start`` to ``start + n``, their dims' ``shape``.

    role : what makes them: "weigh" and "lift" (parameters), "constant", "sum", "product", "quotient", "phi",
        "function", "softmax", "norm", "reduce", "recur", "spread", "dropout", "detach", "mix".
    operands : units each is made of: ("in", ids) of the same bundle, ("out", ids) of another, ("data", None).
    call : the activation, function or method.   grows : does a gradient pass?
    """

    index: int
    op: int
    start: int
    shape: tuple[int, ...]
    role: str
    call: Any = None
    operands: list[tuple[str, Array | None]] = field(default_factory=list)
    grows: bool = True

    @property
    def n(self) -> int:
        """How many."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def ids(self) -> Array:
        """Their numbers."""
        return np.arange(self.start, self.start + self.n).reshape(self.shape)


@dataclass
class Link:
    """Unit ``one[g]`` goes with the units of ``many`` that ``owner`` assigns to group g, whichever their order.

    up : the many make the one (a sum over units); else the one enters each of the many.
    """

    one: Array
    many: Array
    owner: Array
    up: bool
    family: int


@dataclass
class Use:
    """A parameter between units: ``arrange`` makes ``(E, taps, P, Q)`` of it.

    source : ``(E, H, P)`` ids, None for data (P values that all differ).   target : ``(E, H, Q)`` ids.
    The H copies use one array, as do all uses of the parameter's memory.
    """

    op: int
    weights: Weights
    arrange: Callable[[Array], Array]
    source: Array | None
    target: Array
    lift: bool = False


class Colour(NamedTuple):
    """Units that are alike only where these numbers are; ``lone``: no two of them, nor of another operation's."""

    ids: Array
    values: Array
    op: int
    lone: bool = False
