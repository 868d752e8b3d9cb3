"""The activations that have a name, and :func:`get`.

To add an activation with a compiled kernel: one entry in ``_TABLE`` here and one case in
``src/variant/activations/codes.pxi``. One without a kernel is given to :func:`register`.
"""

import copyreg
import math
import re
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from .._checks import describe, number
from ..errors import ArgumentError, ArgumentTypeError, unknown_name
from . import _functions as fn
from . import _log_slopes as log
from ._activation import Activation, ActivationLike, quiet
from ._callables import from_callable

_INF = math.inf
_HE = {"squared_gain": 2.0, "initializer": "he_normal"}          # the ReLU family and its smooth kin


def _even(inverse: Callable[[float], float]) -> dict[str, Any]:
    """Facts of a function that saturates alike on both sides."""
    return {"saturating": True, "symmetric": True, "output_inverse": inverse}


def _beyond(edge: float) -> tuple[tuple[float, float], ...]:
    return (-_INF, -edge), (edge, _INF)


def _leaky_relu(a: float) -> dict[str, Any]:
    gain2 = 2 / (1 + a * a)
    return {"phi": lambda z: fn.leaky(z, a), "dphi": lambda z: fn.step(z, np.asarray(z) > 0, 1.0, a),
            "log_dphi": partial(log.leaky, a=a), "alpha": a, "dphi0": a, "max_slope": max(1.0, abs(a)),
            "odd": a == 1.0, "low": -_INF if a > 0 else 0.0, "flat_pieces": ((-_INF, 0.0),) if a == 0 else (),
            "monotone": a > 0, "squared_gain": gain2, "initializer": "he_normal",
            "torch_gain": math.sqrt(gain2)}


def _elu(a: float) -> dict[str, Any]:
    return {"phi": lambda z: fn.elu(z, 1, a), "dphi": lambda z: fn.elu_slope(z, 1, a),
            "log_dphi": partial(log.elu, scale=1.0, left=a), "alpha": a, "low": min(-a, 0.0), "dphi0": a,
            "max_slope": max(1.0, abs(a)), "kinks": (0.0,), "monotone": a > 0,
            **({"flat_pieces": ((-_INF, 0.0),), "knots": (0.0,)} if a == 0 else {})}


def _sin(w: float) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "phi": lambda z: np.sin(w * fn.floating(z)), "dphi": lambda z: w * np.cos(w * fn.floating(z)),
        "alpha": w, "dphi0": w, "max_slope": abs(w), "low": -1.0 if w else 0.0, "high": 1.0 if w else 0.0, "odd": True}
    if 0 < w * w < _INF:        # Sitzmann et al. 2020: U(-l, l), l = sqrt(6/fan_in)/w, in the first layer 1/fan_in
        omega = {"omega": abs(w)}
        facts.update(squared_gain=2 / (w * w), initializer="siren", initializer_arguments=omega,
                     first_layer=({**omega, "first": True}, lambda n: 1 / (math.sqrt(3.0) * n)))
    return facts


# name, phi, phi', ln|phi'|, facts. The position is the code the kernels know (kernels.pxd).
_Row = tuple[str, fn.Function | None, fn.Function | None, fn.Function | None, dict[str, Any]]
_TABLE: tuple[_Row, ...] = (
    ("identity", lambda z: +fn.floating(z), fn.one, partial(log.leaky, a=1.0),
     {"odd": True, "homogeneous": True, "monotone": True, "knots": (), "squared_gain": 1.0,
      "initializer": "glorot_normal", "torch_gain": 1.0}),
    ("sigmoid", fn.sigmoid, fn.sigmoid_slope, log.logistic,
     {"phi0": 0.5, "dphi0": 0.25, "low": 0.0, "high": 1.0, "max_slope": 0.25, "monotone": True, "torch_gain": 1.0,
      "cutoff": lambda r: 2 * math.acosh(1 / math.sqrt(r)), **_even(lambda t: 2 * math.atanh(t)),
      # y (1 - y): 1 - y is 0 above, the negative tail keeps a slope
      "flat_from_output": lambda bits: ((math.log(2.0 ** (bits + 1) - 1), _INF),)}),
    ("tanh", np.tanh, fn.tanh_slope, log.tanh,
     {"odd": True, "low": -1.0, "high": 1.0, "monotone": True, "torch_gain": 5 / 3,
      "cutoff": lambda r: math.acosh(1 / math.sqrt(r)), **_even(math.atanh),
      "flat_from_output": lambda bits: _beyond(math.log(2.0 ** (bits + 2) - 1) / 2)}),       # 1 - y y
    ("hard_sigmoid", fn.hard_sigmoid, lambda z: fn.between(z, -3, 3, 1 / 6),
     partial(log.between, low=-3.0, high=3.0, slope=1 / 6),
     {"phi0": 0.5, "dphi0": 1 / 6, "low": 0.0, "high": 1.0, "max_slope": 1 / 6, "kinks": (-3.0, 3.0),
      "cutoff": lambda r: 3.0, "flat_pieces": _beyond(3.0), "knots": (-3.0, 3.0), **_even(lambda t: 3 * t)}),
    ("hard_tanh", fn.hard_tanh, lambda z: fn.between(z, -1, 1, 1.0),
     partial(log.between, low=-1.0, high=1.0, slope=1.0),
     {"odd": True, "low": -1.0, "high": 1.0, "kinks": (-1.0, 1.0), "cutoff": lambda r: 1.0,
      "flat_pieces": _beyond(1.0), "knots": (-1.0, 1.0), **_even(lambda t: t)}),
    ("softsign", fn.softsign, fn.softsign_slope, log.softsign,
     {"odd": True, "low": -1.0, "high": 1.0, "kinks": (0.0,), "monotone": True,
      "cutoff": lambda r: 1 / math.sqrt(r) - 1, **_even(lambda t: t / (1 - t))}),
    ("arctan", np.arctan, fn.arctan_slope, log.arctan,
     {"odd": True, "low": -math.pi / 2, "high": math.pi / 2, "monotone": True,
      "cutoff": lambda r: math.sqrt(1 / r - 1), **_even(lambda t: math.tan(math.pi * t / 2))}),
    ("erf", fn.erf, fn.erf_slope, log.erf,
     {"odd": True, "low": -1.0, "high": 1.0, "dphi0": 2 / math.sqrt(math.pi), "monotone": True,
      "max_slope": 2 / math.sqrt(math.pi), "cutoff": lambda r: math.sqrt(-math.log(r)), **_even(fn.erf_inverse)}),
    ("softplus", fn.softplus, fn.sigmoid, log.softplus,
     {"phi0": math.log(2), "dphi0": 0.5, "low": 0.0, "monotone": True, **_HE}),
    ("relu", lambda z: np.maximum(fn.floating(z), 0), lambda z: fn.step(z, np.asarray(z) > 0, 1.0, 0.0),
     partial(log.leaky, a=0.0),
     {"dphi0": 0.0, "low": 0.0, "homogeneous": True, "kinks": (0.0,), "knots": (0.0,), "flat_pieces": ((-_INF, 0.0),),
      "torch_gain": math.sqrt(2.0), **_HE}),
    ("leaky_relu", None, None, None,
     {"homogeneous": True, "kinks": (0.0,), "knots": (0.0,), "factory": _leaky_relu, "default": 0.01}),
    ("elu", None, None, None, {"factory": _elu, "default": 1.0}),
    ("selu", lambda z: fn.elu(z, fn.SELU_SCALE, fn.SELU_LEFT), lambda z: fn.elu_slope(z, fn.SELU_SCALE, fn.SELU_LEFT),
     partial(log.elu, scale=fn.SELU_SCALE, left=fn.SELU_LEFT),
     {"low": -fn.SELU_LEFT, "dphi0": fn.SELU_LEFT, "max_slope": fn.SELU_LEFT, "kinks": (0.0,), "monotone": True,
      "squared_gain": 1.0, "initializer": "lecun_normal", "torch_gain": 3 / 4}),
    ("gelu", fn.gelu, fn.gelu_slope, log.gelu,
     {"dphi0": 0.5, "low": -0.16997120747990367, "max_slope": 1.1289041451851548, **_HE}),
    ("gelu_tanh", fn.gelu_tanh, fn.gelu_tanh_slope, log.gelu_tanh,
     {"dphi0": 0.5, "low": -0.17004075057125405, "max_slope": 1.1289930686587717, **_HE}),
    ("silu", fn.silu, fn.silu_slope, log.silu,
     {"dphi0": 0.5, "low": -0.27846454276107380, "max_slope": 1.0998393201288669, **_HE}),
    ("mish", fn.mish, fn.mish_slope, log.mish,
     {"dphi0": 0.6, "low": -0.30884341301725043, "max_slope": 1.0884981612517279, **_HE}),
    ("sin", None, None, None, {"factory": _sin, "default": 1.0}),
)
_STEEPEST = 1e15            # of |alpha|: beyond, squares of slopes leave the range in which their gains are computed
_ALIASES = {"linear": "identity", "logistic": "sigmoid", "swish": "silu", "hardtanh": "hard_tanh",
            "hardsigmoid": "hard_sigmoid", "gelu_erf": "gelu", "gelu_approximate": "gelu_tanh", "atan": "arctan",
            "leakyrelu": "leaky_relu", "none": "identity", "sine": "sin"}
_CODES = {row[0]: i for i, row in enumerate(_TABLE)}
_PARAMETRIC = "|".join(row[0] for row in _TABLE if "factory" in row[4])
_REGISTERED: dict[str, Activation] = {}
names: tuple[str, ...] = tuple(row[0] for row in _TABLE)


def _make(name: str, alpha: float | None) -> Activation:
    _, phi, dphi, log_dphi, facts = _TABLE[_CODES[name]]
    facts = dict(facts)
    factory, default = facts.pop("factory", None), facts.pop("default", None)
    label = name
    if factory is not None:
        a = default if alpha is None else number("alpha", alpha, low=-_STEEPEST, high=_STEEPEST)
        facts.update(factory(a))
        label = name if a == default else f"{name}_{a:g}" if float(f"{a:g}") == a else f"{name}_{a!r}"
        if facts.get("homogeneous"):
            facts["initializer_arguments"] = {"gain": label}
    else:
        facts.update(phi=phi, dphi=dphi, log_dphi=log_dphi)
    for field in ("phi", "dphi", "log_dphi"):
        if field in facts:
            facts[field] = quiet(facts[field])
    return Activation(name=label, code=_CODES[name], family=name, **facts)


_CACHE: dict[str, Activation] = {name: _make(name, None) for name in names}
IDENTITY = _CACHE["identity"]


def get(activation: ActivationLike, alpha: float | None = None) -> Activation:
    """The :class:`Activation` for a name, an Activation or a callable.

    Names are those of :data:`initcore.activations.names` and the usual aliases
    (linear, logistic, swish). A parameter is given as ``get("leaky_relu", 0.2)`` or in the
    name, ``"leaky_relu_0.2"``. A callable becomes an activation without a kernel whose slope
    is taken by central differences (:func:`from_callable`); pass an Activation made by hand to give the exact slope.

    >>> get("tanh").odd, get("leaky_relu_0.2").alpha
    (True, 0.2)
    """
    if isinstance(activation, Activation):
        return activation
    if isinstance(activation, str):
        key = re.sub(r"-(?=[a-z])", "_", activation.lower())      # a minus sign before a digit is a sign
        key = _ALIASES.get(key, key)
        if alpha is None and (key in _CACHE or key in _REGISTERED):
            return _CACHE.get(key) or _REGISTERED[key]
        match = re.fullmatch(rf"({_PARAMETRIC})[_(]\(?([-+.\deE]+)\)?", key)
        if match and alpha is None:
            try:
                return _make(match[1], float(match[2]))
            except ValueError:
                pass
        if key not in _CODES:
            if key in ("softmax", "log_softmax", "logsoftmax"):
                raise ArgumentError(f"activation={activation!r} is not elementwise, as a Network's are; as an output "
                                    "it belongs to loss=\"softmax_cross_entropy\": leave the layer linear.")
            raise unknown_name("activation", activation, [*names, *_REGISTERED, *_ALIASES])
        return _make(key, alpha)
    if callable(activation):
        return from_callable(activation)
    raise ArgumentTypeError(f"activation must be a name, an Activation or a callable, got {describe(activation)}.")


def register(activation: Activation) -> Activation:
    """Make an Activation of your own known by its name, for this process; returns it.

    Wherever a name is taken, its name is then taken too, and it pickles by name. Raises ArgumentTypeError for
    anything but an :class:`Activation` (:func:`from_callable` makes one of a function), ArgumentError for a name that
    another activation has.

    >>> swift = register(from_callable(lambda z: np.clip(z, 0, 6), name="relu6"))
    >>> get("relu6") is swift, swift.initializer
    (True, 'glorot_normal')
    """
    if not isinstance(activation, Activation):
        raise ArgumentTypeError(f"activation must be an Activation, got {describe(activation)}; "
                                "activations.from_callable(f) makes one.")
    name = activation.name
    if name != re.sub(r"[^a-z0-9_]", "", name) or not name:
        raise ArgumentError(f"name={name!r} of an activation must be of lower-case letters, digits and underscores.")
    if name in _CODES or name in _ALIASES or re.fullmatch(rf"({_PARAMETRIC})_[-+.\deE]+", name) \
            or _REGISTERED.get(name, activation) is not activation:
        raise ArgumentError(f"the name {name!r} is that of another activation; give yours another.")
    _REGISTERED[name] = activation
    return activation


def _reduce(activation: Activation) -> Any:
    """Pickled by its name where that brings it back."""
    named = activation.code is not None or _REGISTERED.get(activation.name) is activation
    return (get, (activation.name,)) if named else activation.__reduce_ex__(2)


copyreg.pickle(Activation, _reduce)
