"""Variance scaling under Keras' names: cut at two deviations, the variance kept."""

from __future__ import annotations

from typing import Any

import keras

from .. import initializers
from .._checks import number
from ..errors import ArgumentError
from ._streams import PACKAGE, Initializer, refuse_scale

_registered = keras.saving.register_keras_serializable(PACKAGE)
_DISTRIBUTIONS = ("truncated_normal", "untruncated_normal", "uniform", "normal")


@_registered
class VarianceScaling(Initializer, keras.initializers.VarianceScaling):
    """Variance ``scale / fan``. Keras' arguments; "normal" and "truncated_normal" are cut at two deviations.

    input_axes, output_axes : axes by number, as Keras' EinsumDense gives them. Others: :class:`Initializer`.

    >>> VarianceScaling(2.0, "fan_out", "uniform", rng=0)((4, 3)).shape[0]
    4
    """

    make = staticmethod(initializers.variance_scaling)

    def __init__(self, scale: float = 1.0, mode: str = "fan_in", distribution: str = "truncated_normal",
                 seed: Any = None, input_axes: Any = None, output_axes: Any = None, *, rng: Any = None,
                 layout: str | None = None) -> None:
        if number("scale", scale) <= 0:
            raise ArgumentError(f"Argument `scale` must be positive float. Received: scale={scale}.")
        refuse_scale("mode", mode, ("fan_in", "fan_out", "fan_avg"))
        distribution = str(distribution).lower()
        refuse_scale("distribution", distribution, _DISTRIBUTIONS)
        self._begin(seed, rng, layout, scale=scale, mode=mode,
                    distribution="truncated_normal" if distribution == "normal" else distribution,
                    input_axes=input_axes, output_axes=output_axes)

    def _given(self, rank: int) -> dict[str, Any]:
        plain = self.distribution == "untruncated_normal"
        return {"scale": self.scale, "mode": self.mode, "distribution": "normal" if plain else self.distribution}

    def _where(self, shape: tuple[int, ...]) -> dict[str, Any]:
        if self.input_axes is None or self.output_axes is None:
            return super()._where(shape)
        return {"in_axis": tuple(self.input_axes), "out_axis": tuple(self.output_axes)}


class _Fixed(VarianceScaling):
    """A member of the family: nothing but seed, axes and stream to give."""

    _law: tuple[float, str, str]

    def __init__(self, seed: Any = None, input_axes: Any = None, output_axes: Any = None, *, rng: Any = None,
                 layout: str | None = None) -> None:
        scale, mode, distribution = self._law
        super().__init__(scale, mode, distribution, seed, input_axes, output_axes, rng=rng, layout=layout)

    def get_config(self) -> dict[str, Any]:
        """Without what the name says."""
        config = super().get_config()
        return {k: v for k, v in config.items() if k not in ("scale", "mode", "distribution")}


@_registered
class GlorotUniform(_Fixed):
    """``U(-l, l)`` of variance ``2 / (fan_in + fan_out)``. Arguments: :class:`Initializer`.

    >>> GlorotUniform(rng=0)((4, 3)).shape[1]
    3
    """

    _law = (1.0, "fan_avg", "uniform")


@_registered
class GlorotNormal(_Fixed):
    """Variance ``2 / (fan_in + fan_out)``, cut at two deviations. Arguments: :class:`Initializer`.

    >>> GlorotNormal(rng=0).mode
    'fan_avg'
    """

    _law = (1.0, "fan_avg", "truncated_normal")


@_registered
class HeUniform(_Fixed):
    """``U(-l, l)`` of variance ``2 / fan_in``. Arguments: :class:`Initializer`.

    >>> HeUniform(rng=0).scale
    2.0
    """

    _law = (2.0, "fan_in", "uniform")


@_registered
class HeNormal(_Fixed):
    """Variance ``2 / fan_in``, cut at two deviations. Arguments: :class:`Initializer`.

    >>> layer = keras.layers.Dense(8, "relu", kernel_initializer=HeNormal(rng=0))
    """

    _law = (2.0, "fan_in", "truncated_normal")


@_registered
class LecunUniform(_Fixed):
    """``U(-l, l)`` of variance ``1 / fan_in``. Arguments: :class:`Initializer`.

    >>> LecunUniform(rng=0).mode
    'fan_in'
    """

    _law = (1.0, "fan_in", "uniform")


@_registered
class LecunNormal(_Fixed):
    """Variance ``1 / fan_in``, cut at two deviations. Arguments: :class:`Initializer`.

    >>> LecunNormal(rng=0).distribution
    'truncated_normal'
    """

    _law = (1.0, "fan_in", "truncated_normal")
