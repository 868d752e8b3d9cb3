"""Orthogonal weights: a Haar matrix for every group and every slice of a batch, in the array's own order of axes.

The bits depend on the key and, in the last digits, on the instruction set (the products fuse where the hardware does),
not on the number of threads.
"""

from __future__ import annotations

import itertools
import math
from typing import Unpack

import numpy as np

from .. import _threads, random
from .._checks import quiet
from .._types import Array, Shape
from ..errors import ShapeError
from ..fans import Axes
from ._householder import accumulate
from ._request import Common, Gain, Request, gain_of, initializer


@initializer
def orthogonal(shape: Shape, *, gain: Gain = 1.0, **common: Unpack[Common]) -> Array:
    """``gain`` times a uniformly distributed (Haar) matrix with orthonormal rows or columns, whichever are fewer.

    A kernel is flattened to (output channels, everything else), each of ``groups`` and each slice of a batch (experts,
    scanned layers: ``batch_axis=0``) a matrix of its own. The largest
    entry of ``Q'Q - I`` is below 10 n eps. Saxe, McClelland and Ganguli 2013; Stewart 1980, Mezzadri 2007.

    PyTorch ``orthogonal_``, JAX ``initializers.orthogonal`` and Keras ``Orthogonal`` (named ``OrthogonalInitializer``
    too) flatten the same way and have the same distribution; they factorise a full Gaussian matrix, in the dtype
    asked for, so that PyTorch and JAX refuse float16. A block (``global_shape``) costs as much as the whole.
    Bits: equal for any ``threads``, may differ in the last digits between instruction sets. With another layout the
    same key gives the same weights, transposed. Arguments and errors: :mod:`initcore.initializers`.

    >>> q = orthogonal((5, 3), rng=0, dtype="float64")
    >>> bool(abs(q.T @ q - np.eye(3)).max() < 1e-14)
    True
    """
    w = Request(shape, common)
    return _orthogonal(w, gain_of(gain))


@initializer
def delta_orthogonal(shape: Shape, *, gain: Gain = 1.0, **common: Unpack[Common]) -> Array:
    """A convolution kernel that is 0 but for its centre tap, a Haar matrix of (out, in) times ``gain``.

    Such a layer is orthogonal as a map of images: thousands of layers train (Xiao et al. 2018). It
    keeps every norm where ``in <= out``; where ``in > out`` (which JAX refuses) it is a projection, norm 1.
    The centre of an axis of size k is ``k // 2``; JAX ``delta_orthogonal`` takes ``(k - 1) // 2``, another tap for
    even k. PyTorch and Keras have none. Raises ShapeError for 2 dimensions: there it is :func:`orthogonal`.
    Arguments and errors: :mod:`initcore.initializers`; blocks and bits: :func:`orthogonal`.

    >>> w = delta_orthogonal((8, 4, 3, 3), layout="oihw", rng=0)
    >>> bool(abs(w[:, :, 1, 1].T @ w[:, :, 1, 1] - np.eye(4)).max() < 1e-5), int((w != 0).sum())
    (True, 32)
    """
    w = Request(shape, common)
    axes = w.axes()
    if not axes.space:
        raise ShapeError(f"shape={w.shape} has no spatial axis: delta_orthogonal is for convolutions (3 to 5 "
                         "dimensions); for a dense layer use orthogonal.")
    whole = w.new(zero=True)
    centre = [slice(None)] * len(w.whole)
    if all(w.whole[k] for k in axes.space):
        for k in axes.space:
            centre[k] = slice(w.whole[k] // 2, w.whole[k] // 2 + 1)
        _fill_groups(w, whole[tuple(centre)], gain_of(gain))
    return w.write(np.ascontiguousarray(whole[w.box]))


@initializer
def spectral(shape: Shape, *, gain: Gain = 1.0, **common: Unpack[Common]) -> Array:
    """Spectral norm ``gain sqrt(fan_out / fan_in)`` exactly: every singular value is that, directions are Haar.

    The condition under which features and their updates keep their size at any width (Yang, Simon and Bernstein
    2023, condition 1, for matrices acting on vectors of constant root mean square). Their Gaussian form has entries
    of deviation ``min(1, sqrt(fan_out/fan_in))/sqrt(fan_in)``, the same scaling up to a constant; here the constant
    is exact. A kernel is flattened to (output channels, everything else), groups apart.
    PyTorch, JAX and Keras have none. Arguments and errors:
    :mod:`initcore.initializers`; blocks and bits: :func:`orthogonal`.

    >>> w = spectral((100, 25), rng=0)
    >>> round(float(np.linalg.norm(w, 2)), 5)
    0.5
    """
    w = Request(shape, common)
    return _orthogonal(w, gain_of(gain) * math.sqrt(w.fan("fan_out") / w.fan("fan_in")))


def _orthogonal(w: Request, gain: float) -> Array:
    axes = w.axes()
    if len(w.whole) == 2 and len(axes.i) == len(axes.o) == w.groups == 1 and w.whole == w.shape:
        # no second array where none is needed
        (i,), (o,) = axes.i, axes.o
        return w.write(_matrix(w, w.whole[o], w.whole[i], gain, random.as_key(w.rng), i == 0))
    whole = w.new()
    _fill_groups(w, whole, gain)
    return w.write(whole if w.whole == w.shape else np.ascontiguousarray(whole[w.box]))


def _fill_groups(w: Request, target: Array, gain: float) -> None:
    """Write one matrix (out, in * space) for each slice of the batch and each group into ``target``.

    ``target`` has the request's axes. Matrix number k (batch first) draws from ``key.child(k)``, the only one from the
    key itself.
    """
    axes = w.axes()
    view = target.transpose(*axes.batch, *axes.o, *axes.i, *axes.space)
    outer, key = view.shape[:len(axes.batch)], random.as_key(w.rng)
    alone = math.prod(outer) * w.groups == 1
    for k, (at, g) in enumerate(itertools.product(np.ndindex(outer), range(w.groups))):
        part = _group(view[at], axes, g, w.groups)
        n_out = math.prod(part.shape[:len(axes.o)])
        n_in = math.prod(part.shape[len(axes.o):])
        part[...] = _matrix(w, n_out, n_in, gain, key if alone else key.child(k), False).reshape(part.shape)


def _group(view: Array, axes: Axes, g: int, groups: int) -> Array:
    """Group g of one kernel (out, in, space); groups are never of several axes."""
    if groups == 1:
        return view
    step = view.shape[axes.grouped == "i"] // groups
    return view[g * step:(g + 1) * step] if axes.grouped == "o" else view[:, g * step:(g + 1) * step]


@quiet
def _matrix(w: Request, n_out: int, n_in: int, gain: float, key: random.Key, transposed: bool) -> Array:
    """A C-contiguous (out, in) matrix, or (in, out) where ``transposed``."""
    rows, cols = max(n_out, n_in), min(n_out, n_in)
    q = random.normal((rows, cols), rng=key, dtype=w.work.name, threads=w.threads)
    if cols == 0:
        return q.reshape((n_in, n_out) if transposed else (n_out, n_in))
    count = _threads.resolve(w.threads)
    signs = accumulate(q, count)
    scale = (signs * gain).astype(w.work)

    def scaled(start: int, stop: int) -> None:
        q[start:stop] *= scale

    _threads.run(scaled, _threads.chunks(rows, count if q.size > _threads.SHORT else 1), count)
    return q if (n_in >= n_out) == transposed else _turned(q, count)


def _turned(q: Array, count: int) -> Array:
    """A contiguous transpose, copied in strips that fit the cache."""
    out = np.empty(q.shape[::-1], q.dtype)

    def turn(start: int, stop: int) -> None:
        for r in range(start, stop, 64):
            out[:, r:min(r + 64, stop)] = q[r:min(r + 64, stop)].T

    _threads.run(turn, _threads.chunks(len(q), count if q.size > _threads.SHORT else 1, 64), count)
    return out
