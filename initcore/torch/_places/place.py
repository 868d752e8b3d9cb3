"""Where a tensor lies: the global shape it belongs to, and the boxes of it that are in this process's memory.

Design
A. A :class:`Place` is a global shape and pieces: plain tensors, each a box of the global array at ``start``.
   A plain tensor is one piece, at 0; a DTensor one or several, or none on a rank that holds nothing.
B. A fan, a shape, an element's number always mean the global array. Nothing is communicated.
C. A view of a placed tensor (``weight[:k]``, ``weight.T``, ``weight.data``) is mapped through its strides onto the
   elements of the tensor it was cut from (:func:`view`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ...errors import DeviceError
from . import placements as _placements
from .memory import is_dtensor


class Piece(NamedTuple):
    """A plain tensor and the global index its first element has."""

    tensor: Tensor
    start: tuple[int, ...]


class Place(NamedTuple):
    """``shape`` of the global array and the pieces of it that are here; ``whole``: one piece that is all of it."""

    shape: tuple[int, ...]
    pieces: tuple[Piece, ...]
    whole: bool


class View(NamedTuple):
    """A plain tensor whose element (i, j, ...) is number ``first + i strides[0] + ...`` of a global array."""

    tensor: Tensor
    first: int
    strides: tuple[int, ...]


def place(tensor: Tensor) -> Place:
    """The place of a plain tensor or a DTensor."""
    if not is_dtensor(tensor):
        shape = tuple(tensor.shape)
        return Place(shape, (Piece(tensor, (0,) * len(shape)),), True)
    shape = tuple(tensor.shape)
    local = local_of(tensor)
    axes = _axes(tensor, shape)
    if axes is None:                                    # this process is outside the mesh
        return Place(shape, (), False)
    return sharded(shape, local, axes)


def sharded(shape: tuple[int, ...], local: Tensor, axes: Sequence[_placements.Runs]) -> Place:
    """The place of a local array that holds these runs of each axis."""
    sizes = tuple(map(_placements.size, axes))
    if tuple(local.shape) != sizes:
        raise DeviceError(f"the local part has shape {tuple(local.shape)}, but its placement of an array of shape "
                          f"{shape} gives {sizes} here; make it by distribute_tensor, or give from_local the shape.")
    if sizes == shape and all(len(runs) <= 1 for runs in axes):
        return Place(shape, (Piece(local, (0,) * len(shape)),), True)
    pieces = tuple(Piece(local[box.local], box.start) for box in _placements.boxes(axes))
    return Place(shape, pieces, False)


def flat(shape: tuple[int, ...], local: Tensor, first: int) -> Place:
    """The place of a flat tensor that holds the elements from number ``first`` on of the flattened array."""
    boxes = _placements.flat_boxes(shape, first, first + local.numel())
    pieces = tuple(Piece(local[box.local].view(box.shape), box.start) for box in boxes)
    return Place(shape, pieces, False)


def local_of(tensor: Tensor) -> Tensor:
    """The plain tensor in this process's memory."""
    if not is_dtensor(tensor):
        return tensor
    with torch.no_grad():
        return tensor.to_local()


def replicas(tensor: Tensor) -> bool:
    """Whether another process counts this one's elements: it is not the first along a replicating mesh dimension."""
    if not is_dtensor(tensor):
        return False
    at: Any = tensor.device_mesh.get_coordinate()
    if at is None:
        return True
    placements: Any = tensor.placements
    return any(i > 0 for p, i in zip(placements, at) if p.is_replicate())


def _axes(tensor: Any, shape: tuple[int, ...]) -> tuple[_placements.Runs, ...] | None:
    mesh = tensor.device_mesh
    at = mesh.get_coordinate()
    if at is None:
        return None
    splits = []
    for dim, placement in enumerate(tensor.placements):
        if placement.is_replicate():
            continue
        axis = getattr(placement, "dim", None)
        if placement.is_partial() or axis is None:
            raise DeviceError(f"the DTensor has the placement {placement}: its parts are terms of a sum, which no part "
                              "alone determines. Redistribute it to Replicate() or Shard(dim) first.")
        splits.append(_placements.Split(axis % len(shape), mesh.size(dim), at[dim],
                                        int(getattr(placement, "split_factor", 1))))
    return _placements.owned(shape, splits)


def c_strides(shape: Sequence[int]) -> tuple[int, ...]:
    """Numbers of elements between neighbours in C order.

    >>> c_strides((4, 5, 6))
    (30, 6, 1)
    """
    return tuple(math.prod(shape[k + 1:]) for k in range(len(shape)))


def views(where: Place) -> tuple[View, ...]:
    """Every piece with the numbers of its elements."""
    strides = c_strides(where.shape)
    return tuple(View(t, sum(s * n for s, n in zip(start, strides)), strides) for t, start in where.pieces)


def view(where: Place, tensor: Tensor) -> tuple[View, ...] | None:
    """The elements of ``tensor``, a plain view into the memory of the placed pieces; None where they do not line up."""
    if tensor.numel() == 0:
        return ()
    if len(where.pieces) == 1:
        one = _inside(where, where.pieces[0], tensor)
        return None if one is None else (one,)
    out = []
    for piece in where.pieces:
        part = _overlap(piece.tensor, tensor)
        if part is None:
            return None
        if part.numel():
            one = _inside(where, piece, part)
            if one is None:
                return None
            out.append(one)
    return tuple(out) if sum(v.tensor.numel() for v in out) == tensor.numel() else None


def _inside(where: Place, piece: Piece, tensor: Tensor) -> View | None:
    """``tensor`` lies in the memory of one piece."""
    base, start = piece
    offset = tensor.storage_offset() - base.storage_offset()
    numbers = c_strides(where.shape)
    first = sum(s * n for s, n in zip(start, numbers))
    if _even(base, numbers):                            # memory and numbers advance alike
        return View(tensor, first + offset, tensor.stride())
    steps = sorted((s, k) for k, (s, n) in enumerate(zip(base.stride(), base.shape)) if n > 1)
    at: dict[int, int] = {}
    for stride, k in reversed(steps):
        at[k], offset = divmod(offset, stride)
    if offset or any(not 0 <= i < base.shape[k] for k, i in at.items()):
        return None
    strides, last = [], dict(at)
    for n, stride in zip(tensor.shape, tensor.stride()):
        axis = next((k for s, k in reversed(steps) if n > 1 and stride >= s), None)
        if n == 1 or axis is None:
            strides.append(0)
            continue
        step, rest = divmod(stride, base.stride(axis))
        last[axis] += step * (n - 1)
        if rest or last[axis] >= base.shape[axis]:
            return None
        strides.append(step * numbers[axis])
    return View(tensor, first + sum(i * numbers[k] for k, i in at.items()), tuple(strides))


def _even(base: Tensor, numbers: tuple[int, ...]) -> bool:
    """Whether neighbours in memory have neighbouring numbers."""
    return all(n <= 1 or s == c for n, s, c in zip(base.shape, base.stride(), numbers))


def _overlap(base: Tensor, tensor: Tensor) -> Tensor | None:
    """The part of ``tensor`` that lies in ``base``, both of one storage, where axes have equal strides."""
    offset = base.storage_offset() - tensor.storage_offset()
    part = tensor
    for stride, axis in sorted(((s, k) for k, s in enumerate(tensor.stride()) if tensor.shape[k] > 1), reverse=True):
        mine = [k for k, s in enumerate(base.stride()) if s == stride and base.shape[k] >= 1]
        if not mine:
            return None
        first = offset // stride
        offset -= first * stride
        low, high = max(first, 0), min(first + base.shape[mine[0]], tensor.shape[axis])
        if low >= high:
            return part[(slice(0, 0),) + (slice(None),) * (part.ndim - 1)] if part.ndim else part
        part = part.narrow(axis, low, high - low)
    return part
