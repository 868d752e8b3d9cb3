"""What a pass leaves behind: every pre-activation and output, every gradient."""

from __future__ import annotations

from typing import Any, NamedTuple

from .._checks import describe
from .._types import Array
from ..errors import ArgumentTypeError


class Trace(NamedTuple):
    """Everything a forward pass computed: input ``x``, and per layer ``z`` (pre-activation) and ``a`` (output).

    All are ``(batch, units)``; ``y`` is the last ``a``, the network's output.
    """

    x: Array
    z: list[Array]
    a: list[Array]

    @property
    def y(self) -> Array:
        """The network's output."""
        return self.a[-1] if self.a else self.x


class LayerGradient(NamedTuple):
    """Gradients of one layer: ``w (fan_in, fan_out)``, ``b (fan_out,)`` or None without bias."""

    w: Array
    b: Array | None


def require_trace(trace: Any) -> Trace:
    """``trace`` itself, or an ArgumentTypeError."""
    if not isinstance(trace, Trace):
        raise ArgumentTypeError(f"trace must be what Network.trace returned, got {describe(trace)}.")
    return trace
