"""One dense layer: its arrays, its activation, forward and backward on the compiled kernels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import activations, kernels
from .._checks import float_array, quiet
from .._types import Array
from .._weight_statistics import WeightStatistics, weight_statistics
from ..errors import ShapeError


class Dense:
    """A dense layer ``y = phi(x w + b)``.

    Parameters
    ----------
    w : array, shape ``(fan_in, fan_out)``, float32 or float64 (layout "io", as Keras and JAX;
        PyTorch's ``nn.Linear.weight`` is ``(fan_out, fan_in)``: pass ``weight.T``).
    b : array, shape ``(fan_out,)``, or None for no bias.
    activation : name, :class:`initcore.activations.Activation` or callable. Default "identity".

    The arrays are referenced, not copied, and never modified; float16 and bfloat16 are widened to float32.

    Raises ShapeError (rank, a bias that does not fit), DTypeError (integers, objects, a bias of another dtype),
    UnknownNameError (activation, with the nearest name). Keras ``Dense``, Flax ``nn.Dense``, PyTorch ``nn.Linear``.

    >>> import numpy as np
    >>> Dense(np.ones((3, 2)), np.zeros(2), "tanh")
    Dense(3 -> 2, tanh, float64)
    """

    __slots__ = ("_looked", "activation", "b", "w")

    def __init__(self, w: Any, b: Any = None, activation: Any = "identity") -> None:
        self.w = float_array("w", w, ndim=2)
        self.b = None if b is None else float_array("b", b, ndim=1, dtype=self.w.dtype)
        if self.b is not None and self.b.shape != (self.w.shape[1],):
            hint = " (is w in PyTorch's (fan_out, fan_in) layout? pass w.T)" if self.b.size == self.w.shape[0] else ""
            raise ShapeError(f"b has shape {self.b.shape}, but w of shape {self.w.shape} needs "
                             f"({self.w.shape[1]},){hint}.")
        self.activation = activations.get(activation)
        self._looked: WeightStatistics | None = None

    @property
    def fan_in(self) -> int:
        """Number of inputs."""
        return int(self.w.shape[0])

    @property
    def fan_out(self) -> int:
        """Number of units."""
        return int(self.w.shape[1])

    @property
    def dtype(self) -> np.dtype:
        """Element type of the parameters."""
        return self.w.dtype

    def __repr__(self) -> str:
        return f"Dense({self.fan_in} -> {self.fan_out}, {self.activation.name}, {self.dtype.name})"

    def replace(self, **changes: Any) -> Dense:
        """A layer with some of ``w``, ``b``, ``activation`` replaced."""
        return Dense(**{"w": self.w, "b": self.b, "activation": self.activation, **changes})

    def look(self) -> WeightStatistics:
        """The statistics of ``w``, made once: only for layers that nobody else can change (:func:`own_layers`)."""
        if self._looked is None:
            self._looked = weight_statistics(self.w)
        return self._looked

    def forward(self, x: Any, *, z_out: Array | None = None, threads: int | None = None) -> Array:
        """``phi(x w + b)``, shape ``(batch, fan_out)``; ``z_out`` receives the pre-activations."""
        if self.activation.code is not None:
            return kernels.dense_forward(x, self.w, self.b, self.activation, z_out=z_out, threads=threads)
        z = kernels.dense_forward(x, self.w, self.b, activations.IDENTITY, threads=threads)
        if z_out is not None:
            z_out[...] = z
        return _values(self.activation.phi, z)

    def backward(self, x: Array, z: Array, dy: Any, *, need_dx: bool = True,
                 threads: int | None = None) -> tuple[Array | None, Array, Array]:
        """``(dx, dw, db)`` for the loss gradient ``dy`` at the output, slopes taken from ``z``.

        ``need_dx=False`` saves the product for ``dx`` and returns None in its place.
        """
        activation = self.activation
        if activation.code is None:
            dy, activation = _values(lambda z: dy * self.activation.dphi(z), z), activations.IDENTITY
        return kernels.dense_backward(x, self.w, self.b, activation, dy, z=z, need_dx=need_dx, threads=threads)


@quiet
def _values(f: Callable[[Array], Any], z: Array) -> Array:
    """What a function without a kernel gives for z, in z's dtype."""
    return np.asarray(f(z), dtype=z.dtype)
