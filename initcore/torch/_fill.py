"""One call of ``it.init``: which stream, which part of which array, then the fill.

Design
A. ``rng=`` names the stream. Without it a context (:func:`initcore.torch.seeded`) knows the tensor's name and place;
   without one the tensor is an array of its own, and the stream comes from a torch generator.
B. Plain distributions fill views by element number. What has a structure (orthogonal, sparse, ...) is an initialiser
   of :mod:`initcore.initializers`, asked for the box each piece is; where every box costs the whole, the whole is made
   once and its boxes copied.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .._named import COSTS_THE_WHOLE, base_of
from ..random import Key
from . import _context, _draw
from ._keys import key_for
from ._places.memory import DTYPES, array, check_overlap, is_dtensor, strided, writable, written
from ._places.place import Piece, Place, place, views

Initializer = Callable[..., np.ndarray]


def random_(tensor: Tensor, draw: _draw.Draw, rng: Any, generator: Any) -> None:
    """Fill with a plain distribution."""
    if rng is None and (context := _context.current()) is not None:
        stream = context.stream(tensor)
        if stream is not None:
            if stream.part is not None or not (stream.entry.plain and tensor.is_cpu):
                _draw.fill(draw, stream.entry.views if stream.part is None else stream.part, stream.key, tensor.dtype)
            else:
                _draw.fill_whole(draw, tensor, stream.key)
            return
    key = key_for(tensor, rng, generator)
    if tensor.is_cpu and not is_dtensor(tensor):
        _draw.fill_whole(draw, tensor, key)
    else:
        _draw.fill(draw, views(place(tensor)), key, tensor.dtype)


def structured(tensor: Tensor, initializer: Initializer, rng: Any, generator: Any, *, flatten: bool = False) -> None:
    """Fill with an initialiser of initcore; ``flatten``: of the matrix (size(0), everything else)."""
    stream = None
    if rng is None and (context := _context.current()) is not None:
        stream = context.stream(tensor)
    if stream is None:
        where, key = place(tensor), key_for(tensor, rng, generator)
    elif stream.part is None:
        where, key = stream.entry.place, stream.key
    else:                                               # a part of a parameter: an array of its own, with its own key
        where, key = place(tensor), stream.key.child(stream.part[0].first if stream.part else 0)
    apply(initializer, where, key, tensor.dtype, flatten=flatten)


def apply(initializer: Initializer, where: Place, key: Key, dtype: torch.dtype, *, flatten: bool = False) -> None:
    """Fill every piece of ``where`` with its box of what the initialiser makes of the global shape."""
    for tensor, _ in where.pieces:
        check_overlap(tensor)
    make = functools.partial(initializer, rng=key, dtype=DTYPES[dtype], threads=torch.get_num_threads())
    flatten = flatten and len(where.shape) != 2
    if where.whole and not flatten and where.pieces[0].tensor.is_cpu:
        make(where.shape, out=array(where.pieces[0].tensor))
    elif where.whole or flatten or (len(where.pieces) > 1 and base_of(initializer) in COSTS_THE_WHOLE):
        shape = (where.shape[0], -1) if flatten else where.shape
        rows = tuple(torch.empty(where.shape, device="meta").reshape(shape).shape) if flatten else where.shape
        whole = as_tensor(make(rows)).reshape(where.shape)
        keep(whole, where)
    else:
        for piece in where.pieces:
            _box(make, where, piece)
    for tensor, _ in where.pieces:
        written(tensor)


def keep(whole: Tensor, where: Place) -> None:
    """Copy the boxes that are here out of the whole array."""
    for piece in where.pieces:
        _copy(piece, whole[tuple(slice(a, a + n) for a, n in zip(piece.start, piece.tensor.shape))])


def _box(make: Initializer, where: Place, piece: Piece) -> None:
    tensor, start = piece
    block = {"global_shape": where.shape, "start": start}
    if tensor.is_cpu:
        make(tuple(tensor.shape), out=array(tensor), **block)
    else:
        _copy(piece, as_tensor(make(tuple(tensor.shape), **block)))


def _copy(piece: Piece, values: Tensor) -> None:
    with torch.no_grad():
        piece.tensor.copy_(values)


def as_tensor(values: np.ndarray) -> Tensor:
    """A tensor of a new array of initcore's, bfloat16 in either of its forms."""
    if values.dtype.itemsize == 2 and values.dtype != np.float16:
        return torch.from_numpy(values.view(np.uint16)).view(torch.bfloat16)
    return torch.from_numpy(values)


def constant(tensor: Tensor, value: float) -> Tensor:
    """Fill with one value; any dtype PyTorch fills."""
    strided(tensor)
    with torch.no_grad():
        if is_dtensor(tensor):
            for piece in place(tensor).pieces:
                piece.tensor.fill_(value)
            return tensor
        return tensor.fill_(value)


def spikes(tensor: Tensor, groups: int) -> Tensor:
    """0, but 1 where input channel d of a group meets its output channel d, at the centre of every further axis."""
    if not writable(tensor, floating=False):
        return tensor
    where = place(tensor)
    step = where.shape[0] // groups
    with torch.no_grad():
        for part, start in where.pieces:
            part.zero_()
            centre = [n // 2 - a for n, a in zip(where.shape[2:], start[2:])]
            if not all(0 <= c < n for c, n in zip(centre, part.shape[2:])):
                continue
            plane = part
            for c in centre:
                plane = plane.select(2, c)
            for g in range(groups):
                low, high = max(g * step - start[0], 0), min((g + 1) * step - start[0], plane.shape[0])
                if low < high:
                    plane[low:high].diagonal(low + start[0] - g * step - start[1]).fill_(1)
    return tensor


def negate(tensor: Tensor) -> None:
    """Change every sign."""
    with torch.no_grad():
        for part, _ in place(tensor).pieces:
            part.neg_()
