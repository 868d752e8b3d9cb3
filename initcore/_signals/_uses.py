"""Where a weight meets data: products, convolutions, tables, the cells of recurrent operations."""

from __future__ import annotations

import math
from collections.abc import Container, Iterator
from dataclasses import dataclass, field

from ..program import Op, Value


@dataclass(eq=False)
class Use:
    """One contraction of data with a weight: ``node`` is the result, ``x`` what it reads (None: looked up).

    w : the weight's value. bias : the parameter that is added, or None. summed : the dims of w that are summed over.
    kind : "dense", "conv", "transposed", "table". after : what follows ("norm", "activation", "sum", "output",
    "contraction", "product", "other"). activation : the first one that follows. part : of a recurrent operation.
    """

    node: Value
    x: Value | None
    w: Value
    kind: str
    summed: tuple[int, ...]
    fan_in: int
    fan_out: int
    taps: int = 1
    bias: Value | None = None
    after: set[str] = field(default_factory=set)
    activation: Value | None = None
    part: str = ""


def uses_of(op: Op, weights: Container[Value], live: Container[Value]) -> list[Use]:
    """The weights that an operation lets meet data, or looks rows up in."""
    if op.kind == "look_up":
        return list(_looked_up(op, weights))
    if op.kind == "recur":
        return list(_cells(op, weights))
    if op.kind not in ("contract", "convolve"):
        return []
    a, b = op.inputs[:2]
    assert a is not None and b is not None
    w, x = (a, b) if a in weights else (b, a)
    if w not in weights or x not in live:
        return []
    found = _convolution(op, x, w) if op.kind == "convolve" else _product(op, x, w)
    return [found] if found is not None and (op.kind == "contract" or w is b) else []


def _product(op: Op, x: Value, w: Value) -> Use | None:
    which = 0 if w is op.inputs[0] else 1
    summed, batch = op.attributes["contracting"][which], (op.attributes.get("batch") or ((), ()))[which]
    free = [n for k, n in enumerate(w.shape) if k not in (*summed, *batch)]
    fan_in = math.prod(w.shape[k] for k in summed)
    return Use(op.outputs[0], x, w, "dense", tuple(summed), fan_in, math.prod(free)) if summed and fan_in else None


def _convolution(op: Op, x: Value, w: Value) -> Use:
    """A kernel (out, in, *taps) wherever its dims stand; of a transposed one a tap in ``stride`` meets an output."""
    a = op.attributes
    out, into, *rest = a["w_dims"]
    taps = math.prod(w.shape[k] for k in rest)
    if not a.get("transposed"):
        return Use(op.outputs[0], x, w, "conv", (into, *rest), w.shape[into] * taps, w.shape[out], taps)
    groups, step = a.get("groups") or 1, math.prod(a.get("stride") or (1,))
    return Use(op.outputs[0], x, w, "transposed", (into, *rest), max(w.shape[into] // groups * taps // max(step, 1), 1),
               w.shape[out] * groups, taps)


def _looked_up(op: Op, weights: Container[Value]) -> Iterator[Use]:
    table, at = op.inputs[:2]
    assert table is not None
    dim = op.attributes.get("dim", 0)
    rows = table.shape[dim]
    if table in weights and at not in weights:
        yield Use(op.outputs[0], None, table, "table", (dim,), rows, math.prod(table.shape) // max(rows, 1))


def _cells(op: Op, weights: Container[Value]) -> Iterator[Use]:
    """Per layer and direction of a recurrent operation the matrix from below and the one from the state."""
    a = op.attributes
    given = op.inputs[3:]
    biased = a.get("biases", True)
    each = (4 if biased else 2) + bool(a.get("projected"))
    ways = 2 if a.get("bidirectional") else 1
    several = len(given) > each
    for k in range(0, len(given) - each + 1, each):
        layer, way = divmod(k // each, ways)
        biases = given[k + 2:k + 4] if biased else (None, None)
        for source, w, bias in zip(op.inputs[:2], given[k:k + 2], biases):
            if w is not None and w in weights:
                yield Use(op.outputs[0], source, w, "dense", (1,), w.shape[1], w.shape[0], bias=bias,
                          part=f"layer {layer}{' backwards' * way}" * several)
