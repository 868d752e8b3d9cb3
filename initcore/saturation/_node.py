"""The signal at one activation, from any rows of its input."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import activations, kernels
from .._checks import float_array, quiet
from ..activations import ActivationLike
from ..errors import ShapeError
from ._signal import LayerSignal
from ._statistics import activation_signal, layer_statistics


@quiet
def at(activation: ActivationLike, z: Any, *, index: int = 0, name: str = "",
       gradient: float = math.nan) -> LayerSignal:
    """The signal at an activation whose input is ``z (rows, units)``, without the weights before it.

    activation : its name, or the :class:`Activation`. z : float32 or float64. index, name : what the signal is called.
    gradient : norm of the back-signal there. ``chi`` is NaN: it needs the weights.

    Raises ShapeError unless z has two dimensions and at least one row.

    >>> import numpy as np
    >>> at("tanh", 10 * np.random.default_rng(0).standard_normal((64, 8))).slope_below_1pct > 0.7
    True
    """
    phi, z = activations.get(activation), np.ascontiguousarray(float_array("z", z, ndim=2))
    if not len(z):
        raise ShapeError("z has no rows; a measurement needs at least one.")
    a = np.asarray(phi.phi(z), z.dtype) if phi.code is None else kernels.activation_forward(phi, z)
    return activation_signal(phi, layer_statistics(phi, z, a), gradient, index=index, name=name, fan_in=0, chi=math.nan)
