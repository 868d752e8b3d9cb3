"""The table's sums: products with weights, convolutions, norms, attention, recurrence, reductions, pools."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

from ..program import Value
from ._build import Build, Number, NotUnderstood, broadcast_shapes, dim_of, dims_of

Entry = Callable[..., Any]


def _linear(b: Build, input: Value, weight: Value, bias: Value | None = None) -> Value:
    out = b.contract(input, weight, ((len(input.shape) - 1,), (len(weight.shape) - 1,)))
    return _plus(b, out, bias)


def _plus(b: Build, x: Value, bias: Value | None) -> Value:
    return x if bias is None else b.binary("add", x, bias)


def _scaled(b: Build, x: Value, factor: Number) -> Value:
    return x if factor == 1 else b.binary("multiply", x, factor)


def _mm(b: Build, self: Value, mat2: Value) -> Value:
    return matmul(b, self, mat2)


def _addmm(b: Build, self: Value, mat1: Value, mat2: Value, beta: Number = 1, alpha: Number = 1) -> Value:
    out = _scaled(b, matmul(b, mat1, mat2), alpha)
    return out if beta == 0 else b.binary("add", out, _scaled(b, self, beta))


def matmul(b: Build, self: Value, other: Value) -> Value:
    """As NumPy's: vectors are rows before and columns after; dims before the last two are a batch, broadcast."""
    p, q = len(self.shape), len(other.shape)
    if not p or not q:
        raise NotUnderstood
    if q <= 2:
        return b.contract(self, other, ((p - 1,), (0,)))
    if p == 1:
        return b.contract(self, other, ((0,), (q - 2,)))
    batch = broadcast_shapes(self.shape[:-2], other.shape[:-2])
    x, y = (b.expand(v, (*batch, *v.shape[-2:])) for v in (self, other))
    k = len(batch)
    return b.contract(x, y, ((k + 1,), (k,)), (range(k), range(k)))


def einsum(b: Build, equation: str, operands: Sequence[Value], path: Any = None) -> Value:
    """Two operands at a time, from the left; a letter of one operand alone that the result lacks is summed before."""
    terms, out = _letters(equation.replace(" ", ""), [len(x.shape) for x in operands])
    work = [(x, t) for x, t in zip(operands, terms, strict=True)]
    value, letters = _summed(b, *work[0], set(out).union(*terms[1:]))
    for k, (y, more) in enumerate(work[1:], 2):
        wanted = set(out).union(*terms[k:])
        y, more = _summed(b, y, more, wanted | set(letters))
        value, letters = _summed(b, value, letters, wanted | set(more))
        shared = [c for c in letters if c in more]
        batch, over = [c for c in shared if c in wanted], [c for c in shared if c not in wanted]
        at = [[[t.index(c) for c in group] for t in (letters, more)] for group in (over, batch)]
        value = b.contract(value, y, (at[0][0], at[0][1]), (at[1][0], at[1][1]))
        letters = "".join([*batch, *(c for c in letters if c not in shared), *(c for c in more if c not in shared)])
    value, letters = _summed(b, value, letters, set(out))
    if sorted(letters) != sorted(out):
        raise NotUnderstood
    return b.permute(value, [letters.index(c) for c in out])


def _summed(b: Build, x: Value, letters: str, wanted: set[str]) -> tuple[Value, str]:
    gone = [k for k, c in enumerate(letters) if c not in wanted]
    return (b.reduce(x, "sum", gone), "".join(c for c in letters if c in wanted)) if gone else (x, letters)


def _letters(equation: str, ranks: Sequence[int]) -> tuple[list[str], str]:
    """The letters of every operand and of the result; an ellipsis stands for letters of its own."""
    left, arrow, right = equation.partition("->")
    terms = left.split(",")
    if len(terms) != len(ranks):
        raise NotUnderstood
    spare = [chr(c) for c in range(0x3B1, 0x3B1 + 24)]
    longest = 0
    for k, (term, rank) in enumerate(zip(terms, ranks, strict=True)):
        if "..." in term:
            more = rank - len(term) + 3
            longest = max(longest, more)
            terms[k] = term.replace("...", "".join(spare[:more][::-1]))
        if len(terms[k]) != rank or len(set(terms[k])) != rank:
            raise NotUnderstood
    if not arrow:
        every = "".join(terms)
        right = "..." + "".join(sorted(c for c in set(every) if every.count(c) == 1 and c not in spare))
    return terms, right.replace("...", "".join(spare[:longest][::-1]))


def _bilinear(b: Build, input1: Value, input2: Value, weight: Value, bias: Value | None = None) -> Value:
    return _plus(b, einsum(b, "...i,oij,...j->...o", [input1, weight, input2]), bias)


def _many(x: Any, k: int) -> tuple[int, ...]:
    several = (x,) if isinstance(x, int) else tuple(x)
    return several * k if len(several) == 1 else several


def _convolve(k: int | None = None, transposed: bool = False) -> Entry:
    """Convolution over k dims (None: over all but two) of (batch, channel, *spatial), or of (channel, *spatial)."""
    def entry(b: Build, input: Value, weight: Value, bias: Value | None = None, stride: Any = 1, padding: Any = 0,
              dilation: Any = 1, groups: int = 1) -> Value:
        return _convolution(b, input, weight, bias, stride, padding, dilation, False, 0, groups)

    def back(b: Build, input: Value, weight: Value, bias: Value | None = None, stride: Any = 1, padding: Any = 0,
             output_padding: Any = 0, groups: int = 1, dilation: Any = 1) -> Value:
        return _convolution(b, input, weight, bias, stride, padding, dilation, True, output_padding, groups)
    return back if transposed else entry


def _convolution(b: Build, input: Value, weight: Value, bias: Value | None, stride: Any, padding: Any, dilation: Any,
                 transposed: bool, output_padding: Any, groups: int) -> Value:
    k = len(weight.shape) - 2
    x = b.unsqueeze(input, 0) if len(input.shape) == k + 1 else input
    stride, dilation, more = _many(stride, k), _many(dilation, k), _many(output_padding, k)
    taps = [d * (n - 1) for d, n in zip(dilation, weight.shape[2:], strict=True)]
    if isinstance(padding, str):
        both = [(t // 2, t - t // 2) if padding == "same" else (0, 0) for t in taps]
    else:
        both = [(p, p) for p in _many(padding, k)]
    if transposed:
        channels = weight.shape[1] * groups
        size = [(n - 1) * s - lo - hi + t + m + 1 for n, s, (lo, hi), t, m in
                zip(x.shape[2:], stride, both, taps, more, strict=True)]
    else:
        channels = weight.shape[0]
        size = [(n + lo + hi - t - 1) // s + 1 for n, s, (lo, hi), t in zip(x.shape[2:], stride, both, taps, strict=True)]
    spatial = tuple(range(2, k + 2))
    out = b.emit("convolve", x, weight, shape=(x.shape[0], channels, *size), x_dims=(0, 1, *spatial),
                 w_dims=(1, 0, *spatial) if transposed else (0, 1, *spatial), groups=groups, transposed=transposed,
                 stride=stride, dilation=dilation, padding=tuple(both), **({"output_padding": more} if any(more) else {}))
    if bias is not None:
        out = b.binary("add", out, b.reshape(bias, (channels, *[1] * k)))
    return out if x is input else b.reshape(out, out.shape[1:])


# norms

def _norm(b: Build, method: str, *inputs: Value | None, **attributes: Any) -> Value:
    x = inputs[0]
    assert x is not None
    return b.emit("normalize", *inputs, *[None] * (5 - len(inputs)), shape=x.shape, method=method, **attributes)


def _batch_norm(b: Build, input: Value, weight: Value | None, bias: Value | None, running_mean: Value | None,
                running_var: Value | None, training: bool, momentum: Number, eps: Number, cudnn_enabled: bool) -> Value:
    return _norm(b, "batch", input, weight, bias, running_mean, running_var, channel=1, eps=eps, training=bool(training))


def _instance_norm(b: Build, input: Value, weight: Value | None, bias: Value | None, running_mean: Value | None,
                   running_var: Value | None, use_input_stats: bool, momentum: Number, eps: Number,
                   cudnn_enabled: bool) -> Value:
    if not use_input_stats:
        return _batch_norm(b, input, weight, bias, running_mean, running_var, False, momentum, eps, cudnn_enabled)
    return _norm(b, "instance", input, weight, bias, channel=1, eps=eps, training=True)


def _layer_norm(b: Build, input: Value, normalized_shape: Sequence[int], weight: Value | None = None,
                bias: Value | None = None, eps: Number = 1e-5, cudnn_enable: bool = True) -> Value:
    return _norm(b, "layer", input, weight, bias, dims=_last(input, normalized_shape), eps=eps)


def _rms_norm(b: Build, input: Value, normalized_shape: Sequence[int], weight: Value | None = None,
              eps: Number | None = None) -> Value:
    epsilon = {"float64": 2.220446049250313e-16, "float16": 0.0009765625, "bfloat16": 0.0078125}
    eps = epsilon.get(input.dtype, 1.1920928955078125e-07) if eps is None else eps
    return _norm(b, "rms", input, weight, dims=_last(input, normalized_shape), eps=eps)


def _last(x: Value, shape: Sequence[int]) -> tuple[int, ...]:
    return tuple(range(len(x.shape) - len(shape), len(x.shape)))


def _group_norm(b: Build, input: Value, num_groups: int, weight: Value | None = None, bias: Value | None = None,
                eps: Number = 1e-5, cudnn_enabled: bool = True) -> Value:
    return _norm(b, "group", input, weight, bias, channel=1, groups=num_groups, eps=eps)


def _weight_norm(b: Build, v: Value, g: Value, dim: int = 0) -> Value:
    """g v / |v|, the length taken over every dim but one (-1: over all)."""
    over = [d for d in range(len(v.shape)) if dim == -1 or d != dim]
    return b.binary("multiply", v, b.binary("divide", g, b.reduce(v, "norm", over, keep=True, ord=2.0)))


# attention and recurrence

def _attention(b: Build, query: Value, key: Value, value: Value, attn_mask: Value | None = None,
               dropout_p: Number = 0.0, is_causal: bool = False, scale: Number | None = None,
               enable_gqa: bool = False) -> Value:
    if len(query.shape) < 3:
        raise NotUnderstood
    heads, kv = query.shape[-3], key.shape[-3]
    if not kv or heads % kv or value.shape[-3] != kv or (heads != kv and not enable_gqa):
        raise NotUnderstood
    return b.emit("attention", query, key, value, attn_mask, shape=(*query.shape[:-1], value.shape[-1]),
                  queries=heads // kv, causal=bool(is_causal), dropout=float(dropout_p),
                  scale=float(1 / math.sqrt(query.shape[-1]) if scale is None else scale))


def _recur(cell: str, weights_each: int) -> Entry:
    def entry(b: Build, input: Value, hx: Any, params: Sequence[Value], has_biases: bool, num_layers: int,
              dropout: Number, train: bool, bidirectional: bool, batch_first: bool) -> tuple[Value, ...]:
        h, c = (hx[0], hx[1]) if cell == "lstm" else (hx, None)
        ways = 2 if bidirectional else 1
        if len(params) != num_layers * ways * (4 if has_biases else 2) or len(input.shape) != 3:
            raise NotUnderstood                         # projections (proj_size), packed sequences
        size = params[1].shape[1]
        outputs = [((*input.shape[:2], ways * size), None), (h.shape, None)]
        return b.several("recur", input, h, c, *params, outputs=[*outputs, *([(c.shape, None)] if c else [])],
                         cell=cell, layers=num_layers, bidirectional=bool(bidirectional), biases=bool(has_biases),
                         batch_first=bool(batch_first), dropout=float(dropout) if train else 0.0)
    return entry


def _cell(cell: str) -> Entry:
    """One step of a cell: a sequence of length one."""
    def entry(b: Build, input: Value, hx: Any, w_ih: Value, w_hh: Value, b_ih: Value | None = None,
              b_hh: Value | None = None) -> list[Value]:
        states = list(hx) if isinstance(hx, list) else [hx]
        biases = [] if b_ih is None or b_hh is None else [b_ih, b_hh]
        if len(input.shape) != 2:
            raise NotUnderstood
        run = _recur(cell, 4)
        wide = [b.unsqueeze(s, 0) for s in states]
        _, *after = run(b, b.unsqueeze(input, 0), wide if cell == "lstm" else wide[0], [w_ih, w_hh, *biases],
                        bool(biases), 1, 0.0, False, False, False)
        return [b.reshape(s, s.shape[1:]) for s in after]
    return entry


def _dropout(shared: int = 0) -> Entry:
    """``shared``: the draw is one for all dims from this one on (0: one for every element)."""
    def entry(b: Build, input: Value, p: Number, train: bool) -> Value:
        if not train or p == 0:
            return input
        return b.emit("dropout", input, shape=input.shape, rate=float(p),
                      dims=tuple(range(shared, len(input.shape))) if shared else ())
    return entry


# reductions

def _reduce(function: str) -> Entry:
    def entry(b: Build, self: Value, dim: Any = None, keepdim: bool = False, dtype: str | None = None) -> Value:
        x = self if dtype is None else b.cast(self, dtype)
        if dtype is None and "float" not in x.dtype and function in ("sum", "prod"):
            dtype = "int64"
        return b.reduce(x, function, dim, keepdim, "bool" if function in ("any", "all") else dtype)
    return entry


def _extreme(function: str) -> Entry:
    """max and min along a dim: the values and where they are."""
    def entry(b: Build, self: Value, dim: int, keepdim: bool = False) -> list[Value]:
        return [b.reduce(self, function, dim, keepdim), b.reduce(self, f"arg{function}", dim, keepdim, "int64")]
    return entry


def _where(function: str) -> Entry:
    def entry(b: Build, self: Value, dim: int | None = None, keepdim: bool = False) -> Value:
        x = b.reshape(self, (-1,)) if dim is None else self
        return b.reduce(x, function, 0 if dim is None else dim, keepdim, "int64")
    return entry


def _spread(function: str) -> Entry:
    def entry(b: Build, self: Value, dim: Any = None, unbiased: bool = True, keepdim: bool = False,
              correction: Number | None = None) -> Value:
        if isinstance(dim, bool):                       # var.default(self, unbiased)
            dim, unbiased = None, dim
        less = float(unbiased) if correction is None else float(correction)
        return b.reduce(self, function, dim, keepdim, correction=less)
    return entry


def _with_mean(function: str) -> Entry:
    spread = _spread(function)
    return lambda b, self, dim=None, unbiased=True, keepdim=False, correction=None: [
        spread(b, self, dim, unbiased, keepdim, correction), b.reduce(self, "mean", dim, keepdim)]


def _vector_norm(b: Build, self: Value, ord: Number = 2, dim: Any = None, keepdim: bool = False,
                 dtype: str | None = None) -> Value:
    return b.reduce(b.cast(self, dtype), "norm", dim, keepdim, ord=float(ord))


def _norm_of(b: Build, self: Value, p: Number | None = 2, dim: Any = None, keepdim: bool = False,
             dtype: str | None = None) -> Value:
    return _vector_norm(b, self, 2 if p is None else p, dim, keepdim, dtype)


def _softmax(log: bool) -> Entry:
    def entry(b: Build, self: Value, dim: int, dtype: Any = None) -> Value:
        x = self if dtype is None or isinstance(dtype, bool) else b.cast(self, dtype)
        return b.emit("softmax", x, shape=x.shape, dims=(dim_of(dim, len(x.shape)),), log=log)
    return entry


def _cumulate(function: str) -> Entry:
    def entry(b: Build, self: Value, dim: int, dtype: str | None = None) -> Value:
        x = self if dtype is None else b.cast(self, dtype)
        whole = "int64" if dtype is None and "float" not in x.dtype else None
        return b.emit("cumulate", x, shape=x.shape, dtype=whole, dim=dim_of(dim, len(x.shape)), function=function)
    return entry


def _sort(b: Build, self: Value, dim: int = -1, descending: bool = False, stable: bool | None = None) -> Any:
    return b.several("sort", self, outputs=((self.shape, None), (self.shape, "int64")),
                     dim=dim_of(dim, len(self.shape)), descending=bool(descending))


def _topk(b: Build, self: Value, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Any:
    dim = dim_of(dim, len(self.shape))
    shape = [k if d == dim else n for d, n in enumerate(self.shape)]
    return b.several("topk", self, outputs=((shape, None), (shape, "int64")), dim=dim, k=k,
                     **({} if largest else {"largest": False}))


# pools

def _pool(k: int, function: str) -> Entry:
    def entry(b: Build, self: Value, kernel_size: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1,
              ceil_mode: bool = False) -> Value:
        return _pooled(b, self, k, function, kernel_size, stride, padding, dilation, ceil_mode, True)

    def mean(b: Build, self: Value, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
             count_include_pad: bool = True, divisor_override: int | None = None) -> Value:
        if divisor_override is not None:
            raise NotUnderstood
        return _pooled(b, self, k, function, kernel_size, stride, padding, 1, ceil_mode, count_include_pad)
    return mean if function == "mean" else entry


def _pooled(b: Build, x: Value, k: int, function: str, window: Any, stride: Any, padding: Any, dilation: Any,
            ceil: bool, count_pad: bool) -> Value:
    window, padding, dilation = _many(window, k), _many(padding, k), _many(dilation, k)
    stride = window if stride is None or (not isinstance(stride, int) and not stride) else _many(stride, k)
    size = []
    for n, w, s, p, d in zip(x.shape[-k:], window, stride, padding, dilation, strict=True):
        free = n + 2 * p - d * (w - 1) - 1
        count = (-(-free // s) if ceil else free // s) + 1
        size.append(count - (ceil and (count - 1) * s >= n + p))
    rank = len(x.shape)
    return b.emit("pool", x, shape=(*x.shape[:-k], *size), dims=tuple(range(rank - k, rank)), function=function,
                  window=window, stride=stride, padding=padding, dilation=dilation, ceil=bool(ceil),
                  count_padding=bool(count_pad))


def _adaptive(k: int, function: str) -> Entry:
    """To one pixel it is a reduction; to as many as there are nothing; else a pool."""
    def entry(b: Build, self: Value, output_size: Any) -> Value:
        rank = len(self.shape)
        dims = tuple(range(rank - k, rank))
        size = [n if want is None else want for n, want in zip(self.shape[-k:], _many(output_size, k), strict=True)]
        if all(n == 1 for n in size):
            return b.reduce(self, function, dims, keep=True)
        if tuple(size) == self.shape[-k:]:
            return self
        return b.emit("pool", self, shape=(*self.shape[:-k], *size), dims=dims, function=function, adaptive=True)
    return entry


def _resample(method: str, k: int) -> Entry:
    def entry(b: Build, input: Value, output_size: Any = None, align_corners: bool = False,
              scale_factors: Any = None) -> Value:
        size = output_size or [math.floor(n * f) for n, f in zip(input.shape[-k:], scale_factors or (), strict=True)]
        rank = len(input.shape)
        return b.emit("resample", input, shape=(*input.shape[:-k], *size), dims=tuple(range(rank - k, rank)),
                      method=method, align=bool(align_corners))
    return entry


ENTRIES: dict[str, Entry] = {
    "linear": _linear, "mm": _mm, "bmm": _mm, "matmul": matmul, "addmm": _addmm, "bilinear": _bilinear,
    "mv": lambda b, self, vec: matmul(b, self, vec), "dot": lambda b, self, tensor: matmul(b, self, tensor),
    "addmv": lambda b, self, mat, vec, beta=1, alpha=1: _addmm(b, self, mat, vec, beta, alpha),
    "baddbmm": lambda b, self, batch1, batch2, beta=1, alpha=1: _addmm(b, self, batch1, batch2, beta, alpha),
    "outer": lambda b, self, vec2: b.contract(self, vec2, ((), ())), "einsum": einsum,
    **{f"conv{k}d": _convolve() for k in (1, 2, 3)},
    **{f"conv_transpose{k}d": _convolve(transposed=True) for k in (1, 2, 3)}, "convolution": _convolution,
    "batch_norm": _batch_norm, "instance_norm": _instance_norm, "layer_norm": _layer_norm, "rms_norm": _rms_norm,
    "group_norm": _group_norm, "_weight_norm": _weight_norm, "scaled_dot_product_attention": _attention,
    "lstm.input": _recur("lstm", 4), "gru.input": _recur("gru", 4), "rnn_tanh.input": _recur("rnn_tanh", 4),
    "rnn_relu.input": _recur("rnn_relu", 4), "lstm_cell": _cell("lstm"), "gru_cell": _cell("gru"),
    "rnn_tanh_cell": _cell("rnn_tanh"), "rnn_relu_cell": _cell("rnn_relu"),
    "dropout": _dropout(), "feature_dropout": _dropout(2),
    **{name: _reduce(name) for name in ("sum", "mean", "prod", "logsumexp", "any", "all")},
    "amax": _reduce("max"), "amin": _reduce("min"), "max": _reduce("max"), "min": _reduce("min"),
    "max.dim": _extreme("max"), "min.dim": _extreme("min"), "argmax": _where("argmax"), "argmin": _where("argmin"),
    "count_nonzero": lambda b, self, dim=None: b.reduce(self, "count", dim, False, "int64"),
    "var": _spread("var"), "std": _spread("std"), "var_mean": _with_mean("var"), "std_mean": _with_mean("std"),
    "linalg_vector_norm": _vector_norm, "norm": _norm_of,
    "softmax": _softmax(False), "log_softmax": _softmax(True), "_softmax": lambda b, self, dim, half_to_float:
        _softmax(False)(b, self, dim), "_log_softmax": lambda b, self, dim, half_to_float: _softmax(True)(b, self, dim),
    "cumsum": _cumulate("sum"), "cumprod": _cumulate("prod"), "logcumsumexp": _cumulate("logsumexp"),
    "sort": _sort, "topk": _topk, "argsort": lambda b, self, dim=-1, descending=False, stable=None:
        _sort(b, self, dim, descending)[1],
    **{f"{name}_pool{k}d": _pool(k, word) for k in (1, 2, 3) for name, word in (("max", "max"), ("avg", "mean"))},
    **{f"adaptive_{name}_pool{k}d": _adaptive(k, word) for k in (1, 2, 3)
       for name, word in (("max", "max"), ("avg", "mean"))},
    **{f"upsample_{method}{k}d": _resample(method, k) for method, ks in
       (("nearest", (1, 2, 3)), ("linear", (1,)), ("bilinear", (2,)), ("bicubic", (2,)), ("trilinear", (3,)))
       for k in ks},
}
_ = itertools, dims_of
