"""What the weights of one tensor look like, from one pass over memory: spread, range, garbage, equal units.

Everything the signal predictor and the rules ask of a weight matrix by itself; the pass is compiled
(src/variant/weights.pxi) and allocates a few numbers a unit.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from . import kernels
from ._checks import float_array
from ._types import Array

HALF_SMALLEST = 2.0 ** -25       # rounds to 0 in float16
_CHUNK = 1 << 18                 # weights compared at once


class WeightStatistics(NamedTuple):
    """Statistics of a tensor of ``(fan_in, fan_out)`` weights, from :func:`weight_statistics`.

    mean, variance : float64 ``(fan_out,)``, of each unit's incoming weights (variance over all of them, not less one).
    hashes : uint32 ``(fan_out,)``; units with equal weights have equal hashes.
    size : number of weights.   finite : how many are finite.   nonzero : how many of those are not 0.
    largest : largest finite |w|.   denormal : how many are denormal.   small : how many are not 0 and below ``small``.
    """

    mean: Array
    variance: Array
    hashes: Array
    size: int
    finite: int
    nonzero: int
    largest: float
    denormal: int
    small: int

    @property
    def all_finite(self) -> bool:
        """Is every weight finite?"""
        return self.finite == self.size

    @property
    def total_mean(self) -> float:
        """Mean of all weights, 0 where there are none."""
        with np.errstate(all="ignore"):
            return float(self.mean.mean()) if self.size else 0.0

    @property
    def std(self) -> float:
        """Standard deviation of all weights, 0 where there are none."""
        with np.errstate(all="ignore"):
            return math.sqrt(float(self.variance.mean() + self.mean.var())) if self.size else 0.0

    @property
    def mean_square(self) -> float:
        """Mean of w^2, 0 where there are none."""
        return float(self.column_squares.mean()) if self.size else 0.0

    @property
    def column_squares(self) -> Array:
        """Mean of w^2 over each unit's incoming weights."""
        with np.errstate(all="ignore"):
            return np.asarray(self.variance + np.square(self.mean))


def weight_statistics(w: Any, *, small: float = HALF_SMALLEST) -> WeightStatistics:
    """The statistics of ``w``, float32 or float64, ``(fan_in, fan_out)`` or a vector taken as one unit's weights.

    ``small`` : magnitude below which a non-zero weight counts as small. One pass over memory, any strides. Raises
    DTypeError for integers and objects, ShapeError for more than two dimensions.

    >>> import numpy as np
    >>> s = weight_statistics(np.array([[1.0, 3.0], [1.0, -3.0]]))
    >>> s.mean.tolist(), s.variance.tolist(), s.largest, s.nonzero
    ([1.0, 0.0], [0.0, 9.0], 3.0, 4)
    """
    w = float_array("w", w)
    matrix = w[:, None] if w.ndim == 1 else w
    tiny = float(np.finfo(matrix.dtype).tiny)
    mean, variance, hashes, totals = kernels._weights_statistics(matrix, tiny, small)
    largest, finite, nonzero, denormal, below = totals.tolist()
    return WeightStatistics(mean, variance, hashes, matrix.size, int(finite), int(nonzero), largest, int(denormal),
                            int(below))


def equal_columns(w: Array, b: Array | None = None, *, hashes: Array | None = None) -> Array | None:
    """Labels ``(fan_out,)`` of units with bitwise equal incoming weights and bias (0 = -0); None when all differ.

    ``hashes`` of :func:`weight_statistics` save the pass; only columns of equal hash are compared.

    >>> import numpy as np
    >>> equal_columns(np.array([[1.0, 2.0, 1.0], [0.0, 0.0, -0.0]])).tolist()
    [0, 1, 0]
    """
    n, m = w.shape
    if m < 2:
        return None
    if hashes is None:
        hashes = kernels._weights_statistics(w, 0.0, 0.0)[2] if n else np.zeros(m, np.uint32)
    keys, labels, counts = np.unique(hashes, return_inverse=True, return_counts=True)
    if len(keys) == m:
        return None
    labels = _confirmed(w, labels, counts)
    if b is not None:
        values = np.unique(b + 0.0, return_inverse=True)[1]
        labels = np.unique(labels * (int(values.max()) + 1) + values, return_inverse=True)[1]
    return labels if labels.max() + 1 < m else None


def _confirmed(w: Array, labels: Array, counts: Array) -> Array:
    """Labels by the weights themselves: groups of equal hash whose columns differ are parted."""
    members = np.flatnonzero(counts[labels] > 1)
    first = np.full(len(counts), -1)
    first[labels[members[::-1]]] = members[::-1]           # the first member of each group stands for it
    same = np.ones(len(members), dtype=bool)
    step = max(1, _CHUNK // max(len(members), 1))
    for i in range(0, len(w), step):
        rows = w[i:i + step]
        same &= (rows[:, members] == rows[:, first[labels[members]]]).all(axis=0)
    if same.all():
        return labels
    labels = labels.copy()
    columns: dict[bytes, int] = {}
    next_label = len(counts)
    for j in members[np.isin(labels[members], labels[members[~same]])]:
        key = (np.ascontiguousarray(w[:, j]) + 0.0).tobytes()
        labels[j] = next_label + columns.setdefault(key, len(columns))
    return np.unique(labels, return_inverse=True)[1]
