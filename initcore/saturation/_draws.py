"""Where a layer's z follows a few directions, sums of its outputs are not normal: draws stand in for moments.

A common mode (tied units, weights with a mean, a handful of units) makes every unit a function of a few numbers, and
no average over many independent terms makes the next layer normal. There z is drawn once from its normal law, on a
fixed set of draws, and the layers above compute on the draws exactly what they would on data. Layers of more than
2048 units take fewer draws, so that the draws need no more memory than the moments of a narrow layer.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from statistics import NormalDist

import numpy as np

from .._types import Array
from ..activations import Activation

DRAWS = 2048
FEWEST = 64
DIRECTIONS = 30.0       # tr(C)^2 / |C|_F^2 below which a sum over units is not taken as normal
_CHUNK = 1 << 20        # draws times units made at once


def few_directions(z_cov: Array, cells: Array | None) -> bool:
    """Has z fewer than DIRECTIONS effective directions? ``z_cov (units, units)``, or variances and ``cells``."""
    with np.errstate(all="ignore"):
        if z_cov.ndim == 1:
            if cells is None:
                return False
            z_cov = np.bincount(cells, z_cov) if np.isfinite(z_cov).all() else z_cov
            total, square = z_cov.sum() ** 2, np.square(z_cov).sum()
        else:
            total, square = np.trace(z_cov) ** 2, np.einsum("ij,ij->", z_cov, z_cov)
    return bool(np.isfinite(total) and np.isfinite(square) and 0 < total < DIRECTIONS * square)


def enough(units: int) -> int:
    """How many draws a layer of so many units takes: 2048 up to 2048 units, then fewer, at least 64."""
    return max(FEWEST, min(DRAWS, DRAWS * DRAWS // max(units, 1)))


def thinned(sample: Array, units: int) -> Array:
    """The draws (in the order of their leading direction), every second, third ... where the next layer is wide."""
    step = -(-len(sample) // enough(units))
    return sample if step == 1 else np.ascontiguousarray(sample[step // 2::step])


@functools.lru_cache(maxsize=8)
def _quantiles(draws: int) -> Array:
    normal = NormalDist()
    return np.array([normal.inv_cdf((k + 0.5) / draws) for k in range(draws)])


def normal_draws(phi: Activation, mean: Array, cov: Array, cells: Array | None, dtype: np.dtype) -> Array:
    """``phi(z)``, ``(draws, units)``, z from ``N(mean, cov)``: quantiles of the leading direction, the rest drawn."""
    generator = np.random.Generator(np.random.PCG64(0))
    draws = enough(len(mean))
    out = np.empty((draws, len(mean)), dtype)
    step = max(1, _CHUNK // max(len(mean), 1))
    with np.errstate(all="ignore"):
        make = _by_cells(generator, draws, cov, cells) if cov.ndim == 1 else _by_directions(generator, draws, cov)
        for k in range(0, draws, step):
            rows = slice(k, min(k + step, draws))
            z = make(rows)
            z += mean
            out[rows] = phi.phi(z)
            del z
    return out


def _by_cells(generator: np.random.Generator, draws: int, cov: Array, cells: Array | None) -> Callable[[slice], Array]:
    labels = np.zeros(len(cov), np.intp) if cells is None else cells
    size, leading = int(labels.max()) + 1, labels[int(np.argmax(cov))]
    std = np.sqrt(np.maximum(cov, 0))

    def make(rows: slice) -> Array:
        normal = generator.standard_normal((rows.stop - rows.start, size))
        normal[:, leading] = _quantiles(draws)[rows]
        return std * normal[:, labels]
    return make


def _by_directions(generator: np.random.Generator, draws: int, cov: Array) -> Callable[[slice], Array]:
    direction = cov[int(np.argmax(np.diagonal(cov)))]
    for _ in range(8):
        direction = cov @ (direction / np.abs(direction).max())
    direction = direction / np.abs(direction).max()
    along = cov @ direction / np.sqrt(direction @ cov @ direction)
    rest = np.outer(along, along)
    np.subtract(cov, rest, out=rest)          # what the other directions leave: still a covariance
    rest[np.diag_indices_from(rest)] += 1e-10 * np.trace(cov)
    try:
        root = np.linalg.cholesky(rest).T
    except np.linalg.LinAlgError:             # variances so small or so unequal that rounding is all that is left
        root = np.diag(np.sqrt(np.maximum(np.diagonal(rest), 0)))

    def make(rows: slice) -> Array:
        normal = generator.standard_normal((rows.stop - rows.start, len(cov)))
        z: Array = normal @ root
        for i, q in enumerate(_quantiles(draws)[rows]):
            z[i] += q * along
        return z
    return make
