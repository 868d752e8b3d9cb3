"""ONNX's operations in the words of :mod:`initcore.program`, one entry each; by ATen's table where it has the same."""

from __future__ import annotations

from typing import Any

from ...._aten import TABLE, Build, NotUnderstood, single
from ....program import Value
from ._entry import ELEMENTS, Entry, Values, known, numbers, one
from ._layers import ENTRIES as LAYERS
from ._shapes import ENTRIES as SHAPES


def _aten(name: str, **renamed: str) -> Entry:
    """ATen's operation of the first inputs, with attributes under ATen's names."""
    def entry(b: Build, x: Values, a: dict[str, Any]) -> Any:
        return TABLE[name](b, *x, **{ours: a[theirs] for ours, theirs in renamed.items() if theirs in a})
    return entry


def _act(name: str) -> Entry:
    return lambda b, x, a: b.activation(name, one(x))


def _function(name: str) -> Entry:
    return lambda b, x, a: b.elementwise(name, one(x))


def _binary(kind: str) -> Entry:
    """Of two, or of several from the left."""
    def entry(b: Build, x: Values, a: dict[str, Any]) -> Value:
        out = one(x)
        for y in x[1:]:
            if y is None:
                raise NotUnderstood
            out = b.binary(kind, out, y)
        return out
    return entry


def _compare(*functions: str) -> Entry:
    return lambda b, x, a: b.binary("compare", one(x), x[1], function=functions[0])  # type: ignore[arg-type]


def _logical(function: str) -> Entry:
    return lambda b, x, a: b.binary("logical", one(x), x[1], function=function)  # type: ignore[arg-type]


def _power(b: Build, x: Values, a: dict[str, Any]) -> Value:
    exponent = b.constants.get(x[1]) if x[1] is not None else None
    if exponent is None or exponent.size != 1:
        return b.binary("power", one(x), x[1])  # type: ignore[arg-type]
    n = float(exponent.ravel()[0])
    return b.elementwise("square", one(x)) if n == 2 else b.elementwise("power", one(x), exponent=n)


def _hard_sigmoid(b: Build, x: Values, a: dict[str, Any]) -> Value:
    alpha, beta = a.get("alpha", 0.2), a.get("beta", 0.5)
    if abs(alpha - 1 / 6) < 1e-6 and beta == 0.5:
        return b.activation("hard_sigmoid", one(x))
    line = b.binary("add", b.binary("multiply", one(x), float(alpha)), float(beta))
    return b.elementwise("clamp", line, low=0.0, high=1.0)


def _elu(b: Build, x: Values, a: dict[str, Any]) -> Value:
    return single("elu", b, one(x), a.get("alpha", 1.0))


def _selu(b: Build, x: Values, a: dict[str, Any]) -> Value:
    if abs(a.get("alpha", 1.6732632) - 1.6732632) > 1e-4 or abs(a.get("gamma", 1.0507009) - 1.0507009) > 1e-4:
        raise NotUnderstood
    return b.activation("selu", one(x))


def _clip(b: Build, x: Values, a: dict[str, Any]) -> Value:
    low, high = (a.get(word, float(known(b, x[k]).ravel()[0]) if len(x) > k and x[k] is not None else None)
                 for word, k in (("min", 1), ("max", 2)))
    return single("clamp", b, one(x), low, high)


def _cast(b: Build, x: Values, a: dict[str, Any]) -> Value:
    return b.cast(one(x), ELEMENTS.get(int(a["to"])))


def _gemm(b: Build, x: Values, a: dict[str, Any]) -> Value:
    over = (0 if a.get("transA") else 1,), (1 if a.get("transB") else 0,)
    out = b.contract(one(x), x[1], over)  # type: ignore[arg-type]
    if a.get("alpha", 1.0) != 1.0:
        out = b.binary("multiply", out, float(a["alpha"]))
    if len(x) < 3 or x[2] is None:
        return out
    beta = a.get("beta", 1.0)
    return b.binary("add", out, x[2] if beta == 1.0 else b.binary("multiply", x[2], float(beta)))


def _softmax(log: bool) -> Entry:
    def entry(b: Build, x: Values, a: dict[str, Any]) -> Value:
        first = one(x)
        axis = int(a.get("axis", -1 if a["opset"] >= 13 else 1)) % max(len(first.shape), 1)
        dims = (axis,) if a["opset"] >= 13 else tuple(range(axis, len(first.shape)))
        return b.emit("softmax", first, shape=first.shape, dims=dims, log=log)
    return entry


def _reduce(function: str, before: str = "", after: str = "") -> Entry:
    def entry(b: Build, x: Values, a: dict[str, Any]) -> Value:
        first, dims = one(x), numbers(b, x, a, "axes", 1)
        if not dims and a.get("noop_with_empty_axes"):
            return first
        first = b.elementwise(before, first) if before else first
        more: dict[str, Any] = {"ord": 2.0} if function == "norm" else {}
        out = b.reduce(first, function, dims, bool(a.get("keepdims", 1)), **more)
        return b.elementwise(after, out) if after else out
    return entry


def _arg(function: str) -> Entry:
    return lambda b, x, a: b.reduce(one(x), function, [int(a.get("axis", 0))], bool(a.get("keepdims", 1)), "int64")


def _cumulate(b: Build, x: Values, a: dict[str, Any]) -> Value:
    if a.get("exclusive") or a.get("reverse"):
        raise NotUnderstood
    return single("cumsum", b, one(x), int(known(b, x[1]).ravel()[0]))


def _top(b: Build, x: Values, a: dict[str, Any]) -> Any:
    k = int(known(b, x[1]).ravel()[0]) if len(x) > 1 else int(a["k"])
    return TABLE["topk"](b, one(x), k, int(a.get("axis", -1)), bool(a.get("largest", 1)))


def _where(b: Build, x: Values, a: dict[str, Any]) -> Value:
    return b.choose(one(x), x[1], x[2])  # type: ignore[arg-type]


def _prelu(b: Build, x: Values, a: dict[str, Any]) -> Value:
    first = one(x)
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
        lambda b, x, a: one(x), "Where": _where,
    "MatMul": lambda b, x, a: TABLE["matmul"](b, *x), "Gemm": _gemm,
    "Einsum": lambda b, x, a: TABLE["einsum"](b, a["equation"], list(x)),
    "Softmax": _softmax(False), "LogSoftmax": _softmax(True),
    "ReduceSum": _reduce("sum"), "ReduceMean": _reduce("mean"), "ReduceMax": _reduce("amax"),
    "ReduceMin": _reduce("amin"), "ReduceProd": _reduce("prod"), "ReduceLogSumExp": _reduce("logsumexp"),
    "ReduceL2": _reduce("norm"), "ReduceSumSquare": _reduce("sum", "square"), "ReduceL1": _reduce("sum", "abs"),
    "ReduceLogSum": _reduce("sum", after="log"), "ArgMax": _arg("argmax"), "ArgMin": _arg("argmin"),
    "CumSum": _cumulate, "TopK": _top, **SHAPES, **LAYERS,
}
