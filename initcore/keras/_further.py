"""The kinds Keras lacks, as its initialisers."""

from __future__ import annotations

from typing import Any

import keras

from .. import initializers
from ._streams import PACKAGE, Initializer

_registered = keras.saving.register_keras_serializable(PACKAGE)


@_registered
class DeltaOrthogonal(Initializer):
    """A kernel that is 0 but for its centre tap, a Haar matrix. :func:`initcore.init.delta_orthogonal`.

    >>> DeltaOrthogonal(rng=0)((3, 3, 4, 8)).shape[3]
    8
    """

    make = staticmethod(initializers.delta_orthogonal)

    def __init__(self, gain: float = 1.0, *, seed: Any = None, rng: Any = None, layout: str | None = None) -> None:
        self._begin(seed, rng, layout, gain=gain)


@_registered
class Spectral(Initializer):
    """Spectral norm ``gain sqrt(fan_out / fan_in)``. :func:`initcore.init.spectral`.

    >>> Spectral(rng=0).gain
    1.0
    """

    make = staticmethod(initializers.spectral)

    def __init__(self, gain: float = 1.0, *, seed: Any = None, rng: Any = None, layout: str | None = None) -> None:
        self._begin(seed, rng, layout, gain=gain)


@_registered
class TorchDefault(Initializer):
    """``U(-l, l)``, ``l = 1/sqrt(fan_in)``: PyTorch's own start. :func:`initcore.init.torch_default`.

    >>> TorchDefault(fan_in=784, rng=0)((10,)).shape[0]
    10
    """

    make = staticmethod(initializers.torch_default)

    def __init__(self, fan_in: float | None = None, *, seed: Any = None, rng: Any = None,
                 layout: str | None = None) -> None:
        self._begin(seed, rng, layout, fan_in=fan_in)


@_registered
class Dirac(Initializer):
    """A convolution that copies its channels. :func:`initcore.init.dirac`.

    >>> Dirac()((3, 2, 2)).shape[0]
    3
    """

    make = staticmethod(initializers.dirac)

    def __init__(self, groups: int = 1, *, gain: float = 1.0, layout: str | None = None, seed: Any = None,
                 rng: Any = None) -> None:
        self._begin(seed, rng, layout, groups=groups, gain=gain)


@_registered
class Sparse(Initializer):
    """Every unit keeps ``1 - sparsity`` of its inputs. :func:`initcore.init.sparse`.

    >>> Sparse(0.5, rng=0).sparsity
    0.5
    """

    make = staticmethod(initializers.sparse)

    def __init__(self, sparsity: float, stddev: float = 0.01, *, seed: Any = None, rng: Any = None,
                 layout: str | None = None) -> None:
        self._begin(seed, rng, layout, sparsity=sparsity, stddev=stddev)


@_registered
class Embedding(Initializer):
    """A table of ``N(0, stddev^2)``, row ``padding_idx`` 0. :func:`initcore.init.embedding`.

    >>> Embedding(0.02, rng=0)((10, 4)).shape[0]
    10
    """

    make = staticmethod(initializers.embedding)

    def __init__(self, stddev: float = 1.0, padding_idx: int | None = None, *, seed: Any = None, rng: Any = None,
                 layout: str | None = None) -> None:
        self._begin(seed, rng, layout, stddev=stddev, padding_idx=padding_idx)


@_registered
class SmallInit(Initializer):
    """``N(0, 2 / (5 dim))``. :func:`initcore.init.small_init`.

    >>> SmallInit(512, rng=0).dim
    512
    """

    make = staticmethod(initializers.small_init)

    def __init__(self, dim: int | None = None, *, seed: Any = None, rng: Any = None, layout: str | None = None) -> None:
        self._begin(seed, rng, layout, dim=dim)


@_registered
class WangInit(Initializer):
    """``N(0, std^2)``, ``std = 2 / (n_layers sqrt(dim))``. :func:`initcore.init.wang_init`.

    >>> WangInit(12, rng=0).n_layers
    12
    """

    make = staticmethod(initializers.wang_init)

    def __init__(self, n_layers: int, dim: int | None = None, *, seed: Any = None, rng: Any = None,
                 layout: str | None = None) -> None:
        self._begin(seed, rng, layout, n_layers=n_layers, dim=dim)


@_registered
class Siren(Initializer):
    """Weights for ``sin(omega (x W + b))``. :func:`initcore.init.siren`.

    >>> Siren(first=True, rng=0).omega
    30.0
    """

    make = staticmethod(initializers.siren)

    def __init__(self, omega: float = 30.0, first: bool = False, *, seed: Any = None, rng: Any = None,
                 layout: str | None = None) -> None:
        self._begin(seed, rng, layout, omega=omega, first=first)


@_registered
class MupStd(Initializer):
    """The deviation of the maximal-update parametrisation. :func:`initcore.init.mup_std`.

    >>> MupStd(role="output", rng=0).role
    'output'
    """

    make = staticmethod(initializers.mup_std)

    def __init__(self, role: str = "hidden", base_fan_in: float = 1.0, gain: float = 1.0, *, seed: Any = None,
                 rng: Any = None, layout: str | None = None) -> None:
        self._begin(seed, rng, layout, role=role, base_fan_in=base_fan_in, gain=gain)
