"""The table's layers: norms, attention, recurrent cells, dropout."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from ..program import Value
from ._build import Build, NotUnderstood, Number

Entry = Callable[..., Any]


def _norm(b: Build, method: str, *inputs: Value | None, **attributes: Any) -> Value:
    x = inputs[0]
    assert x is not None
    return b.emit("normalize", *inputs, *[None] * (5 - len(inputs)), shape=x.shape, method=method, **attributes)


def _batch_norm(b: Build, input: Value, weight: Value | None, bias: Value | None, running_mean: Value | None,
                running_var: Value | None, training: bool, momentum: Number, eps: Number, cudnn_enabled: bool) -> Value:
    return _norm(b, "batch", input, weight, bias, running_mean, running_var, channel=1, eps=eps,
                 training=bool(training))


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


def _recur(cell: str) -> Entry:
    def entry(b: Build, input: Value, hx: Any, params: Sequence[Value], has_biases: bool, num_layers: int,
              dropout: Number, train: bool, bidirectional: bool, batch_first: bool) -> tuple[Value, ...]:
        h, c = (hx[0], hx[1]) if cell == "lstm" else (hx, None)
        ways = 2 if bidirectional else 1
        each = 4 if has_biases else 2
        projected = cell == "lstm" and len(params) == num_layers * ways * (each + 1)
        if not (projected or len(params) == num_layers * ways * each) or len(input.shape) != 3:
            raise NotUnderstood                         # packed sequences
        size = params[1].shape[1]
        outputs = [((*input.shape[:2], ways * size), None), (h.shape, None)]
        return b.several("recur", input, h, c, *params, outputs=[*outputs, *([(c.shape, None)] if c else [])],
                         cell=cell, layers=num_layers, bidirectional=bool(bidirectional), biases=bool(has_biases),
                         batch_first=bool(batch_first), dropout=float(dropout) if train else 0.0,
                         **({"projected": True} if projected else {}))
    return entry


def _cell(cell: str) -> Entry:
    """One step of a cell: a sequence of length one."""
    def entry(b: Build, input: Value, hx: Any, w_ih: Value, w_hh: Value, b_ih: Value | None = None,
              b_hh: Value | None = None) -> list[Value]:
        states = list(hx) if isinstance(hx, list) else [hx]
        biases = [] if b_ih is None or b_hh is None else [b_ih, b_hh]
        if len(input.shape) != 2:
            raise NotUnderstood
        run = _recur(cell)
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


ENTRIES: dict[str, Entry] = {
    "batch_norm": _batch_norm, "instance_norm": _instance_norm, "layer_norm": _layer_norm, "rms_norm": _rms_norm,
    "group_norm": _group_norm, "_weight_norm": _weight_norm, "scaled_dot_product_attention": _attention,
    **{f"{cell}.input": _recur(cell) for cell in ("lstm", "gru", "rnn_tanh", "rnn_relu")},
    **{f"{cell}_cell": _cell(cell) for cell in ("lstm", "gru", "rnn_tanh", "rnn_relu")},
    "dropout": _dropout(), "feature_dropout": _dropout(2),
}
