"""What a person would write for a layer: the gain, the call, and the standard deviation that the call draws."""

from __future__ import annotations

import math

from ..activations import Activation


def squared_gain(phi: Activation) -> float:
    """fan_in times the variance that suits phi: He 2/(1 + a^2) for the ReLU family, 1/w^2 for sin(w z), else 1.

    It is the convention a person would use, not the exact second-moment gain: the rule compares orders of magnitude.
    """
    if phi.name == "identity":
        return 1.0
    if phi.homogeneous:
        return 2.0 / (1.0 + phi.alpha * phi.alpha)
    if phi.name.startswith("sin"):
        return 1.0 / phi.max_slope ** 2 if phi.max_slope else 1.0
    return 2.0 if phi.name.startswith(("gelu", "silu", "mish", "softplus")) else 1.0


def initializer_call(phi: Activation, fan_in: int, fan_out: int) -> str:
    """The call that makes good weights for a layer."""
    return f"ic.init.{initializer_name(phi)}(({fan_in}, {fan_out}), rng=key)"


def initializer_name(phi: Activation) -> str:
    """he_normal for the ReLU family and its smooth kin, lecun_normal for selu, glorot_normal elsewhere."""
    if phi.name == "identity" or phi.saturating:
        return "glorot_normal"
    return "lecun_normal" if phi.name == "selu" else "he_normal"


def initializer_std(phi: Activation, fan_in: int, fan_out: int) -> float:
    """The standard deviation of what :func:`initializer_call` draws."""
    variance = {"glorot_normal": 2 / max(fan_in + fan_out, 1), "he_normal": 2 / max(fan_in, 1)}
    return math.sqrt(variance.get(initializer_name(phi), 1 / max(fan_in, 1)))
