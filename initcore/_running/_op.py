"""What every entry of the tables is: ``entry(attributes, op, *arrays) -> (results, back)``.

``back(*gradients of the results)`` gives the gradients of the inputs, None for one that has none; a gradient may have
the shape that its input was broadcast to. ``back`` is None where no gradient passes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from .._types import Array
from ..program import Op

MOST = 1 << 27              # elements of what an operation makes
Back = Callable[..., tuple[Any, ...]] | None
Entry = Callable[..., tuple[tuple[Array, ...], Back]]
Attributes = Mapping[str, Any]


class Unrun(Exception):
    """An operation that is not run here, in a sentence."""


def refuse(op: Op, why: str = "") -> Unrun:
    """The sentence about an operation.

    >>> str(refuse(Op("opaque", (), (), {}, source="aten.foo.default")))
    'aten.foo.default is not evaluated'
    """
    place = f" at {op.place}" if str(op.place) else ""
    return Unrun(f"{op.source or op.kind}{place} is not evaluated{f' ({why})' if why else ''}")


def bounded(op: Op, *shapes: Any) -> None:
    """Refuse room that the operation's attributes ask for beside its result."""
    if sum(math.prod(shape) for shape in shapes) > MOST:
        raise refuse(op, "it takes too much room")


__all__ = ["MOST", "Attributes", "Back", "Entry", "Unrun", "bounded", "refuse"]
