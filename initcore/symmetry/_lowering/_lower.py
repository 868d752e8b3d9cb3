"""A program as axes, blocks and couplings: what :func:`initcore.symmetry.analyze` refines."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from ..._checks import float_array
from ..._types import Array
from ...errors import NonFiniteError
from ...program import Op, Parameter, Program, Value
from ...program._tracking._scores import KEYS
from ...program._tracking._trace import Family, Trace, Use
from ...program._tracking._tracks import Track
from .. import _weight_passes as passes
from .._structures._local import Local
from .._structures._system import Axis, Block, Coupling, System, Term
from ._axes import axis_of, local_of
from ._bundles import Bundles
from ._sharing import Shared, Sites, sharing

_KIN = 1 << 21
_LINK = 1 << 24                     # entries of a link's matrix
_MOVES = ("reshape", "permute", "slice", "broadcast")


class Lowering:
    """The rooms of :class:`initcore.symmetry.Graph`, filled from what tracking found.

    wild : parameters found to be shared in ways that cannot be said; where there are any, track anew without them.
    """

    def __init__(self, program: Program, trace: Trace, tracks: dict[Value, Track]) -> None:
        self.program, self.trace, self.tracks = program, trace, tracks
        self.found = Bundles(trace)
        self.alive = growing(trace)
        self.axes: list[Axis] = []
        self.blocks: list[Block] = []
        self.links: list[Block] = []
        self.couplings: list[Coupling] = []
        self.wild: set[Parameter] = set()
        self.null: set[str] = set()
        self.norms: list[tuple[int, int, Array]] = []
        self._one: int | None = None
        self._kin = _KIN
        self._arrays: dict[Parameter, Array] = {}
        self.locals = self._make_axes()
        self._blind = self._null_parts()
        self._sites: dict[Parameter, list[Sites]] = {}
        for use in trace.uses:
            self._use(use)
        for link in trace.links:
            self._link(link)
        self._share()

    def system(self) -> System:
        """What the refinement works on."""
        hidden = 0
        for axis, group in zip(self.axes, self.found.groups):
            if axis.fixed is None and any(self.trace.families[f].role == "weigh" for f in group.families):
                axis.layer = hidden
                hidden += 1
        grown = {u.weights.parameter for u in self.trace.uses if self._grows(u) and not u.weights.frozen}
        taken = {v for op in self.program.ops for v in op.inputs} - {p.value for p in self.trace.lost}
        idle = tuple(p.names[0] for p in self.program.parameters
                     if p.trainable and p.value in taken and p not in grown)
        null = tuple(sorted(self.null - {b.name for b in self.blocks}))
        return System(self.axes, self.blocks, self.couplings, links=self.links, idle=idle, null=null, norms=self.norms)

    # --- axes ----------------------------------------------------------------------------------------

    def _make_axes(self) -> list[Local]:
        found, trace, out = self.found, self.trace, []
        read: list[set[int]] = [set() for _ in found.groups]
        linked: list[set[int]] = [set() for _ in found.groups]
        seen: list[set[int]] = [set() for _ in found.groups]
        for use in trace.uses:
            if use.source is not None:
                _mark(read, found, use.source)
        for link in trace.links:
            _mark(linked, found, link.many if link.up else link.one)
        for ids in trace.outputs:
            _mark(seen, found, ids)
        names: dict[str, int] = {}
        for k, group in enumerate(found.groups):
            local = local_of(trace, found, group, read[k], linked[k], seen[k])
            name = self._name(group.families)
            names[name] = names.get(name, 0) + 1
            name = name if names[name] == 1 else f"{name} ({names[name]})"
            axis = axis_of(local, group, name)
            for ids, values in trace.colours:
                mine = found.axis[ids] == k
                if mine.any():
                    self._colour(axis, ids[mine], values[mine])
            self.axes.append(axis)
            out.append(local)
        return out

    def _colour(self, axis: Axis, ids: Array, values: Array) -> None:
        for slot in np.unique(self.found.slot[ids]):
            mine = self.found.slot[ids] == slot
            row = np.full(axis.n, -1.0)
            row[self.found.index[ids[mine]]] = values[mine]
            axis.colours.append((row, f"{axis.name}.place"))

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
            _mark(keyed if keys else other, found, ids)
        return [local.null(k - o) for local, k, o in zip(self.locals, keyed, other)]

    # --- weights -------------------------------------------------------------------------------------

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

    def _use(self, use: Use) -> None:
        parameter = use.weights.parameter
        a = self.read(parameter)
        w = use.arrange(a)
        e, taps, p, _ = w.shape
        h = use.target.shape[1]
        frozen = use.weights.frozen or not parameter.trainable or not self._grows(use)
        if not frozen or parameter.trainable:
            self._sites.setdefault(parameter, []).append(Sites(use, w, a))
        everything = [(self._data(use, p), 0, np.arange(p), np.arange(p))] if use.source is None else []
        name = parameter.names[0]
        kins: dict[tuple[int, ...], int] = {}
        for i in range(e):
            for j in range(h):
                rows = everything if use.source is None else self._classes(use.source[min(i, len(use.source) - 1), j])
                for t, slot, at_t, idx_t in self._classes(use.target[i, j]):
                    local = self.axes[t].local
                    part = 0 if local is None else self.locals[t].steps[slot].entry
                    if use.lift and p == 1 and local is not None and part in self._blind[t]:
                        self.null.add(name)
                        continue
                    if use.lift and e * h * taps * p == 1 and local is None and not self.axes[t].bias and \
                            len(at_t) == self.axes[t].n and not frozen:
                        self.axes[t].bias.append(Term(_ordered(w[0, 0, 0], at_t, idx_t), name))
                        continue
                    for turn, (s, var, at_s, idx_s) in enumerate(rows):
                        for tap in range(taps):
                            key = (s, var, t, slot, tap, turn)
                            if e * h > 1 and key not in kins:
                                kins[key] = self._next_kin()
                            self._block(w[i, tap], (s, var, at_s, idx_s), (t, part, at_t, idx_t), name, frozen,
                                        kins.get(key))

    def _next_kin(self) -> int:
        self._kin += 1
        return self._kin

    def _block(self, w: Array, source: tuple[int, int, Array, Array], target: tuple[int, int, Array, Array],
               name: str, frozen: bool, kin: int | None) -> None:
        s, var, at_s, idx_s = source
        t, part, at_t, idx_t = target
        rows, pick_s, whole_s = _span(at_s, idx_s, self.axes[s].n)
        cols, pick_t, whole_t = _span(at_t, idx_t, self.axes[t].n)
        if rows is None or cols is None:
            self._scattered(w, source, target, name, frozen)
            return
        self.blocks.append(Block(s, t, w[pick_s][:, pick_t], name, part, frozen, rows=None if whole_s else rows,
                                 cols=None if whole_t else cols, kin=kin if kin is not None or (whole_s and whole_t)
                                 else self._next_kin(), var=var))

    def _scattered(self, w: Array, source: tuple[int, int, Array, Array], target: tuple[int, int, Array, Array],
                   name: str, frozen: bool) -> None:
        """A block of units that do not stand together: with zeros between, and a mask that says so."""
        s, var, at_s, idx_s = source
        t, part, at_t, idx_t = target
        wide, mask = np.zeros((self.axes[s].n, self.axes[t].n), w.dtype), \
            np.zeros((self.axes[s].n, self.axes[t].n), np.float32)
        wide[np.ix_(idx_s, idx_t)] = w[np.ix_(at_s, at_t)]
        mask[np.ix_(idx_s, idx_t)] = 1
        self.blocks.append(Block(s, t, mask, name, part, frozen=True, structural=True, var=var))
        self.blocks.append(Block(s, t, wide, name, part, frozen, var=var))

    def _classes(self, ids: Array) -> list[tuple[int, int, Array, Array]]:
        """(axis, slot, positions, bundles) of some ids; a bundle met twice is two classes."""
        axis, slot, index = self.found.axis[ids], self.found.slot[ids], self.found.index[ids]
        order = np.lexsort((np.arange(len(ids)), index, slot, axis))
        key = np.stack([axis[order], slot[order], index[order]])
        new = np.r_[True, (key[:, 1:] != key[:, :-1]).any(axis=0)] if len(ids) else np.zeros(0, bool)
        start = np.flatnonzero(new)
        turn = np.empty(len(ids), dtype=np.int64)
        turn[order] = np.arange(len(ids)) - np.repeat(start, np.diff(np.r_[start, len(ids)]))
        out = []
        for a, s, k in sorted(set(zip(axis.tolist(), slot.tolist(), turn.tolist()))):
            at = np.flatnonzero((axis == a) & (slot == s) & (turn == k))
            out.append((a, s, at, index[at]))
        return out

    def _data(self, use: Use, p: int) -> int:
        """A fixed axis of data; one number for all places is always the same one."""
        if p == 1 and self._one is not None:
            return self._one
        self.axes.append(Axis("one" if p == 1 else f"data {len(self.axes)}", p, fixed=np.arange(p), one=p == 1))
        if p == 1:
            self._one = len(self.axes) - 1
        return len(self.axes) - 1

    def _grows(self, use: Use) -> bool:
        return bool(self.alive[np.unique(self.found.family[use.target])].any())

    # --- couplings -----------------------------------------------------------------------------------

    def _link(self, link: Any) -> None:
        groups = len(link.one)
        family = self.trace.families[link.family]
        op = self.program.ops[family.op] if family.op < len(self.program.ops) else None
        members: list[tuple[int, Array]] = []
        for ids, owner in ((link.one, np.arange(groups)), (link.many, link.owner)):
            for a, _, at, index in self._classes(ids):
                row = np.full(self.axes[a].n, groups)
                row[index] = owner[at]
                members.append((a, row))
        if link.up and family.call in ("norm", "softmax"):
            self._norms(link)
        if groups > 1:
            heads = op is not None and op.kind == "attention" and link.up
            name = f"{self.axes[members[-1][0]].name}.heads" if heads else ""
            whole = all((row < groups).all() for _, row in members)
            self.couplings.append(Coupling(members, groups + (not whole), name))
        if len(link.one) * len(link.many) > _LINK:
            return
        ends = [(link.many, link.one) if link.up else (link.one, link.many)][0]
        for s, var, at_s, idx_s in self._classes(ends[0]):
            for t, slot, at_t, idx_t in self._classes(ends[1]):
                local = self.locals[t]
                step = local.steps[slot]
                entries = [step.entry] if link.up else _entries(family, step, link.one)
                w = np.zeros((self.axes[s].n, self.axes[t].n), np.float32)
                mine = link.owner[at_s] if link.up else at_s
                theirs = at_t if link.up else link.owner[at_t]
                w[np.ix_(idx_s, idx_t)] = mine[:, None] == theirs[None]
                for entry in entries:
                    self.links.append(Block(s, t, w, "", entry, frozen=True, var=var))

    def _norms(self, link: Any) -> None:
        """Where the units that a norm (softmax) takes are of one axis, and which group each belongs to."""
        classes = self._classes(link.many)
        if len(classes) > 1:
            return
        for a, slot, at, index in classes:
            owner = np.full(self.axes[a].n, -1)
            owner[index] = link.owner[at]
            self.norms += [(a, k, owner) for k, s in enumerate(self.locals[a].steps)
                           if s.operands[:1] == (("in", slot),) and any(mode == "out" for mode, _ in s.operands)
                           and (s.role == "softmax" or (s.role == "norm" and s.call in ("layer", "group")))]

    def _share(self) -> None:
        """What one parameter's several uses have in common."""
        for parameter, sites in self._sites.items():
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
            classes = self._classes(ids)
            keys.add(tuple((a, s, at.tobytes(), i.tobytes()) for a, s, at, i in classes))
            for a, _, at, index in classes:
                row = np.full(self.axes[a].n, shared.n)
                row[index] = at
                members.append((a, row))
                if shared.discrete and self.axes[a].fixed is None:
                    self.axes[a].colours.append((row.astype(np.float64), f"{self.axes[a].name}.shared"))
        for a, _ in members:
            axis = self.axes[a]
            # Another use moves the same numbers: a row that is 0 here need not stay so.
            axis.odd = axis.even = axis.homogeneous = axis.zero = axis.forward_zero = axis.half_line = False
            axis.plain = frozenset()
        if len(keys) > 1:
            self.couplings.append(Coupling(members, shared.n + 1, rest=True))


def _entries(family: Family, step: Any, one: Array) -> list[int]:
    """The parts by which ``one`` comes into a step."""
    out = []
    for (mode, ids), (_, k) in zip(family.operands, step.operands):
        if mode == "out" and ids is not None and np.isin(ids[:1], one).all():
            out.append(k)
    return out


def _mark(sets: list[set[int]], found: Bundles, ids: Array) -> None:
    for a, s in set(zip(found.axis[ids].ravel().tolist(), found.slot[ids].ravel().tolist())):
        sets[a].add(s)


def _ordered(values: Array, at: Array, index: Array) -> Array:
    out = np.empty(len(at), values.dtype)
    out[index] = values[at]
    return out


def _span(at: Array, index: Array, n: int) -> tuple[slice | None, slice | Array, bool]:
    """The run of units (None where they do not stand together), the positions in their order, and whether it is all."""
    order = np.argsort(index, kind="stable")
    run = index[order]
    start, stop = int(run[0]), int(run[-1]) + 1
    if stop - start != len(run):
        return None, slice(0), False
    pick = at[order]
    first, step = int(pick[0]), (int(pick[1] - pick[0]) if len(pick) > 1 else 1)
    if step > 0 and (np.diff(pick) == step).all():
        return slice(start, stop), slice(first, int(pick[-1]) + 1, step), stop - start == n
    return slice(start, stop), pick, stop - start == n


def growing(trace: Trace) -> Array:
    """Which families a gradient reaches."""
    owner = np.repeat(np.arange(len(trace.families)), [f.n for f in trace.families])
    alive = np.zeros(len(trace.families), dtype=bool)
    for ids in trace.outputs:
        alive[np.unique(owner[ids])] = True
    edges: list[tuple[int, Array]] = []
    for f in trace.families:
        edges += [(f.index, np.unique(owner[ids])) for _, ids in (f.operands if f.grows else ()) if ids is not None]
    edges += [(int(owner[u.target.ravel()[0]]), np.unique(owner[u.source])) for u in trace.uses if u.source is not None]
    edges += [(int(owner[k.one[0]]), np.unique(owner[k.many])) for k in trace.links if k.up]
    changed = True
    while changed:
        changed = False
        for consumer, made in reversed(edges):
            if alive[consumer] and not alive[made].all():
                alive[made] = True
                changed = True
    return alive


def lowered(program: Program) -> tuple[System, Lowering]:
    """The system of a program; parameters shared in ways that cannot be said are not proved about."""
    wild: frozenset[Parameter] = frozenset()
    while True:
        made = Lowering(program, *program.tracked(wild))
        if made.wild <= wild:
            return made.system(), made
        wild |= made.wild
