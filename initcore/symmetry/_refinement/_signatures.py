"""What the units of one axis sum in one direction over the current cells on the other side.

Every kind of block and bias and every step draws its own random numbers, so one sum stands for all of them. The
float64 filter's are fixed, those of exact sums and hashes are secret (:mod:`initcore.reference.field`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..._types import Array
from ...reference.field import Field, bits, mix, uniform, words
from .. import _weight_passes as passes
from .._structures._axis import Axis, Term
from .._structures._system import Block
from ._grouping import group

_EPS = 2.0 ** -53
ROW, GATE, COLUMN = 1, 2, 4               # bits of State.seen


@dataclass
class State:
    """The units of one axis: ``cell`` (0 = identically zero), and the multiplier in float64 and in the fields.

    seen : which factors of each unit were seen to be non-zero (ROW, GATE, COLUMN).
    """

    cell: Array
    unit: Array
    unit_p: Array                     # (2, n)
    seen: Array
    error: float = 0.0                # largest relative error of ``unit``
    cells: int = 0
    discrete: bool = False            # nothing left to split
    zeros: int = -1
    marks: tuple[int, int] = (-1, -1)

    @classmethod
    def of(cls, cell: Array, unit: Array | None = None, fields: Field | None = None) -> "State":
        """A state of given cells and signs (default 1)."""
        n = len(cell)
        unit = np.ones(n) if unit is None else unit
        unit_p = np.ones((2, n), np.uint64) if fields is None else fields.sign(unit < 0)
        state = cls(cell, unit, unit_p, np.zeros(n, dtype=np.uint8))
        state.settle()
        return state

    def settle(self) -> bool:
        """Number the cells 1, 2, ... (0 stays); True if there are more of them, or fewer zeros, than before."""
        if len(self.cell):
            _, cell = np.unique(self.cell, return_inverse=True)
            self.cell = cell if self.cell.min() == 0 else cell + 1
        zeros = int((self.cell == 0).sum())
        still = int((self.unit == 0).sum())           # even units whose row is 0 so far: no signal passes them
        now = (int(self.cell.max(initial=0)), zeros, (int(self.seen.sum()), still))
        changed = now != (self.cells, self.zeros, self.marks)
        self.cells, self.zeros, self.marks = now
        self.discrete = self.cells == len(self.cell) and not still
        return changed


@dataclass
class View:
    """A block seen from the axis it is summed for: ``w (other side, units)`` and the state over there.

    kin : names its random numbers.
    signed : do values over there carry their multipliers (not those of literal parts)?
    there, here : the units covered on either side.
    """

    block: Block
    w: Array
    state: State
    kin: int
    signed: bool
    there: slice
    here: slice | None


class Signatures:
    """Signatures of the units ``active`` of one axis in one direction, over the current cells on the other side.

    half_line : a unit whose bias is <= 0 and whose weights sum to 0 counts as identically zero.
    """

    def __init__(self, axis: Axis, views: Sequence[View], bias: Sequence[Term], active: Array, half_line: bool,
                 fields: Field, seed: tuple[int, ...]) -> None:
        self.axis, self.views, self.active, self.half_line, self.seed = axis, views, active, half_line, seed
        self.bias, self.fields = [t for t in bias if not t.null], fields
        self.size = np.zeros(len(active))

    @property
    def uniform(self) -> bool:
        """Do all units sum the same, whatever it is: one number throughout every block and every bias?"""
        return all(v.block.constant and v.here is None for v in self.views) and \
            all(t.span is None and not np.ptp(np.asarray(t.values)[self.active]) for t in self.bias)

    @staticmethod
    def _columns(view: View, chosen: Array) -> tuple[Array, Array, Array | slice]:
        """The columns of w to work on, where each covered unit finds its own among them, and which are covered."""
        w = view.w
        covered: Array | slice = slice(None)
        if view.here is not None:
            covered = np.flatnonzero((chosen >= view.here.start) & (chosen < view.here.stop))
            chosen = chosen[covered] - view.here.start
        if view.block.constant:
            return w[:, :1], np.zeros(len(chosen), dtype=np.int64), covered
        if 2 * len(chosen) > w.shape[1]:
            return w, chosen, covered
        return w[:, chosen], np.arange(len(chosen)), covered

    @staticmethod
    def _scatter(values: Array, covered: Array | slice, n: int) -> Array:
        """The values of the covered units among n, 0 elsewhere."""
        if isinstance(covered, slice):
            return values
        out = np.zeros((*values.shape[:-1], n), dtype=values.dtype)
        out[..., covered] = values
        return out

    def floats(self, k: int, lift: float = 1.0) -> tuple[Array, Array, Array, Array]:
        """k projections and one error bound for all; and the first again without the bias where that may be <= 0.

        lift : a power of two by which weights and biases are multiplied first (exactly, in a copy).
        """
        n = len(self.active)
        sums, size = np.zeros((k, n)), np.zeros(n)
        terms, error = len(self.views) + len(self.bias) + 8, 0.0
        with np.errstate(all="ignore"):
            for view in self.views:
                state, kin = view.state, view.kin
                count = int(state.cell.max(initial=0)) + 1
                v = uniform(words(count * k, *self.seed, kin, 1)).reshape(k, count)[:, state.cell]
                v[:, state.cell == 0] = 0.0
                if view.signed:
                    v = v * state.unit
                columns, at, covered = self._columns(view, self.active)
                columns = columns if lift == 1.0 else columns.astype(np.float64) * lift
                f, a = passes.project(columns, np.ascontiguousarray(v[:, view.there]))
                f, a = f[:, at], a[at]
                sums, size = sums + self._scatter(f, covered, n), size + self._scatter(a, covered, n)
                terms, error = terms + view.w.shape[0], max(error, state.error)
            rate = 1.1 * (terms * _EPS + 2 * error)
            part, part_bound = sums[0].copy(), rate * size + terms * 5e-324
            for t in self.bias:
                v = uniform(words(k, *self.seed, t.part, t.term, 2))[:, None]
                v = v * np.asarray(t.values, np.float64)[self.active] * lift
                sums, size = sums + v, size + np.abs(v).max(axis=0)
            bound = rate * size + terms * 5e-324
            if self.half_line:
                part = np.where(self._positive(self.active), np.inf, part)
            else:
                part, part_bound = sums[0], bound
            wild = ~np.isfinite(size)
            sums[:, wild], bound[wild] = 0.0, np.inf
            self.size = size
            part_bound = np.where(np.isfinite(part_bound), part_bound, np.inf)
            return sums, bound, np.where(np.isnan(part), 0.0, part), part_bound

    def reached(self) -> Array:
        """Labels of the units by which cells the partial blocks on them reach, and how often: where weights exist."""
        out = np.zeros((2, len(self.active)), dtype=np.uint64)
        for view in self.views:
            if view.block.partial:
                cell = view.state.cell
                word = self.fields.words(1, int(cell.max(initial=0)) + 1, *self.seed, view.kin, 4)[0][:, cell]
                _, at, covered = self._columns(view, self.active)
                total = np.repeat(word[:, view.there].sum(axis=1, dtype=np.uint64)[:, None], len(at), axis=1)
                out += self._scatter(total, covered, len(self.active))
        return group(*out)

    def lifted(self, some: Array, lift: float) -> tuple[Array, Array, Array, Array]:
        """:meth:`floats` of two projections of the units ``some`` alone, their weights multiplied by ``lift``."""
        part = Signatures(self.axis, self.views, self.bias, self.active[some], self.half_line, self.fields, self.seed)
        return part.floats(2, lift)

    def _positive(self, units: Array) -> Array:
        out = np.zeros(len(units), dtype=bool)
        if self.half_line:
            for t in self.bias:
                out |= np.asarray(t.values)[units] > 0
        return out

    def exact(self, some: Array, k: int) -> tuple[Array, Array, Array]:
        """k pairs of exact sums ``(k, 2, units)`` with and without the bias (for half-line units), and bias > 0."""
        units, fields = self.active[some], self.fields
        part = np.zeros((k, 2, len(units)), dtype=np.uint64)
        for view in self.views:
            state, kin = view.state, view.kin
            count = int(state.cell.max(initial=0)) + 1
            v = fields.elements(fields.words(k, count, *self.seed, kin, 1))[..., state.cell]
            if view.signed and not (state.unit_p == 1).all():
                v = fields.multiply(v, state.unit_p)
            v[..., state.cell == 0] = 0
            columns, at, covered = self._columns(view, units)
            e = passes.field_sums(columns, v[..., view.there], fields)[..., at]
            part = fields.add(part, self._scatter(e, covered, len(units)))
        whole = part
        for t in self.bias:
            r = fields.elements(fields.words(k, 1, *self.seed, t.part, t.term, 2))
            whole = fields.add(whole, fields.multiply(r, fields.embed(np.asarray(t.values)[units])))
        return whole, part if self.half_line else whole, self._positive(units)

    def hashes(self, some: Array) -> tuple[Array, Array, Array, Array, Array]:
        """Two-seed multiset hashes of entries and of their negatives, with and without the bias; and bias > 0."""
        units, fields = self.active[some], self.fields
        plus = np.zeros((2, len(units)), dtype=np.uint64)
        minus = np.zeros_like(plus)
        for view in self.views:
            state, kin = view.state, view.kin
            count = int(state.cell.max(initial=0)) + 1
            columns, at, covered = self._columns(view, units)
            colour = fields.words(1, count, *self.seed, kin, 1)[0][:, state.cell][:, view.there]
            unit = state.unit if view.signed else np.ones(len(state.unit))
            p, m = passes.multisets(columns, colour, unit[view.there], (state.cell != 0)[view.there])
            plus = plus + self._scatter(p[:, at], covered, len(units))
            minus = minus + self._scatter(m[:, at], covered, len(units))
        whole_plus, whole_minus = plus.copy(), minus.copy()
        for t in self.bias:
            b, c = np.asarray(t.values)[units], fields.words(1, 1, *self.seed, t.part, t.term, 2)[0]
            whole_plus += mix(bits(b) + c)
            whole_minus += mix(bits(-b) + c)
        if not self.half_line:
            plus, minus = whole_plus, whole_minus
        return whole_plus, whole_minus, plus, minus, self._positive(units)


def intervals(state: State, active: Array, zero: Array, scaled: bool, free_sign: bool, even: bool, bare: bool,
               sums: Array, bound: Array, parted: Array, part_bound: Array) -> tuple[Array, Array, Array, Array]:
    """For each unit an interval that holds its normalised signature; a zero-cell unit's in pseudo-cell -1."""
    u = np.ones(len(active)) if bare else state.unit[active]
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
        elif free_sign or even:
            value = np.where(zero | even, np.abs(value), value)
        low, high = value - radius, value + radius
    wild = ~(np.isfinite(low) & np.isfinite(high))
    low, high = np.where(wild, -np.inf, low), np.where(wild, np.inf, high)
    return low, high, np.where(zero, -1, state.cell[active]), unsure | (zero & wild)
