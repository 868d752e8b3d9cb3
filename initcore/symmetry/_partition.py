"""The coarsest partition of a system's units whose cells training cannot split: refinement to its fixpoint.

Design
A. State: each unit has a cell and a multiplier. Cell 0 holds the units that are identically zero; in any other
   cell unit j is ``multiplier_j`` times one common quantity (1; -1 for odd activations; any positive number for
   homogeneous ones under updates linear in the gradient). Everything starts in one cell and is only ever split.
B. One step takes one axis and one direction: every unit gets the signature of its incoming (outgoing) weights
   over the cells on the other side, divided by its multiplier; units of a cell with unequal signatures part.
   ``affine`` signatures are sums over cells (theory 4.1, conditions F and B), ``elementwise`` ones multisets (F*, B*).
C. A float64 projection with a rigorous error bound comes first: two units whose intervals do not meet differ for
   certain. Only what it leaves together is compared exactly, in F_p or by a 64-bit hash, with two seeds each.
   So a split is always right, and a merge wrong with probability below 1e-30.
D. A sweep goes forward through all axes, then backward. Only a sweep without a split certifies; a loop stopped
   before says so.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ..reference import field
from ._grouping import Array, clusters, group, linked
from ._signatures import Signatures, State
from ._system import Axis, Block, Coupling, System

FORWARD, BACKWARD = "forward", "backward"
_EPS = 2.0 ** -53
_WATCH = Callable[["Refinement", int, str], bool]


class Refinement:
    """Refine a system's partition; ``states[i]`` is the answer for axis i.

    strength : "affine" (sums) or "elementwise" (multisets).
    signs, scales : admit units that are each other's negative; or multiples.
    bias_stays : does a negative bias that gets no gradient keep its sign (half-line activations)?
    tolerance : count sums as equal that differ by at most this share of their absolute terms; proves nothing.
    """

    def __init__(self, system: System, *, strength: str = "affine", signs: bool = True, scales: bool = False,
                 bias_stays: bool = True, start: list[State] | None = None, seed: int = 0,
                 tolerance: float | None = None) -> None:
        self.system, self.strength, self.signs = system, strength, signs
        self.scales, self.tolerance = scales and strength == "affine", tolerance
        self.bias_stays, self.seed, self.sweeps, self.certified = bias_stays, seed, 0, False
        self._step = 0
        self.forward_only: list[Array] = []      # labels after the first forward pass: units equal at step 0
        self.probes: dict[int, tuple[Array, int]] = {}   # two projections of all units of an axis, number of terms
        self.states = [self._first(a) for a in system.axes] if start is None else start
        self._equal_sums = start is not None     # every cell agrees in its sums already

    def _first(self, axis: Axis) -> State:
        n = axis.n
        cell = np.full(n, 0 if axis.zero and axis.fixed is None else 1, dtype=np.int64)
        if axis.fixed is not None:
            cell = group(np.asarray(axis.fixed)) + 1
        for values, _ in axis.colours:
            for column in np.reshape(np.asarray(values, dtype=np.float64), (-1, n)):
                cell = group(cell, column + 0.0) + 1
        state = State(cell, np.ones(n), np.ones(n, dtype=np.uint64))
        state.settle()
        return state

    def run(self, max_sweeps: int, watch: _WATCH | None = None) -> None:
        """Sweep until nothing splits, or ``max_sweeps``; ``watch(self, axis, direction)`` -> True stops it."""
        free = [i for i, a in enumerate(self.system.axes) if a.fixed is None]
        incoming = {i: self.system.incoming(i) for i in free}
        outgoing = {i: self.system.outgoing(i) for i in free}
        while not self.certified and self.sweeps < max_sweeps:
            self.sweeps += 1
            changed = False
            for direction, order, blocks in ((FORWARD, free, incoming), (BACKWARD, free[::-1], outgoing)):
                for i in order:
                    if not self.states[i].discrete and (blocks[i] or direction == FORWARD):
                        if self.refine(i, direction, blocks[i]):
                            changed = True
                            if watch is not None and watch(self, i, direction):
                                return
                if direction == FORWARD and not self.forward_only:
                    self.forward_only = [s.cell - 1 if s.discrete else group(s.cell, s.unit_p) for s in self.states]
                for coupling in self.system.couplings:
                    for i in self.couple(coupling):
                        changed = True
                        if watch is not None and watch(self, i, "coupling"):
                            return
            self.certified = not changed

    # --- one step ------------------------------------------------------------------------------------

    def refine(self, i: int, direction: str, blocks: list[Block]) -> bool:
        """Split the cells of axis i by the signatures of one direction; True if any split."""
        axis, state = self.system.axes[i], self.states[i]
        if self._equal_sums and all(b.constant and (not state.zeros or b.w[0, 0] == 0) for b in blocks if b.w.size):
            return False                         # equal entries throughout: equal sums are equal multisets
        self._step += 1
        count = np.bincount(state.cell)
        active = np.flatnonzero((count[state.cell] > 1) | (state.cell == 0))
        if direction == BACKWARD and axis.forward_zero:
            active = active[state.cell[active] != 0]         # a zero unit's back-signal is zero by itself
        if not len(active):
            return False
        ahead = direction == FORWARD
        views = [(b, b.w if ahead else b.w.T, self.states[b.source if ahead else b.target]) for b in blocks]
        look = Signatures(axis, views, active, axis.half_line and self.bias_stays and ahead, ahead,
                          (self.seed, self._step))
        zero = state.cell[active] == 0
        scaled = self.scales and axis.homogeneous
        free_sign = axis.odd and self.signs
        sums, bound, parted, part_bound = look.floats(4 if self.tolerance is not None else 2)
        if direction == FORWARD and len(active) == axis.n and i not in self.probes:
            self.probes[i] = (sums, sum(w.shape[0] for _, w, _ in look.views) + len(look.bias))
        if self.tolerance is not None:
            return self._merge_near(state, active, look, sums, bound, zero, free_sign)
        low, high, pseudo, unsure = self._intervals(state, active, zero, scaled, free_sign, sums, bound,
                                                    parted, part_bound)
        component = clusters(pseudo, low, high)
        if int(component.max()) + 1 == len(active) and not unsure.any():
            return self._scatter(state, active)
        ask = (np.bincount(component)[component] > 1) | unsure
        keys = np.zeros((4, len(active)), dtype=np.uint64)
        stay = np.zeros(len(active), dtype=bool)
        unit, unit_p = state.unit[active].copy(), state.unit_p[active].copy()
        sign = np.where(sums[0] < 0, -1.0, 1.0)
        if ask.any():
            some = np.flatnonzero(ask)
            exact = self._exact if self.strength == "affine" else self._hashed
            exact(look, some, zero, scaled, free_sign, keys, stay, unit, unit_p, sums)
        if scaled:
            # A multiplier is positive unless the function is odd; what the bound cannot tell apart stands alone.
            doubtful = np.abs(sums[0]) <= bound
            kind = np.where(doubtful, 2 + np.arange(len(active)), 0 if free_sign else (sign > 0))
            component = group(component, np.where(zero & ~stay, kind, 0))
        label = group(np.where(zero, -1, state.cell[active]), component, *keys) + 1 + int(state.cell.max())
        state.cell = state.cell.copy()
        state.cell[active] = np.where(stay, 0, label)
        state.unit, state.unit_p = state.unit.copy(), state.unit_p.copy()
        state.unit[active], state.unit_p[active] = unit, unit_p
        if zero.any() and (free_sign or scaled):
            gone = zero & ~stay
            error = bound[gone] / np.maximum(np.abs(sums[0][gone]), 1e-300) if scaled else np.zeros(gone.sum())
            self._normalise(state, active[gone], error)
        return state.settle()

    def _merge_near(self, state: State, active: Array, look: Signatures, sums: Array, bound: Array, zero: Array,
                    free_sign: bool) -> bool:
        """The step with a tolerance: cells are single-linkage clusters of the projections."""
        radius = bound + (self.tolerance or 0.0) * look.size
        stay = zero & (np.abs(sums).max(axis=0) <= radius)
        state.cell, state.unit, state.unit_p = state.cell.copy(), state.unit.copy(), state.unit_p.copy()
        flip = zero & ~stay & free_sign & (sums[0] < 0)
        state.unit[active[flip]], state.unit_p[active[flip]] = -1.0, field.P - 1
        label = linked(np.where(zero, -1, state.cell[active]), sums / state.unit[active], radius)
        state.cell[active] = np.where(stay, 0, label + 1 + int(state.cell.max()))
        return state.settle()

    @staticmethod
    def _scatter(state: State, active: Array) -> bool:
        """Every active unit differs from every other for certain: each becomes a cell of its own."""
        n = len(state.cell)
        if len(active) == n:
            state.cell, state.unit, state.unit_p = np.arange(1, n + 1), np.ones(n), np.ones(n, dtype=np.uint64)
            state.cells, state.zeros, state.discrete = n, 0, True
            return True
        state.cell, state.unit, state.unit_p = state.cell.copy(), state.unit.copy(), state.unit_p.copy()
        state.cell[active] = np.arange(len(active)) + 1 + int(state.cell.max())
        state.unit[active], state.unit_p[active] = 1.0, 1
        return state.settle()

    @staticmethod
    def _intervals(state: State, active: Array, zero: Array, scaled: bool, free_sign: bool, sums: Array,
                   bound: Array, parted: Array, part_bound: Array) -> tuple[Array, Array, Array, Array]:
        """For each unit an interval that holds its normalised signature; a zero-cell unit's in pseudo-cell -1."""
        u = state.unit[active]
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            value, radius = sums[0] / u, bound / np.abs(u)
            radius = radius + np.abs(value) * (2 * state.error + 4 * _EPS)
            unsure = zero & (np.abs(parted) <= part_bound)
            if scaled:
                ratio = sums[1] / sums[0]
                spread = (1 + np.abs(ratio)) * bound / (np.abs(sums[0]) - bound) + 4 * _EPS * np.abs(ratio)
                certain = np.abs(sums[0]) > 2 * bound
                value = np.where(zero, np.where(certain, ratio, 0.0), value)
                radius = np.where(zero, np.where(certain, spread, np.inf), radius)
            elif free_sign:
                value = np.where(zero, np.abs(value), value)
            low, high = value - radius, value + radius
        wild = ~(np.isfinite(low) & np.isfinite(high))
        low, high = np.where(wild, -np.inf, low), np.where(wild, np.inf, high)
        return low, high, np.where(zero, -1, state.cell[active]), unsure | (zero & wild)

    @staticmethod
    def _exact(look: Signatures, some: Array, zero: Array, scaled: bool, free_sign: bool, keys: Array,
               stay: Array, unit: Array, unit_p: Array, sums: Array) -> None:
        """F_p signatures of the units ``some``: keys that are equal exactly for equal normalised sums."""
        whole, part, positive = look.fields(some, 4 if scaled else 2)
        z = zero[some]
        stay[some] = z & (part == 0).all(axis=0) & ~positive
        live = np.flatnonzero(~z)
        if len(live):
            u, e = unit_p[some[live]], whole[:2, live]
            keys[:2, some[live]] = e if (u == 1).all() else field.multiply(e, field.inverse(u))
        gone = np.flatnonzero(z & ~stay[some])
        if not len(gone):
            return
        e, at = whole[:, gone], some[gone]
        if scaled:
            keys[:3, at] = field.multiply(e[1:], field.inverse(e[:1]))
            unit[at], unit_p[at] = sums[0][at], e[0]
        elif free_sign:
            flip = np.where(e[0] == 0, e[1] > field.P // 2, e[0] > field.P // 2)
            keys[:2, at] = np.where(flip, field.negative(e), e)
            unit[at] = np.where(flip, -1.0, 1.0)
            unit_p[at] = np.where(flip, np.uint64(field.P - 1), np.uint64(1))
        else:
            keys[:2, at] = e

    @staticmethod
    def _hashed(look: Signatures, some: Array, zero: Array, scaled: bool, free_sign: bool, keys: Array,
                stay: Array, unit: Array, unit_p: Array, sums: Array) -> None:
        """Multiset hashes of the units ``some``, each with that of its negative."""
        plus, minus, part_plus, part_minus, positive = look.hashes(some)
        z = zero[some]
        stay[some] = z & (part_plus == part_minus).all(axis=0) & ~positive
        flip = np.where(z, free_sign & (plus[0] > minus[0]), unit[some] < 0)
        keys[:2, some] = np.where(flip, minus, plus)
        if free_sign:
            keys[2:, some] = np.where(flip, plus, minus)
            at = some[z & ~stay[some]]
            f = flip[z & ~stay[some]]
            unit[at] = np.where(f, -1.0, 1.0)
            unit_p[at] = np.where(f, np.uint64(field.P - 1), np.uint64(1))

    def backward_only(self) -> list[Array]:
        """Labels of linear units with equal sums to every cell above, whatever is below: one backward pass.

        Only where phi' is constant are their back-signals then equal; other axes come out discrete.
        """
        axes = self.system.axes
        if not any(a.odd and a.homogeneous for a in axes):
            return [np.arange(a.n) for a in axes]
        plain = [replace(a, zero=False, odd=False, homogeneous=False, forward_zero=False, half_line=False,
                         fixed=a.fixed if a.odd and a.homogeneous else np.arange(a.n)) for a in axes]
        other = Refinement(System(plain, self.system.blocks), seed=self.seed + 1)
        for i in range(len(axes) - 1, -1, -1):
            if plain[i].fixed is None and not other.states[i].discrete:
                other.refine(i, BACKWARD, other.system.outgoing(i))
        return [s.cell for s in other.states]

    @staticmethod
    def _normalise(state: State, left: Array, error: Array) -> None:
        """Divide the multipliers of units that left the zero cell by those of their cell's first unit."""
        if not len(left):
            return
        _, first, back = np.unique(state.cell[left], return_index=True, return_inverse=True)
        if len(first) == len(left):
            state.unit[left], state.unit_p[left] = 1.0, 1
            return
        head = left[first][back]
        many = np.bincount(back)[back] > 1
        state.unit[left] = np.where(many, state.unit[left] / state.unit[head], 1.0)
        state.unit_p[left] = field.multiply(state.unit_p[left], field.inverse(state.unit_p[head]))
        state.error = max(state.error, 4 * float(np.max(error[many], initial=0.0)))

    def groups_of(self, coupling: Coupling) -> Array:
        """Labels of a coupling's groups: equal for equal multisets of (cell, size of the multiplier), as they appear.

        A group is one of a kind only up to the signs of its units: were all of one head's units twice another's, its
        scores (or their gradient) would be four times the other's.
        """
        self._step += 1
        made = np.zeros((2, coupling.groups), dtype=np.uint64)
        for index, (i, owner) in enumerate(coupling.members):
            state = self.states[i]
            size = np.minimum(state.unit_p, field.negative(state.unit_p))
            cell = group(state.cell, np.where(state.cell == 0, 0, size))
            n = int(cell.max(initial=0)) + 1
            w = field.words(2 * n, self.seed, self._step, index, 3).reshape(2, n)[:, cell]
            for k in (0, 1):
                np.add.at(made[k], owner, w[k])
        _, first, label = np.unique(group(made[0], made[1]), return_index=True, return_inverse=True)
        return np.argsort(np.argsort(first))[label]

    def couple(self, coupling: Coupling) -> list[int]:
        """Split by the make-up of groups (theory 4.5, heads and GroupNorm); the axes that changed."""
        label = self.groups_of(coupling)
        changed = []
        for i, owner in coupling.members:
            state = self.states[i]
            if self.system.axes[i].fixed is None and not state.discrete:
                zero = state.cell == 0
                state.cell = np.where(zero, 0, group(state.cell, np.where(zero, 0, label[owner])) + 1)
                if state.settle():
                    changed.append(i)
        return changed
