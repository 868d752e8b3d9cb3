"""The weights of a program as blocks between its axes."""

from __future__ import annotations

import numpy as np

from ..._types import Array
from ...program import Parameter
from ...program.tracking import Use
from .._structures._axis import Axis, Term
from .._structures._system import Block
from ._classes import Class, ordered, span
from ._rooms import Rooms
from ._sharing import Sites

_KIN = 1 << 21


class Weighed(Rooms):
    """Blocks, terms, and the places where each parameter is used."""

    def weigh(self) -> None:
        """Make the blocks of every use."""
        self._data_axes: dict[object, int] = {}
        self._kins: dict[object, int] = {}
        self.sites: dict[Parameter, list[Sites]] = {}
        self.alive = self.growing()
        count: dict[int, int] = {}
        for use in self.trace.uses:
            turn = count[use.op] = count.get(use.op, -1) + 1
            self._use(use, (self.trace.marks.get(use.op, -1 - use.op), turn))
        self._wire()

    def _use(self, use: Use, kind: tuple[int, int]) -> None:
        parameter = use.weights.parameter
        a = self.read(parameter)
        w = use.arrange(a)
        e, taps, p, _ = w.shape
        h = use.target.shape[1]
        frozen = use.weights.frozen or not parameter.trainable or not self.grows(use)
        if not frozen or parameter.trainable:
            self.sites.setdefault(parameter, []).append(Sites(use, w, a))
        everything = [Class(self._data(kind, p), 0, np.arange(p), np.arange(p), 0)] if use.source is None else []
        name = parameter.names[0]
        for i in range(e):
            for j in range(h):
                rows = everything if use.source is None else self.classes(use.source[min(i, len(use.source) - 1), j])
                for to in self.classes(use.target[i, j]):
                    t, local = to.axis, self.axes[to.axis].local
                    part = 0 if local is None else self.locals[t].steps[to.slot].entry
                    if use.lift and p == 1 and local is not None and part in self._blind[t]:
                        self.null.add(name)
                        continue
                    if use.lift and e * h * taps * p == 1 and local is None and not frozen and \
                            self._term(w[0, 0, 0], to, name):
                        continue
                    for rise in rows:
                        alike = e * h > 1 or self.joint(rise.axis) or self.joint(t)
                        for tap in range(taps):
                            key = (kind, rise.axis, rise.slot, rise.turn, t, part, tap, frozen)
                            self._block(w[i, tap], rise, to, part, name, frozen, key, alike)

    def _term(self, values: Array, to: Class, name: str) -> bool:
        """A number of each unit's own, in the axis or in a span of it; False where another stands there already."""
        axis = self.axes[to.axis]
        where, _, whole = span(to.at, to.bundles, axis.n)
        if where is None or not (whole or self.joint(to.axis)):
            return False
        if any(t.span is None or (t.span.start < where.stop and where.start < t.span.stop) for t in axis.bias):
            return False
        if whole:
            axis.bias.append(Term(ordered(values, to.at, to.bundles), name))
        else:
            wide = np.zeros(axis.n, values.dtype)
            wide[where] = ordered(values, to.at, to.bundles)
            axis.bias.append(Term(wide, name, span=where))
        return True

    def _kin_of(self, key: object) -> int:
        """One number for all blocks that play one role."""
        return self._kins.setdefault(key, _KIN + len(self._kins))

    def _block(self, w: Array, rise: Class, to: Class, part: int, name: str, frozen: bool, key: object,
               alike: bool) -> None:
        """``key``: the role it plays; blocks of one role that cover parts of their axes, or are ``alike``, are kin."""
        s, t = rise.axis, to.axis
        rows, pick_s, whole_s = span(rise.at, rise.bundles, self.axes[s].n)
        cols, pick_t, whole_t = span(to.at, to.bundles, self.axes[t].n)
        if rows is None or cols is None:
            self._scattered(w, rise, to, part, name, frozen, key)
            return
        kin = self._kin_of(key) if alike or not (whole_s and whole_t) else None
        self.blocks.append(Block(s, t, w[pick_s][:, pick_t], name, part, frozen, rows=None if whole_s else rows,
                                 cols=None if whole_t else cols, kin=kin, var=rise.slot))

    def _scattered(self, w: Array, rise: Class, to: Class, part: int, name: str, frozen: bool, key: object) -> None:
        """A block of units that do not stand together: with zeros between, and a mask that says so."""
        s, t = rise.axis, to.axis
        wide, mask = np.zeros((self.axes[s].n, self.axes[t].n), w.dtype), \
            np.zeros((self.axes[s].n, self.axes[t].n), np.float32)
        wide[np.ix_(rise.bundles, to.bundles)] = w[np.ix_(rise.at, to.at)]
        mask[np.ix_(rise.bundles, to.bundles)] = 1
        kins = self._kin_of(("mask", key)), self._kin_of(("wide", key))
        self.blocks.append(Block(s, t, mask, name, part, frozen=True, structural=True, kin=kins[0], var=rise.slot))
        self.blocks.append(Block(s, t, wide, name, part, frozen, kin=kins[1], var=rise.slot))

    def _wire(self) -> None:
        """Fixed weights between the terms of a sum and the sum: all terms of one tree in one matrix."""
        found: dict[tuple[int, int, int, int], Array] = {}
        for f, k in self.found.wires.cut:
            family = self.trace.families[f]
            ids = family.operands[k][1]
            assert ids is not None
            for s, var, at_s, idx_s, _ in self.classes(ids):
                for t, slot, at_t, idx_t, _ in self.classes(family.ids.ravel()):
                    part = self.locals[t].steps[slot].operands[k][1]
                    w = found.setdefault((s, var, t, part), np.zeros((self.axes[s].n, self.axes[t].n), np.float32))
                    w[np.ix_(idx_s, idx_t)] += at_s[:, None] == at_t[None]
        self.blocks += [Block(s, t, w, "sum", part, frozen=True, var=var) for (s, var, t, part), w in found.items()]

    def _data(self, kind: tuple[int, int], p: int) -> int:
        """A fixed axis of data; one number for all places is always the same one."""
        key = "one" if p == 1 else (kind, p)
        if key not in self._data_axes:
            name = "one" if p == 1 else f"data {len(self.axes)}"
            self.axes.append(Axis(name, p, fixed=np.arange(p), one=p == 1))
            self._data_axes[key] = len(self.axes) - 1
        return self._data_axes[key]

    # --- gradients -----------------------------------------------------------------------------------

    def grows(self, use: Use) -> bool:
        """Does a gradient reach what a use makes?"""
        return bool(self.alive[np.unique(self.found.family[use.target])].any())

    def growing(self) -> Array:
        """Which families a gradient reaches."""
        trace, owner = self.trace, self.found.family
        alive = np.zeros(len(trace.families), dtype=bool)
        for ids in trace.outputs:
            alive[np.unique(owner[ids])] = True
        edges: list[tuple[int, Array]] = []
        for f in trace.families:
            edges += [(f.index, np.unique(owner[ids])) for _, ids in (f.operands if f.grows else ())
                      if ids is not None]
        edges += [(int(owner[u.target.ravel()[0]]), np.unique(owner[u.source]))
                  for u in trace.uses if u.source is not None]
        edges += [(int(owner[k.one[0]]), np.unique(owner[k.many])) for k in trace.links if k.up]
        changed = True
        while changed:
            changed = False
            for consumer, made in reversed(edges):
                if alive[consumer] and not alive[made].all():
                    alive[made] = True
                    changed = True
        return alive
