"""The object that holds every fact about one activation, and how weights in front of it are drawn."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from .._checks import describe, flag
from .._types import Floats
from ..errors import ArgumentTypeError
from . import _log_slopes
from ._functions import Function

Intervals = tuple[tuple[float, float], ...]


class Start(NamedTuple):
    """How a person would draw the weights in front of an activation: one call, and the deviation it gives.

    initializer : name in ``initcore.init``.
    arguments : its keyword arguments beside shape and rng.
    std : the standard deviation of what it draws.
    """

    initializer: str
    arguments: Mapping[str, Any]
    std: float

    def call(self, shape: tuple[int, ...], rng: str = "key") -> str:
        """The call as source text.

        >>> Start("siren", {"omega": 30.0}, 0.003).call((256, 256))
        'ic.init.siren((256, 256), omega=30.0, rng=key)'
        """
        given = "".join(f", {k}={v!r}" for k, v in self.arguments.items())
        return f"ic.init.{self.initializer}({shape}{given}, rng={rng})"


@dataclass(frozen=True)
class Activation:
    """An elementwise function with the facts initcore reasons with.

    Only ``name``, ``code``, ``phi`` and ``dphi`` must be given; facts not given are the neutral ones, or follow from
    phi as said below.

    Attributes
    ----------
    name : the name users write.
    code : the integer the compiled kernels know it by; None for a user's own callable.
    phi, dphi : NumPy functions of (z) and its slope, any shape, accurate in the tails.
    odd : phi(-z) == -phi(z) for every z.
    phi0, dphi0 : value and slope at 0 (for kinked functions the slope the kernels use at 0).
    low, high : infimum and supremum of phi.
    max_slope : ``max |phi'|``; relative slopes ``r = |phi'|/max_slope``.
    saturating : slope tends to 0 on both sides and phi is bounded.
    homogeneous : phi(a z) = a phi(z) for a > 0 (ReLU family, identity).
    kinks : points where phi or phi' is not smooth (quadrature splits there).
    cutoff : ``r -> |z|`` beyond which the relative slope is below r (saturating, symmetric slope only).
    center : the output that counts as 0 on the rescaled output range [-1, 1].
    alpha : the parameter (leaky_relu: slope, elu: alpha, sin: frequency), else 0.
    log_dphi : ``z -> ln |phi'(z)|`` in float64, finite where phi' only underflows; default: the logarithm of dphi.
    monotone : phi' > 0 everywhere (logarithms of the slope have no singularity inside).
    symmetric : phi - phi(0) is odd; default: as ``odd``.
    output_inverse : t in [0, 1) -> ``|z|`` beyond which the rescaled output exceeds t in size (saturating only).
    flat_pieces : open intervals of z where phi' is exactly 0 by definition.
    flat_from_output : p -> where the slope as taken from an output of p bits (1 - y y) is exactly 0.
    squared_gain : fan_in times the variance a person would give the weights in front; default: for a homogeneous
        phi ``2/(phi(1)^2 + phi(-1)^2)``, a saturating one 1, else ``1/E phi(x)^2``, x ~ N(0, 1).
    initializer, initializer_arguments, first_layer : the call that draws such weights, see :meth:`start`.
    family : the name without its parameter (``leaky_relu`` of ``leaky_relu_0.2``) where the package has closed forms
        for it; None for others.
    knots : phi is linear between these points and beyond them; None where it is not piecewise linear.
    torch_gain : what ``torch.nn.init.calculate_gain`` answers; None where it knows no such name.
    """

    name: str
    code: int | None
    phi: Function
    dphi: Function
    odd: bool = False
    phi0: float = 0.0
    dphi0: float = 1.0
    low: float = -math.inf
    high: float = math.inf
    max_slope: float = 1.0
    saturating: bool = False
    homogeneous: bool = False
    kinks: tuple[float, ...] = ()
    cutoff: Callable[[float], float] | None = None
    alpha: float = 0.0
    log_dphi: Function = None  # type: ignore[assignment]       # __post_init__ fills in these four
    monotone: bool = False
    symmetric: bool = None  # type: ignore[assignment]
    output_inverse: Callable[[float], float] | None = None
    flat_pieces: Intervals = ()
    flat_from_output: Callable[[int], Intervals] | None = None
    squared_gain: float = None  # type: ignore[assignment]
    initializer: str = None  # type: ignore[assignment]
    initializer_arguments: Mapping[str, Any] = field(default_factory=dict, compare=False)
    first_layer: tuple[Mapping[str, Any], Callable[[int], float]] | None = field(default=None, compare=False)
    family: str | None = None
    knots: tuple[float, ...] | None = None
    torch_gain: float | None = None

    def __post_init__(self) -> None:
        for name in ("phi", "dphi"):
            if not callable(getattr(self, name)):
                raise ArgumentTypeError(f"{name} must be a function of an array, got {describe(getattr(self, name))}.")
        for name in ("odd", "saturating", "homogeneous", "monotone"):
            object.__setattr__(self, name, flag(name, getattr(self, name)))

        def default(name: str, value: Callable[[], Any]) -> None:
            if getattr(self, name) is None:
                object.__setattr__(self, name, value())
        default("log_dphi", lambda: quiet(_log_slopes.of(self.dphi)))
        default("symmetric", lambda: self.odd)
        if self.squared_gain is None and self.initializer is None:
            try:
                gain2 = _squared_gain(self)
            except (TypeError, ValueError) as error:
                raise ArgumentTypeError(f"phi of activation {self.name} must give an array of numbers for one "
                                        f"({error}).") from error
            object.__setattr__(self, "squared_gain", gain2)
            if not self.saturating and abs(gain2 - 2) > 1e-12:
                object.__setattr__(self, "initializer_arguments", {"gain": float(f"{math.sqrt(gain2):.6g}")})
        default("squared_gain", lambda: 1.0)
        default("initializer", lambda: "glorot_normal" if self.saturating else "he_normal")

    def __repr__(self) -> str:
        return f"<activation {self.name}>"

    def __call__(self, z: Any) -> Floats:
        return self.phi(z)

    @property
    def center(self) -> float:
        """Middle of the output range (0 where it is unbounded)."""
        return (self.low + self.high) / 2 if math.isfinite(self.low) and math.isfinite(self.high) else 0.0

    @property
    def half_range(self) -> float:
        """Half the width of the output range (1 where it is unbounded)."""
        return (self.high - self.low) / 2 if math.isfinite(self.low) and math.isfinite(self.high) else 1.0

    @property
    def linear(self) -> bool:
        """phi(z) = z for every z."""
        return self.sides == (1.0, 1.0)

    @functools.cached_property
    def sides(self) -> tuple[float, float] | None:
        """The slopes left and right of 0 of a homogeneous phi, else None."""
        if not self.homogeneous:
            return None
        left, right = np.asarray(self.phi(np.array([-1.0, 1.0])), np.float64).tolist()
        return -left, right

    @property
    def dies(self) -> bool:
        """Is phi flat for all z < 0 (ReLU)? A unit of negative z on all data is dead."""
        return (-math.inf, 0.0) in self.flat_pieces

    def start(self, fan_in: int, fan_out: int, *, first: bool = False) -> Start:
        """The call that draws good weights for a layer with these fans, and the standard deviation it gives.

        ``first``: the network's first layer, which SIREN draws differently.

        >>> from initcore import activations
        >>> activations.get("relu").start(200, 100)
        Start(initializer='he_normal', arguments={}, std=0.1)
        >>> activations.get("sin_30").start(24, 100, first=True).call((24, 100))
        'ic.init.siren((24, 100), omega=30.0, first=True, rng=key)'
        """
        n, m = max(fan_in, 1), max(fan_out, 1)
        if first and self.first_layer is not None:
            return Start(self.initializer, self.first_layer[0], self.first_layer[1](n))
        gain = self.initializer_arguments.get("gain")
        gain2 = gain * gain if isinstance(gain, float) else self.squared_gain
        fan = (n + m) / 2 if self.initializer.startswith("glorot") else n
        return Start(self.initializer, self.initializer_arguments, math.sqrt(gain2 / fan))


def quiet(f: Function) -> Function:
    """f under floating-point settings of its own: far out its exponentials underflow by design."""
    @functools.wraps(f)
    def silent(z: Any) -> Floats:
        with np.errstate(all="ignore"):
            return f(z)
    return silent


def _squared_gain(f: Activation) -> float:
    """What keeps a signal's second moment; where that is no number, 1."""
    if f.saturating:
        return 1.0
    with np.errstate(all="ignore"):
        if f.sides is not None:
            second = (f.sides[0] * f.sides[0] + f.sides[1] * f.sides[1]) / 2
        else:
            x = np.linspace(-9.0, 9.0, 2305)           # the trapezoid rule: exact to rounding for a smooth phi
            weight = np.exp(-x * x / 2)
            y = np.asarray(f.phi(x), np.float64)
            if y.shape != x.shape:
                return 1.0                             # not elementwise: said where it is used
            second = float(np.square(y) @ weight / weight.sum())
    return 1 / second if 0 < second < math.inf else 1.0


ActivationLike: TypeAlias = "str | Activation | Callable[[Any], Any]"
"""A name, an Activation, or any elementwise function."""
