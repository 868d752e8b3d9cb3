"""The activations as a user counts them: the steps of a loop are one, the gates of a recurrent operation several."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from .. import saturation
from .._types import Array
from ..activations import Activation
from ..program import Value
from ..saturation import LayerSignal
from ._around import Gains, local
from ._cells import Gate
from ._session import SAMPLE, Ask, Look
from ._structure import Structure
from ._uses import Use


@dataclass(eq=False)
class Group:
    """One activation of the user's: the values of all steps of a loop that make it, their inputs and their weights.

    inner : it is a sum inside a recurrent operation. part : of that.
    """

    key: Hashable
    members: list[Value]
    inputs: list[Value]
    activation: Activation
    uses: list[Use]
    gains: Gains = field(default_factory=list)
    part: str = ""
    inner: bool = False


class Met(NamedTuple):
    """What a pass saw of an activation: the signal of all steps together, positions of the data, is any of it not 0,
    the largest input of every unit (None: not looked for)."""

    signal: LayerSignal
    positions: int
    fed: bool
    highest: Array | None


class Meeting:
    """Some activations in one pass. ``asks`` : how their inputs are looked at; ``found`` : by a group's key."""

    def __init__(self, groups: list[Group], asks: Mapping[Value, Ask]) -> None:
        self.asks = asks
        self.found: dict[Hashable, Met] = {}
        self._looks: dict[Hashable, list[Look]] = {g.key: [] for g in groups}
        self._of: dict[Value, list[Group]] = {}
        for g in groups:
            for z in g.inputs:
                self._of.setdefault(z, []).append(g)

    def met(self, z: Value, look: Look) -> None:
        """One more input; what is kept of all that a group reads is a signal, and no rows."""
        for g in self._of.get(z, ()):
            looks = self._looks[g.key]
            looks.append(look)
            if len(looks) == len(g.inputs):
                self.found[g.key] = Met(_signal(g.activation, looks), sum(one.positions for one in looks),
                                        any(bool(one.rows.any()) for one in looks),
                                        _highest(looks) if g.activation.dies else None)
                looks.clear()


class Groups:
    """All activations of a structure. origins : see :class:`Session`."""

    def __init__(self, s: Structure, origins: Mapping[Value, Hashable]) -> None:
        self._s, self._origins = s, origins
        self.all: list[Group] = []
        self._of: dict[Hashable, list[Group]] = {}          # by the origin of what they began with
        parts: dict[int, list[Gate]] = {}
        for gate in s.gates:
            parts.setdefault(id(gate.op), []).append(gate)
        for op in s.program.ops:
            for gate in parts.get(id(op), ()):
                self.all.append(Group(("activity", gate.z), [op.outputs[0]], [gate.z], gate.activation,
                                      list(gate.uses), part=gate.part, inner=True))
            for v in op.outputs:
                if v in s.activations and v in s.live:
                    self._enter(v)
        self._cells = {g.z: g for g in s.gates}

    def meeting(self, groups: list[Group]) -> Meeting:
        """What a pass that looks at these is given."""
        dies = {z for g in groups if g.activation.dies for z in g.inputs}
        return Meeting(groups, {z: self._ask(z, len(g.inputs), z in dies) for g in groups for z in g.inputs})

    def _ask(self, z: Value, steps: int, highest: bool) -> Ask:
        most = max(SAMPLE // steps, 1)
        if z in self._cells:
            return Ask(-1, most, highest, self._cells[z].op.outputs[0], self._cells[z].part)
        return Ask(self._s.channels.get(z, -1), most, highest)

    def _enter(self, v: Value) -> None:
        z = self._s.reads[v]
        uses, gains = local(self._s, z)
        origin = self._origins.get(v)
        alike = [] if origin is None else self._of.setdefault(origin, [])
        group = next((g for g in alike if _share(g.uses, uses)), None)
        if group is None:
            group = Group(("activity", v), [], [], self._s.activations[v], [], gains)
            self.all.append(group)
            alike.append(group)
        group.members.append(v)
        group.inputs.append(z)
        group.uses += uses


def _share(theirs: list[Use], mine: list[Use]) -> bool:
    """Are two activations of one line, with these weights before them, steps of one loop?"""
    a, b = ({(u.w, u.summed) for u in found} for found in (theirs, mine))
    return a == b or bool(a & b)


def _signal(act: Activation, looks: list[Look]) -> LayerSignal:
    """Of all steps together."""
    rows = np.concatenate([one.rows for one in looks])
    signal = saturation.at(act, rows, name=act.name)
    if not act.dies or signal.dead_units <= 0.5:
        return signal
    return with_fields(signal, dead_units=float((_highest(looks) <= 0).mean()))


def _highest(looks: list[Look]) -> Array:
    highest: Array = np.max([one.highest for one in looks], axis=0)
    return highest


def with_fields(signal: LayerSignal, **fields: Any) -> LayerSignal:
    """The same signal with other fields."""
    return LayerSignal(**{**{k: getattr(signal, k) for k in signal.__dataclass_fields__}, **fields})
