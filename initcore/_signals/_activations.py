"""Activations of a program: its own operations, and those that are written out in several.

What is written out is one activation of the user's: x sigmoid(x), x where it is positive and a share of it elsewhere,
min(max(x, 0), 6), sin(omega x), and the inside of a GELU.
"""

from __future__ import annotations

import math
from collections.abc import Container, Mapping
from typing import Any, NamedTuple

import numpy as np

from .. import activations
from ..activations import Activation
from ..program import Op, Value
from ._norms import Norms

GATED = {"sigmoid": "silu", "hard_sigmoid": "hard_swish"}       # x phi(x)
LEARNT = 0.25                                                   # the slope that a learnt one begins with


class Seen(NamedTuple):
    """An activation, the value it reads, and values between that are nothing by themselves."""

    activation: Activation
    z: Value
    hidden: tuple[Value, ...] = ()


class Finder:
    """Finds the activations of a program. numbers : its constants of one number. weights : what depends on parameters
    alone."""

    def __init__(self, g: Norms, numbers: Mapping[Value, float], weights: Container[Value]) -> None:
        self.g, self.numbers, self.weights = g, numbers, weights

    def find(self, op: Op) -> Seen | None:
        """The activation that an operation is, or ends."""
        if op.kind == "activation":
            return self._called(op)
        if op.kind == "multiply":
            return self._gated(op)
        if op.kind == "choose":
            return self._leaky(op)
        x = op.inputs[0] if op.inputs else None
        if op.kind == "elementwise" and op.attributes.get("named") and x is not None:
            return Seen(clipped(op.attributes["low"], op.attributes["high"]), x)
        return None

    def _called(self, op: Op) -> Seen:
        """As it is called; a frequency or the polynomial of a GELU in front belongs to it."""
        phi, x = activations.get(op.attributes["activation"]), op.inputs[0]
        assert x is not None
        inner = self._scaled(x)
        if phi.name == "sin" and inner is not None:
            return Seen(activations.get("sin", inner[1]), inner[0], (x,))
        if phi.name == "erf" and inner is not None and abs(inner[1] * math.sqrt(2) - 1) < 1e-3:
            return Seen(activations.get("gelu"), inner[0], (x,))
        if phi.name == "tanh" and (z := self._polynomial(x)) is not None:
            return Seen(activations.get("gelu_tanh"), z, tuple(self.g.strictly_between(z, x)))
        return Seen(phi, x)

    def _gated(self, op: Op) -> Seen | None:
        """x phi(x)."""
        for x, gate in (op.inputs, op.inputs[::-1]):
            made = self._maker(gate)
            if made is not None and made.kind == "activation" and made.inputs[0] is x and x is not None:
                name = GATED.get(activations.get(made.attributes["activation"]).name)
                if name is not None:
                    assert gate is not None
                    return Seen(_hard_swish() if name == "hard_swish" else activations.get(name), x, (gate,))
        return None

    def _leaky(self, op: Op) -> Seen | None:
        """x where x > 0, else c x."""
        where, x, scaled = (self._maker(op.inputs[0]), *op.inputs[1:])
        made = self._maker(scaled)
        if where is None or where.attributes.get("function") not in ("gt", "ge") or where.inputs[0] is not x or \
                self._number(where.inputs[1]) != 0 or made is None or made.kind != "multiply" or x not in made.inputs:
            return None
        slope = made.inputs[made.inputs[0] is x]
        number = self._number(slope)
        if number is None and slope not in self.weights:
            return None
        assert x is not None and scaled is not None
        return Seen(activations.get("leaky_relu", LEARNT if number is None else number), x, (scaled,))

    def _polynomial(self, x: Value) -> Value | None:
        """z of c (z + d z^3), the inside of a GELU."""
        inner = self._scaled(x)
        total = self._maker(inner[0]) if inner is not None else None
        if total is None or total.kind != "add":
            return None
        for z, cube in (total.inputs, total.inputs[::-1]):
            made = self._maker(cube)
            if z is not None and made is not None and made.kind == "multiply" and self._powers(cube, z):
                return z
        return None

    def _powers(self, v: Value | None, z: Value) -> bool:
        """Is v made of powers of z and numbers alone?"""
        todo, seen = [v], set()
        while todo:
            x = todo.pop()
            if x is z or x in seen or self._number(x) is not None:
                continue
            seen.add(x)
            op = self._maker(x)
            if op is None or not (op.kind == "multiply" or op.attributes.get("function") in ("power", "square")):
                return False
            todo += op.inputs
        return True

    def _scaled(self, v: Value) -> tuple[Value, float] | None:
        """(x, c) of a value c x."""
        op = self._maker(v)
        if op is None or op.kind not in ("multiply", "divide"):
            return None
        a, b = op.inputs
        c = self._number(b)
        if c is not None and a is not None:
            return (a, c) if op.kind == "multiply" else (a, 1 / c) if c else None
        c = self._number(a)
        return (b, c) if c is not None and b is not None and op.kind == "multiply" else None

    def _number(self, v: Value | None) -> float | None:
        return self.numbers.get(v) if v is not None else None

    def _maker(self, v: Value | None) -> Op | None:
        return self.g.op_of.get(v) if v is not None else None


def clipped(low: float, high: float) -> Activation:
    """min(max(z, low), high): ReLU6 and the hard tanh of any bounds."""
    def phi(z: Any) -> Any:
        return np.clip(z, low, high)

    def slope(z: Any) -> Any:
        return ((np.asarray(z) > low) & (np.asarray(z) < high)).astype(np.asarray(z).dtype)
    flat = ((-np.inf, low), (high, np.inf))
    return Activation(f"relu{high:g}" if low == 0 else f"clip({low:g}, {high:g})", None, phi, slope, low=low, high=high,
                      phi0=min(max(0.0, low), high), dphi0=0.0 if low == 0 else 1.0, kinks=(low, high),
                      knots=(low, high), flat_pieces=flat, squared_gain=2.0 if low == 0 else 1.0,
                      initializer="he_normal" if low == 0 else "glorot_normal")


def _hard_swish() -> Activation:
    def phi(z: Any) -> Any:
        return z * np.clip(np.asarray(z) / 6 + 0.5, 0, 1)

    def slope(z: Any) -> Any:
        z = np.asarray(z)
        return np.where(z < -3, 0.0, np.where(z > 3, 1.0, z / 3 + 0.5)).astype(z.dtype)
    return Activation("hard_swish", None, phi, slope, dphi0=0.5, low=-0.375, max_slope=1.5, kinks=(-3.0, 3.0),
                      flat_pieces=((-np.inf, -3.0),), squared_gain=2.0, initializer="he_normal")
