"""The facts that rules judge, from one forward and one backward pass over a program, whoever runs it.

A framework's :class:`Session` runs the program; nothing here knows which. The steps of an unrolled loop that use one
weight are one activation to a user, and are looked at together.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import Any

import numpy as np

from ..program import Place, Value
from ..rules import nodes
from ..saturation import LayerSignal, SignalReport
from ._around import is_gate, is_output
from ._groups import Group, Groups, Meeting, with_fields
from ._session import Changes, Said, Session
from ._structure import Structure
from ._way import Way
from ._weights import NOWHERE, Weights


class Gathered:
    """The structure of a program and what was measured of it."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.s = Structure(session.program)
        self.weights = Weights(self.s, session.array, session.words)
        self.groups = Groups(self.s, session.origins)
        self.output = next((v for v in session.outputs if v in self.s.live), None)
        self.way = Way(self.s, self.output)

    def context(self, numbers: dict[str, dict[str, float]], *, stage: str | None, family: str) -> nodes.NodeContext:
        """Measure once, and say what was seen."""
        s, session = self.s, self.session
        wanted = self.way.values() | {v for u in s.uses for v in (u.node, u.x) if v is not None}
        wanted |= {self.output} if self.output is not None else set()
        meeting = self.groups.meeting(self.groups.all)
        self.seen = seen = session.measure(frozenset(wanted), meeting.asks, self._keys(), meeting.met)
        for u in s.uses:
            self.weights.enter(u, self.way.passes(u.node), seen.rms)
        every = self.weights.every()
        self._never(every)
        acts = tuple(self._activity(g, meeting) for g in self.groups.all if g.key in meeting.found)
        told, value = session.told, seen.loss
        trained = stage == "trained" or (stage is None and told.known and value is not None
                                         and not math.isnan(told.nothing) and value < 0.5 * told.nothing)
        report = SignalReport("measured", tuple(_numbered(a, i) for i, a in enumerate(acts)), self._input_rms())
        moving = {self.weights.names[v] for v in self.weights.trainable}
        return nodes.NodeContext(
            numbers, every, acts, tuple(self.way.residuals(seen, self.weights, self.label)),
            tuple(self.way.steps(seen, self.weights, self.label)), tuple(self._features()), self._outputs(value),
            self.remeasure, tuple(self._bad(value)), motionless=bool(moving) and moving <= seen.still,
            targets=told.known, trained=trained, family=family, signal=report, words=session.words)

    @property
    def said(self) -> Said:
        """The loss in words, after :meth:`context`."""
        told, value = self.session.told, self.seen.loss
        return Said(told.name, math.nan if value is None else value, told.known)

    def activities(self) -> list[tuple[str, LayerSignal]]:
        """Every activation in words, and what one forward pass sees there now."""
        meeting = self.groups.meeting(self.groups.all)
        self.session.again({}, frozenset(), meeting.asks, meeting.met)
        return [(self._called(g), meeting.found[g.key].signal) for g in self.groups.all if g.key in meeting.found]

    def _called(self, g: Group) -> str:
        return f"{self.label(g.members[0])} {g.part}".strip()

    def label(self, v: Value) -> str:
        """A value in words: "layers.1 (tanh)"."""
        op = self.s.op_of.get(v)
        return v.name if op is None else self.session.label(op, self.s.activations.get(v))

    def place(self, v: Value) -> Place:
        """Where a value is made."""
        op = self.s.op_of.get(v)
        return op.place if op is not None else NOWHERE

    def _keys(self) -> frozenset[Value]:
        """What may be set right: weights, biases, gains, inputs."""
        keys = {v for u in self.s.uses for v in (self.s.source(u.w), u.bias) if v is not None}
        return frozenset(keys | {v for g in self.groups.all for v, _ in g.gains} | set(self.session.inputs()))

    def _never(self, weights: tuple[nodes.Weight, ...]) -> None:
        """Mark the weights that get no gradient, in the next steps either where a constant one is among them."""
        still = self.seen.still
        found = [w for w in weights if w.trainable and w.sources and w.sources <= still]
        for w in found:
            w.silent = True
        if any(w.std == 0 for w in found):
            still &= self.session.stuck()
            for w in found:
                w.stuck = w.sources <= still

    def _activity(self, g: Group, meeting: Meeting) -> nodes.Activity:
        v, met = g.members[0], meeting.found[g.key]
        gate = "gate" in g.part if g.inner else is_gate(self.s, v)
        return nodes.Activity(
            g.key, self._called(g), self.place(v), g.activation, met.signal,
            self.weights.of(g.uses), self.weights.of(self.s.before(g.members[-1])),
            tuple((v, self.weights.names[v], kind) for v, kind in g.gains), gate,
            not g.inner and any(is_output(self.s, v) for v in g.members), met.positions, met.fed,
            not gate and any(self.way.passes(v) for v in g.members), met.highest)

    def _outputs(self, loss: float | None) -> nodes.Outputs | None:
        out, told = self.output, self.session.told
        if out is None or out not in self.seen.rms:
            return None
        return nodes.Outputs(self.label(out), self.place(out), self.seen.rms[out], out.shape[-1] if out.shape else 1,
                             told.classes, loss if told.known else None, self.weights.of(self.s.before(out)))

    # measuring again ----------------------------------------------------------------------------------------------

    def remeasure(self, changes: Changes, key: Hashable) -> Any:
        """What :class:`initcore.rules.nodes.NodeContext` asks: a node measured again under a change."""
        kind, node = key if isinstance(key, tuple) and len(key) == 2 else ("output", None)
        if kind == "activity":
            meeting = self.groups.meeting([g for g in self.groups.all if g.key == key])
            self.session.again(changes, frozenset(), meeting.asks, meeting.met)
            return meeting.found[key].signal if key in meeting.found else None
        if kind == "sum":
            one = next(x for x in self.s.sums if x.node is node)
            rms = self._again(changes, one.branch, one.skip)
            return rms[0] / rms[1] if rms[1] else math.inf
        return math.nan if self.output is None else self._again(changes, self.output)[0]

    def _again(self, changes: Changes, *values: Value) -> list[float]:
        rms = self.session.again(changes, frozenset(values), {}, lambda z, look: None)
        return [rms.get(v, math.nan) for v in values]

    # inputs and what is not finite --------------------------------------------------------------------------------

    def _features(self) -> list[nodes.Feature]:
        out = []
        for v, given in self.session.inputs().items():
            a = np.asarray(given)
            if a.dtype.kind != "f" or a.size < 2 or not a.ndim:
                continue
            rows = a.astype(np.float64).reshape(-1, a.shape[-1])
            first = [u for op in self.s.users.get(v, ()) for u in op.outputs[:1] if u in self.s.live]
            out.append(nodes.Feature(
                v, v.name, rows.mean(0), rows.std(0), float(rows.min()), float(rows.max()), len(rows),
                bool((rows != rows[:1]).any()) if len(rows) > 1 else True,
                bool(first) and all(u in self.s.norms or u in self.s.inside for u in first)))
        return out

    def _input_rms(self) -> float:
        found = [np.asarray(a, np.float64) for a in self.session.inputs().values() if np.asarray(a).dtype.kind == "f"]
        return float(np.sqrt((found[0] ** 2).mean())) if found and found[0].size else math.nan

    def _bad(self, loss: float | None) -> list[tuple[str, Place, str]]:
        """The first value looked at that is not finite."""
        for v in sorted(self.seen.rms, key=lambda v: self.s.order[v]):
            if not math.isfinite(self.seen.rms[v]):
                what = "NaN" if math.isnan(self.seen.rms[v]) else "infinite values"
                return [(self.label(v), self.place(v), what)]
        return [] if loss is None or math.isfinite(loss) else [("loss", NOWHERE, "a loss that is not finite")]


def _numbered(a: nodes.Activity, i: int) -> LayerSignal:
    return with_fields(a.signal, index=i, name=a.name, fan_in=a.local[0].fan_in if a.local else 0)
