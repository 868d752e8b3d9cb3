"""One object per activation: phi, its slope, and every fact the other modules need.

To add an activation: one entry in ``_TABLE`` here and one case in ``src/variant/activations/codes.pxi``.
The NumPy formulas are the specification; the compiled kernels are tested against them.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .._checks import number
from ..errors import ArgumentTypeError, unknown_name

Array = Any
SELU_SCALE = 1.0507009873554804934193349852946   # Klambauer et al. 2017, eq. 14
SELU_ALPHA = 1.6732632423543772848170429916717
SELU_LEFT = 1.7580993408473768599402175208      # their product, rounded once
_erf = np.frompyfunc(math.erf, 1, 1)


def _floating(z: Array) -> Array:
    """z as an array of floats: its own dtype, float64 for Python numbers and integers."""
    z = np.asarray(z)
    return z if z.dtype.kind in "fV" else z.astype(np.float64)


def _widened(f: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """f computed in float64 and rounded to z's dtype once."""
    def g(z: Array) -> Array:
        z = _floating(z)
        return np.asarray(f(z.astype(np.float64))).astype(z.dtype)[()]
    return g


@_widened
def erf(z: Array) -> Array:
    """The error function in plain NumPy (correct to 1 ULP, slow: one libm call an element)."""
    return np.asarray(_erf(z), dtype=np.float64)


@dataclass(frozen=True)
class Activation:
    """An elementwise function with the facts initcore reasons with.

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
    """

    name: str
    code: int | None
    phi: Callable[[Array], Array]
    dphi: Callable[[Array], Array]
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

    def __repr__(self) -> str:
        return f"<activation {self.name}>"

    def __call__(self, z: Array) -> Array:
        return self.phi(z)

    def __reduce__(self) -> Any:
        return (get, (self.name,)) if self.code is not None else super().__reduce__()

    @property
    def center(self) -> float:
        """Middle of the output range (0 where it is unbounded)."""
        return (self.low + self.high) / 2 if math.isfinite(self.low) and math.isfinite(self.high) else 0.0

    @property
    def half_range(self) -> float:
        """Half the width of the output range (1 where it is unbounded)."""
        return (self.high - self.low) / 2 if math.isfinite(self.low) and math.isfinite(self.high) else 1.0


def _sigmoid(z: Array) -> Array:
    e = np.exp(-np.abs(_floating(z)))
    return np.where(np.asarray(z) >= 0, 1, e) / (1 + e)


def _dsigmoid(z: Array) -> Array:
    e = np.exp(-np.abs(_floating(z)))
    return e / (1 + e) ** 2


def _dtanh(z: Array) -> Array:
    e = np.exp(-2 * np.abs(_floating(z)))
    return 4 * e / (1 + e) ** 2


def _softplus(z: Array) -> Array:
    z = _floating(z)
    return np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z)))


def _softsign(z: Array) -> Array:
    z = _floating(z)
    x = np.minimum(np.abs(z), np.finfo(z.dtype).max)    # infinity would be inf/inf
    return np.copysign(x / (1 + x), z)


def _dsoftsign(z: Array) -> Array:
    return (1 / (1 + np.abs(_floating(z)))) ** 2        # the square of 1 + |z| would overflow


def _darctan(z: Array) -> Array:
    x = np.abs(_floating(z))
    v = np.where(x > 1, 1 / np.maximum(x, 1), x) ** 2    # by 1/z where |z| > 1: z^2 would overflow
    return np.where(x > 1, v, 1) / (1 + v)


_erfc = np.frompyfunc(math.erfc, 1, 1)


def _exp_square(z: Array, factor: float) -> Array:
    """exp(-factor z^2) in float64, |z| <= 40, accurate in the tail: z is split so that one square is exact."""
    high = z.astype(np.float32).astype(np.float64)
    return np.exp(-factor * high * high) * np.exp(-factor * (z - high) * (z + high))


def _gauss_cdf(z: Array) -> Array:
    return np.asarray(_erfc(-z * math.sqrt(0.5)), dtype=np.float64) / 2


@_widened
def _derf(z: Array) -> Array:
    return (2 / math.sqrt(math.pi)) * _exp_square(np.clip(z, -40, 40), 1.0)


# Below -40, for silu and mish -800, the result is -0 in float64: the clip keeps -inf from (-inf) 0.
@_widened
def _gelu(z: Array) -> Array:
    z = np.maximum(z, -40)
    return z * _gauss_cdf(z)


@_widened
def _dgelu(z: Array) -> Array:
    z = np.clip(z, -40, 40)
    return _gauss_cdf(z) + z * _exp_square(z, 0.5) * (1 / math.sqrt(2 * math.pi))


_GELU_C = math.sqrt(2 / math.pi)


@_widened
def _gelu_tanh(z: Array) -> Array:
    # (1 + tanh u)/2 is sigmoid(2u): no cancellation where tanh u is near -1.
    x = np.clip(z, -40, 40)
    return np.maximum(z, -40) * _sigmoid(2 * _GELU_C * (x + 0.044715 * x ** 3))


@_widened
def _dgelu_tanh(z: Array) -> Array:
    z = np.clip(z, -40, 40)
    u2 = 2 * _GELU_C * (z + 0.044715 * z ** 3)
    return _sigmoid(u2) + z * _dsigmoid(u2) * 2 * _GELU_C * (1 + 3 * 0.044715 * z ** 2)


def _silu(z: Array) -> Array:
    z = _floating(z)
    return np.maximum(z, -800) * _sigmoid(z)


@_widened
def _dsilu(z: Array) -> Array:
    z = np.clip(z, -800, 800)
    return _sigmoid(z) + z * _dsigmoid(z)


def _mish(z: Array) -> Array:
    # tanh(softplus z) = (t^2 + 2t)/(t^2 + 2t + 2), t = e^z; written with e^-|z| so that nothing overflows.
    z = np.maximum(_floating(z), -800)
    e = np.exp(-np.abs(z))
    num = np.where(z >= 0, 1 + 2 * e, e * e + 2 * e)
    return z * (num / np.where(z >= 0, 1 + 2 * e + 2 * e * e, e * e + 2 * e + 2))


@_widened
def _dmish(z: Array) -> Array:
    z = np.clip(z, -800, 800)
    e = np.exp(-np.abs(z))
    num = np.where(z >= 0, 1 + 2 * e, e * e + 2 * e)
    den = np.where(z >= 0, 1 + 2 * e + 2 * e * e, e * e + 2 * e + 2)
    # d tanh(softplus)/dz = (1 - t^2) sigmoid(z), and 1 - t = 2/(..), 1 + t = 2 (t^2+2t+1)/(..)
    one_minus = np.where(z >= 0, 2 * e * e, 2.0) / den
    one_plus = np.where(z >= 0, 2 + 4 * e + 2 * e * e, 2 * e * e + 4 * e + 2) / den
    return num / den + z * one_minus * one_plus * _sigmoid(z)


def _leaky(a: float) -> dict[str, Any]:
    return {"phi": lambda z: np.where(np.asarray(z) > 0, _floating(z), a * _floating(z)),
            "dphi": lambda z: _step(z, np.asarray(z) > 0, 1.0, a),
            "alpha": a, "dphi0": a, "max_slope": max(1.0, abs(a)), "odd": a == 1.0,
            "low": -math.inf if a > 0 else 0.0}


def _elu(a: float) -> dict[str, Any]:
    return {"phi": lambda z: np.where(np.asarray(z) > 0, _floating(z), a * np.expm1(np.minimum(_floating(z), 0))),
            "dphi": lambda z: np.where(np.asarray(z) > 0, 1, a * np.exp(np.minimum(_floating(z), 0))),
            "alpha": a, "low": min(-a, 0.0), "dphi0": a, "max_slope": max(1.0, abs(a)), "kinks": (0.0,)}


def _sin(w: float) -> dict[str, Any]:
    return {"phi": lambda z: np.sin(w * _floating(z)), "dphi": lambda z: w * np.cos(w * _floating(z)),
            "alpha": w, "dphi0": w, "max_slope": abs(w), "low": -1.0 if w else 0.0, "high": 1.0 if w else 0.0,
            "odd": True}


def _step(z: Array, where: Array, inside: float, outside: float) -> Array:
    """inside or outside, NaN where z is NaN, in z's dtype."""
    z = _floating(z)
    return np.where(np.isnan(z), z, np.where(where, inside, outside)).astype(z.dtype)[()]


def _one(z: Array) -> Array:
    return _step(z, np.True_, 1.0, 1.0)


def _between(z: Array, low: float, high: float, slope: float) -> Array:
    return _step(z, (np.asarray(z) > low) & (np.asarray(z) < high), slope, 0.0)


# name, phi, phi', facts. The position is the code the kernels know (kernels.pxd).
_TABLE: tuple[tuple[str, Callable[[Array], Array] | None, Callable[[Array], Array] | None, dict[str, Any]], ...] = (
    ("identity", lambda z: +_floating(z), _one, {"odd": True, "homogeneous": True}),
    ("sigmoid", _sigmoid, _dsigmoid,
     {"phi0": 0.5, "dphi0": 0.25, "low": 0.0, "high": 1.0, "max_slope": 0.25, "saturating": True,
      "cutoff": lambda r: 2 * math.acosh(1 / math.sqrt(r))}),
    ("tanh", np.tanh, _dtanh,
     {"odd": True, "low": -1.0, "high": 1.0, "saturating": True,
      "cutoff": lambda r: math.acosh(1 / math.sqrt(r))}),
    ("hard_sigmoid", lambda z: np.clip((_floating(z) + 3) / 6, 0, 1), lambda z: _between(z, -3, 3, 1 / 6),
     {"phi0": 0.5, "dphi0": 1 / 6, "low": 0.0, "high": 1.0, "max_slope": 1 / 6, "saturating": True,
      "kinks": (-3.0, 3.0), "cutoff": lambda r: 3.0}),
    ("hard_tanh", lambda z: np.clip(_floating(z), -1, 1), lambda z: _between(z, -1, 1, 1.0),
     {"odd": True, "low": -1.0, "high": 1.0, "saturating": True, "kinks": (-1.0, 1.0), "cutoff": lambda r: 1.0}),
    ("softsign", _softsign, _dsoftsign,
     {"odd": True, "low": -1.0, "high": 1.0, "saturating": True, "kinks": (0.0,),
      "cutoff": lambda r: 1 / math.sqrt(r) - 1}),
    ("arctan", np.arctan, _darctan,
     {"odd": True, "low": -math.pi / 2, "high": math.pi / 2, "saturating": True,
      "cutoff": lambda r: math.sqrt(1 / r - 1)}),
    ("erf", erf, _derf,
     {"odd": True, "low": -1.0, "high": 1.0, "saturating": True, "dphi0": 2 / math.sqrt(math.pi),
      "max_slope": 2 / math.sqrt(math.pi), "cutoff": lambda r: math.sqrt(-math.log(r))}),
    ("softplus", _softplus, _sigmoid, {"phi0": math.log(2), "dphi0": 0.5, "low": 0.0}),
    ("relu", lambda z: np.maximum(_floating(z), 0), lambda z: _step(z, np.asarray(z) > 0, 1.0, 0.0),
     {"dphi0": 0.0, "low": 0.0, "homogeneous": True, "kinks": (0.0,)}),
    ("leaky_relu", None, None, {"homogeneous": True, "kinks": (0.0,), "factory": _leaky, "default": 0.01}),
    ("elu", None, None, {"factory": _elu, "default": 1.0}),
    ("selu", lambda z: np.where(np.asarray(z) > 0, SELU_SCALE * _floating(z),
                                SELU_LEFT * np.expm1(np.minimum(_floating(z), 0))),
     lambda z: np.where(np.asarray(z) > 0, SELU_SCALE, SELU_LEFT * np.exp(np.minimum(_floating(z), 0))),
     {"low": -SELU_LEFT, "dphi0": SELU_LEFT, "max_slope": SELU_LEFT, "kinks": (0.0,)}),
    ("gelu", _gelu, _dgelu,
     {"dphi0": 0.5, "low": -0.16997120747990367, "max_slope": 1.1289041451851548}),
    ("gelu_tanh", _gelu_tanh, _dgelu_tanh, {"dphi0": 0.5, "low": -0.17004075057125405,
                                            "max_slope": 1.1289930686587717}),
    ("silu", _silu, _dsilu,
     {"dphi0": 0.5, "low": -0.27846454276107380, "max_slope": 1.0998393201288669}),
    ("mish", _mish, _dmish, {"dphi0": 0.6, "low": -0.30884341301725043, "max_slope": 1.0884981612517279}),
    ("sin", None, None, {"factory": _sin, "default": 1.0}),
)
_STEEPEST = 1e15            # of |alpha|: beyond, squares of slopes leave the range in which their gains are computed
_ALIASES = {"linear": "identity", "logistic": "sigmoid", "swish": "silu", "hardtanh": "hard_tanh",
            "hardsigmoid": "hard_sigmoid", "gelu_erf": "gelu", "gelu_approximate": "gelu_tanh", "atan": "arctan",
            "leakyrelu": "leaky_relu", "none": "identity", "sine": "sin"}
_CODES = {row[0]: i for i, row in enumerate(_TABLE)}
names: tuple[str, ...] = tuple(row[0] for row in _TABLE)


def _make(name: str, alpha: float | None) -> Activation:
    _, phi, dphi, facts = _TABLE[_CODES[name]]
    facts = dict(facts)
    factory, default = facts.pop("factory", None), facts.pop("default", None)
    label = name
    if factory is not None:
        a = default if alpha is None else number("alpha", alpha, low=-_STEEPEST, high=_STEEPEST)
        facts.update(factory(a))
        label = name if a == default else f"{name}_{a:g}" if float(f"{a:g}") == a else f"{name}_{a!r}"
    else:
        facts.update(phi=phi, dphi=dphi)
    return Activation(name=label, code=_CODES[name], **facts)


_CACHE: dict[str, Activation] = {name: _make(name, None) for name in names}


def get(activation: Any, alpha: float | None = None) -> Activation:
    """The :class:`Activation` for a name, an Activation or a callable.

    Names are those of :data:`initcore.activations.names` and the usual aliases
    (linear, logistic, swish). A parameter is given as ``get("leaky_relu", 0.2)`` or in the
    name, ``"leaky_relu_0.2"``. A callable becomes an activation without a kernel whose slope
    is taken by central differences; pass an Activation made by hand to give the exact slope.

    >>> get("tanh").odd, get("leaky_relu_0.2").alpha
    (True, 0.2)
    """
    if isinstance(activation, Activation):
        return activation
    if isinstance(activation, str):
        key = re.sub(r"-(?=[a-z])", "_", activation.lower())      # a minus sign before a digit is a sign
        key = _ALIASES.get(key, key)
        if alpha is None and key in _CACHE:
            return _CACHE[key]
        match = re.fullmatch(r"(leaky_relu|elu|sin)[_(]\(?([-+.\deE]+)\)?", key)
        if match and alpha is None:
            try:
                return _make(match[1], float(match[2]))
            except ValueError:
                pass
        if key not in _CODES:
            raise unknown_name("activation", activation, [*names, *_ALIASES])
        return _make(key, alpha)
    if callable(activation):
        return from_callable(activation)
    raise ArgumentTypeError(f"activation must be a name, an Activation or a callable, got {activation!r}.")


def from_callable(phi: Callable[[Any], Any], dphi: Callable[[Array], Array] | None = None,
                  **facts: Any) -> Activation:
    """An activation from the user's own function, vectorised or not.

    The slope, where not given, is a 4th-order central difference with step ``2^-13 max(1, |z|)``:
    relative error about 1e-12 for smooth functions.
    """
    def vector(z: Array) -> Array:
        z = np.asarray(z, dtype=np.float64)
        try:
            y = np.asarray(phi(z), dtype=np.float64)
            if y.shape == z.shape:
                return y
        except (TypeError, ValueError):
            pass
        return np.asarray([float(phi(float(v))) for v in z.ravel()]).reshape(z.shape)

    def slope(z: Array) -> Array:
        z = np.asarray(z, dtype=np.float64)
        h = 2.0 ** -13 * np.maximum(1, np.abs(z))
        return (8 * (vector(z + h) - vector(z - h)) - (vector(z + 2 * h) - vector(z - 2 * h))) / (12 * h)

    f = Activation(name=getattr(phi, "__name__", "callable"), code=None, phi=vector, dphi=dphi or slope, **facts)
    grid = np.linspace(-8, 8, 4001)
    v, s = vector(grid), np.abs(f.dphi(grid))
    guesses: dict[str, Any] = {
        "odd": bool(np.allclose(v, -v[::-1], rtol=1e-12, atol=1e-14)), "phi0": float(vector(np.zeros(1))[0]),
        "dphi0": float(np.ravel(f.dphi(np.zeros(1)))[0]), "max_slope": float(s.max()) or 1.0}
    return replace(f, **{k: val for k, val in guesses.items() if k not in facts})
