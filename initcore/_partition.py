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
from dataclasses import dataclass, replace

import numpy as np

from . import _field as field
from . import _passes as passes
from ._system import Axis, Block, Coupling, System

Array = np.ndarray
FORWARD, BACKWARD = "forward", "backward"
_EPS = 2.0 ** -53
_WATCH = Callable[["Refinement", int, str], bool]


def group(*columns: Array) -> Array:
    """One label 0, 1, ... for each distinct row of some columns of equal length."""
    order = np.lexsort(columns[::-1])
    new = np.zeros(len(order), dtype=bool)
    for c in columns:
        s = c[order]
        new[1:] |= s[1:] != s[:-1]
    out = np.empty(len(order), dtype=np.int64)
    out[order] = np.cumsum(new)
    return out


def clusters(cell: Array, low: Array, high: Array) -> Array:
    """Labels of the connected components of intervals [low, high] within each cell: different labels never meet."""
    n = len(cell)
    order = np.lexsort((np.r_[np.zeros(n), np.ones(n)], np.r_[low, high], np.r_[cell, cell]))
    rank = np.empty(2 * n, dtype=np.int64)
    rank[order] = np.arange(2 * n)
    first = np.argsort(rank[:n])
    reach = np.maximum.accumulate(rank[n:][first])
    cut = np.zeros(n, dtype=np.int64)
    cut[1:] = rank[:n][first][1:] > reach[:-1]
    cut[1:] |= cell[first][1:] != cell[first][:-1]
    out = np.empty(n, dtype=np.int64)
    out[first] = np.cumsum(cut)
    return out


def linked(cell: Array, points: Array, radius: Array | float) -> Array:
    """Single-linkage clusters of points ``(k, n)`` within cells: linked where every coordinate is within the radius.

    Candidates come from grids twice the largest radius wide, shifted by half a width in the first two coordinates,
    and each is compared with the next two of its box, so this costs n log n; boxes crowded by strangers may miss
    a link, none is ever made in error.
    """
    n = points.shape[1]
    parent = np.arange(n)
    width = 4 * float(np.max(radius, initial=0.0)) or 1e-300
    r = np.broadcast_to(np.asarray(radius, dtype=np.float64), (n,))
    with np.errstate(over="ignore", invalid="ignore"):
        for shift in ((0.0, 0.0), (0.5, 0.0), (0.0, 0.5), (0.5, 0.5)):
            box = [np.floor(p / width + s) for p, s in zip(points[:2], shift)]
            order = np.lexsort((points[0], *box, cell))
            for step in (1, 2):
                a, b = order[:-step], order[step:]
                near = (cell[a] == cell[b]) & (np.abs(points[:, a] - points[:, b]) <= np.maximum(r[a], r[b])).all(axis=0)
                for x, y in zip(a[near].tolist(), b[near].tolist()):
                    x, y = root(parent, x), root(parent, y)
                    parent[max(x, y)] = min(x, y)
    return np.array([root(parent, x) for x in range(n)], dtype=np.int64)


def root(parent: Array, x: int) -> int:
    """The representative of x in a union-find forest."""
    while parent[x] != x:
        parent[x] = parent[parent[x]]
        x = int(parent[x])
    return x


@dataclass
class State:
    """The units of one axis: ``cell`` (0 = identically zero), and the multiplier in float64 and in F_p."""

    cell: Array
    unit: Array
    unit_p: Array
    error: float = 0.0                # largest relative error of ``unit``
    cells: int = 0
    discrete: bool = False            # nothing left to split
    zeros: int = -1

    def settle(self) -> bool:
        """Number the cells 1, 2, ... (0 stays); True if there are more of them, or fewer zero units, than before."""
        if len(self.cell):
            _, cell = np.unique(self.cell, return_inverse=True)
            self.cell = cell if self.cell.min() == 0 else cell + 1
        zeros = int((self.cell == 0).sum())
        now = (int(self.cell.max(initial=0)), zeros)
        changed = now != (self.cells, self.zeros)
        self.cells, self.zeros = now
        self.discrete = self.cells == len(self.cell)
        return changed


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
                    self.forward_only = [group(s.cell, s.unit_p) for s in self.states]
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
        self._step += 1
        count = np.bincount(state.cell)
        active = np.flatnonzero((count[state.cell] > 1) | (state.cell == 0))
        if direction == BACKWARD and axis.forward_zero:
            active = active[state.cell[active] != 0]         # a zero unit's back-signal is zero by itself
        if not len(active):
            return False
        look = _Look(self, axis, direction, blocks, active)
        zero = state.cell[active] == 0
        scaled = self.scales and axis.homogeneous
        free_sign = axis.odd and self.signs
        sums, bound, parted, part_bound = look.floats(4 if self.tolerance is not None else 2)
        if direction == FORWARD and len(active) == axis.n and i not in self.probes:
            self.probes[i] = (sums, sum(w.shape[0] for _, w, _, _ in look.views) + len(look.bias))
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
            exact(look, some, zero, scaled, free_sign, keys, stay, unit, unit_p, sums, bound)
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

    def _merge_near(self, state: State, active: Array, look: "_Look", sums: Array, bound: Array, zero: Array,
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

    def _exact(self, look: "_Look", some: Array, zero: Array, scaled: bool, free_sign: bool, keys: Array, stay: Array,
               unit: Array, unit_p: Array, sums: Array, bound: Array) -> None:
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

    def _hashed(self, look: "_Look", some: Array, zero: Array, scaled: bool, free_sign: bool, keys: Array, stay: Array,
                unit: Array, unit_p: Array, sums: Array, bound: Array) -> None:
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
        """Labels of a coupling's groups: equal for equal multisets of cells, numbered as they appear."""
        self._step += 1
        made = np.zeros((2, coupling.groups), dtype=np.uint64)
        for index, (i, owner) in enumerate(coupling.members):
            cell = self.states[i].cell
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


class _Look:
    """Signatures of some units of one axis in one direction, over the current cells on the other side."""

    def __init__(self, owner: Refinement, axis: Axis, direction: str, blocks: list[Block], active: Array) -> None:
        self.owner, self.axis, self.active = owner, axis, active
        self.views = []
        for b in blocks:
            other = b.source if direction == FORWARD else b.target
            w = b.w if direction == FORWARD else b.w.T
            self.views.append((b, w, owner.system.axes[other], owner.states[other]))
        self.bias = axis.bias if direction == FORWARD else []
        self.half_line = axis.half_line and owner.bias_stays and direction == FORWARD
        self.seed = (owner.seed, owner._step)

    def _columns(self, block: Block, w: Array, chosen: Array) -> tuple[Array, Array]:
        """The columns of w to work on and where each chosen unit finds its own among them."""
        if block.constant:
            return w[:, :1], np.zeros(len(chosen), dtype=np.int64)
        if 2 * len(chosen) > w.shape[1]:
            return w, chosen
        return w[:, chosen], np.arange(len(chosen))

    def _words(self, count: int, *name: int) -> Array:
        return field.words(count, *self.seed, *name)

    def _values(self, state: State, k: int, index: int) -> Array:
        """A random word for the cell of each source, k independent rows."""
        n = int(state.cell.max(initial=0)) + 1
        return self._words(n * k, index, 1).reshape(k, n)[:, state.cell]

    def floats(self, k: int) -> tuple[Array, Array, Array, Array]:
        """k projections and one error bound for all; and the first again without the bias where that may be <= 0."""
        n = len(self.active)
        sums, size = np.zeros((k, n)), np.zeros(n)
        terms, error = len(self.views) + len(self.bias) + 8, 0.0
        with np.errstate(over="ignore", invalid="ignore"):
            for index, (block, w, _, state) in enumerate(self.views):
                v = field.uniform(self._values(state, k, index)) * state.unit
                v[:, state.cell == 0] = 0.0
                columns, at = self._columns(block, w, self.active)
                f, a = passes.project(columns, v)
                sums, size = sums + f[:, at], size + a[at]
                terms, error = terms + w.shape[0], max(error, state.error)
            rate = 1.1 * (terms * _EPS + 2 * error)
            part, part_bound = sums[0].copy(), rate * size + terms * 5e-324
            for index, (values, _, _) in enumerate(self.bias):
                v = field.uniform(self._words(k, index, 2))[:, None] * np.asarray(values, np.float64)[self.active]
                sums, size = sums + v, size + np.abs(v).max(axis=0)
            bound = rate * size + terms * 5e-324
            if self.half_line:
                positive = np.zeros(n, dtype=bool)
                for values, _, _ in self.bias:
                    positive |= np.asarray(values)[self.active] > 0
                part = np.where(positive, np.inf, part)
            else:
                part, part_bound = sums[0], bound
        wild = ~np.isfinite(size)
        sums[:, wild], bound[wild] = 0.0, np.inf
        self.size = size
        part_bound = np.where(np.isfinite(part_bound), part_bound, np.inf)
        return sums, bound, np.where(np.isnan(part), 0.0, part), part_bound

    def _positive(self, units: Array) -> Array:
        out = np.zeros(len(units), dtype=bool)
        if self.half_line:
            for values, _, _ in self.bias:
                out |= np.asarray(values)[units] > 0
        return out

    def fields(self, some: Array, k: int) -> tuple[Array, Array, Array]:
        """k exact sums with and without the bias (without only for half-line units), and bias > 0."""
        units = self.active[some]
        part = np.zeros((k, len(units)), dtype=np.uint64)
        for index, (block, w, _, state) in enumerate(self.views):
            v = field.element(self._values(state, k, index))
            if not (state.unit_p == 1).all():
                v = field.multiply(v, state.unit_p)
            v[:, state.cell == 0] = 0
            columns, at = self._columns(block, w, units)
            part = field.add(part, passes.field_sums(columns, v)[:, at])
        whole = part
        for index, (values, _, _) in enumerate(self.bias):
            r = field.element(self._words(k, index, 2))[:, None]
            whole = field.add(whole, field.multiply(r, field.embed(np.asarray(values)[units])))
        return whole, part if self.half_line else whole, self._positive(units)

    def hashes(self, some: Array) -> tuple[Array, Array, Array, Array, Array]:
        """Two-seed multiset hashes of entries and of their negatives, with and without the bias; and bias > 0."""
        units = self.active[some]
        plus = np.zeros((2, len(units)), dtype=np.uint64)
        minus = np.zeros_like(plus)
        for index, (block, w, _, state) in enumerate(self.views):
            columns, at = self._columns(block, w, units)
            p, m = passes.multisets(columns, self._values(state, 2, index), state.unit, state.cell != 0)
            plus, minus = plus + p[:, at], minus + m[:, at]
        whole_plus, whole_minus = plus.copy(), minus.copy()
        for index, (values, _, _) in enumerate(self.bias):
            b, c = np.asarray(values)[units], self._words(2, index, 2)[:, None]
            whole_plus += field.mix(field.bits(b) + c)
            whole_minus += field.mix(field.bits(-b) + c)
        if not self.half_line:
            plus, minus = whole_plus, whole_minus
        return whole_plus, whole_minus, plus, minus, self._positive(units)

