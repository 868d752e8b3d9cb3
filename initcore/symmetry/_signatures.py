"""What the units of one axis sum in one direction over the current cells on the other side.

Every weight block, bias and step draws its own random numbers, so one sum stands for all of them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..reference import field
from . import _weight_passes as passes
from ._grouping import Array
from ._system import Axis, Block

_EPS = 2.0 ** -53


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


class Signatures:
    """Signatures of the units ``active`` of one axis in one direction, over the current cells on the other side.

    views : the blocks of that direction, each with its weights as (other side, units) and the state over there.
    half_line : a unit whose bias is <= 0 and whose weights sum to 0 counts as identically zero.
    """

    def __init__(self, axis: Axis, views: Sequence[tuple[Block, Array, State]], active: Array, half_line: bool,
                 forward: bool, seed: tuple[int, ...]) -> None:
        self.axis, self.views, self.active, self.half_line, self.seed = axis, views, active, half_line, seed
        self.bias = axis.bias if forward else []
        self.size = np.zeros(len(active))

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
            for index, (block, w, state) in enumerate(self.views):
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
                part = np.where(self._positive(self.active), np.inf, part)
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
        for index, (block, w, state) in enumerate(self.views):
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
        for index, (block, w, state) in enumerate(self.views):
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

