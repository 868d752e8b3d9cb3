"""When each weight first gets a gradient: the boolean propagation of theory 4.4, unit by unit.

A unit's output can be non-zero iff phi(0) != 0, or its bias is not 0, or a non-zero weight leads to it from a unit
that can be. Its back-signal likewise, and phi' must not vanish there. A weight gets a gradient iff both ends are
live; after that step it counts as non-zero. Units proved identically zero never count.
"""

import numpy as np

from . import _weight_passes as passes
from ._system import Block, System

Array = np.ndarray


class ZeroFlow(dict[str, int | None]):
    """First step with a gradient (0 = the very first), by parameter name; None = never.

    Looks up ``"layers[0].w"`` and prints one line a parameter that does not learn at once.
    """

    def __str__(self) -> str:
        late = [f"{k}: {'never' if v is None else f'step {v}'}" for k, v in self.items() if v != 0]
        return "\n".join(late) if late else "every parameter has a gradient at step 0"


class _Reach:
    """Is there a non-zero weight from some live source to each target? Weights grow non-zero where they learn."""

    def __init__(self, block: Block, mask: Array | None) -> None:
        self.block, self.mask = block, mask
        self.learnt: list[tuple[Array, Array]] = []
        self._all: bool | None = None

    def __call__(self, live: Array, backward: bool = False) -> Array:
        w = self.block.w.T if backward else self.block.w
        if not live.any():
            return np.zeros(w.shape[1], dtype=bool)
        if self.block.constant:
            out = np.full(w.shape[1], w.size > 0 and bool(w[0, 0] != 0))
        elif live.all() and self._full():
            out = np.ones(w.shape[1], dtype=bool)
        else:
            out = _touched(w, live)
        for x, d in self.learnt:
            if backward:
                x, d = d, x
            if (x & live).any():
                out = out | (d if self.mask is None else d & _touched(self.mask.T if backward else self.mask, x & live))
        return out

    def _full(self) -> bool:
        """Has every row and column a non-zero entry? Looked up on the diagonal, which a random matrix satisfies."""
        if self._all is None:
            n, m = self.block.w.shape
            k = np.arange(max(n, m))
            self._all = bool((self.block.w[k % n, k % m] != 0).all())
        return self._all

    def learn(self, x: Array, d: Array) -> bool:
        """Record a gradient on the block x by d; True if it adds anything."""
        if not (x.any() and d.any()) or any((x <= a).all() and (d <= b).all() for a, b in self.learnt):
            return False
        self.learnt.append((x.copy(), d.copy()))
        return True


def _touched(w: Array, live: Array) -> Array:
    """Which columns have a non-zero entry in a live row?"""
    return passes.project(w, live[None].astype(np.float64))[1] > 0


class _Flow:
    """The sets of live outputs ``x``, pre-activations ``pre`` and back-signals ``d``; they only ever grow."""

    def __init__(self, system: System, dead: list[Array]) -> None:
        self.system, self.dead = system, dead
        self.axes, self.blocks = system.axes, system.blocks
        masks = {(b.name, b.source, b.target): b.w for b in self.blocks if b.structural}
        self.reach = [_Reach(b, masks.get((b.name, b.source, b.target))) for b in self.blocks]
        self.incoming: list[list[int]] = [[] for _ in self.axes]
        self.outgoing: list[list[int]] = [[] for _ in self.axes]
        self.scores: dict[int, int] = {a.partner: i for i, a in enumerate(self.axes) if a.partner is not None}
        for k, b in enumerate(self.blocks):
            if b.structural:
                continue
            self.incoming[b.target].append(k)
            self.outgoing[b.source].append(k)
        self.bias = [[(np.asarray(v) > 0) if a.half_line else (np.asarray(v) != 0) for v, _, _ in a.bias]
                     for a in self.axes]
        self.x = [np.full(a.n, a.fixed is not None and not self.incoming[i]) for i, a in enumerate(self.axes)]
        self.pre = [[np.zeros(a.n, dtype=bool)] * (2 if a.product else 1) for a in self.axes]
        self.d = [[np.zeros(a.n, dtype=bool)] * (2 if a.product else 1) for a in self.axes]

    def forward(self, i: int) -> bool:
        """Update ``pre`` and ``x`` of axis i; True if they grew."""
        axis = self.axes[i]
        if axis.fixed is not None and not self.incoming[i]:
            return False
        pre = [np.zeros(axis.n, dtype=bool) for _ in self.pre[i]]
        for k in self.incoming[i]:
            b = self.blocks[k]
            pre[b.part] |= self.reach[k](self.x[b.source])
        for (_, _, part), live in zip(axis.bias, self.bias[i]):
            pre[part] |= live
        phi0 = axis.activation is not None and axis.activation.phi0 != 0
        if axis.product == "attention":
            x = pre[0] & pre[1]
        elif axis.product == "gated":
            x = (pre[0] | phi0) & pre[1]
        else:
            x = pre[0] | phi0
        x &= ~self.dead[i]
        grew = bool((x != self.x[i]).any()) or any((p != q).any() for p, q in zip(pre, self.pre[i]))
        self.x[i], self.pre[i] = x, pre
        return grew

    def backward(self, i: int) -> bool:
        """Update ``d`` of axis i; True if it grew."""
        axis, pre = self.axes[i], self.pre[i]
        back = np.full(axis.n, axis.fixed is not None)
        if axis.partner is not None:              # a score moves what the loss sees through the values it weighs
            back |= bool((self.x[axis.partner] & self.d[axis.partner][0]).any())
        for k in self.outgoing[i]:
            b = self.blocks[k]
            back |= self.reach[k](self.d[b.target][b.part], backward=True)
        phi = axis.activation
        slope = pre[0] | (phi is None or phi.dphi0 != 0)
        if axis.product == "attention":
            d = [back & pre[1], back & pre[0]]
        elif axis.product == "gated":
            d = [back & pre[1] & slope, back & (pre[0] | (phi is not None and phi.phi0 != 0))]
        else:
            d = [back if axis.fixed is not None else back & slope]
        d = [part & ~self.dead[i] for part in d]
        grew = any((p != q).any() for p, q in zip(d, self.d[i]))
        self.d[i] = d
        return grew

    def spread(self, dirty: set[int]) -> set[int]:
        """Propagate from the axes in ``dirty`` until nothing grows, forward and back; the axes that grew."""
        ahead, behind, touched = set(dirty), set(dirty), set(dirty)
        while ahead or behind:
            while ahead:
                i = min(ahead)
                ahead.discard(i)
                if self.forward(i):
                    touched.add(i)
                    behind.update({i, self.scores.get(i, i)})
                    ahead.update(self.blocks[k].target for k in self.outgoing[i])
            while behind:
                i = max(behind)
                behind.discard(i)
                if self.backward(i):
                    touched.add(i)
                    behind.update(self.blocks[k].source for k in self.incoming[i])
                    if i in self.scores:
                        behind.add(self.scores[i])
        return touched


def flow(system: System, dead: list[Array], max_steps: int | None = None) -> ZeroFlow:
    """First step with a gradient of every block and bias; ``dead[i]`` marks units of axis i that are zero for ever."""
    state, first = _Flow(system, dead), ZeroFlow()
    for i, axis in enumerate(system.axes):
        first.update({b.name: None for b in system.incoming(i) if not b.frozen})
        first.update({name: None for _, name, _ in axis.bias})
    dirty, step = set(range(len(system.axes))), 0
    while dirty and (max_steps is None or step <= max_steps):
        touched = state.spread(dirty)
        dirty = set()
        for k in {k for i in touched for k in (*state.incoming[i], *state.outgoing[i])}:
            b = system.blocks[k]
            if not b.frozen and state.reach[k].learn(state.x[b.source], state.d[b.target][b.part]):
                dirty |= {b.source, b.target}
                if first[b.name] is None:
                    first[b.name] = step
        for i in touched:
            for j, (_, name, part) in enumerate(system.axes[i].bias):
                d = state.d[i][part]
                if (d & ~state.bias[i][j]).any() or (first[name] is None and d.any()):
                    dirty.add(i)
                    state.bias[i][j] = state.bias[i][j] | d
                    if first[name] is None:
                        first[name] = step
        step += 1
    return first
