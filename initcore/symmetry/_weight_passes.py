"""One pass over a weight matrix: what every unit sums, in floating point with its error bound, and exactly.

All functions take ``w (sources, units)`` with any strides (pass ``w.T`` for the backward direction), read every
weight once and need memory for the units only. Kernels: src/variant/ties.pxi; twin: :mod:`initcore.reference.ties`.
"""

import numpy as np

from .. import kernels
from .._types import Array
from ..reference.field import Field


def _plain(w: Array) -> Array:
    """The matrix itself, or a copy where its strides are not whole elements (a field of a structured array)."""
    return w if all(s % w.itemsize == 0 for s in w.strides) else w.copy()


def project(w: Array, v: Array) -> tuple[Array, Array]:
    """``f_kj = sum_i v_ki w_ij`` in float64, shape (k, units), and a bound ``a_j >= sum_i |v_ki w_ij|`` for every k."""
    w = _plain(w)
    k = len(v)
    rows = np.ascontiguousarray(v if k % 2 == 0 else np.concatenate([v, v[-1:]]))
    f, a = kernels._ties_project(w, rows[:2])
    for start in range(2, len(rows), 2):
        g, b = kernels._ties_project(w, rows[start:start + 2])
        f, a = np.concatenate([f, g]), np.maximum(a, b)
    return f[:k], a


def field_sums(w: Array, r: Array, fields: Field) -> Array:
    """``e_hgj = sum_i r_hgi w_ij`` modulo the prime g, exactly; ``r (k, 2, sources)``, the result ``(k, 2, units)``."""
    w = _plain(w)
    if w.size == 0:
        return np.zeros((len(r), 2, w.shape[1]), dtype=np.uint64)
    known = fields.p.ravel(), fields.inverse_p.ravel(), fields.powers
    parts = [kernels._ties_fields(w, np.ascontiguousarray(r[h:h + 2]).reshape(-1, w.shape[0]), *known)
             for h in range(0, len(r), 2)]
    return np.concatenate(parts).reshape(len(r), 2, w.shape[1])


def multisets(w: Array, colour: Array, sign: Array, live: Array) -> tuple[Array, Array]:
    """``plus_kj = sum_i mix(colour_ki + bits(sign_i w_ij)) mod 2^64`` over live sources, ``minus_kj`` of the negatives.

    Equal multisets of (colour, entry) give equal sums; unequal ones with probability 2^-64.
    """
    return kernels._ties_multisets(_plain(w), np.ascontiguousarray(colour), np.where(live, sign, 0.0))


def look(w: Array) -> int:
    """1: all entries equal; 0: not all equal; -1: some are NaN or infinite."""
    return kernels._ties_look(_plain(w))
