"""Where a layer's z follows a few directions, sums of its outputs are not normal: draws stand in for moments.

A common mode (tied units, weights with a mean, a handful of units) makes every unit a function of a few numbers, and
no average over many independent terms makes the next layer normal. There z is drawn once from its normal law, on a
fixed set of draws, and the layers above compute on the draws exactly what they would on data.
"""

from __future__ import annotations

import functools
from statistics import NormalDist

import numpy as np

Array = np.ndarray
DRAWS = 2048
DIRECTIONS = 30.0       # tr(C)^2 / |C|_F^2 below which a sum over units is not taken as normal


def few_directions(z_cov: Array, cells: Array | None) -> bool:
    """Has z fewer than DIRECTIONS effective directions? ``z_cov (units, units)``, or variances and ``cells``."""
    with np.errstate(over="ignore", invalid="ignore"):
        if z_cov.ndim == 1:
            if cells is None:
                return False
            z_cov = np.bincount(cells, z_cov) if np.isfinite(z_cov).all() else z_cov
            total, square = z_cov.sum() ** 2, np.square(z_cov).sum()
        else:
            total, square = np.trace(z_cov) ** 2, np.square(z_cov).sum()
    return bool(np.isfinite(total) and np.isfinite(square) and 0 < total < DIRECTIONS * square)


@functools.lru_cache(maxsize=1)
def _quantiles() -> Array:
    normal = NormalDist()
    return np.array([normal.inv_cdf((k + 0.5) / DRAWS) for k in range(DRAWS)])


def normal_draws(mean: Array, cov: Array, cells: Array | None) -> Array:
    """``(DRAWS, units)`` from ``N(mean, cov)``: quantiles along the leading direction, fixed draws in the rest."""
    generator = np.random.Generator(np.random.PCG64(0))
    if cov.ndim == 1:
        labels = np.zeros(len(mean), np.intp) if cells is None else cells
        normal = generator.standard_normal((DRAWS, int(labels.max()) + 1))
        normal[:, labels[int(np.argmax(cov))]] = _quantiles()
        return np.asarray(mean + np.sqrt(np.maximum(cov, 0)) * normal[:, labels])
    direction = cov[int(np.argmax(np.diagonal(cov)))]
    for _ in range(8):
        direction = cov @ (direction / np.abs(direction).max())
    direction = direction / np.abs(direction).max()
    along = cov @ direction / np.sqrt(direction @ cov @ direction)
    rest = cov - np.outer(along, along)       # what the other directions leave: still a covariance
    rest[np.diag_indices_from(rest)] += 1e-10 * np.trace(cov)
    normal = generator.standard_normal((DRAWS, len(mean)))
    return np.asarray(mean + _quantiles()[:, None] * along + normal @ np.linalg.cholesky(rest).T)
