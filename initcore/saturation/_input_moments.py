"""The moments of a network's input, from data or from what is known of them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import kernels
from .._checks import describe, float_array
from ..errors import ArgumentError, ArgumentTypeError, ShapeError
from ..network import Network
from . import _propagate

Array = np.ndarray


def input_state(net: Network, x: Any = None, *, second_moment: Any = None, mean: Any = None, variance: Any = None,
                covariance: Any = None) -> tuple[_propagate.State, str]:
    """The moments of the input, from data or from what is known of them, and in words what was assumed."""
    n = net.widths[0]

    def per_feature(name: str, value: Any, low: float = -math.inf) -> Array:
        try:
            a = np.asarray(value, dtype=np.float64)
        except (TypeError, ValueError):
            raise ArgumentTypeError(
                f"{name} must be a number or one for each feature, got {describe(value)}.") from None
        if a.shape not in ((), (n,)):
            raise ShapeError(f"{name} has shape {a.shape}; give one number or one for each of the {n} features.")
        if not np.all(np.isfinite(a)) or np.any(a < low):
            bad = a[~(np.isfinite(a) & (a >= low))].flat[0]
            raise ArgumentError(f"{name} must be finite{' and at least 0' if low == 0 else ''}, got {bad:g}.")
        return np.broadcast_to(a, (n,)).astype(np.float64)

    given = [k for k, v in (("second_moment", second_moment), ("variance", variance), ("covariance", covariance),
                            ("x", x)) if v is not None]
    if len(given) > 1 or (mean is not None and given and given[0] in ("x",)):
        raise ArgumentError(f"give one of x, second_moment, variance or covariance, got {' and '.join(given)}"
                            f"{' and mean' if mean is not None else ''}.")
    if x is not None:
        a = float_array("x", x, ndim=2)
        if a.shape[1] != n:
            raise ShapeError(f"x has shape {a.shape}, but the network takes {n} features.")
        if not len(a):
            raise ShapeError("x has no rows; moments need at least one.")
        a = a.astype(np.float64)
        centre = a.mean(axis=0)
        a = a - centre
        full = n <= 4 * _propagate.FULL
        return _propagate.State(centre, kernels.matmul(a.T, a) / len(a) if full else np.mean(np.square(a), axis=0)), ""
    centre = np.zeros(n) if mean is None else per_feature("mean", mean)
    if covariance is not None:
        try:
            c = np.asarray(covariance, dtype=np.float64)
        except (TypeError, ValueError):
            raise ArgumentTypeError(f"covariance must be a matrix of numbers, got {describe(covariance)}.") from None
        if c.shape != (n, n):
            raise ShapeError(f"covariance has shape {c.shape}, but the network takes {n} features: ({n}, {n}) is "
                             f"needed.")
        if not np.all(np.isfinite(c)) or not np.allclose(c, c.T, rtol=1e-6, atol=1e-6 * np.abs(c).max(initial=0)):
            raise ArgumentError("covariance must be finite and symmetric.")
        try:                                   # with room for a covariance estimated in float32
            np.linalg.cholesky((c + c.T) / 2 + (1e-5 * np.abs(np.diagonal(c)).max(initial=0) + 1e-300) * np.eye(n))
        except np.linalg.LinAlgError:
            raise ArgumentError("covariance must have no negative eigenvalue: no variable has negative "
                                "variance.") from None
        return _propagate.State(centre, (c + c.T) / 2), ""
    if variance is not None:
        return _propagate.State(centre, per_feature("variance", variance, 0)), ""
    if second_moment is not None:
        spread = per_feature("second_moment", second_moment, 0) - np.square(centre)
        if np.any(spread < -1e-9 * np.square(centre)):
            raise ArgumentError("second_moment is below mean^2; E x^2 = variance + mean^2.")
        return _propagate.State(centre, np.maximum(spread, 0)), ""
    return _propagate.State(centre, np.ones(n)), "inputs taken as independent, variance 1"
