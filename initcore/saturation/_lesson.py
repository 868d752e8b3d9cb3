"""The lesson in one line: how large random weights and many inputs saturate a layer."""

from __future__ import annotations

import math
from typing import Any

from .. import activations
from .._checks import number, quiet
from ..errors import ArgumentError


@quiet
def lesson(n: float, std: float, second_moment: float = 1.0, *, activation: Any = "tanh", t: float = 0.9) -> float:
    """Share of units driven beyond ``|phi~| > t`` by random weights: ``erfc(a / (s sqrt(2 n m)))``.

    ``n`` inputs of second moment ``m = E x^2``, weights N(0, s^2): z ~ N(0, n s^2 m), and ``|phi~(z)| > t`` beyond
    ``a``: atanh t for tanh, 2 atanh t for sigmoid (phi~ = 2 sigmoid - 1), t/(1-t) for softsign, t for hard_tanh,
    6 (t/2) for hard_sigmoid, tan(pi t/2) for arctan, erfinv t for erf. The share grows with the number of inputs
    as with the weights: 10 inputs and s = 1 saturate 64% of tanh beyond 0.9, 1000 inputs 96%.

    >>> round(lesson(100, 1.0, t=0.99), 12)
    0.791267356331
    >>> [round(lesson(n, 0.1), 3) for n in (10, 100, 784, 10000)]
    [0.0, 0.141, 0.599, 0.883]
    """
    n, std = number("n", n, low=0), number("std", std, low=0)
    second_moment, t = number("second_moment", second_moment, low=0), number("t", t, low=0, high=1)
    phi = activations.get(activation)
    if t == 1:
        return 0.0
    scale = std * math.sqrt(2 * n * second_moment)
    if scale == 0:
        return 0.0              # every z is 0, and phi~(0) = 0
    if phi.output_inverse is None:
        known = [name for name in activations.names if activations.get(name).output_inverse is not None]
        raise ArgumentError(f"activation={phi.name!r} does not saturate on both sides with an output_inverse known; "
                            f"use one of {', '.join(known)}.")
    return math.erfc(phi.output_inverse(t) / scale)
