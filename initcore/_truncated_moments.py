"""Moments of the truncated standard normal, and how far the stream's normals reach."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

# The largest |z| of stream v1: Phi^-1 of 2^-33 (one 32-bit word) and of 2^-65 (float64).
_REACH = {"float64": 9.1, "float32": 6.338, "float16": 6.338, "bfloat16": 6.338}


def reach(dtype: str) -> float:
    """The largest |z| a standard normal of this dtype takes in stream v1 (float64: a little below it)."""
    return _REACH[dtype]


@lru_cache(maxsize=256)
def truncated_moments(lower: float, upper: float) -> tuple[float, float]:
    """Mean and standard deviation of N(0, 1) cut to ``[lower, upper]``.

    With ``Z = Phi(b) - Phi(a)``: mean ``(phi(a) - phi(b))/Z``, variance ``1 + (a phi(a) - b phi(b))/Z - mean^2``.
    These cancel far out in a tail and for bounds a hair apart, so the three integrals are taken instead
    with the origin and the weight's scale moved to the point of [a, b] nearest to 0: every digit stays.

    >>> round(truncated_moments(-2.0, 2.0)[1], 15)                # the constant of JAX and Keras
    0.87962566103424
    """
    near = min(max(0.0, lower), upper)
    # exp(-t (2 near + t)/2) < e^-80 beyond: t = sqrt(near^2 + 160) - |near|, written without cancellation.
    far = 160 / (math.hypot(near, math.sqrt(160)) + abs(near))
    a, b = max(lower - near, -far), min(upper - near, far)
    nodes, weights = np.polynomial.legendre.leggauss(20)
    edges = np.linspace(a, b, 65)
    half = np.diff(edges)[:, None] / 2
    t = (edges[:-1, None] + half * (1 + nodes)).ravel()
    w = (half * weights).ravel() * np.exp(-t * (2 * near + t) / 2)
    total = math.fsum(w)
    shift = math.fsum(w * t) / total
    return near + shift, math.sqrt(math.fsum(w * (t - shift) ** 2) / total)


def truncated_std(lower: float, upper: float) -> float:
    """Standard deviation of N(0, 1) cut to ``[lower, upper]``."""
    return truncated_moments(float(lower), float(upper))[1]
