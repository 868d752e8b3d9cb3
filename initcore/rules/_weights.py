"""What the weights of one layer look like: spread, whose scale they have, and whether a layout was mistaken."""

from __future__ import annotations

import math

import numpy as np

from ..network import Dense
from ._conventions import squared_gain

Array = np.ndarray


def spread(w: Array) -> tuple[float, float]:
    """Mean and standard deviation of all entries, in float64."""
    mean = float(np.mean(w, dtype=np.float64)) if w.size else 0.0
    return mean, float(np.sqrt(np.mean(np.square(w.astype(np.float64) - mean)))) if w.size else 0.0


def fits(w: Array, fan: float, constants: tuple[float, ...]) -> bool:
    """Is fan times the mean square of w one of the constants, within four standard errors (and 1%)?"""
    value = fan * float(np.mean(np.square(w, dtype=np.float64)))
    slack = 0.01 + 4 * math.sqrt(2 / w.size)
    return any(abs(value / c - 1) <= slack for c in constants)


def library_scale(layer: Dense) -> bool:
    """Has a layer PyTorch's default variance 1/(3 fan_in), or small_init's 2/(5 fan_in)? Small, and chosen by many."""
    return fits(layer.w, layer.fan_in, (1 / 3, 0.4))


def wrong_layout(layer: Dense, ratio: float) -> bool:
    """Does the variance fit fan_out where it should fit fan_in (or their mean)?

    Only schemes with a fan_in default count: He for the ReLU family, LeCun, PyTorch's uniform; a standard deviation
    of 0.1, 0.05, 0.02 and the like was picked by hand and fits by chance.
    """
    n, m, size = layer.fan_in, layer.fan_out, layer.w.size
    if size < 256 or max(n, m) < ratio * min(n, m):
        return False
    mean, std = spread(layer.w)
    digits = std / 10 ** math.floor(math.log10(std)) if std > 0 else 0.0
    if abs(mean) > 5 * std / math.sqrt(size):
        return False
    known = [1.0, max(squared_gain(layer.activation), 1.0)]
    if float(np.abs(layer.w).max()) <= 1.001 * math.sqrt(3) * std * (1 + 3 / math.sqrt(size)):
        known.append(1 / 3)                  # bounded as a uniform distribution is
    by_hand = min(abs(digits / k - 1) for k in (1, 2, 5, 10))
    by_fan = min(abs(std / math.sqrt(k / m) - 1) for k in known)
    if by_hand < min(3 / math.sqrt(2 * size), by_fan + 0.001):       # picked by hand, and no further from that
        return False
    return (fits(layer.w, m, tuple(known)) and not fits(layer.w, n, (1 / 3, 1.0, 2.0, 25 / 9))
            and not fits(layer.w, (n + m) / 2, (1.0, 2.0, 25 / 9)) and not orthogonal(layer.w))


def orthogonal(w: Array) -> bool:
    """Are the shorter side's vectors (the first 64 of them) orthogonal? Their scale is no fan's.

    Independent vectors of length m have cosines of about 1/sqrt(m); a tenth of that leaves room for bfloat16.
    """
    rows = np.asarray((w if w.shape[0] <= w.shape[1] else w.T)[:64], dtype=np.float64)
    gram = rows @ rows.T
    norms = np.sqrt(np.diag(gram))
    if len(rows) < 2 or not norms.all():
        return False
    cosines = gram / np.outer(norms, norms) - np.eye(len(rows))
    return bool(np.sqrt(np.sum(cosines ** 2) / (len(rows) * (len(rows) - 1))) < 0.1 / math.sqrt(rows.shape[1]))
