"""What running a program costs, from its shapes."""

from __future__ import annotations

import math
from typing import NamedTuple

from ..program import Op, Program


class Work(NamedTuple):
    """products : multiplications of one forward pass. numbers : elements of all values, parameters left out."""

    products: int
    numbers: int


def work_of(program: Program) -> Work:
    """The cost of one batch.

    >>> from initcore.program import Op, Value
    >>> x, y = Value((4, 3)), Value((4, 3))
    >>> work_of(Program([x], [], {}, [Op("activation", (x,), (y,), {"activation": "tanh"})], [y]))
    Work(products=12, numbers=24)
    """
    numbers = sum(math.prod(v.shape) for v in program.inputs)
    products = 0
    for op in program.ops:
        made = sum(math.prod(v.shape) for v in op.outputs)
        numbers += made
        products += made * _each(op)
    return Work(products, numbers)


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
