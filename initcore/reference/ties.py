"""The plain NumPy twin of src/variant/ties.pxi: specification and oracle of the signature passes.

All functions take ``w (sources, units)`` and values of the sources, and return something of every unit.
"""

import numpy as np

from .._types import Array
from . import field

_CHUNK = 1 << 18


def _rows(w: Array) -> int:
    return max(1, _CHUNK // max(1, int(w.shape[1])))


def project(w: Array, v: Array) -> tuple[Array, Array]:
    """``f_kj = sum_i v_ki w_ij`` in float64 and ``a_kj = sum_i |v_ki| |w_ij|``, shapes (k, units)."""
    f = np.zeros((v.shape[0], w.shape[1]))
    a = np.zeros_like(f)
    step = _rows(w)
    for i in range(0, w.shape[0], step):
        part = w[i:i + step].astype(np.float64)
        f += v[:, i:i + step] @ part
        a += np.abs(v[:, i:i + step]) @ np.abs(part)
    return f, a


def field_sums(w: Array, r: Array, fields: field.Field) -> Array:
    """``e_hgj = sum_i r_hgi w_ij`` modulo the prime g, exactly; ``r (k, 2, sources)``, the result ``(k, 2, units)``."""
    e = np.zeros((len(r), 2, w.shape[1]), dtype=np.uint64)
    for i in range(w.shape[0]):
        e = fields.add(e, fields.multiply(fields.embed(w[i]), r[:, :, i, None]))
    return e


def multisets(w: Array, colour: Array, sign: Array, live: Array) -> tuple[Array, Array]:
    """``plus_kj = sum_i mix(colour_ki, sign_i w_ij)`` and ``minus_kj``, the same of ``-sign_i w_ij``, mod 2^64.

    Equal multisets of (colour, entry) give equal sums; unequal ones with probability 2^-64. Sources that are
    not ``live`` do not count.
    """
    plus = np.zeros((colour.shape[0], w.shape[1]), dtype=np.uint64)
    minus = np.zeros_like(plus)
    keep = np.flatnonzero(live)
    step = _rows(w)
    for start in range(0, len(keep), step):
        rows = keep[start:start + step]
        part = w[rows] * sign[rows, None].astype(w.dtype)
        up, down = field.bits(part), field.bits(-part)
        for k in range(len(colour)):
            c = colour[k, rows, None]
            plus[k] += field.mix(up + c).sum(axis=0, dtype=np.uint64)
            minus[k] += field.mix(down + c).sum(axis=0, dtype=np.uint64)
    return plus, minus
