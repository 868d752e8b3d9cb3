"""A Haar matrix as a product of Householder reflections, accumulated in blocks, in place.

Design
A. Stewart 1980: with H_k the reflection that maps a fresh Gaussian vector of length n - k + 1 onto an axis,
   H_1 H_2 ... H_m D is Haar distributed on n x m orthonormal columns, D the signs that make the diagonal of the
   (never computed) triangular factor positive. No QR factorisation: half its work.
B. Blocks of reflections are I - V T V' (compact WY, Schreiber and Van Loan 1989) with T^-1 the upper triangle of
   V'V, its diagonal halved (Puglisi 1992), so that everything large is a product by initcore's own kernel. They
   are accumulated from the last to the first, in place in the array that held the Gaussian vectors.
   No block's V or T depends on another's: all are made first, in any order. A block is then applied to strips of
   columns that do not touch each other, so threads meet once a block.
C. Work is float64 for float64, else float32. The bits depend on the key and, in the last digits, on the
   instruction set (the products fuse where the hardware does), not on the number of threads.
"""

from __future__ import annotations

import numpy as np

from .. import _threads, kernels
from .._types import Array

_BLOCK = 64         # reflections in one WY block, of few columns;
_WIDE, _MANY = 768, 128     # of at least so many columns so many: products grow faster than triangles
_STRIP = 512        # columns updated at a time: the width of the product's panels; with threads fewer, but at least
_NARROW = 128
_SMALL = 16         # triangles of this size are inverted by substitution, larger ones by halves


def accumulate(g: Array, count: int) -> Array:
    """g := H_1 ... H_m [I; 0], H_k the reflection of the vector g[k:, k]; returns the signs of Stewart's D.

    g: (n, m), n >= m >= 1, C-contiguous; its upper triangle is not read.
    """
    m = g.shape[1]
    size = _BLOCK if m < _WIDE else _MANY
    signs = np.empty(m)
    factors: dict[int, Array] = {}
    own: list[Array] = []

    def factor(j: int) -> None:
        b = min(size, m - j)
        v = g[j:, j:j + b]
        v[:b] = np.tril(v[:b])
        factors[j] = _factor(v, signs[j:j + b])

    def apply(j: int, b: int, start: int, stop: int) -> None:
        v, t = g[j:, j:j + b], factors[j]
        if start == j:                          # the block itself, kept apart while others read it
            new = kernels.matmul(v, kernels.matmul(t, v[:b].T, threads=1), threads=1)
            np.negative(new, out=new)
            new[np.arange(b), np.arange(b)] += 1
            own.append(new)
            return
        # [0; C] - V T V2' C, where the rows beside the block are still those of the identity: 0.
        low, rest = v[b:], g[j + b:, start:stop]
        x = kernels.matmul(t, kernels.matmul(low.T, rest, threads=1), threads=1)
        np.negative(kernels.matmul(v[:b], x, threads=1), out=g[j:j + b, start:stop])
        kernels._matmul_add(low, np.negative(x, out=x), rest)

    blocks = list(range(0, m, size))
    _threads.run(factor, [(j,) for j in blocks], count)
    for j in reversed(blocks):
        b = min(size, m - j)
        _threads.run(apply, [(j, b, j, j + b), *((j, b, j + b + s, j + b + e) for s, e in _strips(m - j - b, count))],
                     count)
        g[j:, j:j + b] = own.pop()
        del factors[j]
    return signs


def _strips(n: int, count: int) -> list[tuple[int, int]]:
    """n columns in strips: as wide as a panel, narrower where that feeds the threads evenly."""
    parts = max(-(-n // _STRIP), min(2 * count, n // _NARROW)) if count > 1 else -(-n // _STRIP)
    even = -(-parts // count) * count
    return _threads.chunks(n, even if n >= even * _NARROW else parts, 32)


def _factor(v: Array, signs: Array) -> Array:
    """Turn the columns x of ``v`` (lower trapezoidal) into x + sign(x_1)|x| e_1 and return T of I - V T V'.

    The Gram matrix is taken once, before: V'V then follows, since only the diagonal of V's top changes.
    ``signs`` receives -sign(x_1), the sign of R's diagonal.
    """
    b = v.shape[1]
    gram = kernels.matmul(v.T, v, threads=1)
    d = np.arange(b)
    first = v[d, d].astype(np.float64)
    norm = np.sqrt(gram[d, d].astype(np.float64))
    sign = np.where(first < 0, -1.0, 1.0)
    shift = sign * norm
    upper = np.triu(gram + v[:b].T * shift.astype(v.dtype), 1)
    upper[d, d] = norm * (norm + np.abs(first))          # half of |v|^2
    v[d, d] = first + shift
    signs[...] = -sign
    return _inverse_upper(upper)


def _inverse_upper(u: Array) -> Array:
    """The inverse of an upper triangular matrix: substitution in blocks of 16, then pairs of blocks by products."""
    b = len(u)
    size = _SMALL
    while size < b:
        size *= 2
    full = np.eye(size, dtype=u.dtype)
    full[:b, :b] = u
    k = size // _SMALL
    at = np.arange(k)
    blocks = full.reshape(k, _SMALL, k, _SMALL)[at, :, at, :]
    small = np.zeros_like(blocks)
    for r in reversed(range(_SMALL)):
        row = np.einsum("kc,kcj->kj", blocks[:, r, r + 1:], small[:, r + 1:])
        np.negative(row, out=row)
        row[:, r] += 1
        small[:, r] = row / blocks[:, r, r, None]
    inverse = np.zeros_like(full)
    inverse.reshape(k, _SMALL, k, _SMALL)[at, :, at, :] = small
    half = _SMALL
    while half < size:
        for s in range(0, size, 2 * half):
            one, two = slice(s, s + half), slice(s + half, s + 2 * half)
            corner = kernels.matmul(inverse[one, one], kernels.matmul(full[one, two], inverse[two, two], threads=1),
                                    threads=1)
            np.negative(corner, out=inverse[one, two])
        half *= 2
    return inverse[:b, :b]
