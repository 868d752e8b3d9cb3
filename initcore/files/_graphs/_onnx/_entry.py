"""What the tables of ONNX's operations are made of: an entry each, and what entries ask of their inputs.

An entry takes the :class:`Build` it writes with, the inputs in their order (None: left out) and the attributes; it
gives one value or several.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ...._aten import Build, NotUnderstood
from ...._types import Array
from ....program import Value

Values = Sequence[Value | None]
Entry = Callable[[Build, Values, dict[str, Any]], Any]
ELEMENTS = {1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 9: "bool",
            10: "float16", 11: "float64", 12: "uint32", 13: "uint64", 16: "bfloat16"}


def known(b: Build, x: Value | None) -> Array:
    """The array of a constant."""
    if x is None or x not in b.constants:
        raise NotUnderstood
    return b.constants[x]


def numbers(b: Build, x: Values, a: dict[str, Any], name: str, place: int) -> list[int] | None:
    """Whole numbers that older versions give as an attribute and newer ones as an input; None where neither does."""
    if name in a:
        return [int(n) for n in a[name]]
    given = x[place] if place < len(x) else None
    return None if given is None else [int(n) for n in known(b, given).ravel()]


def one(x: Values) -> Value:
    """The first input, which must be there."""
    if x[0] is None:
        raise NotUnderstood
    return x[0]
