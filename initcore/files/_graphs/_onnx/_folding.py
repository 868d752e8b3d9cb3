"""What an ONNX graph works out from shapes and whole numbers alone, worked out: the rest of the graph needs it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...._aten import Build, NotUnderstood
from ...._types import Array
from ....program import Value
from ._entry import ELEMENTS

_MOST = 1 << 16             # elements of a result
_Fold = Callable[..., Array]


def folded(kind: str, given: Sequence[Value | None], a: dict[str, Any], b: Build, opset: int) -> list[Value] | None:
    """The constant that a node makes of constants; None where its inputs are data."""
    if kind in ("Shape", "Size"):
        shape = np.array(given[0].shape if given[0] is not None else (), np.int64)
        return [_constant(b, shape[a.get("start", 0):a.get("end")] if kind == "Shape" else shape.prod(), "int64")]
    if kind == "Constant":
        value = next((a[w] for w in ("value_int", "value_ints", "value_float", "value_floats") if w in a), None)
        if value is None:
            raise NotUnderstood
        return [_constant(b, np.asarray(value), "int64" if "int" in "".join(a) else "float32")]
    rule = _FOLDS.get(kind)
    if rule is None or not all(v is None or v in b.constants for v in given) or not given:
        return None
    arrays = [None if v is None else b.constants[v] for v in given]
    if any(x is not None and x.size > _MOST for x in arrays):
        return None
    with np.errstate(all="ignore"):
        made = np.asarray(rule(*arrays, **a))
    return [_constant(b, made, made.dtype.name)]


def _constant(b: Build, a: Array, dtype: str) -> Value:
    if a.size > _MOST:
        raise NotUnderstood
    return b.constant(a, dtype)


def _axes(axes: Array | None, a: dict[str, Any]) -> list[int]:
    found = a.get("axes", axes)
    return [] if found is None else [int(n) for n in np.ravel(found)]


def _unsqueeze(x: Array, axes: Array | None = None, **a: Any) -> Array:
    for d in sorted(_axes(axes, a)):
        x = np.expand_dims(x, d)
    return x


def _squeeze(x: Array, axes: Array | None = None, **a: Any) -> Array:
    found = _axes(axes, a)
    return np.squeeze(x, tuple(found) or None)


def _list(x: Any) -> list[int]:
    if x is None:
        raise NotUnderstood
    return [int(n) for n in np.ravel(x)]


def _slice(x: Array, *rest: Array, **a: Any) -> Array:
    starts, ends = (a.get(w, rest[k] if len(rest) > k else None) for k, w in enumerate(("starts", "ends")))
    axes, steps = (a.get(w, rest[k] if len(rest) > k else None) for k, w in ((2, "axes"), (3, "steps")))
    part: list[slice] = [slice(None)] * x.ndim
    for k, (start, end) in enumerate(zip(_list(starts), _list(ends))):
        d = int(np.ravel(axes)[k]) if axes is not None else k
        part[d] = slice(int(start), int(end), int(np.ravel(steps)[k]) if steps is not None else 1)
    return x[tuple(part)]


def _reshape(x: Array, shape: Array, **_: Any) -> Array:
    return x.reshape([x.shape[k] if n == 0 else int(n) for k, n in enumerate(shape.ravel())])


def _bounded(shape: Array) -> tuple[int, ...]:
    """A shape out of the graph, small enough to be filled."""
    sizes = tuple(int(n) for n in np.ravel(shape))
    count = 1
    for n in sizes:
        count *= n
        if n < 0 or count > _MOST:
            raise NotUnderstood
    return sizes


def _filled(shape: Array, value: Any = None, **_: Any) -> Array:
    number = np.float32(0) if value is None else np.frombuffer(value.raw_data, {
        1: "<f4", 7: "<i8", 6: "<i4", 9: "?", 11: "<f8"}[value.data_type])[0]
    return np.full(_bounded(shape), number)


def _range(start: Array, limit: Array, delta: Array, **_: Any) -> Array:
    first, last, step = (x.ravel()[0].item() for x in (start, limit, delta))
    if not step or (last - first) / step > _MOST:
        raise NotUnderstood
    return np.arange(first, last, step)


def _divide(x: Array, y: Array, **_: Any) -> Array:
    return x // y if x.dtype.kind in "iu" else x / y


def _cast(x: Array, to: int, **_: Any) -> Array:
    name = ELEMENTS.get(to, "other")
    return x.astype("float32" if name == "bfloat16" else name)


_FOLDS: dict[str, _Fold] = {
    "Gather": lambda x, at, axis=0, **_: np.take(x, at.astype(np.int64), axis), "Concat": lambda *xs, axis, **_:
        np.concatenate(xs, axis), "Unsqueeze": _unsqueeze, "Squeeze": _squeeze, "Slice": _slice, "Reshape": _reshape,
    "Add": lambda x, y, **_: x + y, "Sub": lambda x, y, **_: x - y, "Mul": lambda x, y, **_: x * y, "Div": _divide,
    "Mod": lambda x, y, **_: np.mod(x, y), "Abs": lambda x, **_: np.abs(x),
    "Neg": lambda x, **_: -x, "Sqrt": lambda x, **_: np.sqrt(x), "Floor": lambda x, **_: np.floor(x),
    "Cast": _cast, "Identity": lambda x, **_: x, "Equal": lambda x, y, **_: x == y, "Less": lambda x, y, **_: x < y,
    "Greater": lambda x, y, **_: x > y, "GreaterOrEqual": lambda x, y, **_: x >= y, "LessOrEqual":
        lambda x, y, **_: x <= y, "And": lambda x, y, **_: x & y, "Or": lambda x, y, **_: x | y, "Not":
        lambda x, **_: ~x, "Where": lambda c, x, y, **_: np.where(c, x, y), "Range": _range, "ConstantOfShape": _filled,
    "Expand": lambda x, shape, **_: np.broadcast_to(x, np.broadcast_shapes(x.shape, _bounded(shape))),
    "Transpose": lambda x, perm=None, **_: np.transpose(x, perm),
    "ReduceProd": lambda x, keepdims=1, **_: np.prod(x, keepdims=bool(keepdims)),
    "Max": lambda *xs, **_: np.maximum.reduce(np.broadcast_arrays(*xs)),
    "Min": lambda *xs, **_: np.minimum.reduce(np.broadcast_arrays(*xs)),
    "Trilu": lambda x, k=None, upper=1, **_: (np.triu if upper else np.tril)(x, 0 if k is None else int(k.ravel()[0])),
}
