"""The small program that every unit of an axis runs: which relations it allows, what it does to zeros.

One :class:`Step` a member of the unit, in the order of execution. Steps without operands of the unit's own ("parts")
are what enters it: sums with weights, parameters, what other units share with it or sum into it.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from itertools import product

import numpy as np

from ..._types import Array
from ...program.tracking import KEYS
from ._steps import SCALED, Parity, Step, backward, constrain, flags_of, forward

Still = Mapping[int, Array]

_FACTORS = 4                # of a unit, of which all ways of signs are tried


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
            x.append(forward(s, parts, x))
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
                backward(s, flags_of(s, parts, x), flags_of(s, vary or parts, moves or x), b, back, out)
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
        return s.role == "sum" and s.call in ("add", "subtract", *SCALED) and blind[n]

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

    def _parity(self, want: int) -> Parity | None:
        """What signs must satisfy, where those of all that is read are ``want``; None where they cannot."""
        system = Parity(len(self.steps))
        for i, s in enumerate(self.steps):
            constrain(system, i, s, self.foreign)
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
