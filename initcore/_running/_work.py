"""What running a program costs, from its shapes."""

from __future__ import annotations

import math
from typing import NamedTuple

from ..program import Op, Program


class Work(NamedTuple):
    """products : multiplications of one forward pass. numbers : elements of all values, parameters left out. calls :
    of NumPy, about."""

    products: int
    numbers: int
    calls: int


def work_of(program: Program) -> Work:
    """The cost of one batch.

    >>> from initcore.program import Op, Value
    >>> x, y = Value((4, 3)), Value((4, 3))
    >>> work_of(Program([x], [], {}, [Op("activation", (x,), (y,), {"activation": "tanh"})], [y]))
    Work(products=12, numbers=24, calls=1)
    """
    numbers = sum(math.prod(v.shape) for v in program.inputs)
    products = calls = 0
    for op in program.ops:
        made = sum(math.prod(v.shape) for v in op.outputs)
        numbers += made
        products += made * _each(op)
        calls += _taps(op)
    return Work(products, numbers, calls)


def _taps(op: Op) -> int:
    """Places of a window, each a call of its own."""
    if op.kind == "convolve" and op.inputs[1] is not None:
        return math.prod(op.inputs[1].shape[d] for d in op.attributes["w_dims"][2:])
    return math.prod(op.attributes.get("window") or ()) if op.kind == "pool" else 1


def _each(op: Op) -> int:
    """Products for one element of the result."""
    a = op.attributes
    x, w = (*op.inputs, None, None)[:2]
    if op.kind == "contract" and x is not None:
        return math.prod(x.shape[d] for d in a["contracting"][0])
    if op.kind == "convolve" and w is not None:
        return math.prod(w.shape[d] for d in a["w_dims"][1:])
    if op.kind == "attention" and w is not None:
        return 2 * w.shape[-2]
    if op.kind == "route" and w is not None:
        return w.shape[1]
    return math.prod(a.get("window") or ()) if op.kind == "pool" else 1
