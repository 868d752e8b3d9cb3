"""What a person would write for a layer: the gain, the call, and the standard deviation that the call draws.

All of it stands in the activation's one object (:class:`initcore.activations.Activation`).
"""

from __future__ import annotations

from ..activations import Activation


def squared_gain(phi: Activation) -> float:
    """fan_in times the variance that suits phi.

    It is the convention a person would use, not the exact second-moment gain: the rule compares orders of magnitude.
    """
    return phi.squared_gain


def initializer_call(phi: Activation, fan_in: int, fan_out: int, *, first: bool = False) -> str:
    """The call that makes good weights for a layer."""
    return phi.start(fan_in, fan_out, first=first).call((fan_in, fan_out))


def initializer_name(phi: Activation) -> str:
    """The initialiser of that call."""
    return phi.initializer


def initializer_std(phi: Activation, fan_in: int, fan_out: int, *, first: bool = False) -> float:
    """The standard deviation of what :func:`initializer_call` draws."""
    return phi.start(fan_in, fan_out, first=first).std
