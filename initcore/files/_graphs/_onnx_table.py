"""ONNX's operations in the words of :mod:`initcore.program`, one entry each; by ATen's table where that has the same.

An entry takes the :class:`Build` it writes with, the inputs in their order (None: left out) and the attributes; it
gives one value or several. ``known(b, x)`` is the array of an input that is a constant.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..._aten import TABLE, Build, NotUnderstood, single
from ..._types import Array
from ...program import Value
from ._onnx_layers import ENTRIES as LAYERS

Values = Sequence[Value | None]
Entry = Callable[[Build, Values, dict[str, Any]], Any]
ELEMENTS = {1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 9: "bool",
            10: "float16", 11: "float64", 12: "uint32", 13: "uint64", 16: "bfloat16"}


def known(b: Build, x: Value | None) -> Array:
    """The array of a constant."""
    if x is None or x not in b.constants:
        raise NotUnderstood
    return b.constants[x]


def numbers(b: Build, x: Values, a: dict[str, Any], name: str, place: int) -> list[int] | None:
    """Whole numbers that older versions give as an attribute and newer ones as an input; None where neither does."""
    if name in a:
        return [int(n) for n in a[name]]
    given = x[place] if place < len(x) else None
    return None if given is None else [int(n) for n in known(b, given).ravel()]


def _aten(name: str, **renamed: str) -> Entry:
    """ATen's operation of the first inputs, with attributes under ATen's names."""
    def entry(b: Build, x: Values, a: dict[str, Any]) -> Any:
        return TABLE[name](b, *x, **{ours: a[theirs] for ours, theirs in renamed.items() if theirs in a})
    return entry


def _act(name: str) -> Entry:
    return lambda b, x, a: b.activation(name, _one(x))


def _one(x: Values) -> Value:
    if x[0] is None:
        raise NotUnderstood
    return x[0]


def _function(name: str) -> Entry:
    return lambda b, x, a: b.elementwise(name, _one(x))


def _binary(kind: str) -> Entry:
    """Of two, or of several from the left."""
    def entry(b: Build, x: Values, a: dict[str, Any]) -> Value:
        out = _one(x)
        for y in x[1:]:
            if y is None:
                raise NotUnderstood
            out = b.binary(kind, out, y)
        return out
    return entry


def _compare(*functions: str) -> Entry:
    return lambda b, x, a: b.binary("compare", _one(x), x[1], function=functions[0])  # type: ignore[arg-type]


def _logical(function: str) -> Entry:
    return lambda b, x, a: b.binary("logical", _one(x), x[1], function=function)  # type: ignore[arg-type]


def _power(b: Build, x: Values, a: dict[str, Any]) -> Value:
    exponent = b.constants.get(x[1]) if x[1] is not None else None
    if exponent is None or exponent.size != 1:
        return b.binary("power", _one(x), x[1])  # type: ignore[arg-type]
    n = float(exponent.ravel()[0])
    return b.elementwise("square", _one(x)) if n == 2 else b.elementwise("power", _one(x), exponent=n)


def _hard_sigmoid(b: Build, x: Values, a: dict[str, Any]) -> Value:
    alpha, beta = a.get("alpha", 0.2), a.get("beta", 0.5)
    if abs(alpha - 1 / 6) < 1e-6 and beta == 0.5:
        return b.activation("hard_sigmoid", _one(x))
    line = b.binary("add", b.binary("multiply", _one(x), float(alpha)), float(beta))
    return b.elementwise("clamp", line, low=0.0, high=1.0)


def _elu(b: Build, x: Values, a: dict[str, Any]) -> Value:
    return single("elu", b, _one(x), a.get("alpha", 1.0))


def _selu(b: Build, x: Values, a: dict[str, Any]) -> Value:
    if abs(a.get("alpha", 1.6732632) - 1.6732632) > 1e-4 or abs(a.get("gamma", 1.0507009) - 1.0507009) > 1e-4:
        raise NotUnderstood
    return b.activation("selu", _one(x))


def _clip(b: Build, x: Values, a: dict[str, Any]) -> Value:
    low, high = (a.get(word, float(known(b, x[k]).ravel()[0]) if len(x) > k and x[k] is not None else None)
                 for word, k in (("min", 1), ("max", 2)))
    return single("clamp", b, _one(x), low, high)


def _cast(b: Build, x: Values, a: dict[str, Any]) -> Value:
    return b.cast(_one(x), ELEMENTS.get(int(a["to"])))


def _gemm(b: Build, x: Values, a: dict[str, Any]) -> Value:
    over = (0 if a.get("transA") else 1,), (1 if a.get("transB") else 0,)
    out = b.contract(_one(x), x[1], over)  # type: ignore[arg-type]
    if a.get("alpha", 1.0) != 1.0:
        out = b.binary("multiply", out, float(a["alpha"]))
    if len(x) < 3 or x[2] is None:
        return out
    beta = a.get("beta", 1.0)
    return b.binary("add", out, x[2] if beta == 1.0 else b.binary("multiply", x[2], float(beta)))


def _softmax(log: bool) -> Entry:
    def entry(b: Build, x: Values, a: dict[str, Any]) -> Value:
        first = _one(x)
        axis = int(a.get("axis", -1 if a["opset"] >= 13 else 1)) % max(len(first.shape), 1)
        dims = (axis,) if a["opset"] >= 13 else tuple(range(axis, len(first.shape)))
        return b.emit("softmax", first, shape=first.shape, dims=dims, log=log)
    return entry


def _reduce(function: str, before: str = "", after: str = "") -> Entry:
    def entry(b: Build, x: Values, a: dict[str, Any]) -> Value:
        first, dims = _one(x), numbers(b, x, a, "axes", 1)
        if not dims and a.get("noop_with_empty_axes"):
            return first
        first = b.elementwise(before, first) if before else first
        more: dict[str, Any] = {"ord": 2.0} if function == "norm" else {}
        out = b.reduce(first, function, dims, bool(a.get("keepdims", 1)), **more)
        return b.elementwise(after, out) if after else out
    return entry


def _arg(function: str) -> Entry:
    return lambda b, x, a: b.reduce(_one(x), function, [int(a.get("axis", 0))], bool(a.get("keepdims", 1)), "int64")


# shapes

def _reshape(b: Build, x: Values, a: dict[str, Any]) -> Value:
    first, shape = _one(x), numbers(b, x, a, "shape", 1)
    if shape is None:
        raise NotUnderstood
    return b.reshape(first, [first.shape[k] if n == 0 and not a.get("allowzero") else n for k, n in enumerate(shape)])


def _flatten(b: Build, x: Values, a: dict[str, Any]) -> Value:
    first, axis = _one(x), int(a.get("axis", 1))
    axis = axis % len(first.shape) if axis < 0 else axis
    return b.reshape(first, (math.prod(first.shape[:axis]), math.prod(first.shape[axis:])))


def _transpose(b: Build, x: Values, a: dict[str, Any]) -> Value:
    first = _one(x)
    return b.permute(first, a.get("perm", range(len(first.shape))[::-1]))


def _squeeze(b: Build, x: Values, a: dict[str, Any]) -> Value:
    return single("squeeze", b, _one(x), numbers(b, x, a, "axes", 1))


def _unsqueeze(b: Build, x: Values, a: dict[str, Any]) -> Value:
    out, axes = _one(x), numbers(b, x, a, "axes", 1) or []
    rank = len(out.shape) + len(axes)
    for d in sorted(d % rank for d in axes):
        out = b.unsqueeze(out, d)
    return out


def _concat(b: Build, x: Values, a: dict[str, Any]) -> Value:
    return b.concatenate([_one([y]) for y in x], int(a["axis"]))


def _split(b: Build, x: Values, a: dict[str, Any]) -> list[Value]:
    first, axis, sizes = _one(x), int(a.get("axis", 0)), numbers(b, x, a, "split", 1)
    if sizes is None:
        n = first.shape[axis]
        each = -(-n // a["outputs"])
        sizes = [min(each, n - k * each) for k in range(a["outputs"])]
    if sum(sizes) != first.shape[axis] or min(sizes, default=0) < 0:
        raise NotUnderstood
    return b.split(first, sizes, axis)


def _slice(b: Build, x: Values, a: dict[str, Any]) -> Value:
    out = _one(x)
    starts, ends = numbers(b, x, a, "starts", 1), numbers(b, x, a, "ends", 2)
    axes, steps = numbers(b, x, a, "axes", 3), numbers(b, x, a, "steps", 4)
    if starts is None or ends is None or min(steps or [1]) < 1:
        raise NotUnderstood
    for k, (start, end) in enumerate(zip(starts, ends, strict=True)):
        out = b.slice(out, axes[k] if axes is not None else k, start, end, steps[k] if steps is not None else 1)
    return out


def _expand(b: Build, x: Values, a: dict[str, Any]) -> Value:
    first, shape = _one(x), numbers(b, x, a, "shape", 1)
    if shape is None:
        raise NotUnderstood
    return b.expand(first, np.broadcast_shapes(first.shape, tuple(shape)))


def _tile(b: Build, x: Values, a: dict[str, Any]) -> Value:
    return single("repeat", b, _one(x), numbers(b, x, a, "repeats", 1))


def _pad(b: Build, x: Values, a: dict[str, Any]) -> Value:
    first, pads, axes = _one(x), numbers(b, x, a, "pads", 1), numbers(b, x, {}, "", 3)
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
    first, indices = _one(x), x[1]
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
    first = _one(x)
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
    return single("triu" if a.get("upper", 1) else "tril", b, _one(x), k)


def _cumulate(b: Build, x: Values, a: dict[str, Any]) -> Value:
    if a.get("exclusive") or a.get("reverse"):
        raise NotUnderstood
    return single("cumsum", b, _one(x), int(known(b, x[1]).ravel()[0]))


def _top(b: Build, x: Values, a: dict[str, Any]) -> Any:
    k = int(known(b, x[1]).ravel()[0]) if len(x) > 1 else int(a["k"])
    return TABLE["topk"](b, _one(x), k, int(a.get("axis", -1)), bool(a.get("largest", 1)))


def _where(b: Build, x: Values, a: dict[str, Any]) -> Value:
    return b.choose(_one(x), x[1], x[2])  # type: ignore[arg-type]


def _prelu(b: Build, x: Values, a: dict[str, Any]) -> Value:
    first = _one(x)
    return b.choose(b.binary("compare", first, 0.0, function="gt"), first,
                    b.binary("multiply", first, x[1]))  # type: ignore[arg-type]


ENTRIES: dict[str, Entry] = {
    **{name: _act(word) for name, word in (
        ("Relu", "relu"), ("Tanh", "tanh"), ("Sigmoid", "sigmoid"), ("Erf", "erf"), ("Softplus", "softplus"),
        ("Softsign", "softsign"), ("Mish", "mish"), ("Sin", "sin"), ("Atan", "arctan"))},
    **{name: _function(word) for name, word in (
        ("Neg", "neg"), ("Abs", "abs"), ("Exp", "exp"), ("Log", "log"), ("Sqrt", "sqrt"), ("Reciprocal", "reciprocal"),
        ("Floor", "floor"), ("Ceil", "ceil"), ("Round", "round"), ("Sign", "sign"), ("Cos", "cos"), ("Tan", "tan"))},
    **{name: _binary(word) for name, word in (
        ("Add", "add"), ("Sub", "subtract"), ("Mul", "multiply"), ("Div", "divide"), ("Max", "maximum"),
        ("Min", "minimum"), ("Sum", "add"), ("Mod", "remainder"))},
    **{name: _compare(word) for name, word in (("Equal", "eq"), ("Less", "lt"), ("Greater", "gt"),
                                               ("LessOrEqual", "le"), ("GreaterOrEqual", "ge"))},
    **{name: _logical(word) for name, word in (("And", "and"), ("Or", "or"), ("Xor", "xor"))},
    "Pow": _power, "HardSigmoid": _hard_sigmoid, "HardSwish": _aten("hardswish"), "Elu": _elu, "Selu": _selu,
    "Celu": _aten("celu", alpha="alpha"), "Gelu": _aten("gelu", approximate="approximate"), "PRelu": _prelu,
    "LeakyRelu": _aten("leaky_relu", negative_slope="alpha"), "Clip": _clip, "Cast": _cast, "Identity":
        lambda b, x, a: _one(x), "Where": _where,
    "MatMul": lambda b, x, a: TABLE["matmul"](b, *x), "Gemm": _gemm,
    "Einsum": lambda b, x, a: TABLE["einsum"](b, a["equation"], list(x)),
    "Softmax": _softmax(False), "LogSoftmax": _softmax(True),
    "ReduceSum": _reduce("sum"), "ReduceMean": _reduce("mean"), "ReduceMax": _reduce("amax"),
    "ReduceMin": _reduce("amin"), "ReduceProd": _reduce("prod"), "ReduceLogSumExp": _reduce("logsumexp"),
    "ReduceL2": _reduce("norm"), "ReduceSumSquare": _reduce("sum", "square"), "ReduceL1": _reduce("sum", "abs"),
    "ReduceLogSum": _reduce("sum", after="log"), "ArgMax": _arg("argmax"), "ArgMin": _arg("argmin"),
    "Reshape": _reshape, "Flatten": _flatten, "Transpose": _transpose, "Squeeze": _squeeze, "Unsqueeze": _unsqueeze,
    "Concat": _concat, "Split": _split, "Slice": _slice, "Expand": _expand, "Tile": _tile, "Pad": _pad,
    "Gather": _gather, "GatherElements": lambda b, x, a: TABLE["gather"](b, _one(x), int(a.get("axis", 0)), x[1]),
    "Resize": _resize, "Upsample": _resize, "Trilu": _trilu, "CumSum": _cumulate, "TopK": _top, **LAYERS,
}
