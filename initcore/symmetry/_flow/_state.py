"""Which units can be non-zero, and which get a signal back, as parameters learn."""

import numpy as np

from ..._types import Array
from .._structures._axis import Axis
from .._structures._cells import ADJOINTS, OUTPUTS
from .._structures._local import Still
from .._structures._system import Block, System
from ._reach import Reach


class Flow:
    """Sets of live units of each axis; they only ever grow.

    pre, vary : of each part: can it be non-zero, does it vary over data and time?   x, moves : the same of the output.
    back : the signal that comes back to the output.   d : to each part.
    numbers : live per-unit parameters, by name.
    """

    def __init__(self, system: System, dead: list[Array], flat: set[int], still: dict[int, Still]) -> None:
        self.system, self.dead, self.flat, self.step, self.still = system, dead, flat, 0, still
        self.axes, self.blocks = system.axes, [*system.blocks, *system.links]
        masks = {(b.name, b.source, b.target): b.w for b in self.blocks if b.structural}
        self.reach = [Reach(b, masks.get((b.name, b.source, b.target))) for b in self.blocks]
        self.incoming: list[list[int]] = [[] for _ in self.axes]
        self.outgoing: list[list[int]] = [[] for _ in self.axes]
        self.scores: dict[int, list[int]] = {}
        for i, a in enumerate(self.axes):
            if a.partner is not None:
                self.scores.setdefault(a.partner, []).append(i)
        for k, b in enumerate(self.blocks):
            if not b.structural:
                self.incoming[b.target].append(k)
                self.outgoing[b.source].append(k)
        self.terms = [[np.asarray(t.values) > 0 if a.half_line else np.asarray(t.values) != 0 for t in a.bias]
                      for a in self.axes]
        self.gains = [[(np.asarray(g.values).reshape(-1, a.n) != 0).any(axis=0) for g in a.gains] for a in self.axes]
        self.x = [np.full(a.n, a.fixed is not None and not self.incoming[i]) for i, a in enumerate(self.axes)]
        self.moves = [x & (not a.one) for x, a in zip(self.x, self.axes)]
        self.inner = [x.copy() for x in self.x]
        none = [[np.zeros(a.n, dtype=bool)] * a.parts for a in self.axes]
        self.pre, self.vary, self.d = list(none), list(none), list(none)
        self.back = [np.zeros(a.n, dtype=bool) for a in self.axes]
        for i, a in enumerate(self.axes):
            if a.local is not None:
                self.x[i] = np.zeros((len(a.local.steps), a.n), dtype=bool)
                self.moves[i] = self.back[i] = self.x[i]

    def _of(self, values: list[Array], b: Block) -> Array:
        """What a block reads: the step it names, where units run a program."""
        v = values[b.source]
        return v[b.var] if v.ndim == 2 else v

    def _run(self, i: int, pre: list[Array], vary: list[Array]) -> bool:
        """:meth:`forward` of units that run a program."""
        local, still = self.axes[i].local, self.still.get(i)
        assert local is not None
        x = np.stack(local.forward(pre, still)) & ~self.dead[i]
        moves = np.stack(local.varying(pre, vary, list(x), still)) & x
        grew = any((p != q).any() for p, q in zip((x, moves, *pre, *vary),
                                                  (self.x[i], self.moves[i], *self.pre[i], *self.vary[i])))
        self.x[i], self.moves[i], self.inner[i], self.pre[i], self.vary[i] = x, moves, x[-1], pre, vary
        return grew

    def _return(self, i: int) -> bool:
        """:meth:`backward` of units that run a program."""
        axis, local = self.axes[i], self.axes[i].local
        assert local is not None
        back = np.zeros_like(self.x[i])
        back[sorted(local.seen)] = True
        for k in self.outgoing[i]:
            b = self.blocks[k]
            self.reach[k].onto(back[b.var], self.d[b.target][b.part], backward=True)
        back &= ~self.dead[i]
        d = [p & ~self.dead[i] for p in local.backward(
            self.pre[i], list(self.x[i]), list(back), self.vary[i], list(self.moves[i]), self.still.get(i))]
        grew = any((p != q).any() for p, q in zip((back, *d), (self.back[i], *self.d[i])))
        self.back[i], self.d[i] = back, d
        return grew and axis.n > 0

    def forward(self, i: int) -> bool:
        """Update ``pre`` and ``x`` of axis i; True if they grew."""
        axis = self.axes[i]
        if axis.fixed is not None and not self.incoming[i]:
            return False
        pre = [np.zeros(axis.n, dtype=bool) for _ in range(axis.parts)]
        vary = [p.copy() for p in pre]
        for k in self.incoming[i]:
            b = self.blocks[k]
            self.reach[k].onto(pre[b.part], self._of(self.x, b))
            self.reach[k].onto(vary[b.part], self._of(self.moves, b))
        if axis.local is not None:
            return self._run(i, pre, vary)
        for t, live in zip(axis.bias, self.terms[i]):
            if t.term == 0 and not (t.null and axis.norm):
                pre[t.part] |= live
                if axis.turned:
                    vary[t.part] |= live
        inner = OUTPUTS[axis.product](axis, pre, self._level(i, pre)) & ~self.dead[i]
        x = inner & self._before(i, after=True)
        moves = x & np.logical_or.reduce(vary) & self._before(i) & (i not in self.flat)
        new, old = (x, moves, *pre, *vary), (self.x[i], self.moves[i], *self.pre[i], *self.vary[i])
        self.inner[i], self.x[i], self.moves[i], self.pre[i], self.vary[i] = inner, x, moves, pre, vary
        return any((p != q).any() for p, q in zip(new, old))

    def _before(self, i: int, after: bool = False) -> Array:
        """Are all gains before (after) the activation non-zero?"""
        out = np.ones(self.axes[i].n, dtype=bool)
        for g, live in zip(self.axes[i].gains, self.gains[i]):
            if g.after == after:
                out = out & live
        return out

    def _level(self, i: int, pre: list[Array]) -> Array:
        """Is the argument of an elementwise activation non-zero, then the output?"""
        axis = self.axes[i]
        y = pre[0] & self._before(i) & (i not in self.flat)
        for t, live in zip(axis.bias, self.terms[i]):
            if t.term:
                y = y | live
        return y

    def backward(self, i: int) -> bool:
        """Update ``d`` of axis i; True if it grew."""
        if self.axes[i].local is not None:
            return self._return(i)
        axis, pre = self.axes[i], self.pre[i]
        back = np.full(axis.n, axis.fixed is not None)
        if axis.partner is not None:              # a score moves what the loss sees through the values it weighs
            back |= self._weighed(axis)
        for k in self.outgoing[i]:
            b = self.blocks[k]
            self.reach[k].onto(back, self.d[b.target][b.part], backward=True)
        if self.step < axis.stops:
            back[:] = False
        back &= ~self.dead[i]
        inner = back & self._before(i, after=True)
        d = [p & ~self.dead[i] for p in ADJOINTS[axis.product](axis, pre, self.vary[i], self._slope(i, inner), inner)]
        new, old = (back, *d), (self.back[i], *self.d[i])
        self.back[i], self.d[i] = back, d
        return any((p != q).any() for p, q in zip(new, old))

    def _slope(self, i: int, back: Array) -> Array:
        """What of the back-signal passes an elementwise activation."""
        axis = self.axes[i]
        phi = axis.activation
        return back if axis.fixed is not None or phi is None or phi.dphi0 != 0 else back & self._level(i, self.pre[i])

    def _weighed(self, axis: Axis) -> Array:
        """Heads (experts) whose weights the loss sees: those with a value that varies and is read."""
        partner = axis.partner if axis.partner is not None else 0
        seen = self.d[partner][0] & (self.moves[partner] if axis.product == "attention" else self.x[partner])
        if axis.product == "router":
            return np.full(axis.n, bool(seen.any()) and axis.n > 1)
        return np.repeat(seen.reshape(axis.groups, -1).any(axis=1), axis.n // axis.groups)

    def entering(self, i: int) -> list[Array]:
        """The back-signal that reaches the blocks writing to each part."""
        d = self.d[i]
        if self.axes[i].gains:
            d = [p & self._before(i) for p in d]
        return [np.zeros_like(p) for p in d] if i in self.flat else d

    def spread(self, dirty: set[int]) -> set[int]:
        """Propagate from the axes in ``dirty`` until nothing grows, forward and back; the axes that grew."""
        ahead, behind, touched = set(dirty), set(dirty), set(dirty)
        while ahead or behind:
            while ahead:
                i = min(ahead)
                ahead.discard(i)
                if self.forward(i):
                    touched.add(i)
                    behind.update({i, *self.scores.get(i, ())})
                    ahead.update(self.blocks[k].target for k in self.outgoing[i])
            while behind:
                i = max(behind)
                behind.discard(i)
                if self.backward(i):
                    touched.add(i)
                    behind.update(self.blocks[k].source for k in self.incoming[i])
                    behind.update(self.scores.get(i, ()))
        return touched

    def learn(self, i: int, first: dict[str, int | None]) -> bool:
        """Record the gradients of the per-unit parameters of axis i; True if any of them grew."""
        axis, grew = self.axes[i], False
        for j, t in enumerate(axis.bias):
            if not t.null:
                d = self.d[i][0] if t.term else self.entering(i)[t.part]
                grew |= self._record(first, t.name, self.terms[i], j, _within(d, t.span))
        for j, g in enumerate(axis.gains):
            others = [live for o, live in zip(axis.gains, self.gains[i]) if o is not g and o.after == g.after]
            d = self.back[i] & self.inner[i] if g.after else self.d[i][0] & self.pre[i][0] & (i not in self.flat)
            d = _within(np.logical_and.reduce([d, *others]), g.span)
            grew |= self._record(first, g.name, self.gains[i], j, d | (g.scalar and bool(d.any())))
        return grew

    def _record(self, first: dict[str, int | None], name: str, live: list[Array], j: int, d: Array) -> bool:
        if not d.any() or (first[name] is not None and not (d & ~live[j]).any()):
            return False
        live[j] = live[j] | d
        if first[name] is None:
            first[name] = self.step
        return True


def _within(d: Array, span: slice | None) -> Array:
    if span is None:
        return d
    out = np.zeros_like(d)
    out[span] = d[span]
    return out
