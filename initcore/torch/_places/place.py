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
    numbers = c_strides(where.shape)
    firsts = [sum(s * n for s, n in zip(start, numbers)) for _, start in where.pieces]
    offsets = [piece.storage_offset() for piece, _ in where.pieces]
    if all(_even(piece, numbers) for piece, _ in where.pieces) and \
            len({n - o for n, o in zip(firsts, offsets)}) == 1:         # memory and numbers advance alike throughout
        return (View(tensor, firsts[0] - offsets[0] + tensor.storage_offset(), tensor.stride()),)
    along = _along(where.pieces[0].tensor, [p for p, _ in where.pieces], tensor)
    if along is None:
        return None
    at, axes = along
    out = [_part(piece, first, numbers, tensor, at, axes, where.pieces[0].tensor,
                 _steps(where.pieces[0].tensor, len(where.pieces))) for (piece, _), first in zip(where.pieces, firsts)]
    found = tuple(v for v in out if v is not None)
    return found if sum(v.tensor.numel() for v in found) == tensor.numel() else None


def _steps(origin: Tensor, pieces: int) -> tuple[int, ...]:
    """Strides of the local array; 0 for an axis of size 1, whose stride means nothing."""
    return tuple(0 if n == 1 and pieces == 1 else s for n, s in zip(origin.shape, origin.stride()))


def _index(strides: Sequence[int], offset: int) -> tuple[int, ...]:
    """The index an offset in memory has, largest stride first."""
    at = [0] * len(strides)
    for k in sorted(range(len(strides)), key=lambda k: -strides[k]):
        at[k], offset = divmod(offset, strides[k]) if strides[k] else (0, offset)
    return (*at, offset)


def _along(origin: Tensor, pieces: Sequence[Tensor], tensor: Tensor) -> tuple[tuple[int, ...], list[int]] | None:
    """(index of the view's first element in the local array, the axis each of the view's axes goes along).

    ``origin``: the piece the local array starts with. None where an axis of the view goes along no axis.
    """
    strides = _steps(origin, len(pieces))
    *at, rest = _index(strides, tensor.storage_offset() - origin.storage_offset())
    ends = [max(_index(strides, p.storage_offset() - origin.storage_offset())[k] + p.shape[k] for p in pieces)
            for k in range(len(strides))]
    last, axes = list(at), []
    for n, stride in zip(tensor.shape, tensor.stride()):
        able = [k for k in range(len(strides)) if ends[k] > 1 and 0 < strides[k] <= stride]
        axis = max(able, key=lambda k: strides[k], default=-1) if n > 1 else -1
        axes.append(axis)
        if n > 1:
            if axis < 0 or stride % strides[axis]:
                return None
            last[axis] += stride // strides[axis] * (n - 1)
    if rest or any(not 0 <= i < end for i, end in zip(last, ends)) or len({k for k in axes if k >= 0}) < sum(
            k >= 0 for k in axes):
        return None
    return tuple(at), axes


def _part(piece: Tensor, first: int, numbers: Sequence[int], tensor: Tensor, at: Sequence[int], axes: Sequence[int],
          origin: Tensor, steps: Sequence[int]) -> View | None:
    """What of the view lies in one piece."""
    low = _index(steps, piece.storage_offset() - origin.storage_offset())
    part, strides = tensor, []
    begin = list(at)
    for j, axis in enumerate(axes):
        if axis < 0:
            strides.append(0)
            continue
        step = tensor.stride(j) // steps[axis]
        start = max(0, -(-(low[axis] - at[axis]) // step))
        stop = min(tensor.shape[j], -(-(low[axis] + piece.shape[axis] - at[axis]) // step))
        if start >= stop:
            return None
        part = part.narrow(j, start, stop - start)
        begin[axis] = at[axis] + start * step
        strides.append(step * numbers[axis])
    if any(not 0 <= begin[k] - low[k] < piece.shape[k] for k in range(piece.ndim)):
        return None
    return View(part, first + sum((begin[k] - low[k]) * numbers[k] for k in range(piece.ndim)), tuple(strides))


def _even(base: Tensor, numbers: tuple[int, ...]) -> bool:
    """Whether neighbours in memory have neighbouring numbers."""
    return all(n <= 1 or s == c for n, s, c in zip(base.shape, base.stride(), numbers))
