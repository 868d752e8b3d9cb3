"""Initialisers with a pattern of zeros: identity, Dirac delta, sparse."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Unpack

import numpy as np

from .. import _checks, random
from .._types import Array, Integers, Shape
from ..errors import ShapeError
from ._request import Common, Gain, Request, Ungrouped, gain_of, initializer

_SCORES = 1 << 20       # scores ranked at a time: 8 MB of 64-bit keys whatever the array


@initializer
def eye(shape: Shape, *, gain: Gain = 1.0, **common: Unpack[Common]) -> Array:
    """``gain`` on the main diagonal, else 0: the identity map as far as the shape goes. Two dimensions only.

    Le, Jaitly and Hinton 2015 start recurrent ReLU weights so. PyTorch ``eye_``, Keras ``Identity(gain)``; JAX has
    none. Raises ShapeError where the rank is not 2 (a convolution's identity is :func:`dirac`); other errors:
    :mod:`initcore.initializers`.

    >>> eye((2, 3))
    array([[1., 0., 0.],
           [0., 1., 0.]], dtype=float32)
    """
    w = Request(shape, common)
    batch = w.batch
    sides = [k for k in range(len(w.shape)) if k not in batch]
    if len(sides) != 2:
        raise ShapeError(f"shape={w.shape}: eye is for two dimensions; a convolution's identity is dirac(shape).")
    first, last = max(w.start[k] for k in sides), min(w.start[k] + w.shape[k] for k in sides)
    index = np.arange(first, max(first, last))
    return _spikes(w, batch, dict.fromkeys(sides, index), gain_of(gain))


@initializer
def dirac(shape: Shape, groups: int = 1, *, gain: Gain = 1.0, **common: Unpack[Ungrouped]) -> Array:
    """A convolution that copies: input channel d of each group goes to its output channel d, through the centre tap.

    ``min(in, out)`` channels of each group are copied, the other weights are 0. The centre of an axis of size k is
    ``k // 2`` as in PyTorch's ``dirac_(tensor, groups)``. JAX and Keras have none. Zagoruyko and Komodakis 2017.
    Shapes of 2 dimensions (a dense layer) to 5 with ``layout``; errors: :mod:`initcore.initializers`.

    >>> w = dirac((4, 2, 3, 3), groups=2, layout="oihw")
    >>> np.argwhere(w).tolist()
    [[0, 0, 1, 1], [1, 1, 1, 1], [2, 0, 1, 1], [3, 1, 1, 1]]
    """
    everything: Common = {**common, "groups": groups}
    w = Request(shape, everything)
    axes = w.axes()
    if not len(axes.i) == len(axes.o) == 1:
        raise ShapeError(f"shape={w.shape}: dirac needs one input axis and one output axis, got {axes.i} and {axes.o}.")
    (grouped,), (plain,) = (axes.o, axes.i) if axes.grouped == "o" else (axes.i, axes.o)
    step = w.whole[grouped] // w.groups
    d = np.arange(min(step, w.whole[plain]))
    at: dict[int, Integers] = {grouped: (np.arange(w.groups)[:, None] * step + d).ravel(), plain: np.tile(d, w.groups)}
    at.update({k: np.full(at[plain].shape, w.whole[k] // 2) for k in axes.space})
    return _spikes(w, axes.batch, at, gain_of(gain))


def _spikes(w: Request, batch: tuple[int, ...], at: dict[int, Integers], value: float) -> Array:
    """``value`` where axis k has the index ``at[k]`` of the whole array, in every slice of the batch, else 0."""
    values = np.zeros(w.shape, w.work)
    local = {k: index - w.start[k] for k, index in at.items()}
    inside = np.logical_and.reduce([(index >= 0) & (index < w.shape[k]) for k, index in local.items()])
    values[tuple(slice(None) if k in batch else local[k][inside] for k in range(len(w.shape)))] = value
    return w.write(values)


@initializer
def sparse(shape: Shape, sparsity: float, *, std: float = 0.01, **common: Unpack[Common]) -> Array:
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
    w = Request(shape, common)
    share = _checks.number("sparsity", sparsity, low=0.0, high=1.0)
    deviation = _checks.number("std", std, low=0.0)
    w.axes()
    key = random.as_key(w.rng)
    values = w.normal(deviation, key=key)
    zero = np.zeros((), values.dtype)
    for region, drop in _dropped(w, share, key.child("sparse")):
        np.copyto(values[region], zero, where=drop)
    return values


def _dropped(w: Request, share: float, key: random.Key) -> Iterator[tuple[tuple[slice | int, ...], Array]]:
    """Parts of the block with the mask of the weights that become 0.

    They are the ``zeros`` weights of each unit with the lowest random words (ties: the lower index). Words are
    numbered unit by unit, so any block ranks the same words.
    """
    axes = w.axes()
    outer, space = (*axes.batch, *axes.o), tuple(w.whole[k] for k in axes.space)
    n_groups = w.groups if axes.grouped == "i" else 1
    channels = tuple(w.whole[k] for k in axes.i) if n_groups == 1 else (w.whole[axes.i[0]] // n_groups,)
    n = math.prod(channels) * math.prod(space)
    zeros = math.ceil(round(share * n, 6))
    if zeros == 0 or 0 in w.shape or n == 0:
        return
    *before, last = outer
    chunk = max(1, _SCORES // n)
    order = np.argsort([last, *axes.i, *axes.space])         # from (last, i, space) to the axes of a region
    for index in itertools.product(*(range(w.start[k], w.start[k] + w.shape[k]) for k in before)):
        first = int(np.ravel_multi_index((*index, 0), [w.whole[k] for k in outer])) if before else 0
        for g, o in itertools.product(_groups(w, axes.i, n_groups), range(w.start[last], _end(w, last), chunk)):
            rows = min(chunk, _end(w, last) - o)
            units = math.prod(w.whole[k] for k in outer)
            words = random.bits((rows, n), rng=key, start=(g * units + first + o) * n)
            scores = (words.astype(np.uint64) << np.uint64(32)) | np.arange(n, dtype=np.uint64)
            drop = scores <= np.partition(scores, zeros - 1, axis=1)[:, zeros - 1:zeros]
            region: list[slice | int] = [slice(None)] * len(w.shape)
            for k, value in zip(before, index):
                region[k] = value - w.start[k]
            region[last] = slice(o - w.start[last], o - w.start[last] + rows)
            inner: tuple[slice, ...] = tuple(w.box[k] for k in (*axes.i, *axes.space))
            if n_groups > 1:
                low, high = max(w.start[axes.i[0]], g * channels[0]), min(_end(w, axes.i[0]), (g + 1) * channels[0])
                region[axes.i[0]] = slice(low - w.start[axes.i[0]], high - w.start[axes.i[0]])
                inner = (slice(low - g * channels[0], high - g * channels[0]), *inner[1:])
            yield tuple(region), drop.reshape(rows, *channels, *space)[(slice(None), *inner)].transpose(order)


def _end(w: Request, axis: int) -> int:
    return w.start[axis] + w.shape[axis]


def _groups(w: Request, i: tuple[int, ...], n_groups: int) -> range:
    """The groups of input channels that the block meets."""
    if n_groups == 1:
        return range(1)
    channels = w.whole[i[0]] // n_groups
    return range(w.start[i[0]] // channels, -(-_end(w, i[0]) // channels))
