"""The kinds JAX lacks, in its protocol."""

from __future__ import annotations

from typing import Any

from .. import initializers as make
from ._protocol import AxisLike, Initializer, real


def torch_default(in_axis: AxisLike = -2, out_axis: AxisLike = -1, batch_axis: AxisLike = (), dtype: Any = None, *,
                  fan_in: float | None = None) -> Initializer:
    """``U(-l, l)``, ``l = 1/sqrt(fan_in)``: PyTorch's own start. :func:`initcore.init.torch_default`.

    >>> torch_default(fan_in=784)
    initcore.jax.torch_default(fan_in=784)
    """
    return Initializer(make.torch_default, {} if fan_in is None else {"fan_in": fan_in}, in_axis, out_axis, batch_axis,
                       dtype=dtype, fan=fan_in is None)


def spectral(in_axis: AxisLike = -2, out_axis: AxisLike = -1, batch_axis: AxisLike = (), dtype: Any = None, *,
             gain: Any = 1.0) -> Initializer:
    """Spectral norm ``gain sqrt(fan_out / fan_in)`` exactly. :func:`initcore.init.spectral`.

    >>> spectral()
    initcore.jax.spectral(gain=1)
    """
    return Initializer(make.spectral, {"gain": gain}, in_axis, out_axis, batch_axis, dtype=dtype, fan=True)


def sparse(sparsity: float, stddev: Any = 0.01, in_axis: AxisLike = -2, out_axis: AxisLike = -1, dtype: Any = None,
           ) -> Initializer:
    """Every unit keeps ``1 - sparsity`` of its inputs, drawn from ``N(0, stddev^2)``. :func:`initcore.init.sparse`.

    >>> sparse(0.9)
    initcore.jax.sparse(sparsity=0.9, std=0.01)
    """
    return Initializer(make.sparse, {"sparsity": sparsity, "std": real(stddev, "stddev")}, in_axis, out_axis,
                       dtype=dtype, fan=True)


def embedding(stddev: Any = 1.0, padding_idx: int | None = None, dtype: Any = None) -> Initializer:
    """A table of ``N(0, stddev^2)``, row ``padding_idx`` 0. :func:`initcore.init.embedding`.

    >>> embedding(0.02)
    initcore.jax.embedding(std=0.02, padding_idx=None)
    """
    return Initializer(make.embedding, {"std": real(stddev, "stddev"), "padding_idx": padding_idx}, dtype=dtype)


def small_init(dim: int | None = None, dtype: Any = None) -> Initializer:
    """``N(0, 2 / (5 dim))``, dim by default the fan_in. :func:`initcore.init.small_init`.

    >>> small_init(512)
    initcore.jax.small_init(dim=512)
    """
    return Initializer(make.small_init, {"dim": dim}, dtype=dtype, fan=dim is None)


def wang_init(n_layers: int, dim: int | None = None, dtype: Any = None) -> Initializer:
    """``N(0, std^2)``, ``std = 2 / (n_layers sqrt(dim))``. :func:`initcore.init.wang_init`.

    >>> wang_init(12)
    initcore.jax.wang_init(n_layers=12, dim=None)
    """
    return Initializer(make.wang_init, {"n_layers": n_layers, "dim": dim}, dtype=dtype, fan=dim is None)


def siren(omega: float = 30.0, first: bool = False, dtype: Any = None) -> Initializer:
    """Weights for ``sin(omega (x W + b))``. :func:`initcore.init.siren`.

    >>> siren(first=True)
    initcore.jax.siren(omega=30, first=True)
    """
    return Initializer(make.siren, {"omega": omega, "first": first}, dtype=dtype, fan=True)


def mup_std(in_axis: AxisLike = -2, out_axis: AxisLike = -1, batch_axis: AxisLike = (), dtype: Any = None, *,
            role: str = "hidden", base_fan_in: float = 1.0, gain: Any = 1.0) -> Initializer:
    """The deviation of the maximal-update parametrisation. :func:`initcore.init.mup_std`.

    >>> mup_std(role="output").arguments["role"]
    'output'
    """
    return Initializer(make.mup_std, {"role": role, "base_fan_in": base_fan_in, "gain": gain}, in_axis, out_axis,
                       batch_axis, dtype=dtype, fan=True)


def eye(gain: Any = 1.0, dtype: Any = None) -> Initializer:
    """``gain`` on the diagonal of two axes. :func:`initcore.init.eye`.

    >>> eye()(None, (2, 2)).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    return Initializer(make.eye, {"gain": gain}, dtype=dtype)


def dirac(groups: int = 1, dtype: Any = None) -> Initializer:
    """A convolution (taps, in, out) that copies its channels. :func:`initcore.init.dirac`.

    >>> dirac()(None, (3, 1, 1)).ravel().tolist()
    [0.0, 1.0, 0.0]
    """
    return Initializer(make.dirac, {}, groups=groups, dtype=dtype)
