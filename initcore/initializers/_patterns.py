"""Initialisers with a pattern of zeros: identity, Dirac delta, sparse."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from .. import _checks, random
from ..errors import ShapeError
from ._request import Array, Request, Shape, gain_of

_SCORES = 1 << 20       # scores ranked at a time: 8 MB of 64-bit keys whatever the array


def eye(shape: Shape, *, gain: Any = 1.0, layout: str | None = None, groups: int = 1, rng: Any = None,
        dtype: Any = "float32", out: Array | None = None, global_shape: Shape | None = None,
        start: Shape | None = None, threads: int | None = None) -> Array:
    """``gain`` on the main diagonal, else 0: the identity map as far as the shape goes. Two dimensions only.

    Le, Jaitly and Hinton 2015 start recurrent ReLU weights so. PyTorch ``eye_``, Keras ``Identity(gain)``; JAX has
    none. Raises ShapeError where the rank is not 2 (a convolution's identity is :func:`dirac`); other errors:
    :mod:`initcore.initializers`.

    >>> eye((2, 3))
    array([[1., 0., 0.],
           [0., 1., 0.]], dtype=float32)
    """
    w = Request(shape, layout, groups, rng, dtype, out, global_shape, start, threads)
    if len(w.shape) != 2:
        raise ShapeError(f"shape={w.shape}: eye is for two dimensions; a convolution's identity is dirac(shape).")
    first, last = max(w.start), min(a + n for a, n in zip(w.start, w.shape))
    index = np.arange(first, max(first, last))
    return _spikes(w, np.stack([index, index], axis=1), gain_of(gain))


def dirac(shape: Shape, groups: int = 1, *, gain: Any = 1.0, layout: str | None = None, rng: Any = None,
          dtype: Any = "float32", out: Array | None = None, global_shape: Shape | None = None,
          start: Shape | None = None, threads: int | None = None) -> Array:
    """A convolution that copies: input channel d of each group goes to its output channel d, through the centre tap.

    ``min(in, out)`` channels of each group are copied, the other weights are 0. The centre of an axis of size k is
    ``k // 2`` as in PyTorch's ``dirac_(tensor, groups)``. JAX and Keras have none. Zagoruyko and Komodakis 2017.
    Shapes of 2 dimensions (a dense layer) to 5 with ``layout``; errors: :mod:`initcore.initializers`.

    >>> w = dirac((4, 2, 3, 3), groups=2, layout="oihw")
    >>> np.argwhere(w).tolist()
    [[0, 0, 1, 1], [1, 1, 1, 1], [2, 0, 1, 1], [3, 1, 1, 1]]
    """
    w = Request(shape, layout, groups, rng, dtype, out, global_shape, start, threads)
    axes = w.axes()
    plain = axes.i if axes.grouped == axes.o else axes.o
    step = w.whole[axes.grouped] // w.groups
    d = np.arange(min(step, w.whole[plain]))
    where = np.empty((w.groups, d.size, len(w.whole)), dtype=np.intp)
    where[..., axes.grouped] = np.arange(w.groups)[:, None] * step + d
    where[..., plain] = d
    for k in axes.space:
        where[..., k] = w.whole[k] // 2
    return _spikes(w, where.reshape(-1, len(w.whole)), gain_of(gain))


def _spikes(w: Request, where: Array, value: float) -> Array:
    """``value`` at the rows of ``where`` (indices into the whole array) that fall into the block, else 0."""
    values = np.zeros(w.shape, w.work)
    local = where - np.asarray(w.start, dtype=np.intp)
    inside = ((local >= 0) & (local < np.asarray(w.shape))).all(axis=1)
    values[tuple(local[inside].T)] = value
    return w.write(values)


def sparse(shape: Shape, sparsity: float, *, std: float = 0.01, layout: str | None = None, groups: int = 1,
           rng: Any = None, dtype: Any = "float32", out: Array | None = None, global_shape: Shape | None = None,
           start: Shape | None = None, threads: int | None = None) -> Array:
    """Each unit keeps the same number of inputs, drawn from ``N(0, std^2)``; the other weights are exactly 0.

    Of the ``n = fan_in`` weights of every output unit ``ceil(sparsity n)``, chosen uniformly, are 0, so the variance
    over all weights is ``std^2 (1 - ceil(sparsity n)/n)``. Martens 2010 (15 inputs a unit: ``sparsity=1 - 15/n``).

    PyTorch ``sparse_(tensor, sparsity, std=0.01)`` counts along the first axis of (out, in), that is the outgoing
    weights of each *input*, although it cites Martens; with layout "io" both read the same columns. JAX and Keras
    have none. ``sparsity`` in [0, 1]; other arguments and errors: :mod:`initcore.initializers`.

    >>> w = sparse((100, 5), 0.9, std=1.0, rng=0)
    >>> (w != 0).sum(axis=0).tolist()
    [10, 10, 10, 10, 10]
    """
    w = Request(shape, layout, groups, rng, dtype, out, global_shape, start, threads)
    share = _checks.number("sparsity", sparsity, low=0.0, high=1.0)
    deviation = _checks.number("std", std, low=0.0)
    w.axes()
    key = random.as_key(w.rng)
    values = w.normal(deviation, key=key)
    zero = np.zeros((), values.dtype)
    for region, drop in _dropped(w, share, key.child("sparse")):
        np.copyto(values[region], zero, where=drop)
    return values


def _dropped(w: Request, share: float, key: random.Key) -> Iterator[tuple[tuple[slice, ...], Array]]:
    """Parts of the block with the mask of the weights that become 0.

    They are the ``zeros`` weights of each unit with the lowest random words (ties: the lower index). Words are
    numbered unit by unit, so any block ranks the same words.
    """
    axes = w.axes()
    n_groups = w.groups if axes.grouped == axes.i else 1
    channels = w.whole[axes.i] // n_groups
    space = tuple(w.whole[k] for k in axes.space)
    n = channels * math.prod(space)
    zeros = math.ceil(round(share * n, 6))
    if zeros == 0 or 0 in w.shape:
        return
    first, last = w.start[axes.i], w.start[axes.i] + w.shape[axes.i]
    o_first, o_last = w.start[axes.o], w.start[axes.o] + w.shape[axes.o]
    order = np.argsort([axes.o, axes.i, *axes.space])       # from (o, i, space) to the layout
    for g in range(first // channels, -(-last // channels)):
        low, high = max(first, g * channels), min(last, (g + 1) * channels)
        for o in range(o_first, o_last, max(1, _SCORES // n)):
            rows = min(max(1, _SCORES // n), o_last - o)
            words = random.bits((rows, n), rng=key, start=(g * w.whole[axes.o] + o) * n)
            scores = (words.astype(np.uint64) << np.uint64(32)) | np.arange(n, dtype=np.uint64)
            drop = scores <= np.partition(scores, zeros - 1, axis=1)[:, zeros - 1:zeros]
            mask = drop.reshape(rows, channels, *space)[:, low - g * channels:high - g * channels]
            mask = mask[(slice(None), slice(None), *(w.box[k] for k in axes.space))].transpose(order)
            region = [slice(None)] * len(w.shape)
            region[axes.o] = slice(o - o_first, o - o_first + rows)
            region[axes.i] = slice(low - first, high - first)
            yield tuple(region), mask
