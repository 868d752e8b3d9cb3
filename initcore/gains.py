"""Gains: the factor on the weights' standard deviation that keeps a signal's size through an activation.

With ``std = gain / sqrt(fan_in)`` the pre-activation variance q is the same after the layer (criteria "second_moment",
"variance") or the gradient's mean square is (criterion "gradient"). The expectations are exact to 1e-12 (1e-10 for a
callable with kinks), where published tables are Monte-Carlo values good to three digits.
"""

import math
import re
import warnings
from typing import Any

import numpy as np

from . import activations
from ._checks import number, one_of, quiet
from ._gaussian.moments import moments, one
from ._gaussian.profile import Profile, flat_beside_jumps, profile
from ._gaussian.quadrature import ORDER
from .errors import ArgumentError, InitcoreWarning, NonFiniteError, unknown_name

CRITERIA = ("second_moment", "variance", "gradient")


@quiet
def gain(activation: Any, *, criterion: str = "second_moment", q: float = 1.0) -> float:
    """The gain of an activation for pre-activations ``x ~ N(0, q)``.

    ===============  ============================  =========================================================
    criterion        formula                       keeps
    ===============  ============================  =========================================================
    second_moment    ``sqrt(q / E phi(x)^2)``      the pre-activation variance (He et al. 2015)
    variance         ``sqrt(q / Var phi(x))``      the same for weights of zero sum, the gamma of
                                                   normaliser-free nets (Brock et al. 2021)
    gradient         ``1 / sqrt(E phi'(x)^2)``     the gradient's mean square, chi = 1 (Schoenholz et al. 2017)
    ===============  ============================  =========================================================

    Parameters
    ----------
    activation : name ("tanh", "leaky_relu_0.2", "linear", ...), Activation, or any function of one number or of an
        array, acting elementwise. Kinks of a callable are found; its slope is taken by differences.
    criterion : one of the table. Default "second_moment".
    q : pre-activation variance, > 0. Default 1.

    Returns the gain, a float. Raises UnknownNameError for a name nobody knows, ArgumentError where the expectation
    is zero (a constant activation has no gain), NonFiniteError where it is not finite.

    ``torch.nn.init.calculate_gain`` answers 1 for sigmoid, 5/3 for tanh and 3/4 for selu, none of which keeps
    anything (see :func:`torch_gain`); it agrees for linear, relu and leaky_relu. JAX and Keras have no gains apart from
    the factor 2 of their He initialisers.

    >>> round(gain("tanh"), 12), round(gain("relu"), 12)
    (1.592537419723, 1.414213562373)
    >>> round(gain(lambda z: max(z, 0.0), criterion="gradient"), 10)
    1.4142135624
    """
    one_of("criterion", criterion, CRITERIA)
    variance = number("q", q, low=0.0, open_low=True)
    p = profile(activation, reach=10 * math.sqrt(variance))
    top = 1.0 if criterion == "gradient" else variance
    value = _expectation(p, variance, criterion)
    if p.breaks is not None and math.isfinite(value):
        other = _expectation(p, variance, criterion, order=24)
        doubt = abs(other - value) / abs(value) if value else 0.0
        if doubt > 1e-9:
            warnings.warn(f"the gain of {p.activation.name} is only known to about {doubt / 2:.1g}: "
                          f"the function is noisy or oscillates too fast for the quadrature at q={variance:g}.",
                          InitcoreWarning, stacklevel=3)
    if criterion == "gradient" and p.endless():
        raise NonFiniteError(f"activation {p.activation.name} has no gain for criterion='gradient': it {p.endless()}, "
                             f"where a slope is infinite{flat_beside_jumps(p)}.")
    if not math.isfinite(value):
        raise NonFiniteError(f"activation {p.activation.name} has no finite expectation at q={variance:g} "
                             f"(criterion {criterion!r} gives {value}); it must be finite for |x| up to "
                             f"{10 * math.sqrt(variance):g}.")
    if not value > 0:
        what = "slope is zero" if criterion == "gradient" else "output is constant"
        raise ArgumentError(f"activation {p.activation.name} has no gain for criterion={criterion!r} at "
                            f"q={variance:g}: its {what} almost everywhere.")
    return math.sqrt(top / value)


def _expectation(p: Profile, q: float, criterion: str, order: int = ORDER) -> float:
    if criterion == "gradient":
        return one(p, q, "slope2", order=order)
    found = moments(p, q, ("mean", "second"), order=order)
    second, mean = float(found["second"][0]), float(found["mean"][0])
    if criterion == "second_moment":
        return second
    # Rounding of a constant's square must not pass for a variance.
    value = second - mean * mean
    return value if value > 8e-16 * second else 0.0


@quiet
def torch_gain(name: str, param: float | None = None) -> float:
    """What ``torch.nn.init.calculate_gain(name, param)`` returns, for comparison.

    linear, conv1d to conv3d, conv_transpose1d to conv_transpose3d, sigmoid 1; tanh 5/3; relu sqrt 2; leaky_relu
    ``sqrt(2/(1 + a^2))``, a = ``param`` or 0.01; selu 3/4. The sigmoid, tanh and selu values are conventions: at q = 1
    tanh's 5/3 gives V(1) = 1.0953 and chi = 1.2900, sigmoid's 1 gives chi = 0.0448, and a self-normalising net needs 1
    for selu (Klambauer et al. 2017), not 3/4.

    >>> torch_gain("tanh")
    1.6666666666666667
    """
    if isinstance(name, str) and re.fullmatch(r"conv(_transpose)?[123]d", name.lower()):
        return 1.0
    a = activations.get(name)
    if a.torch_gain is None:
        known = [n for n in activations.names if activations.get(n).torch_gain is not None]
        raise unknown_name("name", name, ["linear", *known])
    if param is not None and a.family is not None and activations.get(a.family, 0.5).alpha:
        a = activations.get(a.family, number("param", param))
    assert a.torch_gain is not None
    return a.torch_gain


@quiet
def kumar_variance(activation: Any) -> float:
    """``fan_in Var(W) = 1/(phi'(0)^2 (1 + phi(0)^2))``, the linearised rule of Kumar 2017 (arXiv 1704.08863).

    1 for tanh, 12.8 for sigmoid. It keeps the variance only where the pre-activations are small. With a kink at 0 the
    slope from the right is meant.

    >>> kumar_variance("sigmoid")
    12.8
    """
    a = activations.get(activation)
    slope = float(np.ravel(a.dphi(np.array([1e-300 if 0.0 in a.kinks else 0.0])))[0])
    if slope == 0:
        raise ArgumentError(f"activation {a.name} has slope 0 at 0; the linearised rule does not apply.")
    return 1 / (slope * slope * (1 + a.phi0 ** 2))


__all__ = ["CRITERIA", "gain", "kumar_variance", "torch_gain"]
