"""The moments of a network's input, from data or from what is known of them, and what had to be assumed."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import kernels
from .._checks import describe, float_array
from .._types import Array
from ..errors import ArgumentError, ArgumentTypeError, ShapeError
from ..network import Network
from ._propagate import FULL
from ._state import State

UNKNOWN = "inputs taken as independent, variance 1"


def input_state(net: Network, x: Any = None, *, second_moment: Any = None, mean: Any = None, variance: Any = None,
                covariance: Any = None) -> tuple[State, str]:
    """The state that enters the first layer, and in words what was taken for granted about the inputs."""
    n = net.widths[0]
    given = [k for k, v in (("second_moment", second_moment), ("variance", variance), ("covariance", covariance),
                            ("x", x)) if v is not None]
    if len(given) > 1 or (mean is not None and given == ["x"]):
        raise ArgumentError(f"give one of x, second_moment, variance or covariance, got {' and '.join(given)}"
                            f"{' and mean' if mean is not None else ''}.")
    if x is not None:
        return from_data(n, x), ""
    centre = np.zeros(n) if mean is None else per_feature("mean", mean, n)
    words = "independent" + (", mean 0" if mean is None else "")
    if covariance is not None:
        return State(centre, covariance_matrix(covariance, n)), "inputs taken as of mean 0" if mean is None else ""
    if variance is not None:
        return State(centre, per_feature("variance", variance, n, 0)), f"inputs taken as {words}, variance as given"
    if second_moment is not None:
        return (State(centre, spread_of(per_feature("second_moment", second_moment, n, 0), centre)),
                f"inputs taken as {words}, second moment as given")
    return State(centre, np.ones(n)), UNKNOWN


def from_data(n: int, x: Any) -> State:
    """Mean and covariance of the rows of x (of more than 6400 features the variances)."""
    a = float_array("x", x, ndim=2)
    if a.shape[1] != n:
        raise ShapeError(f"x has shape {a.shape}, but the network takes {n} features.")
    if not len(a):
        raise ShapeError("x has no rows; moments need at least one.")
    with np.errstate(all="ignore"):
        a = a.astype(np.float64, order="C")            # the same sums for every layout
        centre = a.mean(axis=0)
        a -= centre
        return State(centre, kernels.matmul(a.T, a) / len(a) if n <= 4 * FULL else np.mean(np.square(a), axis=0))


def per_feature(name: str, value: Any, n: int, low: float = -math.inf) -> Array:
    """A number, or one for each of n features, finite and at least ``low``, as ``(n,)`` float64."""
    try:
        a = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise ArgumentTypeError(
            f"{name} must be a number or one for each feature, got {describe(value)}.") from None
    if a.shape not in ((), (n,)):
        raise ShapeError(f"{name} has shape {a.shape}; give one number or one for each of the {n} features.")
    if not np.all(np.isfinite(a)) or np.any(a < low):
        bad = a[~(np.isfinite(a) & (a >= low))].flat[0]
        raise ArgumentError(f"{name} must be finite{' and at least 0' if low == 0 else ''}, got {bad:g}.")
    return np.broadcast_to(a, (n,)).astype(np.float64)


def covariance_matrix(value: Any, n: int) -> Array:
    """A symmetric ``(n, n)`` matrix without negative eigenvalues, float64."""
    try:
        c = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        raise ArgumentTypeError(f"covariance must be a matrix of numbers, got {describe(value)}.") from None
    if c.shape != (n, n):
        raise ShapeError(f"covariance has shape {c.shape}, but the network takes {n} features: ({n}, {n}) is needed.")
    with np.errstate(all="ignore"):
        size = np.abs(c).max(initial=0)
        if not np.all(np.isfinite(c)) or not np.allclose(c, c.T, rtol=1e-6, atol=1e-6 * size):
            raise ArgumentError("covariance must be finite and symmetric.")
        try:                                   # with room for a covariance estimated in float32
            room = 1e-5 * np.abs(np.diagonal(c)).max(initial=0) + 1e-300
            np.linalg.cholesky((c + c.T) / 2 + room * np.eye(n))
        except np.linalg.LinAlgError:
            raise ArgumentError("covariance must have no negative eigenvalue: no variable has negative "
                                "variance.") from None
        return np.asarray((c + c.T) / 2)


def spread_of(second_moment: Array, mean: Array) -> Array:
    """Variances from second moments."""
    with np.errstate(all="ignore"):
        spread = second_moment - np.square(mean)
        if np.any(spread < -1e-9 * np.square(mean)):
            raise ArgumentError("second_moment is below mean^2; E x^2 = variance + mean^2.")
        return np.asarray(np.maximum(spread, 0))
