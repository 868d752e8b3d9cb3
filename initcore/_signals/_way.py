"""The main way to an output in steps, and the residual sums, with what was measured at them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from ..program import Place, Value
from ..rules import nodes
from ._around import only_normed
from ._session import Measured
from ._structure import Structure
from ._weights import NOWHERE, Weights

Label = Callable[[Value], str]


class Way:
    """The main way to one output (None: there is none)."""

    def __init__(self, s: Structure, output: Value | None) -> None:
        self.s = s
        spine = s.spine(output) if output is not None else []
        self._on = set(spine)
        self._steps = self._cut(spine)

    def passes(self, v: Value) -> bool:
        """Does it go through a value, or through another result of the operation that makes it?"""
        return v in self._on or (self.s.kind(v) == "recur" and not self._on.isdisjoint(self.s.op_of[v].outputs))

    def values(self) -> set[Value]:
        """All that must be measured."""
        return {v for first, last, _ in self._steps for v in (first, last)} | {
            v for one in self.s.sums for v in (one.skip, one.branch)}

    def _cut(self, spine: list[Value]) -> list[tuple[Value, Value, bool]]:
        """(before, after, does a norm end it) of what counts: weights (with the norm right after them), activations,
        sums."""
        s, out = self.s, []
        done: set[Value] = set()
        for v in spine:
            before = s.main.get(v)
            if v in done or before is None:
                continue
            if v in s.norms:
                out.append((before, v, True))
            elif v in s.uses_of:
                after = self._norm_after(v) if s.uses_of[v][0].after <= {"norm"} else None
                out.append((before, after or v, after is not None))
                done |= {after} if after is not None else set()
            elif v not in s.inside and (v in s.activations or v in s.sum_of or s.kind(v) in ("multiply", "divide")):
                out.append((before, v, False))
        return out

    def _norm_after(self, v: Value) -> Value | None:
        """The norm on the main way that reads v through operations that only move or scale."""
        s = self.s
        for _ in range(len(self._on)):
            following = [u for op in s.users.get(v, ()) for u in op.outputs[:1] if u in self._on]
            if len(following) != 1:
                return None
            v = following[0]
            if v in s.norms:
                return v
            if v not in s.inside and not s.passes(s.op_of[v]) and s.kind(v) not in ("add", "multiply", "divide"):
                return None
        return None

    def steps(self, seen: Measured, weights: Weights, label: Label) -> Iterator[nodes.Step]:
        """Those whose both ends were seen."""
        for before, after, normed in self._steps:
            if before in seen.rms and after in seen.rms:
                yield nodes.Step(label(after), self._place(after), seen.rms[before], seen.rms[after],
                                 seen.gradients.get(before, math.nan), seen.gradients.get(after, math.nan), normed,
                                 self._step_weights(before, after, normed, weights), beside=after in self.s.sum_of,
                                 held=after in self.s.sum_of and only_normed(self.s, after))

    def _step_weights(self, before: Value, after: Value, normed: bool, weights: Weights) -> tuple[nodes.Weight, ...]:
        s = self.s
        uses = [u for u in s.uses if u.x is before and (u in s.uses_of.get(after, ()) or normed)] or \
            s.uses_of.get(after, [])
        if not uses and after in s.sum_of:
            uses = s.between(s.sum_of[after].skip, s.sum_of[after].branch)
        return weights.of(uses)

    def residuals(self, seen: Measured, weights: Weights, label: Label) -> Iterator[nodes.Residual]:
        """The sums in whose branch a weight stands."""
        for one in self.s.sums:
            uses = [] if self.s.is_gate_sum(one) else self.s.between(one.skip, one.branch)
            if uses and one.branch in seen.rms and one.skip in seen.rms:
                yield nodes.Residual(("sum", one.node), label(one.node), self._place(one.node), seen.rms[one.branch],
                                     seen.rms[one.skip], weights.of(uses), only_normed(self.s, one.node))

    def _place(self, v: Value) -> Place:
        op = self.s.op_of.get(v)
        return op.place if op is not None else NOWHERE
