"""One step of the program that a unit runs: what it does to zeros and to signs."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..._types import Array
from ...program import FUNCTIONS
from ...program.tracking import VALUES

SCALED = ("neg", "cast", "scale")
# Functions that are 0 at 0, those whose slope is 0 there too, and how they treat a negated argument.
_ZERO = frozenset(name for name, (_, zero, _) in FUNCTIONS.items() if zero)
_FLAT = {"abs", "square", "cos", "cosh"}
_ODD = frozenset(name for name, (sign, _, _) in FUNCTIONS.items() if sign == "odd")
_EVEN = frozenset(name for name, (sign, _, _) in FUNCTIONS.items() if sign == "even")
_KEEPS_ZERO = {"linear", "max", "min", "amax", "amin", "prod", "norm", "var", "std", "pool", "sort", "topk", "cumulate",
               "resample"}
_EVEN_SPREADS = {"norm", "var", "std"}


@dataclass(frozen=True)
class Step:
    """``role`` and ``call`` of tracking; ``operands``: (mode, step) with mode "in" (a step of the unit), "out" (the
    entry where another unit's value comes in), "data"; ``entry``: its number among the parts, -1 for none."""

    role: str
    call: Any
    operands: tuple[tuple[str, int], ...]
    entry: int = -1
    grows: bool = True


def forward(s: Step, parts: list[Array], x: list[Array]) -> Array:
    if s.entry >= 0 and not s.operands:
        made = s.role == "reduce" and s.call in ("logsumexp", "softmax", "softmax over data")     # not 0 where all are
        return np.ones_like(parts[s.entry]) if made else parts[s.entry]
    flags = [x[k] if mode == "in" else parts[k] for mode, k in s.operands if mode != "data"]
    true = np.ones_like(parts[0])
    has_data = any(mode == "data" for mode, _ in s.operands)
    first = flags[0] if flags else true
    if s.role == "sum":
        return true if has_data else np.logical_or.reduce(flags)
    if s.role == "choose":
        some: Array = np.logical_or.reduce(flags)
        return some
    if s.role == "product":
        every: Array = np.logical_and.reduce(flags)
        return every
    if s.role == "quotient":
        return true if s.operands[0][0] == "data" else first
    if s.role == "phi":
        return true if s.call.phi0 != 0 else first
    if s.role == "function":
        name = s.call if isinstance(s.call, str) else s.call[0]
        if name == "power":
            return first if (s.call[1] or 0) > 0 else true
        return first if name in _ZERO else true
    if s.role == "spread":
        return first if s.call in _KEEPS_ZERO else true
    if s.role == "norm":
        return first if s.call in ("batch", "instance", "rms") else true & bool(first.any()) if first.ndim else true
    if s.role in ("dropout", "detach"):
        return first
    if s.role == "recur":
        if s.call == "lstm":
            return flags[2]
        return flags[2] | flags[3] if s.call == "gru" else first
    return true


def flags_of(s: Step, parts: list[Array], x: list[Array]) -> list[Array]:
    return [x[k] if mode == "in" else parts[k] if mode == "out" else np.ones_like(x[0]) for mode, k in s.operands]


def backward(s: Step, flags: list[Array], moving: list[Array], b: Array, back: list[Array], out: list[Array]) -> None:
    """``flags``: which operands can be non-zero; ``moving``: which vary, for the weights of attention."""
    weights = s.call[1] if s.role == "product" and isinstance(s.call, tuple) and s.call[0] == VALUES else -1
    for j, (mode, k) in enumerate(s.operands):
        if mode == "data":
            continue
        d = b
        if s.role == "product":
            others = moving if j == weights else flags
            d = np.logical_and.reduce([b, *(f for i, f in enumerate(others) if i != j)])
        elif s.role == "quotient" and j:
            d = b & flags[0]
        elif s.role == "phi" and s.call.dphi0 == 0:
            d = b & flags[0]
        elif s.role == "function" and (s.call in _FLAT or (isinstance(s.call, tuple) and (s.call[1] or 0) > 1)):
            d = b & flags[0]
        elif s.role == "recur" and s.call == "lstm" and j != 2:
            d = b & flags[2]
        elif s.role == "recur" and s.call == "gru" and j < 2:
            d = b & (flags[3] if j == 0 else flags[2] | flags[3])
        if mode == "in":
            back[k] = back[k] | d
        else:
            out[k] = out[k] | d


def constrain(system: Parity, i: int, s: Step, others: AbstractSet[int]) -> None:
    """Which operands change sign with the result."""
    own = [k for mode, k in s.operands if mode == "in"]
    foreign = any(mode == "out" and k in others for mode, k in s.operands)
    has_data = any(mode == "data" for mode, _ in s.operands)
    if s.entry >= 0 and not s.operands:
        if s.role in ("reduce", "constant"):
            system.add({i}, 0)
        return
    linear = s.role in ("sum", "choose", "dropout", "detach") or (s.role == "spread" and s.call == "linear") or \
        (s.role == "norm" and s.call in ("batch", "instance", "rms"))
    name = s.call if isinstance(s.call, str) else ""
    if s.role == "product" or s.role == "quotient":
        total = {i}
        for k in own:
            total ^= {k}
        system.add(total, 0)
        return
    if linear or (s.role == "phi" and s.call.odd) or (s.role == "function" and name in _ODD | {"neg", "cast"}):
        for k in own:
            system.add({i, k}, 0)
        if (foreign or has_data) and s.role == "sum":
            system.add({i}, 0)
        if foreign and s.role == "choose":
            system.add({i}, 0)
        return
    if s.role == "recur" and s.call != "rnn_relu":    # the state goes with what it is made of; gates do not
        moving = {"lstm": (2,), "gru": (2, 3)}.get(s.call, (0,))
        for j, k in enumerate(own):
            system.add({i, k} if j in moving else {k}, 0)
        return
    system.add({i}, 0)
    even = (s.role == "function" and (name in _EVEN or (isinstance(s.call, tuple) and (s.call[1] or 1) in (2, 4)))) or \
        (s.role == "spread" and s.call in _EVEN_SPREADS)
    if not even:
        for k in own:
            system.add({k}, 0)


class Parity:
    """Linear equations over {0, 1}, solved for one unknown each: it stands in no other equation."""

    def __init__(self, n: int) -> None:
        self.n = n
        self.rows: dict[int, tuple[set[int], int]] = {}          # by the unknown that each is solved for
        self._with: dict[int, set[int]] = {}                     # unknown -> the rows that it stands in

    def add(self, unknowns: set[int], value: int) -> bool:
        """Add ``sum of unknowns = value``; False (and nothing added) if it contradicts."""
        row, v = set(unknowns), value
        for lead in unknowns & self.rows.keys():
            row, v = row ^ self.rows[lead][0], v ^ self.rows[lead][1]
        if not row:
            return v == 0
        lead = min(row)
        for other in tuple(self._with.get(lead, ())):
            self._put(other, self.rows[other][0] ^ row, self.rows[other][1] ^ v)
        self._put(lead, row, v)
        return True

    def _put(self, lead: int, row: set[int], value: int) -> None:
        before = self.rows.get(lead, (set(), 0))[0]
        for k in before - row:
            self._with[k].discard(lead)
        for k in row - before:
            self._with.setdefault(k, set()).add(lead)
        self.rows[lead] = row, value

    def solve(self) -> list[int] | None:
        """The solution with every free unknown 0."""
        out = [0] * self.n
        for lead, (_, v) in self.rows.items():
            out[lead] = v
        return out
