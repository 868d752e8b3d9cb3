"""The axes of a program, with their names, and its parameters as arrays."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from ..._checks import float_array
from ..._types import Array
from ...errors import NonFiniteError
from ...program import Op, Parameter, Program, Value
from ...program.tracking import KEYS, SQUARES, Trace, Track
from .. import _weight_passes as passes
from .._structures._axis import Axis
from .._structures._local import Local
from .._structures._system import Block, Coupling, Slice
from ._axes import axis_of, local_of
from ._bundles import Bundles
from ._classes import Class, classes
from ._promises import Promise

_MOVES = ("reshape", "permute", "slice", "broadcast")


class Rooms:
    """What tracking found, sorted into axes; ``promise``: outputs that have one target."""

    def __init__(self, program: Program, trace: Trace, tracks: dict[Value, Track], promise: Promise | None) -> None:
        self.program, self.trace, self.tracks = program, trace, tracks
        self.found = Bundles(trace, promise is not None)
        self.promise = promise
        self.axes: list[Axis] = []
        self.blocks: list[Block] = []
        self.links: list[Block] = []
        self.couplings: list[Coupling] = []
        self.wild: set[Parameter] = set()
        self.null: set[str] = set()
        self.norms: list[tuple[int, int, Array]] = []
        self._names: list[list[str]] = []          # of each axis, the names of its spans
        self._arrays: dict[Parameter, Array] = {}
        self.locals = self._make_axes()
        self._blind = self._null_parts()

    def classes(self, ids: Array) -> list[Class]:
        """(axis, slot, positions, bundles) of some ids; a bundle met twice is two classes."""
        return classes(self.found, ids)

    def joint(self, axis: int) -> bool:
        """Are its units made by several operations?"""
        return axis < len(self.found.groups) and len(self.found.groups[axis].spans) > 1

    # --- axes ----------------------------------------------------------------------------------------

    def _make_axes(self) -> list[Local]:
        found, trace, out = self.found, self.trace, []
        read: list[set[int]] = [set() for _ in found.groups]
        linked: list[set[int]] = [set() for _ in found.groups]
        seen: list[set[int]] = [set() for _ in found.groups]
        squared: list[set[int]] = [set() for _ in found.groups]
        other: list[set[int]] = [set() for _ in found.groups]
        for use in trace.uses:
            if use.source is not None:
                mark(read, found, use.source)
        for f, k in found.wires.cut:
            term = trace.families[f].operands[k][1]
            assert term is not None
            mark(read, found, term)
        for link in trace.links:
            ids = link.many if link.up else link.one
            mark(linked, found, ids)
            even = link.up and trace.families[link.family].call == SQUARES
            mark(squared if even else other, found, ids)
        for ids in trace.outputs:
            mark(seen, found, ids)
        names: dict[str, int] = {}
        kinds = self._colour_kinds()
        for k, group in enumerate(found.groups):
            local = local_of(trace, found, group, read[k], linked[k], seen[k], squared[k] - other[k])
            self._names.append([self._fresh(self._name(families), names) for _, families in group.spans])
            axis = axis_of(local, group, self._names[-1][0])
            rows: dict[tuple[object, int], Array] = {}
            for kind, colour in zip(kinds, trace.colours):
                mine = found.axis[colour.ids] == k
                if mine.any():
                    self._colour(axis, kind, colour.ids[mine], colour.values[mine], rows)
            axis.colours += [(row, f"{axis.name}.place") for row in rows.values()]
            self.axes.append(axis)
            out.append(local)
        return out

    def _colour_kinds(self) -> list[object]:
        """Colours of the same operation, in its order, are comparable; those of draws are not."""
        count: dict[int, int] = {}
        out: list[object] = []
        for k, c in enumerate(self.trace.colours):
            turn = count[c.op] = count.get(c.op, -1) + 1
            out.append(("lone", k) if c.lone else (self.trace.marks.get(c.op, -1 - c.op), turn))
        return out

    def _colour(self, axis: Axis, kind: object, ids: Array, values: Array,
                rows: dict[tuple[object, int], Array]) -> None:
        for slot in np.unique(self.found.slot[ids]):
            mine = self.found.slot[ids] == slot
            row = rows.setdefault((kind, int(slot)), np.full(axis.n, -1.0))
            row[self.found.index[ids[mine]]] = values[mine]

    @staticmethod
    def _fresh(name: str, names: dict[str, int]) -> str:
        names[name] = names.get(name, 0) + 1
        return name if names[name] == 1 else f"{name} ({names[name]})"

    def _name(self, families: tuple[int, ...]) -> str:
        made = [self.trace.families[f] for f in families]
        first = next((f for f in made if f.role == "weigh"), made[0])
        op = self.program.ops[first.op] if first.op < len(self.program.ops) else None
        return (op.place.module or self._weight_of(op) or op.source or op.kind) if op is not None else "outputs"

    @cached_property
    def _told(self) -> tuple[dict[Value, str], dict[Value, Value | None]]:
        """The parameters' names, and of values that only move another's numbers, whose."""
        names = {p.value: p.names[0] for p in self.program.parameters}
        return names, {v: op.inputs[0] for op in self.program.ops if op.kind in _MOVES for v in op.outputs}

    def _weight_of(self, op: Op) -> str:
        """The parameter an operation weighs with, for functions that have no modules: itself, or moved."""
        names, moved = self._told
        for v in op.inputs:
            while v is not None and v not in names and v in moved:
                v = moved[v]
            if v in names:
                return names[v]
        return ""

    def number_layers(self) -> list[Slice]:
        """Give every hidden layer its number; those that are a span of an axis as slices of it."""
        found = []
        for i, (axis, group) in enumerate(zip(self.axes, self.found.groups)):
            if axis.fixed is None and any(self.trace.families[f].role == "weigh" for f in group.families):
                found += [(int(group.members[units].min()), i, k, units) for k, (units, _) in enumerate(group.spans)]
        out = []
        for layer, (_, i, k, units) in enumerate(sorted(found, key=lambda f: f[0])):
            if self.axes[i].layer is None:
                self.axes[i].layer = layer
            if self.joint(i):
                out.append(Slice(self._names[i][k], layer, i, units, True))
        return out

    def _null_parts(self) -> list[set[int]]:
        """Of each axis the parts on which the loss does not depend; keys are those that enter nothing but scores."""
        found = self.found
        keyed: list[set[int]] = [set() for _ in self.axes]
        other: list[set[int]] = [set() for _ in self.axes]
        for link in self.trace.links:
            family = self.trace.families[link.family]
            ids = link.many if link.up else link.one
            entered = [k for k, (mode, v) in enumerate(family.operands)
                       if mode == "out" and v is not None and np.isin(v[:1], ids[:1]).all()]
            keys = not link.up and entered and all(family.call == (KEYS, k) for k in entered)
            mark(keyed if keys else other, found, ids)
        return [local.null(k - o) for local, k, o in zip(self.locals, keyed, other)]

    # --- parameters ----------------------------------------------------------------------------------

    def read(self, parameter: Parameter) -> Array:
        """The parameter's array, once."""
        if parameter not in self._arrays:
            name = parameter.names[0]
            a = float_array(name, parameter.read())
            if a.size and passes.look(a.reshape(-1, a.shape[-1]) if a.ndim > 1 else a.reshape(1, -1)) < 0:
                where = tuple(int(i) for i in np.argwhere(~np.isfinite(a))[0])
                raise NonFiniteError(f"{name} holds {a[where]} at index {where}; weights must be finite.")
            self._arrays[parameter] = a
        return self._arrays[parameter]


def mark(sets: list[set[int]], found: Bundles, ids: Array) -> None:
    """Add to each axis's set the slots of some ids."""
    for a, s in set(zip(found.axis[ids].ravel().tolist(), found.slot[ids].ravel().tolist())):
        sets[a].add(s)
