"""The functions of ``torch.nn.init``, and their deprecated names."""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ... import initializers
from ...errors import ShapeError
from .. import _draw, _fill
from .._places.memory import a_tensor, writable
from ._fans import calculate_gain, fan, fans


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: torch.Generator | None = None, *,
             rng: Any = None) -> Tensor:
    """``U[a, b)``.

    >>> w = uniform_(torch.empty(3, 5), -1, 1, rng=0)
    >>> bool(torch.equal(w, torch.from_numpy(initializers.uniform((3, 5), low=-1, high=1, rng=0))))
    True
    """
    if writable(tensor):
        _fill.random_(tensor, _draw.uniform(float(a), float(b), tensor.dtype), rng, generator)
    return tensor


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: torch.Generator | None = None, *,
            rng: Any = None) -> Tensor:
    """``N(mean, std^2)``.

    >>> w = normal_(torch.empty(4, 6).t(), std=0.02, rng=0)         # a transposed tensor, in place
    >>> bool(torch.equal(w, torch.from_numpy(initializers.normal((6, 4), std=0.02, rng=0))))
    True
    """
    if writable(tensor):
        _fill.random_(tensor, _draw.normal(float(mean), float(std)), rng, generator)
    return tensor


def trunc_normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0,
                  generator: torch.Generator | None = None, *, rng: Any = None) -> Tensor:
    """``N(mean, std^2)`` given that it lies in ``[a, b]``, absolute bounds as in PyTorch, exact whatever they are.

    With std=0.02 the defaults cut at 100 sigma, that is nothing; :func:`truncated_normal_` takes bounds in sigma.

    >>> w = trunc_normal_(torch.empty(1000), std=0.02, a=-0.04, b=0.04, rng=0)
    >>> float(w.abs().max()) <= 0.04
    True
    """
    if not writable(tensor):
        return tensor
    mean, std, a, b = float(mean), float(std), float(a), float(b)
    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn("mean is more than 2 std from [a, b] in nn.init.trunc_normal_. PyTorch's values may then be "
                      "distributed incorrectly; these follow the tail exactly.", stacklevel=2)
    _fill.random_(tensor, _draw.truncated(mean, std, a, b, tensor.dtype), rng, generator)
    return tensor


def constant_(tensor: Tensor, val: float) -> Tensor:
    """All ``val``.

    >>> constant_(torch.empty(2), 0.5)
    tensor([0.5000, 0.5000])
    """
    return _fill.constant(tensor, val)


def ones_(tensor: Tensor) -> Tensor:
    """All 1."""
    return _fill.constant(tensor, 1.0)


def zeros_(tensor: Tensor) -> Tensor:
    """All 0."""
    return _fill.constant(tensor, 0.0)


def eye_(tensor: Tensor) -> Tensor:
    """1 on the diagonal, else 0; two dimensions.

    >>> eye_(torch.empty(2, 3))
    tensor([[1., 0., 0.],
            [0., 1., 0.]])
    """
    if a_tensor(tensor).ndimension() != 2:
        raise ShapeError("Only tensors with 2 dimensions are supported")
    return _fill.spikes(tensor, 1)


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """A convolution that copies its channels, group by group, through the centre tap; 3 to 5 dimensions.

    >>> int(dirac_(torch.empty(4, 2, 3), groups=2).sum())
    4
    """
    if a_tensor(tensor).ndimension() not in (3, 4, 5):
        raise ShapeError("Only tensors with 3, 4, or 5 dimensions are supported")
    if tensor.size(0) % groups != 0:
        raise ShapeError("dim 0 must be divisible by groups")
    return _fill.spikes(tensor, groups)


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: torch.Generator | None = None, *,
                    rng: Any = None) -> Tensor:
    """``U(-l, l)``, ``l = gain sqrt(6 / (fan_in + fan_out))``. Glorot and Bengio 2010.

    >>> bool(xavier_uniform_(torch.empty(100, 50), rng=0).abs().max() < (6 / 150) ** 0.5)
    True
    """
    bound = math.sqrt(3.0) * (gain * math.sqrt(2.0 / float(sum(fans(tensor)))))
    return uniform_(tensor, -bound, bound, generator, rng=rng)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: torch.Generator | None = None, *,
                   rng: Any = None) -> Tensor:
    """``N(0, 2 gain^2 / (fan_in + fan_out))``. Glorot and Bengio 2010."""
    return normal_(tensor, 0.0, gain * math.sqrt(2.0 / float(sum(fans(tensor)))), generator, rng=rng)


def kaiming_uniform_(tensor: Tensor, a: float = 0, mode: Any = "fan_in", nonlinearity: Any = "leaky_relu",
                     generator: torch.Generator | None = None, *, rng: Any = None) -> Tensor:
    """``U(-l, l)``, ``l = gain sqrt(3 / fan)``, gain by :func:`calculate_gain`. He et al. 2015.

    >>> bool(kaiming_uniform_(torch.empty(8, 32), nonlinearity="gelu", rng=0).abs().max() < 1.5336 * (3 / 32) ** 0.5)
    True
    """
    std = _kaiming_std(tensor, a, mode, nonlinearity)
    if std is None:
        return tensor
    return uniform_(tensor, -math.sqrt(3.0) * std, math.sqrt(3.0) * std, generator, rng=rng)


def kaiming_normal_(tensor: Tensor, a: float = 0, mode: Any = "fan_in", nonlinearity: Any = "leaky_relu",
                    generator: torch.Generator | None = None, *, rng: Any = None) -> Tensor:
    """``N(0, gain^2 / fan)``, gain by :func:`calculate_gain`. He et al. 2015."""
    std = _kaiming_std(tensor, a, mode, nonlinearity)
    return tensor if std is None else normal_(tensor, 0.0, std, generator, rng=rng)


def _kaiming_std(tensor: Tensor, a: float, mode: Any, nonlinearity: Any) -> float | None:
    if 0 in a_tensor(tensor).shape:
        warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=3)
        return None
    return calculate_gain(nonlinearity, a) / math.sqrt(fan(tensor, mode))


def orthogonal_(tensor: Tensor, gain: float = 1, generator: torch.Generator | None = None, *,
                rng: Any = None) -> Tensor:
    """``gain`` times a Haar matrix with orthonormal rows or columns, of the tensor flattened to (size(0), rest).

    >>> q = orthogonal_(torch.empty(6, 4, dtype=torch.float64), rng=0)
    >>> bool(torch.allclose(q.T @ q, torch.eye(4, dtype=torch.float64)))
    True
    """
    if a_tensor(tensor).ndimension() < 2:
        raise ShapeError("Only tensors with 2 or more dimensions are supported")
    if tensor.numel() and writable(tensor):
        draw = functools.partial(initializers.orthogonal, layout="oi", gain=abs(gain))
        _fill.structured(tensor, draw, rng, generator, flatten=True)
        if gain < 0:
            _fill.negate(tensor)
    return tensor


def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator: torch.Generator | None = None, *,
            rng: Any = None) -> Tensor:
    """``N(0, std^2)`` with ``ceil(sparsity size(0))`` zeros in each column; two dimensions. Martens 2010.

    >>> (sparse_(torch.empty(10, 3), 0.25, rng=0) == 0).sum(0)
    tensor([3, 3, 3])
    """
    if a_tensor(tensor).ndimension() != 2:
        raise ShapeError("Only tensors with 2 dimensions are supported")
    if tensor.numel() and writable(tensor):
        rows = tensor.size(0)
        share = math.ceil(sparsity * rows) / rows
        draw = functools.partial(initializers.sparse, sparsity=share, std=std, layout="io")
        _fill.structured(tensor, draw, rng, generator)
    return tensor


def _deprecated(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    old, new = function.__name__[:-1], function.__name__

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Tensor:
        warnings.warn(f"`nn.init.{old}` is now deprecated in favor of `nn.init.{new}`.", FutureWarning, stacklevel=2)
        return function(*args, **kwargs)

    call.__name__, call.__doc__ = old, f"The deprecated name of :func:`{new}`, as in PyTorch."
    return call


uniform = _deprecated(uniform_)
normal = _deprecated(normal_)
constant = _deprecated(constant_)
eye = _deprecated(eye_)
dirac = _deprecated(dirac_)
xavier_uniform = _deprecated(xavier_uniform_)
xavier_normal = _deprecated(xavier_normal_)
kaiming_uniform = _deprecated(kaiming_uniform_)
kaiming_normal = _deprecated(kaiming_normal_)
orthogonal = _deprecated(orthogonal_)
sparse = _deprecated(sparse_)
