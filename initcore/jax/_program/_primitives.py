"""JAX's primitives in the words of initcore.program: one line each."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..._aten import Build, NotUnderstood
from ...program import Value

Entry = Callable[..., Any]

BINARY = {"add": "add", "add_any": "add", "sub": "subtract", "mul": "multiply", "div": "divide", "max": "maximum",
          "min": "minimum", "pow": "power", "rem": "remainder", "atan2": "arctan2"}
COMPARE = {"eq", "ne", "lt", "le", "gt", "ge"}
LOGICAL = {"and": "and", "or": "or", "xor": "xor"}
UNARY = {"neg": "neg", "exp": "exp", "log": "log", "log1p": "log1p", "expm1": "expm1", "sqrt": "sqrt",
         "rsqrt": "rsqrt", "cos": "cos", "tan": "tan", "sinh": "sinh", "cosh": "cosh", "asin": "asin", "acos": "acos",
         "asinh": "asinh", "acosh": "", "atanh": "atanh", "erfc": "erfc", "erf_inv": "erfinv", "abs": "abs",
         "sign": "sign", "floor": "floor", "ceil": "ceil", "round": "round", "square": "square",
         "is_finite": "isfinite", "lgamma": "lgamma", "digamma": "digamma"}
ACTIVATIONS = {"tanh": "tanh", "logistic": "sigmoid", "erf": "erf", "sin": "sin", "atan": "arctan"}
REDUCTIONS = {"reduce_sum": "sum", "reduce_max": "amax", "reduce_min": "amin", "reduce_prod": "prod",
              "reduce_and": "all", "reduce_or": "any", "argmax": "argmax", "argmin": "argmin"}
SAME = {"copy", "copy_p", "reduce_precision", "sharding_constraint", "reshard", "mesh_cast", "pvary", "name"}
DRAWS = {"random_bits", "random_seed", "random_wrap", "random_unwrap", "random_fold_in", "random_split",
         "threefry2x32", "rng_bit_generator", "shift_right_logical", "shift_left", "bitcast_convert_type"}
# What is worked out element by element: a constant with one number everywhere may stand for it.
ELEMENTWISE = {*BINARY, *UNARY, *ACTIVATIONS, "integer_pow", "select_n", "clamp", "convert_element_type",
               "stop_gradient", *COMPARE, "cbrt", "exp2"}


def _dot_general(b: Build, x: Value, y: Value, *, dimension_numbers: Any, **_: Any) -> Value:
    (left, right), (first, second) = dimension_numbers
    return b.contract(x, y, (tuple(left), tuple(right)), (tuple(first), tuple(second)))


def _convolution(b: Build, x: Value, w: Value, *, dimension_numbers: Any, window_strides: Any, padding: Any,
                 lhs_dilation: Any, rhs_dilation: Any, feature_group_count: int, batch_group_count: int,
                 shape: tuple[int, ...], **_: Any) -> Value:
    x_dims, w_dims, out = (tuple(s) for s in (dimension_numbers.lhs_spec, dimension_numbers.rhs_spec,
                                              dimension_numbers.out_spec))
    made = [0] * len(shape)
    for to, at in zip(x_dims, out):
        made[to] = shape[at]
    if batch_group_count != 1:
        raise NotUnderstood
    given: dict[str, Any] = {"stride": tuple(window_strides), "transposed": False}
    pads = tuple((int(lo), int(hi)) for lo, hi in padding)
    if any(n != 1 for n in lhs_dilation):               # a transposed convolution with its taps the other way round
        taps = [d * (w.shape[k] - 1) for d, k in zip(rhs_dilation, w_dims[2:])]
        pads = tuple((t - lo, t - hi) for t, (lo, hi) in zip(taps, pads))
        more = tuple(max(0, -hi) for _, hi in pads)
        pads = tuple((lo, max(0, hi)) for lo, hi in pads)
        if feature_group_count != 1 or any(n != 1 for n in window_strides) or any(lo < 0 for lo, _ in pads):
            raise NotUnderstood
        w = b.emit("flip", w, shape=w.shape, dims=tuple(sorted(w_dims[2:])))
        given = {"stride": tuple(lhs_dilation), "transposed": True, **({"output_padding": more} if any(more) else {})}
    elif any(lo < 0 or hi < 0 for lo, hi in pads):
        raise NotUnderstood
    y = b.emit("convolve", x, w, shape=made, x_dims=x_dims, w_dims=w_dims, groups=feature_group_count,
               dilation=tuple(rhs_dilation), padding=pads, **given)
    return b.permute(y, [x_dims[out.index(k)] for k in range(len(shape))])


def _gather(b: Build, x: Value, indices: Value, *, dimension_numbers: Any, slice_sizes: Any, **_: Any) -> Value:
    """Rows along one dim; anything else is not understood."""
    d = dimension_numbers
    if len(d.start_index_map) != 1 or d.operand_batching_dims or indices.shape[-1] != 1:
        raise NotUnderstood
    (dim,) = d.start_index_map
    whole = all(n == s or k == dim for k, (n, s) in enumerate(zip(x.shape, slice_sizes)))
    if not whole or slice_sizes[dim] != 1 or tuple(d.collapsed_slice_dims) != (dim,):
        raise NotUnderstood
    at = b.reshape(indices, indices.shape[:-1])
    made = b.emit("look_up", x, at, shape=(*x.shape[:dim], *at.shape, *x.shape[dim + 1:]), dim=dim)
    rank, k = len(made.shape), len(at.shape)
    batch, rest = list(range(dim, dim + k)), [*range(dim), *range(dim + k, rank)]
    order = [rest.pop(0) if n in d.offset_dims else batch.pop(0) for n in range(rank)]
    return b.permute(made, order)


def _reduce_window(function: str) -> Entry:
    def entry(b: Build, x: Value, *, window_dimensions: Any, window_strides: Any, padding: Any, base_dilation: Any,
              window_dilation: Any, shape: tuple[int, ...], **_: Any) -> Value:
        dims = tuple(k for k, n in enumerate(window_dimensions) if n > 1 or window_strides[k] > 1)
        if any(n != 1 for n in base_dilation) or any(p != (0, 0) for k, p in enumerate(padding) if k not in dims):
            raise NotUnderstood
        window = tuple(window_dimensions[k] for k in dims)
        y = b.emit("pool", x, shape=shape, dims=dims, function="max" if function == "max" else "mean", window=window,
                   stride=tuple(window_strides[k] for k in dims), padding=tuple(tuple(padding[k]) for k in dims),
                   dilation=tuple(window_dilation[k] for k in dims))
        return y if function == "max" else b.elementwise("scale", y, factor=float(math.prod(window)))
    return entry


def _broadcast_in_dim(b: Build, x: Value, *, broadcast_dimensions: Any, shape: tuple[int, ...], **_: Any) -> Value:
    dims = tuple(broadcast_dimensions)
    if math.prod(x.shape) == math.prod(shape):
        return b.reshape(x, shape)
    return b.place_dims(x, shape, dims)


def _pad(b: Build, x: Value, value: Any, *, padding_config: Any, shape: tuple[int, ...], **_: Any) -> Value:
    if isinstance(value, Value) or any(inner for *_, inner in padding_config):
        raise NotUnderstood
    cut = x
    for k, (lo, hi, _) in enumerate(padding_config):    # negative sizes take away
        cut = b.slice(cut, k, max(0, -lo), cut.shape[k] - max(0, -hi))
    low, high = ([max(0, p[j]) for p in padding_config] for j in (0, 1))
    return b.emit("pad", cut, shape=shape, low=tuple(low), high=tuple(high), value=float(np.asarray(value)))


def _slice(b: Build, x: Value, *, start_indices: Any, limit_indices: Any, strides: Any, **_: Any) -> Value:
    for k, (low, high, step) in enumerate(zip(start_indices, limit_indices, strides or (1,) * len(x.shape))):
        x = b.slice(x, k, low, high, step)
    return x


def _dynamic_slice(b: Build, x: Value, *starts: Any, slice_sizes: Any, **_: Any) -> Value:
    if any(isinstance(s, Value) for s in starts):
        raise NotUnderstood
    for k, (s, n) in enumerate(zip(starts, slice_sizes)):
        first = min(max(int(s), 0), x.shape[k] - n)     # as XLA does
        x = b.slice(x, k, first, first + n)
    return x


def _select(b: Build, which: Value, *cases: Any, **_: Any) -> Value:
    if len(cases) != 2:
        raise NotUnderstood
    return b.choose(which, cases[1], cases[0])


def _clamp(b: Build, low: Any, x: Value, high: Any, **_: Any) -> Value:
    if isinstance(low, Value) or isinstance(high, Value):
        return b.binary("minimum", b.binary("maximum", x, low), high)
    return b.elementwise("clamp", x, low=float(low), high=float(high))


def _integer_pow(b: Build, x: Value, *, y: int, **_: Any) -> Value:
    if y in (2, -1):
        return b.elementwise("square" if y == 2 else "reciprocal", x)
    return b.elementwise("power", x, exponent=float(y))


def _cumulate(function: str) -> Entry:
    def entry(b: Build, x: Value, *, axis: int, reverse: bool, **_: Any) -> Value:
        if reverse:
            raise NotUnderstood
        return b.emit("cumulate", x, shape=x.shape, dim=axis, function=function)
    return entry


def _split(b: Build, x: Value, *, sizes: Any, axis: int, **_: Any) -> Sequence[Value]:
    return b.split(x, sizes, axis)


def _top_k(b: Build, x: Value, *, k: int, shape: tuple[int, ...], **_: Any) -> Sequence[Value]:
    return b.several("topk", x, outputs=((shape, None), (shape, "int32")), dim=len(x.shape) - 1, k=k)


def _reshape(b: Build, x: Value, *, new_sizes: Any, dimensions: Any = None, **_: Any) -> Value:
    return b.reshape(x if dimensions is None else b.permute(x, dimensions), new_sizes)


ENTRIES: dict[str, Entry] = {
    "dot_general": _dot_general, "conv_general_dilated": _convolution, "gather": _gather,
    "reduce_window_max": _reduce_window("max"), "reduce_window_sum": _reduce_window("sum"),
    "broadcast_in_dim": _broadcast_in_dim, "pad": _pad, "slice": _slice, "dynamic_slice": _dynamic_slice,
    "select_n": _select, "clamp": _clamp, "integer_pow": _integer_pow, "split": _split, "top_k": _top_k,
    "cumsum": _cumulate("sum"), "cummax": _cumulate("max"), "reshape": _reshape,
    "transpose": lambda b, x, *, permutation, **_: b.permute(x, permutation),
    "squeeze": lambda b, x, *, shape, **_: b.reshape(x, shape),
    "expand_dims": lambda b, x, *, shape, **_: b.reshape(x, shape),
    "concatenate": lambda b, *xs, dimension, **_: b.concatenate(xs, dimension),
    "rev": lambda b, x, *, dimensions, **_: b.emit("flip", x, shape=x.shape, dims=tuple(sorted(dimensions))),
    "stop_gradient": lambda b, x, **_: b.emit("detach", x, shape=x.shape),
    "convert_element_type": lambda b, x, *, new_dtype, **_: b.cast(x, np.dtype(new_dtype).name),
    "not": lambda b, x, **_: b.emit("logical", x, shape=x.shape, dtype="bool", function="not"),
    "exp2": lambda b, x, **_: b.elementwise("exp", b.elementwise("scale", x, factor=math.log(2.0))),
    **{name: (lambda b, x, _f=f, **_: b.elementwise(_f, x)) for name, f in UNARY.items() if f},
    **{name: (lambda b, x, _f=f, **_: b.activation(_f, x)) for name, f in ACTIVATIONS.items()},
    **{name: (lambda b, x, y, _k=k, **_: b.binary(_k, x, y)) for name, k in BINARY.items()},
    **{name: (lambda b, x, y, _k=name, **_: b.binary("compare", x, y, function=_k)) for name in COMPARE},
    **{name: (lambda b, x, y, _k=k, **_: b.binary("logical", x, y, function=_k)) for name, k in LOGICAL.items()},
    **{name: (lambda b, x, *, axes, _f=f, **_: b.reduce(x, _f, axes) if axes else x) for name, f in REDUCTIONS.items()},
}
