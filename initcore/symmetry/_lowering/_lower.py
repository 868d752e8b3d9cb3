"""A program as axes, blocks and couplings: what :func:`initcore.symmetry.analyze` refines."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..._types import Array
from ...program import Parameter, Program, Value
from ...program.tracking import SQUARES, Family, Link, Trace, Track
from .._structures._system import Block, Coupling, System
from ._promises import Promise
from ._sharing import Shared, sharing
from ._weights import Weighed

_LINK = 1 << 24                     # entries of a link's matrix


@dataclass
class _Groups:
    """The groups of links of one kind: of each member (end, axis, slot, turn) the group of its units, -1 for none."""

    n: int = 0
    rows: dict[tuple[int, int, int, int], Array] = field(default_factory=dict)
    names: list[tuple[str, slice]] = field(default_factory=list)


class Lowering(Weighed):
    """The rooms of :class:`initcore.symmetry.Graph`, filled from what tracking found.

    wild : parameters found to be shared in ways that cannot be said; where there are any, track anew without them.
    """

    def __init__(self, program: Program, trace: Trace, tracks: dict[Value, Track],
                 promise: Promise | None = None) -> None:
        super().__init__(program, trace, tracks, promise)
        self.weigh()
        self._link_all()
        self._share()
        if promise is not None:
            self._promised(promise)

    def system(self) -> System:
        """What the refinement works on."""
        slices = self.slices = self.number_layers()
        grown = {u.weights.parameter for u in self.trace.uses if self.grows(u) and not u.weights.frozen}
        taken = {v for op in self.program.ops for v in op.inputs} - {p.value for p in self.trace.lost}
        idle = tuple(p.names[0] for p in self.program.parameters
                     if p.trainable and p.value in taken and p not in grown)
        null = tuple(sorted(self.null - {b.name for b in self.blocks}))
        return System(self.axes, self.blocks, self.couplings, slices, links=self.links, idle=idle, null=null,
                      norms=self.norms, apart=frozenset(s.axis for s in slices))

    # --- couplings -----------------------------------------------------------------------------------

    def _link_all(self) -> None:
        found: dict[object, _Groups] = {}
        count: dict[int, int] = {}
        for k, link in enumerate(self.trace.links):
            turn = count[link.family] = count.get(link.family, -1) + 1
            mine = self._groups_of(link)
            kind = (self.trace.kinds[link.family], turn, link.up)
            joint = any(self.joint(a) for _, a, _, _ in mine.rows)
            if not joint or not _unite(found.setdefault(kind, _Groups()), mine):
                found[k] = mine
            self._link(link)
        for groups in found.values():
            whole = all((row >= 0).all() for row in groups.rows.values())
            if groups.n > 1 or not whole:
                members = [(a, np.where(row < 0, groups.n, row)) for (_, a, _, _), row in groups.rows.items()]
                self.couplings.append(Coupling(members, groups.n + (not whole), parts=tuple(groups.names)))

    def _groups_of(self, link: Link) -> _Groups:
        out = _Groups(len(link.one))
        for end, (ids, owner) in enumerate(((link.one, np.arange(len(link.one))), (link.many, link.owner))):
            for c in self.classes(ids):
                row = np.full(self.axes[c.axis].n, -1)
                row[c.bundles] = owner[c.at]
                out.rows[end, c.axis, c.slot, c.turn] = row
        family = self.trace.families[link.family]
        op = self.program.ops[family.op] if family.op < len(self.program.ops) else None
        if op is not None and op.kind == "attention" and link.up and out.n > 1:
            axis = next(reversed(out.rows))[1]
            spans, names = self.found.groups[axis].spans, self._names[axis]
            mine = next(reversed(out.rows.values())) >= 0
            where = [k for k, (units, _) in enumerate(spans) if mine[units].any()]
            out.names.append((f"{names[where[0]]}.heads", slice(0, out.n)))
        return out

    def _link(self, link: Link) -> None:
        family = self.trace.families[link.family]
        if link.up and family.call in ("norm", SQUARES, "softmax"):
            self._norms(link)
        if len(link.one) * len(link.many) > _LINK:
            return
        ends = [(link.many, link.one) if link.up else (link.one, link.many)][0]
        for s, var, at_s, idx_s, _ in self.classes(ends[0]):
            for t, slot, at_t, idx_t, _ in self.classes(ends[1]):
                step = self.locals[t].steps[slot]
                entries = [step.entry] if link.up else _entries(family, step, link.one)
                w = np.zeros((self.axes[s].n, self.axes[t].n), np.float32)
                mine = link.owner[at_s] if link.up else at_s
                theirs = at_t if link.up else link.owner[at_t]
                w[np.ix_(idx_s, idx_t)] = mine[:, None] == theirs[None]
                for entry in entries:
                    self.links.append(Block(s, t, w, "", entry, frozen=True, var=var))

    def _norms(self, link: Link) -> None:
        """Where the units that a norm (softmax) takes are of one axis, and which group each belongs to."""
        classes = self.classes(link.many)
        if len(classes) > 1:
            return
        for a, slot, at, index, _ in classes:
            owner = np.full(self.axes[a].n, -1)
            owner[index] = link.owner[at]
            self.norms += [(a, k, owner) for k, s in enumerate(self.locals[a].steps)
                           if s.operands[:1] == (("in", slot),) and any(mode == "out" for mode, _ in s.operands)
                           and (s.role == "softmax" or (s.role == "norm" and s.call in ("layer", "group")))]

    # --- what several uses of a weight, and several outputs, have in common --------------------------

    def _share(self) -> None:
        """What one parameter's several uses have in common."""
        for parameter, sites in self.sites.items():
            found = sharing(sites)
            if found is None:
                self.wild.add(parameter)
                continue
            for shared in found:
                self._couple(shared)

    def _couple(self, shared: Shared) -> None:
        members: list[tuple[int, Array]] = []
        keys = set()
        for ids in shared.units:
            classes = self.classes(ids)
            keys.add(tuple((a, s, at.tobytes(), i.tobytes()) for a, s, at, i, _ in classes))
            for a, _, at, index, _ in classes:
                row = np.full(self.axes[a].n, shared.n)
                row[index] = at
                members.append((a, row))
                if shared.discrete and self.axes[a].fixed is None:
                    self.axes[a].colours.append((row.astype(np.float64), f"{self.axes[a].name}.shared"))
        for a, row in members:
            axis = self.axes[a]
            # Another use moves the same numbers: a row that is 0 here need not stay so.
            axis.odd = axis.even = axis.homogeneous = axis.zero = axis.forward_zero = axis.half_line = False
            axis.plain = frozenset()
            if self.joint(a):                    # ... nor are they moved as a twin's that is used once
                axis.colours.append(((row < shared.n).astype(np.float64), f"{axis.name}.shared"))
        if len(keys) > 1:
            self.couplings.append(Coupling(members, shared.n + 1, rest=True))

    def _promised(self, promise: Promise) -> None:
        """Outputs of one target have one colour, towers are equal as wholes (theory 4.9.8)."""
        towers, k = promise.ids.shape
        members = []
        sent = np.bincount(np.concatenate(self.trace.outputs), minlength=self.trace.count)
        for axis, group in zip(self.axes, self.found.groups):
            if axis.fixed is None:
                continue
            tower = np.full(axis.n, towers)
            label = np.arange(axis.n) + k
            for units, place in _places(promise.ids, group.members):
                tower[units], label[units] = place // k, place % k
            seen = (sent[group.members] > 0).sum(axis=1)
            if (tower == towers).any() or (seen != 1).any():
                continue                         # the loss sees more of a unit than what was promised
            axis.fixed, axis.coloured = label, True
            members.append((self.axes.index(axis), tower))
        if members:
            self.couplings.append(Coupling(members, towers, together=False))


def _places(ids: Array, members: Array) -> list[tuple[Array, Array]]:
    """Which bundles hold which of some numbers: (bundles, positions among the numbers)."""
    flat = ids.ravel()
    order = np.argsort(flat)
    out = []
    for column in members.T:
        at = np.minimum(np.searchsorted(flat[order], column), len(flat) - 1)
        hit = np.flatnonzero(flat[order][at] == column)
        out.append((hit, order[at[hit]]))
    return out


def _unite(into: _Groups, new: _Groups) -> bool:
    """Add groups of the same kind of units; False where they are not, or stand there already."""
    if into.n and into.rows.keys() != new.rows.keys():
        return False
    if any((new.rows[key][row >= 0] >= 0).any() for key, row in into.rows.items()):
        return False
    for key, row in new.rows.items():
        old = into.rows.get(key, np.full(len(row), -1))
        into.rows[key] = np.where(row >= 0, row + into.n, old)
    into.names += [(name, slice(s.start + into.n, s.stop + into.n)) for name, s in new.names]
    into.n += new.n
    return True


def _entries(family: Family, step: Any, one: Array) -> list[int]:
    """The parts by which ``one`` comes into a step."""
    out = []
    for (mode, ids), (_, k) in zip(family.operands, step.operands):
        if mode == "out" and ids is not None and np.isin(ids[:1], one).all():
            out.append(k)
    return out


def lowered(program: Program, same_targets: bool = False) -> tuple[System, Lowering]:
    """The system of a program; parameters shared in ways that cannot be said are not proved about."""
    wild: frozenset[Parameter] = frozenset()
    while True:
        trace, tracks = program.tracked(wild)
        made = Lowering(program, trace, tracks, Promise.of(trace) if same_targets else None)
        if made.wild <= wild:
            return made.system(), made
        wild |= made.wild
