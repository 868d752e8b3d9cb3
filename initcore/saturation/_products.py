"""Products of covariances with weights, in blocks: beside the two matrices no third of their size is held.

Blocks of the weights are widened as they are needed, so that no float64 copy of them all is made.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .. import kernels
from .._types import Array

_COLUMNS = 256


def congruence(w: Array, cov: Array) -> Array:
    """``w' cov w`` for ``w (n, m)`` of any float dtype and symmetric ``cov``: float64, symmetric to the last bit."""
    return _blocks(w, lambda part: kernels.matmul(cov, part))


def scaled_gram(w: Array, scale: Array) -> Array:
    """``w' diag(scale) w`` for ``w (n, m)``, any float dtype, float64."""
    return _blocks(w, lambda part: part * scale[:, None])


def covariance(a: Array, mean: Array) -> Array:
    """Covariance over the rows of ``a (rows, m)`` around a given mean, in float64."""
    m = a.shape[1]
    out = np.empty((m, m))
    for j in range(0, m, _COLUMNS):
        block = slice(j, j + _COLUMNS)
        part = a[:, block] - mean[block]
        for i in range(0, m, _COLUMNS):
            rows = slice(i, i + _COLUMNS)
            out[rows, block] = kernels.matmul((a[:, rows] - mean[rows]).T, part)
    out /= len(a)
    return out


def _blocks(w: Array, inner: Callable[[Array], Array]) -> Array:
    m = w.shape[1]
    out = np.empty((m, m))
    for j in range(0, m, _COLUMNS):
        block = slice(j, j + _COLUMNS)
        part = inner(w[:, block].astype(np.float64, order="C"))
        for i in range(0, m, _COLUMNS):
            rows = slice(i, i + _COLUMNS)
            out[rows, block] = kernels.matmul(w[:, rows].astype(np.float64, order="C").T, part)
    symmetrise(out)
    return out


def diagonal_of_congruence(w: Array, cov: Array) -> Array:
    """The diagonal of ``w' cov w``, any float dtype of w."""
    out = np.empty(w.shape[1])
    for j in range(0, w.shape[1], _COLUMNS):
        part = w[:, j:j + _COLUMNS].astype(np.float64)
        out[j:j + _COLUMNS] = np.einsum("ij,ij->j", part, kernels.matmul(cov, part))
    return out


def symmetrise(a: Array) -> None:
    """a := (a + a')/2 in place."""
    for i in range(0, len(a), _COLUMNS):
        rows = slice(i, i + _COLUMNS)
        mean = (a[rows, i:] + a[i:, rows].T) / 2
        a[rows, i:] = mean
        a[i:, rows] = mean.T
