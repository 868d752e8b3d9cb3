"""Keras' other initialisers: constants, plain distributions, orthogonal matrices."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from .. import initializers
from ._streams import PACKAGE, Initializer, backend

_registered = keras.saving.register_keras_serializable(PACKAGE)


class _Constant(Initializer):
    """No stream, any dtype."""

    def __init__(self) -> None:
        pass

    def get_config(self) -> dict[str, Any]:
        """Plain values."""
        return {}

    def _value(self) -> Any:
        raise NotImplementedError

    def __call__(self, shape: Any, dtype: Any = None, layout: Any = None) -> Any:
        """A tensor of the backend."""
        backend()
        kind = keras.backend.standardize_dtype(dtype or keras.config.floatx())
        return keras.ops.cast(keras.ops.broadcast_to(keras.ops.convert_to_tensor(self._value()), shape), kind)


@_registered
class Zeros(_Constant):
    """All 0.

    >>> Zeros()((2,)).shape[0]
    2
    """

    make = staticmethod(initializers.zeros)

    def _value(self) -> Any:
        return 0.0


@_registered
class Ones(_Constant):
    """All 1.

    >>> Ones()((2,)).shape[0]
    2
    """

    make = staticmethod(initializers.ones)

    def _value(self) -> Any:
        return 1.0


@_registered
class Constant(_Constant):
    """``value``: a number, or an array that is broadcast.

    >>> Constant(0.5).value
    0.5
    """

    make = staticmethod(initializers.constant)

    def __init__(self, value: Any = 0.0) -> None:
        self.value = value

    def get_config(self) -> dict[str, Any]:
        """Plain values."""
        return {"value": keras.saving.serialize_keras_object(self.value)}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Constant:
        """The initialiser of a configuration."""
        return cls(keras.saving.deserialize_keras_object(config["value"]))

    def _value(self) -> Any:
        return np.asarray(self.value) if isinstance(self.value, (list, tuple)) else self.value


@_registered
class Identity(Initializer):
    """``gain`` on the diagonal. :func:`initcore.init.eye`.

    >>> Identity(2.0)((2, 2)).shape[0]
    2
    """

    make = staticmethod(initializers.eye)

    def __init__(self, gain: float = 1.0) -> None:
        self._begin(None, None, None, gain=gain)

    def get_config(self) -> dict[str, Any]:
        """Plain values."""
        return {"gain": self.gain}


@_registered
class RandomNormal(Initializer):
    """``N(mean, stddev^2)``. :func:`initcore.init.normal`; rng and seed: :class:`Initializer`.

    >>> RandomNormal(stddev=0.02, rng=0).stddev
    0.02
    """

    make = staticmethod(initializers.normal)

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: Any = None, *, rng: Any = None,
                 layout: str | None = None) -> None:
        self._begin(seed, rng, layout, mean=mean, stddev=stddev)


@_registered
class RandomUniform(Initializer):
    """``U[minval, maxval)``. :func:`initcore.init.uniform`; rng and seed: :class:`Initializer`.

    >>> RandomUniform(rng=0).maxval
    0.05
    """

    make = staticmethod(initializers.uniform)

    def __init__(self, minval: float = -0.05, maxval: float = 0.05, seed: Any = None, *, rng: Any = None,
                 layout: str | None = None) -> None:
        self._begin(seed, rng, layout, minval=minval, maxval=maxval)


@_registered
class TruncatedNormal(Initializer):
    """``mean + stddev Z``, Z cut at two deviations. :func:`initcore.init.trunc_normal`.

    >>> TruncatedNormal(stddev=0.02, rng=0).mean
    0.0
    """

    make = staticmethod(initializers.trunc_normal)

    def __init__(self, mean: float = 0.0, stddev: float = 0.05, seed: Any = None, *, rng: Any = None,
                 layout: str | None = None) -> None:
        self._begin(seed, rng, layout, mean=mean, stddev=stddev)


@_registered
class Orthogonal(Initializer):
    """``gain`` times a Haar matrix of (everything else, the last axis). :func:`initcore.init.orthogonal`.

    >>> Orthogonal(rng=0)((5, 3)).shape[0]
    5
    """

    make = staticmethod(initializers.orthogonal)

    def __init__(self, gain: float = 1.0, seed: Any = None, *, rng: Any = None, layout: str | None = None) -> None:
        self._begin(seed, rng, layout, gain=gain)
