"""The facts that rules judge, from one forward and one backward pass over a program, whoever runs it.

A framework's :class:`Session` runs the program; nothing here knows which. The steps of an unrolled loop that use one
weight are one activation to a user, and are looked at together.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from .. import activations, saturation
from .._types import Array
from ..activations import Activation
from ..network import Dense
from ..program import Place, Program, Value
from ..rules import nodes
from ..saturation import LayerSignal, SignalReport
from ._ancestry import origins
from ._structure import Structure, Use

NOWHERE = Place()
Changes = Mapping[Hashable, tuple[float, float]]      # what a weight's, bias's or input's value v names -> a v + b


class Look(NamedTuple):
    """An activation's input: rows ``(rows, units)`` of a sample, the largest value of each unit on all of the data, and
    positions of the data."""

    rows: Array
    highest: Array
    positions: int


@dataclass
class Measured:
    """What one pass saw. rms, gradients : of values (nan: none). looks : by the value that is z. still : names of
    trainable parameters whose gradient is exactly 0. loss : its value, None where there is none."""

    rms: Mapping[Value, float]
    gradients: Mapping[Value, float]
    looks: Mapping[Value, Look]
    still: frozenset[str]
    loss: float | None


@dataclass(frozen=True)
class Told:
    """What is known of the loss: see :class:`initcore._signals.Said`; classes : of a softmax, 0 where it is none;
    nothing : what knowing nothing costs (nan: not known)."""

    name: str
    classes: int
    known: bool
    nothing: float = math.nan


class Session(Protocol):
    """A program with a batch, ready to be run."""

    program: Program
    told: Told
    words: nodes.Words
    main: Value | None                                    # the output that is judged
    origins: Mapping[Value, Hashable]                     # equal for what one line of a loop made again and again

    def measure(self, values: frozenset[Value], looks: Mapping[Value, tuple[int, int]], keys: frozenset[Value]
                ) -> Measured:
        """One forward and one backward pass. looks : z -> (the dim that counts units, most elements). keys : what may
        be set right later."""

    def again(self, changes: Changes) -> Measured:
        """A forward pass with tensors set right, which sees what ``measure`` saw (no gradients)."""

    def array(self, v: Value) -> Array:
        """The value of a weight."""

    def inputs(self) -> Mapping[Value, Array]:
        """The batch."""

    def stuck(self) -> frozenset[str]:
        """Names of the parameters that get no gradient in the next steps either."""


@dataclass(eq=False)
class Group:
    """One activation of the user's: the values of all steps of a loop that make it, and their weights."""

    key: Hashable
    members: list[Value]
    inputs: list[Value]
    activation: Activation
    uses: list[Use]
    gains: list[tuple[Value, str]]


class Gathered:
    """The structure of a program and what was measured of it."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.s = Structure(session.program)
        self.names = {p.value: p.names[0] for p in session.program.parameters}
        self.trainable = {p.value for p in session.program.parameters if p.trainable}
        self.groups = self._groups()
        self._weights: dict[tuple[Value, tuple[int, ...]], nodes.Weight] = {}

    def context(self, numbers: dict[str, dict[str, float]], *, stage: str | None, family: str) -> nodes.NodeContext:
        """Measure once, and say what was seen."""
        s, session = self.s, self.session
        output = session.main if session.main in s.live else None
        spine = s.spine(output) if output is not None else []
        steps = self._steps(spine)
        wanted = {v for first, last, _ in steps for v in (first, last)} | {v for u in s.uses for v in (u.node, u.x)
                                                                           if v is not None}
        wanted |= {v for one in s.sums for v in (one.skip, one.branch)} | ({output} if output is not None else set())
        self.seen = seen = session.measure(frozenset(wanted), self._asks(), self._keys())
        for u in s.uses:
            self._weight(u, u.node in set(spine))
        self._never()
        told, value = session.told, seen.loss
        trained = stage == "trained" or (stage is None and told.known and value is not None
                                         and not math.isnan(told.nothing) and value < 0.5 * told.nothing)
        acts = tuple(a for g in self.groups if (a := self._activity(g)) is not None)
        outputs = None if output is None else nodes.Outputs(
            self.label(output), self.place(output), seen.rms[output], output.shape[-1] if output.shape else 1,
            told.classes, value if told.known else None, self._of(s.before(output)))
        report = SignalReport("measured", tuple(_numbered(a, i) for i, a in enumerate(acts)), self._input_rms())
        moving = {self.names[v] for v in self.trainable}
        return nodes.NodeContext(
            numbers, tuple(self._weights.values()), acts, tuple(self._residuals()),
            tuple(self._step(*one) for one in steps), tuple(self._features()), outputs, self.remeasure,
            tuple(self._bad(value)), motionless=bool(moving) and moving <= seen.still, targets=told.known,
            trained=trained, family=family, signal=report, words=session.words)

    def label(self, v: Value) -> str:
        """A value in words: "layers.1 (tanh)", "model.py:12 (tanh)"."""
        op = self.s.op_of.get(v)
        if op is None:
            return v.name
        act = self.s.activations.get(v)
        name = act.name if act is not None else op.kind
        file = op.place.file.replace("\\", "/").rpartition("/")[2]
        where = op.place.module or (f"{file}:{op.place.line}" if op.place.line else "")
        return f"{where} ({name})" if where else f"({name})"

    def place(self, v: Value) -> Place:
        """Where a value is made."""
        op = self.s.op_of.get(v)
        return op.place if op is not None else NOWHERE

    # the main way -------------------------------------------------------------------------------------------------

    def _steps(self, spine: list[Value]) -> list[tuple[Value, Value, bool]]:
        """(before, after, does a norm end it) of what counts: weights (with the norm right after them), activations,
        sums."""
        s, out = self.s, []
        on = set(spine)
        done: set[Value] = set()
        for v in spine:
            before = s.main.get(v)
            if v in done or before is None:
                continue
            if v in s.norms:
                out.append((before, v, True))
            elif v in s.use_of:
                after = self._norm_after(v, on) if s.use_of[v].after <= {"norm"} else None
                out.append((before, after or v, after is not None))
                done |= {after} if after is not None else set()
            elif v not in s.inside and (v in s.activations or v in s.sum_of or s.kind(v) in ("multiply", "divide")):
                out.append((before, v, False))
        return out

    def _norm_after(self, v: Value, on: set[Value]) -> Value | None:
        """The norm on the main way that reads v through operations that only move or scale."""
        s = self.s
        for _ in range(len(on)):
            following = [u for op in s.users.get(v, ()) for u in op.outputs[:1] if u in on]
            if len(following) != 1:
                return None
            v = following[0]
            if v in s.norms:
                return v
            if v not in s.inside and not s.passes(s.op_of[v]) and s.kind(v) not in ("add", "multiply", "divide"):
                return None
        return None

    def _step(self, before: Value, after: Value, normed: bool) -> nodes.Step:
        s, seen = self.s, self.seen
        uses = [u for u in s.uses if u.x is before and (u.node is after or normed)] or \
            ([s.use_of[after]] if after in s.use_of else [])
        if not uses and after in s.sum_of:
            uses = s.between(s.sum_of[after].skip, s.sum_of[after].branch)
        return nodes.Step(self.label(after), self.place(after), seen.rms[before], seen.rms[after],
                          seen.gradients.get(before, math.nan), seen.gradients.get(after, math.nan), normed,
                          self._of(uses))

    def _residuals(self) -> list[nodes.Residual]:
        out = []
        for one in self.s.sums:
            uses = [] if self.s.is_gate_sum(one) else self.s.between(one.skip, one.branch)
            if uses:
                out.append(nodes.Residual(("sum", one.node), self.label(one.node), self.place(one.node),
                                          self.seen.rms[one.branch], self.seen.rms[one.skip], self._of(uses)))
        return out

    # weights ------------------------------------------------------------------------------------------------------

    def _of(self, uses: list[Use]) -> tuple[nodes.Weight, ...]:
        """The weights of uses, each once."""
        return tuple(dict.fromkeys(self._weights[u.w, u.summed] for u in uses))

    def _origins(self, v: Value) -> list[Value]:
        """The parameters a weight is made of."""
        def inputs(u: Value) -> list[Value]:
            op = self.s.op_of.get(u)
            return [] if op is None else [x for x in op.inputs if x is not None]
        return origins(v, inputs, self.names)

    def _name(self, v: Value) -> str:
        """The parameter's name; of a weight made of several the largest's."""
        best = max(self._origins(v), key=lambda p: math.prod(p.shape), default=None)
        return self.names[best] if best is not None else v.name

    def _weight(self, u: Use, main: bool) -> None:
        found = self._weights.get((u.w, u.summed))
        if found is not None:                            # another step of a loop, or a tied one
            found.after, found.main = found.after | u.after, found.main or main
            return
        act = self.s.activations.get(u.activation) if u.activation is not None else None
        dense = self._maker(u, act)
        looked = dense().look()
        b = None if u.bias is None else self.session.array(u.bias).astype(np.float64)
        origins = self._origins(u.w)
        self._weights[u.w, u.summed] = nodes.Weight(
            self.s.source(u.w), self._name(u.w), self.place(u.node), dense, u.fan_in, u.fan_out, u.taps,
            frozenset(u.after), act, gate=self._gate(u.activation), main=main, table=u.kind == "table",
            data=self._reads_data(u.x), mean=looked.total_mean, std=looked.std, size=looked.size,
            largest=looked.largest, bias_key=u.bias, bias=self._name(u.bias) if u.bias is not None else "",
            bias_high=float(b.max()) if b is not None and b.size else 0.0,
            bias_rms=float(np.sqrt((b * b).mean())) if b is not None and b.size else 0.0,
            trainable=any(p in self.trainable for p in origins), sources=frozenset(self.names[p] for p in origins),
            reads=self.seen.rms.get(u.x, math.nan) if u.x is not None else math.nan,
            writes=self.seen.rms.get(u.node, math.nan), words=self.session.words)

    def _maker(self, u: Use, act: Activation | None) -> Callable[[], Dense]:
        def make() -> Dense:
            a = self.session.array(u.w)
            rest = [k for k in range(a.ndim) if k not in u.summed]
            rows = math.prod(a.shape[k] for k in u.summed)
            a = np.transpose(a, (*u.summed, *rest)).reshape(rows, -1)
            return Dense(np.ascontiguousarray(a), None, act or activations.IDENTITY)
        return make

    def _gate(self, v: Value | None) -> bool:
        """Does a sigmoid multiply something else?"""
        if v is None or (self.s.activations[v].low, self.s.activations[v].high) != (0.0, 1.0):
            return False
        todo, seen = [v], {v}
        while todo:
            for op in self.s.users.get(todo.pop(), ()):
                if op.kind == "multiply" and all(x in self.s.live for x in op.inputs):
                    return True
                for user in op.outputs[:1]:
                    if user not in seen and (self.s.passes(op) or op.kind in ("add", "subtract")):
                        seen.add(user)
                        todo.append(user)
        return False

    def _reads_data(self, v: Value | None) -> bool:
        """Is v the user's own input, moved at most?"""
        while v is not None:
            if v in self.session.program.inputs:
                return True
            op = self.s.op_of.get(v)
            if op is None or not self.s.passes(op) or op.kind in ("multiply", "divide"):
                return False
            v = next((a for a in op.inputs if a in self.s.live), None)
        return False

    def _never(self) -> None:
        """Mark the weights that get no gradient, in the next steps either where a constant one is among them."""
        still = self.seen.still
        found = [w for w in self._weights.values() if w.trainable and w.sources and w.sources <= still]
        for w in found:
            w.silent = True
        if any(w.std == 0 for w in found):
            still &= self.session.stuck()
            for w in found:
                w.stuck = w.sources <= still

    # activations --------------------------------------------------------------------------------------------------

    def _groups(self) -> list[Group]:
        out: list[Group] = []
        for v, act in self.s.activations.items():
            z = self.s.op_of[v].inputs[0]
            if z is None or v not in self.s.live:
                continue
            uses, gains = self._local(z)
            group = next((g for g in out if self._steps_of_one(g, v, uses)), None)
            if group is None:
                group = Group(("activity", v), [], [], act, [], gains)
                out.append(group)
            group.members.append(v)
            group.inputs.append(z)
            group.uses += uses
        return out

    def _steps_of_one(self, g: Group, v: Value, uses: list[Use]) -> bool:
        """Is it the activation of a group in another step of a loop, of the same weights?"""
        origin = self.session.origins.get(v)
        if origin is None or origin != self.session.origins.get(g.members[0]):
            return False
        mine, theirs = ({(u.w, u.summed) for u in found} for found in (uses, g.uses))
        return mine == theirs or bool(mine & theirs)

    def _asks(self) -> dict[Value, tuple[int, int]]:
        return {z: (self.s.channels.get(z, -1), max(SAMPLE // len(g.inputs), 1)) for g in self.groups for z in g.inputs}

    def _keys(self) -> frozenset[Value]:
        """What may be set right: weights, biases, gains, inputs."""
        keys = {v for u in self.s.uses for v in (self.s.source(u.w), u.bias) if v is not None}
        return frozenset(keys | {v for g in self.groups for v, _ in g.gains} | set(self.session.inputs()))

    def _local(self, z: Value) -> tuple[list[Use], list[tuple[Value, str]]]:
        """The weights whose sum an activation reads, and the gains of a norm right before it."""
        s = self.s
        uses: list[Use] = []
        gains: list[tuple[Value, str]] = []
        todo: list[tuple[Value, tuple[tuple[Value, str], ...]]] = [(z, ())]
        seen = set()
        while todo:
            v, met = todo.pop()
            if v in seen or v not in s.live:
                continue
            seen.add(v)
            if v in s.use_of:
                uses.append(s.use_of[v])
            elif v in s.norms:
                gains += [*met, *self._inner_gains(s.norms[v], v)]
            elif v not in s.activations and (op := s.op_of.get(v)) is not None:
                own = [x for x in op.inputs if x in s.weights]
                kind = {"add": "shift", "multiply": "scale"}.get(op.kind, "")
                now = (*met, *((s.source(x), kind) for x in own)) if kind and own else met
                todo += [(x, now) for x in op.inputs if x is not None]
        return uses, [(v, kind) for v, kind in gains if v in self.names]

    def _inner_gains(self, root: Value, norm: Value) -> list[tuple[Value, str]]:
        """Gains that are multiplied into the reciprocal root, or given to the operation."""
        op = self.s.op_of[root]
        if root is norm:
            return [(v, kind) for v, kind in zip(op.inputs[1:3], ("scale", "shift")) if v is not None]
        return [(self.s.source(v), "scale") for v in op.inputs if v in self.s.weights] if op.kind == "multiply" else []

    def _activity(self, g: Group) -> nodes.Activity | None:
        looks = [self.seen.looks[z] for z in g.inputs]
        signal = _signal(g.activation, looks)
        earlier = self._of(self.s.before(g.members[-1]))
        return nodes.Activity(
            g.key, self.label(g.members[0]), self.place(g.members[0]), g.activation, signal, self._of(g.uses), earlier,
            tuple((v, self.names[v], kind) for v, kind in g.gains), self._gate(g.members[0]),
            any(self._is_output(v) for v in g.members), sum(one.positions for one in looks),
            any(bool(one.rows.any()) for one in looks))

    def _is_output(self, v: Value) -> bool:
        """Does nothing but moving come between the activation and an output?"""
        todo = [v]
        while todo:
            u = todo.pop()
            if u in self.session.program.outputs:
                return True
            todo += [x for op in self.s.users.get(u, ()) if self.s.passes(op) for x in op.outputs[:1]]
        return False

    # measuring again ----------------------------------------------------------------------------------------------

    def remeasure(self, changes: Changes, key: Hashable) -> Any:
        """What :class:`initcore.rules.nodes.NodeContext` asks: a node measured again under a change."""
        kind, node = key if isinstance(key, tuple) and len(key) == 2 else ("output", None)
        if kind == "activity":
            group = next(g for g in self.groups if g.key == key)
            seen = self.session.again(changes)
            return _signal(group.activation, [seen.looks[z] for z in group.inputs])
        if kind == "sum":
            one = next(x for x in self.s.sums if x.node is node)
            rms = self.session.again(changes).rms
            return rms[one.branch] / rms[one.skip] if rms[one.skip] else math.inf
        out = self.session.main
        return math.nan if out is None else self.session.again(changes).rms[out]

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


SAMPLE = 1 << 16


def _signal(act: Activation, looks: list[Look]) -> LayerSignal:
    """Of all steps together."""
    rows = np.concatenate([one.rows for one in looks])
    signal = saturation.at(act, rows, name=act.name)
    if not act.dies or signal.dead_units <= 0.5:
        return signal
    highest = np.max([one.highest for one in looks], axis=0)
    return _with(signal, dead_units=float((highest <= 0).mean()))


def _numbered(a: nodes.Activity, i: int) -> LayerSignal:
    return _with(a.signal, index=i, name=a.name, fan_in=a.local[0].fan_in if a.local else 0)


def _with(signal: LayerSignal, **fields: Any) -> LayerSignal:
    return LayerSignal(**{**{k: getattr(signal, k) for k in signal.__dataclass_fields__}, **fields})
