"""Activations from a user's own function: called rightly, its slope by differences, its facts found by looking."""

from __future__ import annotations

import copy
import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import _checks
from .._types import Floats
from ..errors import ArgumentError, ArgumentTypeError, NonFiniteError, ShapeError
from ._activation import Activation, Intervals, quiet
from ._functions import Function

_PROBE = np.array([-1.5, -0.25, 0.0, 0.5, 2.0])
_FAR = (1e9, 1e12)


def from_callable(phi: Callable[[Any], Any], dphi: Function | None = None, **facts: Any) -> Activation:
    """An activation from the user's own elementwise function: of arrays, of numbers, of torch tensors or of JAX arrays.

    The slope, where not given, is a 4th-order central difference with step ``2^-13 max(1, |z|)``:
    relative error about 1e-12 for smooth functions. Range, saturation, oddness, homogeneity and slopes are found by
    evaluating phi on [-8, 8] and far out; ``facts`` (fields of :class:`Activation`) given here are believed instead.

    Raises ArgumentTypeError where phi gives no number for a number, or numbers of less than float64; ArgumentError
    where it raises an exception of its own, or is not elementwise (softmax).

    >>> f = from_callable(lambda z: max(min(z, 6.0), 0.0))
    >>> f.low, f.high, f.saturating, f.dies
    (0.0, 6.0, True, True)
    """
    unknown = sorted(set(facts) - set(Activation.__dataclass_fields__))
    if unknown:
        raise ArgumentError(f"{unknown[0]}= is no fact of an Activation; known: "
                            f"{', '.join(Activation.__dataclass_fields__)}.")
    if isinstance(phi, type) and phi.__module__.partition(".")[0] not in ("builtins", "numpy"):
        raise ArgumentTypeError(f"activation {phi.__name__} is a class; give one of its kind: {phi.__name__}().")
    name = str(facts.pop("name", None) or getattr(phi, "__name__", type(phi).__name__))
    vector = _elementwise(phi, name)
    slope = _differences(vector) if dphi is None else _slope(dphi, name)
    return Activation(name=name, code=None, phi=vector, dphi=slope, **{**_look(vector, slope, name), **facts})


def _slope(dphi: Any, name: str) -> Function:
    """The slope that was given, once it has answered for an array."""
    if not callable(dphi):
        raise ArgumentTypeError(f"dphi must be a function of an array, got {_checks.describe(dphi)}.")
    slope: Function = quiet(dphi)
    try:
        y = np.asarray(slope(_PROBE.copy()))
        y = np.zeros(y.shape) + y
    except Exception as error:
        raise ArgumentTypeError(f"dphi of activation {name} must give an array of numbers for an array of numbers; it "
                                f"raised {type(error).__name__} ({error}).") from error
    if y.shape not in (_PROBE.shape, ()):
        raise ShapeError(f"dphi of activation {name} gave shape {y.shape} for an array of shape {_PROBE.shape}.")
    return slope


def _elementwise(phi: Callable[[Any], Any], name: str) -> Function:
    """phi as a function from arrays to float64 arrays, by the first way of calling it that works."""
    tries: list[Callable[[Floats], Any]] = [phi, *_frameworks(phi)]
    raised: Exception | None = None
    for way in tries:
        try:
            with np.errstate(all="ignore"):
                answer = way(_PROBE.copy())
            y = np.asarray(answer)
        except Exception as error:          # whatever it raises for an array, it may still take numbers
            raised = error
            continue
        if y.shape == _PROBE.shape and y.dtype.kind in "fiub" and not (y.dtype.kind == "f" and y.dtype.itemsize < 8):
            _alone(way, np.asarray(y, np.float64), name)
            return quiet(_checked(way, phi, name))
    if type(phi).__module__.startswith("torch.nn.") and raised is not None:
        raise ArgumentError(f"activation {name} takes no tensor of {len(_PROBE)} numbers ({raised}); an activation "
                            "must act on each number by itself.") from raised
    return quiet(_one_by_one(phi, name))


def _alone(way: Callable[[Floats], Any], y: Floats, name: str) -> None:
    """Refuse a function whose value depends on the numbers beside it (softmax, a normalisation)."""
    try:
        with np.errstate(all="ignore"):
            alone = np.ravel([np.asarray(way(_PROBE[k:k + 1].copy()), np.float64).ravel() for k in range(len(_PROBE))])
            first, again = (np.asarray(way(np.linspace(-2, 2, 64)), np.float64) for _ in range(2))
    except Exception:                       # it takes no arrays of one number
        return
    if not np.array_equal(first, again, equal_nan=True):       # noise: nothing can be said
        return
    if alone.shape == y.shape and not np.allclose(alone, y, rtol=1e-6, atol=1e-9, equal_nan=True):
        raise ArgumentError(f"activation {name} is not elementwise: the value of one number depends on those beside it "
                            "(softmax, a normalisation). A Network's activations act on each unit by itself; as an "
                            "output softmax belongs to loss=\"softmax_cross_entropy\".")


def _frameworks(phi: Callable[[Any], Any]) -> list[Callable[[Floats], Any]]:
    """Ways to call a function of torch tensors or JAX arrays, where those are loaded; nothing is imported."""
    ways: list[Callable[[Floats], Any]] = []
    torch, jax = sys.modules.get("torch"), sys.modules.get("jax")
    if torch is not None:
        module = isinstance(phi, torch.nn.Module) and next(phi.parameters(), None) is not None
        # parameters of its own (PReLU) must have the numbers' dtype, and the user's stay as they are
        taken = copy.deepcopy(phi).double() if module else phi  # type: ignore[attr-defined]

        def by_torch(z: Floats) -> Any:
            with torch.no_grad():
                return taken(torch.from_numpy(z)).numpy()
        ways.append(by_torch)
        if isinstance(phi, torch.nn.Module):
            return ways
    if jax is not None:
        def by_jax(z: Floats) -> Any:
            with jax.enable_x64(True) if hasattr(jax, "enable_x64") else jax.experimental.enable_x64():
                return np.asarray(phi(jax.numpy.asarray(z)))
        ways.append(by_jax)
    return ways


def _checked(way: Callable[[Floats], Any], phi: Callable[[Any], Any], name: str) -> Function:
    def f(z: Any) -> Floats:
        z = np.array(z, dtype=np.float64)
        try:
            y = np.asarray(way(z), dtype=np.float64)
        except Exception:
            return one_by_one(z)            # it may take most arrays: all but scalars, or those of two elements
        return y if y.shape == z.shape else one_by_one(z)

    one_by_one = _one_by_one(phi, name)
    return f


def _one_by_one(phi: Callable[[Any], Any], name: str) -> Function:
    """phi called with one Python number at a time."""
    def value(z: float) -> float:
        try:
            y = phi(z)
        except Exception as error:
            raise ArgumentError(f"activation {name} raised {type(error).__name__} for z={z!r} ({error}); it must take "
                                "any real number or an array of them.") from error
        try:
            return float(y)
        except (TypeError, ValueError, OverflowError):
            raise ArgumentTypeError(f"activation {name} must give a real number for a number; for z={z!r} it gave "
                                    f"{_checks.describe(y)}.") from None

    def f(z: Any) -> Floats:
        z = np.asarray(z, dtype=np.float64)
        return np.array([value(float(v)) for v in z.ravel()], dtype=np.float64).reshape(z.shape)
    return f


def _differences(phi: Function) -> Function:
    def central(z: Floats, h: Floats) -> Floats:
        return (8 * (phi(z + h) - phi(z - h)) - (phi(z + 2 * h) - phi(z - 2 * h))) / (12 * h)

    def beside(z: Floats, h: Floats) -> Floats:
        """The slope on the side that does not reach over a jump; at the jump itself that of the flatter side."""
        here = phi(z)
        sides = np.stack([(4 * phi(z + h) - phi(z + 2 * h) - 3 * here) / (2 * h),
                          (3 * here - 4 * phi(z - h) + phi(z - 2 * h)) / (2 * h)])
        at = np.abs(sides).min(axis=0) * h > 1e-3
        sides[:, at] = np.stack([phi(z + 2 * h) - phi(z + h), phi(z - h) - phi(z - 2 * h)])[:, at] / h[at]
        return np.asarray(np.take_along_axis(sides, np.abs(sides).argmin(axis=0)[None], 0)[0])

    def slope(z: Any) -> Floats:
        z = np.asarray(z, dtype=np.float64)
        h: Floats = 2.0 ** -13 * np.maximum(1, np.abs(z))
        d = central(z, h)
        steep = np.flatnonzero(np.abs(d) * h > 1e-3)
        if steep.size:                      # a slope is the same with a smaller step, the height of a jump over it not
            near, step = z.ravel()[steep], h.ravel()[steep]
            ratio = central(near, step / 8) / d.ravel()[steep]
            jump = (ratio > 4) | (ratio < 0.25)
            d = np.array(d)
            d.reshape(-1)[steep[jump]] = beside(near[jump], step[jump])
        return d
    return quiet(slope)


def _look(phi: Function, dphi: Function, name: str) -> dict[str, Any]:
    """The facts that values on [-8, 8] and far out show."""
    grid = np.linspace(-8, 8, 4001)
    v = phi(grid)
    if np.isnan(v).any():
        raise NonFiniteError(f"activation {name} gives nan for z={grid[np.isnan(v)][0]:g}; it must give a number for "
                             "every finite one.")
    s = np.abs(dphi(grid))
    facts: dict[str, Any] = {
        "odd": bool(np.allclose(v, -v[::-1], rtol=1e-12, atol=1e-14)), "phi0": float(phi(np.zeros(1))[0]),
        "dphi0": float(np.ravel(dphi(np.zeros(1)))[0]), "max_slope": float(s.max()) or 1.0}
    try:
        ends = np.array([phi(np.array([sign * far for far in _FAR])) for sign in (-1.0, 1.0)])
    except (ArgumentError, ArgumentTypeError):          # not made for such numbers: nothing more is claimed
        return facts
    with np.errstate(all="ignore"):
        settled = np.isfinite(ends).all(axis=1) & (np.abs(ends[:, 0] - ends[:, 1]) <= 1e-6 * (1 + np.abs(ends[:, 1])))
    if settled.all():
        facts.update(low=float(min(v.min(), ends.min())), high=float(max(v.max(), ends.max())))
        facts["saturating"] = facts["low"] < facts["high"]
    facts["homogeneous"] = _homogeneous(phi)
    facts["flat_pieces"] = _flat_pieces(v, grid, ends)
    return facts


def _homogeneous(phi: Function) -> bool:
    x = np.array([-1.0, 1.0, -0.37, 0.37])
    y = phi(x)
    return bool(np.any(y)) and all(np.allclose(phi(k * x), k * y, rtol=1e-13, atol=0) for k in (1e-3, 0.7, 3.0, 50.0))


def _flat_pieces(v: Floats, grid: Floats, ends: Floats) -> Intervals:
    """The half lines from 0 on which phi is one number: no decay is that exact next to 0."""
    half = grid.size // 2
    left = bool((v[:half] == v[0]).all() and (ends[0] == v[0]).all())
    right = bool((v[half + 1:] == v[-1]).all() and (ends[1] == v[-1]).all())
    return (((-math.inf, 0.0),) if left else ()) + (((0.0, math.inf),) if right else ())
