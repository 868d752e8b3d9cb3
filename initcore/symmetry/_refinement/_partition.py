"""The coarsest partition of a system's units whose cells training cannot split: refinement to its fixpoint.

Design
A. State: each unit has a cell and a multiplier. Cell 0 holds the units that are identically zero; in any other
   cell unit j is ``multiplier_j`` times one common quantity (1; -1 for odd activations; any positive number for
   homogeneous ones under updates linear in the gradient). Everything starts in one cell and is only ever split.
   A unit leaves cell 0 when at most one of its factors (row, literal gate, gains, column) is still zero: theory 4.9,
   Lemma 6.
B. One step takes one axis and one direction: every unit gets the signature of its incoming (outgoing) weights
   over the cells on the other side, divided by its multiplier; units of a cell with unequal signatures part.
   ``affine`` signatures are sums over cells (theory 4.1, conditions F and B), ``elementwise`` ones multisets (F*, B*).
C. A float64 projection with a rigorous error bound comes first: two units whose intervals do not meet differ for
   certain. Only what it leaves together is compared exactly, modulo two random primes or by two 64-bit hashes. So a
   split is always right, and a merge wrong with probability below 1e-30, whatever the weights: the random bits are
   the process's own (initcore/reference/field.py).
D. A sweep goes forward through all axes, then backward. Only a sweep without a split certifies; a loop stopped
   before says so.
"""

from collections.abc import Callable

import numpy as np

from ..._types import Array
from ...reference import field
from .._structures._axis import Axis, Term
from .._structures._system import Block, Coupling, System
from ._comparison import Comparison
from ._factors import colours, dead
from ._grouping import clusters, group, linked, ranked
from ._signatures import COLUMN, GATE, ROW, Signatures, State, View, intervals

FORWARD, BACKWARD = "forward", "backward"
_EPS = 2.0 ** -53
_TINY, _LIFT = 1e-280, 600
_WATCH = Callable[["Refinement", int, str], bool]


class Refinement(Comparison):
    """Refine a system's partition; ``states[i]`` is the answer for axis i.

    strength : "affine" (sums) or "elementwise" (multisets).
    signs, scales : admit units that are each other's negative; or multiples.
    bias_stays : does a negative bias that gets no gradient keep its sign (half-line activations)?
    tolerance : count sums as equal that differ by at most this share of their absolute terms; proves nothing.
    joint : may units of two tensors be tied (blocks of equal kin)?
    """

    def __init__(self, system: System, *, strength: str = "affine", signs: bool = True, scales: bool = False,
                 bias_stays: bool = True, start: list[State] | None = None, seed: int = 0,
                 tolerance: float | None = None, joint: bool = True) -> None:
        self.system, self.strength, self.signs = system, strength, signs
        self.scales, self.tolerance = scales and strength == "affine", tolerance
        self.bias_stays, self.seed, self.sweeps, self.certified = bias_stays, seed, 0, False
        self.fields, self.joint = field.drawn(), joint
        self._step = 0
        self.forward_only: list[Array] = []      # labels after the first forward pass: units equal at step 0
        self.probes: dict[int, tuple[Array, int]] = {}   # two projections of all units of an axis, number of terms
        self.colours = [colours(a) for a in system.axes]
        self.states = [self._first(i, a) for i, a in enumerate(system.axes)] if start is None else start
        self._equal_sums = start is not None     # every cell agrees in its sums already

    def _first(self, i: int, axis: Axis) -> State:
        cell = np.full(axis.n, 0 if axis.zero and axis.fixed is None else 1, dtype=np.int64)
        if axis.fixed is not None:
            cell = group(np.asarray(axis.fixed)) + 1
        return State.of(np.where(cell == 0, 0, group(cell, self.colours[i]) + 1))

    def run(self, max_sweeps: int, watch: _WATCH | None = None) -> None:
        """Sweep until nothing splits, or ``max_sweeps``; ``watch(self, axis, direction)`` -> True stops it."""
        free = [i for i, a in enumerate(self.system.axes) if a.fixed is None or a.coloured]
        incoming = {i: self.system.incoming(i) for i in free}
        outgoing = {i: self.system.outgoing(i) for i in free}
        while not self.certified and self.sweeps < max_sweeps:
            self.sweeps += 1
            changed = False
            for direction, order, blocks in ((FORWARD, free, incoming), (BACKWARD, free[::-1], outgoing)):
                for i in order:
                    settled = self.states[i].discrete and not self.system.axes[i].even
                    if not settled and (blocks[i] or direction == FORWARD):
                        if self.refine(i, direction, blocks[i]):
                            changed = True
                            if watch is not None and watch(self, i, direction):
                                return
                if direction == FORWARD and not self.forward_only:
                    self.forward_only = [s.cell - 1 if s.discrete else group(s.cell) if a.even else
                                         group(s.cell, *s.unit_p) for s, a in zip(self.states, self.system.axes)]
                for coupling in self.system.couplings:
                    for i in self.couple(coupling):
                        changed = True
                        if watch is not None and watch(self, i, "coupling"):
                            return
            self.certified = not changed

    # --- one step ------------------------------------------------------------------------------------

    def refine(self, i: int, direction: str, blocks: list[Block]) -> bool:
        """Split the cells of axis i by the signatures of one direction; True if any split.

        Literal parts are summed apart from those that go with the unit's multiplier, and before them.
        """
        axis, state = self.system.axes[i], self.states[i]
        if self._equal_sums and all(b.constant and not b.partial and (not state.zeros or b.w[0, 0] == 0)
                                    for b in blocks if b.w.size):
            return False                         # equal entries throughout: equal sums are equal multisets
        if axis.fixed is not None and not axis.coloured and direction == BACKWARD:
            return False
        if direction == BACKWARD:
            return self._split(i, self.views(blocks, False), [], COLUMN, not axis.even)
        literal = [b for b in blocks if b.part in axis.plain]
        changed = False
        if axis.plain:
            terms = [t for t in axis.bias if t.part in axis.plain]
            changed = self._split(i, self.views(literal, True), terms, GATE, False)
            if self.states[i].discrete:
                return changed
        rest = [b for b in blocks if b.part not in axis.plain]
        terms = [t for t in axis.bias if t.part not in axis.plain]
        return self._split(i, self.views(rest, True), terms, ROW, True) or changed

    def views(self, blocks: list[Block], ahead: bool) -> list[View]:
        axes, out = self.system.axes, []
        for index, b in enumerate(blocks):
            kin = index if b.kin is None or not self.joint else b.kin
            other = b.source if ahead else b.target
            signed = not axes[other].even if ahead else b.part not in axes[other].plain
            there, here = (b.rows, b.cols) if ahead else (b.cols, b.rows)
            out.append(View(b, b.w if ahead else b.w.T, self.states[other], kin, signed, there or slice(None), here))
        return out

    def _split(self, i: int, views: list[View], terms: list[Term], factor: int, signed: bool) -> bool:
        """Split by one sum a unit: of its ROW, GATE (literal parts) or COLUMN; ``signed``: over its multiplier."""
        axis, state = self.system.axes[i], self.states[i]
        self._step += 1
        count = np.bincount(state.cell)
        some = count[state.cell] > 1
        if axis.even and factor == ROW:
            some |= True                         # signs are made anew
        if state.zeros:
            if (factor == GATE and axis.gate is None) or (factor == COLUMN and axis.forward_zero and not axis.gains):
                some &= state.cell != 0          # a zero unit's literal parts are free, its back-signal zero by itself
            else:
                some |= state.cell == 0
        active = np.flatnonzero(some)
        if not len(active):
            return False
        look = Signatures(axis, views, terms, active, axis.half_line and self.bias_stays and factor == ROW,
                          self.fields, (self.seed, self._step))
        zero, even = state.cell[active] == 0, axis.even and self.signs and factor == ROW
        probed = i in self.probes or factor != ROW or len(active) < axis.n
        if probed and not zero.any() and look.uniform and not even and (state.unit[active] == 1.0).all():
            return False
        scaled = self.scales and axis.homogeneous and signed
        free_sign = axis.odd and self.signs and signed
        sums, bound, parted, part_bound = look.floats(4 if self.tolerance is not None else 2)
        if factor == ROW and len(active) == axis.n and i not in self.probes:
            self.probes[i] = (sums, sum(v.w.shape[0] for v in look.views) + len(look.bias))
        lift = np.zeros(len(active), dtype=np.int64)
        if scaled and (tiny := zero & (look.size < _TINY)).any():
            # Ratios of sums that underflow: once more, a power of two larger.
            lift[tiny] = _LIFT
            sums[:, tiny], bound[tiny], parted[tiny], part_bound[tiny] = look.lifted(np.flatnonzero(tiny),
                                                                                     2.0 ** _LIFT)
        if self.tolerance is not None:
            return self._merge_near(state, active, look, sums, bound, zero, free_sign)
        low, high, pseudo, unsure = intervals(state, active, zero, scaled, free_sign, even, even or not signed,
                                                    sums, bound, parted, part_bound)
        if any(v.block.partial for v in views):
            pseudo = group(pseudo, look.reached())
        component = clusters(pseudo, low, high)
        plain = not (axis.gains or axis.even or axis.gate is not None)
        if plain and int(component.max()) + 1 == len(active) and not unsure.any():
            return self._scatter(state, active)
        ask = (np.bincount(component)[component] > 1) | unsure
        if even:
            ask |= np.abs(sums[0]) <= bound
        keys = np.zeros((4, len(active)), dtype=np.uint64)
        stay = np.zeros(len(active), dtype=bool)
        unit, unit_p = state.unit[active].copy(), state.unit_p[:, active].copy()
        negative = sums[0] < 0
        if even:
            unit, unit_p = np.where(negative, -1.0, 1.0), self.fields.sign(negative)
        if ask.any():
            exact = self._exact if self.strength == "affine" else self._hashed
            exact(look, np.flatnonzero(ask), zero, scaled, free_sign, even, signed, keys, stay, unit, unit_p, sums)
        if scaled:
            # A multiplier is positive unless the function is odd; what the bound cannot tell apart stands alone.
            doubtful = np.abs(sums[0]) <= bound
            kind = np.where(doubtful, 2 + np.arange(len(active)), 0 if free_sign else ~negative)
            component = group(component, np.where(zero & ~stay, kind, 0))
        return self._assign(i, active, zero, stay, factor, signed, component, keys, unit, unit_p,
                            bound / np.maximum(np.abs(sums[0]), 1e-300) if scaled else None, free_sign or scaled, lift)

    def _assign(self, i: int, active: Array, zero: Array, stay: Array, factor: int, signed: bool, component: Array,
                keys: Array, unit: Array, unit_p: Array, error: Array | None, multiples: bool, lift: Array) -> bool:
        """Give the units their new cells: those in cell 0 (``zero``) leave it unless this sum or others keep them."""
        axis, state = self.system.axes[i], self.states[i]
        marks = np.where(zero & stay, 0, factor).astype(np.uint8)
        state.seen = state.seen.copy()
        state.seen[active] |= np.where(zero, marks, 0).astype(np.uint8)
        if zero.any():
            gone = dead(axis, state.seen[active], active, bool((state.seen & ROW).any()))
            stay = zero & (stay | (not signed and factor != COLUMN) | gone)
        leaves = zero & ~stay
        label = ranked(group(np.where(zero, -1, state.cell[active]), component, *keys,
                             np.where(leaves, self.colours[i][active], 0),
                             np.where(leaves, state.seen[active], 0))) + 1 + int(state.cell.max())
        state.cell = state.cell.copy()
        state.cell[active] = np.where(stay, 0, label)
        state.unit, state.unit_p = state.unit.copy(), state.unit_p.copy()
        unit[stay], unit_p[:, stay] = 1.0, 1
        state.unit[active], state.unit_p[:, active] = unit, unit_p
        if leaves.any() and multiples:
            self._normalise(state, active[leaves], np.zeros(int(leaves.sum())) if error is None else error[leaves],
                            lift[leaves])
        return state.settle()

    def _merge_near(self, state: State, active: Array, look: Signatures, sums: Array, bound: Array, zero: Array,
                    free_sign: bool) -> bool:
        """The step with a tolerance: cells are single-linkage clusters of the projections."""
        radius = bound + (self.tolerance or 0.0) * look.size
        stay = zero & (np.abs(sums).max(axis=0) <= radius)
        state.cell, state.unit, state.unit_p = state.cell.copy(), state.unit.copy(), state.unit_p.copy()
        flip = zero & ~stay & free_sign & (sums[0] < 0)
        state.unit[active[flip]], state.unit_p[:, active[flip]] = -1.0, (self.fields.p - np.uint64(1))
        label = linked(np.where(zero, -1, state.cell[active]), sums / state.unit[active], radius)
        state.cell[active] = np.where(stay, 0, label + 1 + int(state.cell.max()))
        return state.settle()

    def groups_of(self, coupling: Coupling) -> Array:
        """Labels of a coupling's groups: equal for equal multisets of (cell, size of the multiplier), as they appear.

        A group is one of a kind only up to the signs of its units: were all of one head's units twice another's, its
        scores (or their gradient) would be four times the other's.
        """
        self._step += 1
        made = np.zeros((2, coupling.groups), dtype=np.uint64)
        for index, (i, owner) in enumerate(coupling.members):
            state = self.states[i]
            size = np.where(state.cell == 0, np.uint64(0), self.fields.size(state.unit_p))
            cell = group(state.cell, *size)
            w = self.fields.words(1, int(cell.max(initial=0)) + 1, self.seed, self._step, index, 3)[0][:, cell]
            for k in (0, 1):
                np.add.at(made[k], owner, w[k])
        return ranked(group(made[0], made[1]))

    def couple(self, coupling: Coupling) -> list[int]:
        """Split by the make-up of groups (theory 4.5, heads and GroupNorm); the axes that changed."""
        label = self.groups_of(coupling)
        changed = []
        for i, owner in coupling.places:
            state = self.states[i]
            axis = self.system.axes[i]
            if (axis.fixed is None or axis.coloured) and not state.discrete:
                zero = state.cell == 0
                if coupling.together and zero.any():
                    alone = np.bincount(owner[~zero], minlength=coupling.groups)[owner] == 0
                    zero = zero & (alone | (owner == coupling.groups - 1) * coupling.rest)
                state.cell = np.where(zero, 0, group(state.cell, np.where(zero, 0, label[owner])) + 1)
                if state.settle():
                    changed.append(i)
        return changed
