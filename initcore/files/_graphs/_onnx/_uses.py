"""What a graph's fixed numbers are for, and a node's attributes as plain Python."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from ._control import subgraphs

_LITERAL = 1 << 16          # elements of a constant that the program holds itself
_WEIGHTS = frozenset({"MatMul:1", *(f"{kind}:{k}" for kind in ("Gemm", "Conv", "ConvTranspose") for k in (1, 2)),
                      *(f"{kind}:{k}" for kind in ("LSTM", "GRU", "RNN") for k in (1, 2, 3))})


def uses(graph: Any) -> dict[str, str]:
    """Initialiser -> the operation that reads it and at which place."""
    found, todo = dict[str, str](), [graph]
    while todo:
        for node in todo.pop().node:
            found.update((name, f"{node.op_type}:{i}") for i, name in enumerate(node.input))
            todo += subgraphs(node)
    return found


def literal(name: str, shape: tuple[int, ...], dtype: str, use: str = "") -> bool:
    """Whether a tensor is a number or a table that the exporter wrote down, no weight.

    An exporter's own name is no sign of it where a layer weighs with the numbers: it turned weights round.

    >>> literal("/attn/Constant_3_output_0", (1, 1, 8, 8), "float32"), literal("layers.0.weight", (8, 8), "float32")
    (True, False)
    >>> literal("val_15", (1, 64, 8), "float32", "LSTM:1"), literal("val_3", (8, 8), "float32", "Add:1")
    (False, True)
    """
    whole = not dtype.startswith(("float", "bfloat"))
    made = name.startswith(("/", "val_")) and not (use in _WEIGHTS and math.prod(shape) > 1)
    return math.prod(shape) <= _LITERAL and (whole or not shape or made)


def attributes(node: Any) -> Iterator[tuple[str, Any]]:
    """Attributes as plain Python; graphs are left out."""
    for a in node.attribute:
        field = {1: "f", 2: "i", 3: "s", 4: "t", 6: "floats", 7: "ints", 8: "strings"}.get(a.type)
        if field is not None:
            value = getattr(a, field)
            yield a.name, value.decode("utf-8", "replace") if field == "s" else [
                v.decode("utf-8", "replace") for v in value] if field == "strings" else list(value) if field in (
                "floats", "ints") else value
