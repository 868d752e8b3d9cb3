"""The exact part of a step of refinement: sums modulo two primes, hashes of multisets, multipliers."""

import numpy as np

from ..._types import Array
from ...reference.field import Field
from ._signatures import Signatures, State


class Comparison:
    """What :class:`~initcore.symmetry._refinement._partition.Refinement` compares units by; ``fields``: its primes."""

    fields: Field

    @staticmethod
    def _scatter(state: State, active: Array) -> bool:
        """Every active unit differs from every other for certain: each becomes a cell of its own."""
        n = len(state.cell)
        if len(active) == n:
            state.cell, state.unit, state.unit_p = np.arange(1, n + 1), np.ones(n), np.ones((2, n), np.uint64)
            state.cells, state.zeros, state.discrete = n, 0, True
            return True
        state.cell, state.unit, state.unit_p = state.cell.copy(), state.unit.copy(), state.unit_p.copy()
        state.cell[active] = np.arange(len(active)) + 1 + int(state.cell.max())
        state.unit[active], state.unit_p[:, active] = 1.0, 1
        return state.settle()

    def _exact(self, look: Signatures, some: Array, zero: Array, scaled: bool, free_sign: bool, even: bool,
               signed: bool, keys: Array, stay: Array, unit: Array, unit_p: Array, sums: Array) -> None:
        """Exact signatures of the units ``some``: keys that are equal for equal normalised sums."""
        fields = self.fields
        one = look.uniform                       # then a single unit speaks for all
        whole, part, positive = (np.repeat(a, len(some) if one else 1, axis=-1)
                                 for a in look.exact(some[:1] if one else some, 2 if scaled else 1))
        z = zero[some]
        stay[some] = z & (part == 0).all(axis=(0, 1)) & ~positive
        if even:
            flip = fields.upper(whole[0])[0]
            keys[:2, some] = fields.size(whole[0])
            nothing = (whole[0] == 0).all(axis=0)
            still = look.axis.activation is None or look.axis.activation.dphi0 == 0
            unit[some] = np.where(nothing, 0.0 if still else 1.0, np.where(flip, -1.0, 1.0))
            unit_p[:, some] = np.where(nothing, np.uint64(not still), fields.sign(flip))
            return
        live = np.flatnonzero(~z)
        if len(live):
            u, e = unit_p[:, some[live]], whole[0][:, live]
            if signed and not (u == 1).all():
                e = fields.multiply(e, fields.inverse(u))
            keys[:2, some[live]] = e
        gone = np.flatnonzero(z & ~stay[some])
        if not len(gone):
            return
        e, at = whole[..., gone], some[gone]
        if scaled:
            keys[:2, at] = fields.multiply(e[1], fields.inverse(e[0]))
            unit[at], unit_p[:, at] = sums[0][at], e[0]
        elif free_sign:
            flip = fields.upper(e[0])[0]
            keys[:2, at] = fields.size(e[0])
            unit[at], unit_p[:, at] = np.where(flip, -1.0, 1.0), fields.sign(flip)
        else:
            keys[:2, at] = e[0]

    def _hashed(self, look: Signatures, some: Array, zero: Array, scaled: bool, free_sign: bool, even: bool,
                signed: bool, keys: Array, stay: Array, unit: Array, unit_p: Array, sums: Array) -> None:
        """Multiset hashes of the units ``some``, each with that of its negative."""
        plus, minus, part_plus, part_minus, positive = look.hashes(some)
        z = zero[some]
        stay[some] = z & (part_plus == part_minus).all(axis=0) & ~positive
        flip = np.where(z | even, (free_sign | even) & (plus[0] > minus[0]), (unit[some] < 0) & signed)
        keys[:2, some] = np.where(flip, minus, plus)
        if free_sign or even:
            keys[2:4, some] = np.where(flip, plus, minus)
            change = np.flatnonzero(even | (z & ~stay[some]))
            f = flip[change]
            unit[some[change]], unit_p[:, some[change]] = np.where(f, -1.0, 1.0), self.fields.sign(f)

    def _normalise(self, state: State, left: Array, error: Array, lift: Array) -> None:
        """Divide the multipliers of units that left the zero cell by those of their cell's first unit."""
        if not len(left):
            return
        unit, unit_p = state.unit[left], state.unit_p[:, left]
        if not np.ptp(lift) and (unit == unit[0]).all() and (unit_p == unit_p[:, :1]).all():
            state.unit[left], state.unit_p[:, left] = 1.0, 1
            return
        _, first, back = np.unique(state.cell[left], return_index=True, return_inverse=True)
        if len(first) == len(left):
            state.unit[left], state.unit_p[:, left] = 1.0, 1
            return
        head = left[first][back]
        many = np.bincount(back)[back] > 1
        state.unit_p[:, left] = self.fields.multiply(state.unit_p[:, left], self.fields.inverse(state.unit_p[:, head]))
        with np.errstate(all="ignore"):
            ratio = np.ldexp(state.unit[left] / state.unit[head], lift[first][back] - lift)
            ratio = np.where(many, ratio, 1.0)
            short = np.nan_to_num(ratio.astype(np.float32)).astype(np.float64)
        # Most multiples are short numbers (1, -1, 2, 3/4): where the fields agree they are exact, and carry no error
        # on to the layers above, which would soon hide their signs.
        exact = (self.fields.embed(short) == state.unit_p[:, left]).all(axis=0)
        state.unit[left] = np.where(exact, short, ratio)
        state.error = max(state.error, 4 * float(np.max(error[many & ~exact], initial=0.0)))
