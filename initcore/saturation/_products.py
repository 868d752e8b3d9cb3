"""Products of covariances with weights, in blocks: beside the two matrices no third of their size is held."""

from __future__ import annotations

import numpy as np

from .. import kernels
from .._types import Array

_COLUMNS = 256


def congruence(w: Array, cov: Array) -> Array:
    """``w' cov w`` for ``w (n, m)`` and symmetric ``cov (n, n)``, float64, symmetric to the last bit."""
    m = w.shape[1]
    out = np.empty((m, m))
    for j in range(0, m, _COLUMNS):
        block = slice(j, j + _COLUMNS)
        out[:, block] = kernels.matmul(w.T, kernels.matmul(cov, np.ascontiguousarray(w[:, block])))
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
