"""The small program that every unit of an axis runs: which relations it allows, what it does to zeros.

One :class:`Step` a member of the unit, in the order of execution. Steps without operands of the unit's own ("parts")
are what enters it: sums with weights, parameters, what other units share with it or sum into it.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np

from ..._types import Array
from ...program import FUNCTIONS
from ...program.tracking import KEYS, VALUES

Still = Mapping[int, Array]
_SCALED = ("neg", "cast", "scale")

# Functions that are 0 at 0, those whose slope is 0 there too, and how they treat a negated argument.
_ZERO = frozenset(name for name, (_, zero, _) in FUNCTIONS.items() if zero)
_FLAT = {"abs", "square", "cos", "cosh"}
_ODD = frozenset(name for name, (sign, _, _) in FUNCTIONS.items() if sign == "odd")
_EVEN = frozenset(name for name, (sign, _, _) in FUNCTIONS.items() if sign == "even")
_KEEPS_ZERO = {"linear", "max", "min", "amax", "amin", "prod", "norm", "var", "std", "pool", "sort", "topk", "cumulate",
               "resample"}
_EVEN_SPREADS = {"norm", "var", "std"}
_FACTORS = 4                # of a unit, of which all ways of signs are tried


@dataclass(frozen=True)
class Step:
    """``role`` and ``call`` of tracking; ``operands``: (mode, step) with mode "in" (a step of the unit), "out" (the
    entry where another unit's value comes in), "data"; ``entry``: its number among the parts, -1 for none."""

    role: str
    call: Any
    operands: tuple[tuple[str, int], ...]
    entry: int = -1
    grows: bool = True


@dataclass(frozen=True)
class Local:
    """The steps, which of them blocks read (``read``), links (``linked``), the loss (``seen``); number of ``parts``."""

    steps: tuple[Step, ...]
    parts: int
    read: frozenset[int] = frozenset()
    linked: frozenset[int] = frozenset()
    seen: frozenset[int] = frozenset()
    foreign: frozenset[int] = field(default_factory=frozenset)     # parts that other units make
    squared: frozenset[int] = field(default_factory=frozenset)     # linked steps of which only the squares are summed

    def forward(self, parts: list[Array], still: Still | None = None) -> list[Array]:
        """Can each step be non-zero, given which parts can? ``still``: where a norm's result is the same always."""
        x: list[Array] = []
        for i, s in enumerate(self.steps):
            x.append(_forward(s, parts, x))
            if still and i in still and s.role == "norm":
                x[i] = x[i] & ~still[i]
        return x

    def varying(self, parts: list[Array], vary: list[Array], x: list[Array], still: Still | None = None) -> list[Array]:
        """Can each step vary over data, given which parts do (``vary``) and what can be non-zero?"""
        moves: list[Array] = []
        for i, s in enumerate(self.steps):
            if s.entry >= 0 and not s.operands:
                moves.append(vary[s.entry])
                continue
            own = [moves[k] if mode == "in" else vary[k] if mode == "out" else np.ones_like(x[i])
                   for mode, k in s.operands]
            size = [x[k] if mode == "in" else parts[k] if mode == "out" else np.ones_like(x[i])
                    for mode, k in s.operands]
            if s.role == "product":
                own = [np.logical_and.reduce([v, *(f for j, f in enumerate(size) if j != k)])
                       for k, v in enumerate(own)]
            moves.append(np.logical_or.reduce(own) if own else np.ones_like(x[i]))
            if still and i in still:
                moves[i] = moves[i] & ~still[i]
        return moves

    def backward(self, parts: list[Array], x: list[Array], back: list[Array], vary: list[Array] | None = None,
                 moves: list[Array] | None = None, still: Still | None = None) -> list[Array]:
        """Which parts get a signal, given which steps do from outside (and what varies over data)."""
        back = list(back)
        out = [np.zeros_like(p) for p in parts]
        for i in range(len(self.steps) - 1, -1, -1):
            s = self.steps[i]
            if s.entry >= 0:
                out[s.entry] = out[s.entry] | back[i]
            if s.grows:
                b = back[i] & ~still[i] if still and i in still else back[i]
                _backward(s, _flags(s, parts, x), _flags(s, vary or parts, moves or x), b, back, out)
        return out

    def null(self, keyed: AbstractSet[int]) -> set[int]:
        """Parts of which a number added at all places alike does not reach the loss (theory 4.9, Lemma 7).

        keyed : steps that other units take only as keys.
        """
        blind: list[bool] = [False] * len(self.steps)
        uses: list[list[tuple[int, int]]] = [[] for _ in self.steps]
        for n, s in enumerate(self.steps):
            for j, (mode, k) in enumerate(s.operands):
                if mode == "in":
                    uses[k].append((n, j))
        for i in range(len(self.steps) - 1, -1, -1):
            seen = i in self.read or i in self.seen or (i in self.linked and i not in keyed)
            blind[i] = not seen and (bool(uses[i]) or i in keyed) and all(self._blind(n, j, blind) for n, j in uses[i])
        return {s.entry for i, s in enumerate(self.steps) if s.role == "lift" and blind[i]}

    def _blind(self, n: int, j: int, blind: list[bool]) -> bool:
        """Does step n not see a number added to its operand j, or nobody see it in the step's result?"""
        s = self.steps[n]
        if s.role == "norm":
            return s.call in ("batch", "instance")
        if s.role == "product":
            return bool(s.call == (KEYS, j))
        return s.role == "sum" and s.call in ("add", "subtract", *_SCALED) and blind[n]

    def signs(self) -> list[int] | None:
        """1 for each step that changes sign with the unit, such that all that is read does; None if there is no way."""
        system = self._parity(1)
        if system is None:
            return None
        # Rows rather than gains: a gain is compared as it stands.
        for i in (*self._rows(), *range(len(self.steps) - 1, -1, -1)):
            system.add({i}, 1) or system.add({i}, 0)
        answer = system.solve()
        return answer if answer is not None and any(answer) else None

    def other_signs(self) -> list[tuple[list[int], bool]]:
        """Ways besides :meth:`signs` in which a unit that is a product may change sign, or (True) only its factors."""
        factors = [*self._rows(), *sorted(self._scales())]
        if not self.read or self.foreign or not 2 <= len(factors) <= _FACTORS:
            return []
        first, out = self.signs(), []
        for want in (1, 0):
            for pattern in product((1, 0), repeat=len(factors)):
                system = self._parity(want)
                if system is None or not any(pattern) or not all(system.add({i}, v) for i, v in zip(factors, pattern)):
                    continue
                for i in range(len(self.steps) - 1, -1, -1):
                    system.add({i}, 1) or system.add({i}, 0)
                answer = system.solve()
                if answer is not None and answer != first:
                    out.append((answer, not want))
        return out

    def _parity(self, want: int) -> _Parity | None:
        """What signs must satisfy, where those of all that is read are ``want``; None where they cannot."""
        system = _Parity(len(self.steps))
        for i, s in enumerate(self.steps):
            _constrain(system, i, s, self.foreign)
        for i in (self.linked - self.squared) | self.seen:
            system.add({i}, 0)
        return system if all(system.add({i}, want) for i in self.read) else None

    def _rows(self) -> list[int]:
        return [i for i, s in enumerate(self.steps) if s.role == "weigh"]

    def _scales(self) -> set[int]:
        """Parameters that multiply."""
        return {k for s in self.steps if s.role == "product" for mode, k in s.operands
                if mode == "in" and self.steps[k].role == "lift"}

    def closed_by(self, plain: frozenset[int]) -> tuple[bool, bool]:
        """Are literal parts that are 0 a factor: all that is read 0, and no signal to parts that are 0? Alone?

        Of them, the unit's other parts and its columns two that are 0 make it dead (theory 4.9, Lemma 6: gates with
        phi(0) = 0); a gate with phi'(0) = 0 does by itself, as no signal passes it.
        """
        if self.foreign or self.linked or self.seen:
            return False, False
        through = [np.array(i in self.read) for i in range(len(self.steps))]
        none, rest = ([np.array(open_ and k not in plain) for k in range(self.parts)] for open_ in (False, True))
        x = self.forward(rest)
        if any(x[i].any() for i in self.read):
            return False, False
        closed = not any(d.any() for d in self.backward(none, self.forward(none), through))
        return closed, closed and not any(d.any() for d in self.backward(rest, x, through))

    def at_zero(self, plain: frozenset[int] = frozenset()) -> tuple[bool, bool]:
        """Is all zero for ever where the parts (not ``plain``) and what is read of it are; without the latter, too?"""
        if self.foreign - plain:
            return False, False
        parts = [np.array(k in plain) for k in range(self.parts)]
        x = self.forward(parts)
        if any(x[i].any() for i in self.read | self.linked | self.seen):
            return False, False
        linked = self.linked - self.squared
        through = [np.array(i in linked) for i in range(len(self.steps))]
        every = [np.array(i in linked or i in self.read) for i in range(len(self.steps))]
        safe = not any(d.any() for d in self.backward(parts, x, through))
        alone = safe and not any(d.any() for d in self.backward(parts, x, every))
        return safe, alone


def _forward(s: Step, parts: list[Array], x: list[Array]) -> Array:
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


def _flags(s: Step, parts: list[Array], x: list[Array]) -> list[Array]:
    return [x[k] if mode == "in" else parts[k] if mode == "out" else np.ones_like(x[0]) for mode, k in s.operands]


def _backward(s: Step, flags: list[Array], moving: list[Array], b: Array, back: list[Array], out: list[Array]) -> None:
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


def _constrain(system: _Parity, i: int, s: Step, others: AbstractSet[int]) -> None:
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


class _Parity:
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
