"""ONNX's operations that move, cut and repeat."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...._aten import TABLE, Build, NotUnderstood, single
from ....program import Value
from ._entry import Entry, Values, known, numbers, one


def _reshape(b: Build, x: Values, a: dict[str, Any]) -> Value:
    first, shape = one(x), numbers(b, x, a, "shape", 1)
    if shape is None:
        raise NotUnderstood
    return b.reshape(first, [first.shape[k] if n == 0 and not a.get("allowzero") else n for k, n in enumerate(shape)])


def _flatten(b: Build, x: Values, a: dict[str, Any]) -> Value:
    first, axis = one(x), int(a.get("axis", 1))
    axis = axis % len(first.shape) if axis < 0 else axis
    return b.reshape(first, (math.prod(first.shape[:axis]), math.prod(first.shape[axis:])))


def _transpose(b: Build, x: Values, a: dict[str, Any]) -> Value:
    first = one(x)
    return b.permute(first, a.get("perm", range(len(first.shape))[::-1]))


def _squeeze(b: Build, x: Values, a: dict[str, Any]) -> Value:
    return single("squeeze", b, one(x), numbers(b, x, a, "axes", 1))


def _unsqueeze(b: Build, x: Values, a: dict[str, Any]) -> Value:
    out, axes = one(x), numbers(b, x, a, "axes", 1) or []
    rank = len(out.shape) + len(axes)
    for d in sorted(d % rank for d in axes):
        out = b.unsqueeze(out, d)
    return out


def _concat(b: Build, x: Values, a: dict[str, Any]) -> Value:
    return b.concatenate([one([y]) for y in x], int(a["axis"]))


def _split(b: Build, x: Values, a: dict[str, Any]) -> list[Value]:
    first, axis, sizes = one(x), int(a.get("axis", 0)), numbers(b, x, a, "split", 1)
    if sizes is None:
        n = first.shape[axis]
        each = -(-n // a["outputs"])
        sizes = [min(each, n - k * each) for k in range(a["outputs"])]
    if sum(sizes) != first.shape[axis] or min(sizes, default=0) < 0:
        raise NotUnderstood
    return b.split(first, sizes, axis)


def _slice(b: Build, x: Values, a: dict[str, Any]) -> Value:
    out = one(x)
    starts, ends = numbers(b, x, a, "starts", 1), numbers(b, x, a, "ends", 2)
    axes, steps = numbers(b, x, a, "axes", 3), numbers(b, x, a, "steps", 4)
    if starts is None or ends is None or min(steps or [1]) < 1:
        raise NotUnderstood
    for k, (start, end) in enumerate(zip(starts, ends, strict=True)):
        out = b.slice(out, axes[k] if axes is not None else k, start, end, steps[k] if steps is not None else 1)
    return out


def _expand(b: Build, x: Values, a: dict[str, Any]) -> Value:
    first, shape = one(x), numbers(b, x, a, "shape", 1)
    if shape is None:
        raise NotUnderstood
    return b.expand(first, np.broadcast_shapes(first.shape, tuple(shape)))


def _tile(b: Build, x: Values, a: dict[str, Any]) -> Value:
    return single("repeat", b, one(x), numbers(b, x, a, "repeats", 1))


def _pad(b: Build, x: Values, a: dict[str, Any]) -> Value:
    first, pads, axes = one(x), numbers(b, x, a, "pads", 1), numbers(b, x, {}, "", 3)
    if pads is None or min(pads, default=0) < 0:
        raise NotUnderstood
    value = a.get("value", float(known(b, x[2]).ravel()[0]) if len(x) > 2 and x[2] is not None else 0.0)
    rank, at = len(first.shape), range(len(first.shape)) if axes is None else axes
    low, high = [0] * rank, [0] * rank
    for k, d in enumerate(at):
        low[d], high[d] = pads[k], pads[k + len(pads) // 2]
    mode = {"constant": "constant", "reflect": "reflect", "edge": "replicate"}[a.get("mode", "constant")]
    return b.emit("pad", first, shape=[n + i + j for n, i, j in zip(first.shape, low, high, strict=True)],
                  low=tuple(low), high=tuple(high), function=mode, value=value)


def _gather(b: Build, x: Values, a: dict[str, Any]) -> Value:
    first, indices = one(x), x[1]
    axis = int(a.get("axis", 0)) % max(len(first.shape), 1)
    if indices is None:
        raise NotUnderstood
    at = b.constants.get(indices)
    if at is not None and at.ndim == 0:
        return b.select(first, axis, int(at))
    if at is not None and at.ndim == 1 and len(at) and np.array_equal(at, np.arange(at[0], at[0] + len(at))):
        return b.slice(first, axis, int(at[0]), int(at[0]) + len(at))
    shape = (*first.shape[:axis], *indices.shape, *first.shape[axis + 1:])
    return b.emit("look_up", first, indices, shape=shape, dim=axis)


def _resize(b: Build, x: Values, a: dict[str, Any]) -> Value:
    first = one(x)
    sizes = [int(n) for n in known(b, x[3]).ravel()] if len(x) > 3 and x[3] is not None else [
        math.floor(n * s) for n, s in zip(first.shape, known(b, x[2 if len(x) > 2 else 1]).ravel(), strict=True)]
    dims = [d for d, (n, m) in enumerate(zip(first.shape, sizes, strict=True)) if n != m]
    if not dims:
        return first
    method = "nearest" if a.get("mode", "nearest") == "nearest" else "linear"
    return b.emit("resample", first, shape=sizes, dims=tuple(dims), function=method,
                  align=a.get("coordinate_transformation_mode") == "align_corners")


def _trilu(b: Build, x: Values, a: dict[str, Any]) -> Value:
    k = int(known(b, x[1]).ravel()[0]) if len(x) > 1 and x[1] is not None else 0
    return single("triu" if a.get("upper", 1) else "tril", b, one(x), k)


ENTRIES: dict[str, Entry] = {
    "Reshape": _reshape, "Flatten": _flatten, "Transpose": _transpose, "Squeeze": _squeeze, "Unsqueeze": _unsqueeze,
    "Concat": _concat, "Split": _split, "Slice": _slice, "Expand": _expand, "Tile": _tile, "Pad": _pad,
    "Gather": _gather, "GatherElements": lambda b, x, a: TABLE["gather"](b, one(x), int(a.get("axis", 0)), x[1]),
    "Resize": _resize, "Upsample": _resize, "Trilu": _trilu,
}
