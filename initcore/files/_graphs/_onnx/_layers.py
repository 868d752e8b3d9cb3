"""ONNX's layers in the words of :mod:`initcore.program`: convolutions, pools, norms, recurrent cells, attention."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from ...._aten import TABLE, Build, NotUnderstood, single
from ....program import Value

Values = Sequence[Value | None]
Entry = Callable[[Build, Values, dict[str, Any]], Any]


def _at(x: Values, k: int) -> Value | None:
    return x[k] if k < len(x) else None


def _sure(x: Values, k: int = 0) -> Value:
    value = _at(x, k)
    if value is None:
        raise NotUnderstood
    return value


def _edges(a: dict[str, Any], size: Sequence[int], taps: Sequence[int], stride: Sequence[int]) -> list[tuple[int, int]]:
    """Elements added at either end of each spatial dim; taps: the reach of the kernel."""
    k, auto = len(size), a.get("auto_pad", "NOTSET")
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        total = [max((-(-n // s) - 1) * s + t - n, 0) for n, t, s in zip(size, taps, stride, strict=True)]
        return [(p // 2, p - p // 2) if auto == "SAME_UPPER" else (p - p // 2, p // 2) for p in total]
    pads = [int(p) for p in a.get("pads", [0] * 2 * k)] if auto != "VALID" else [0] * 2 * k
    if min(pads, default=0) < 0:
        raise NotUnderstood
    return list(zip(pads[:k], pads[k:], strict=True))


def _biased(b: Build, out: Value, bias: Value | None, k: int) -> Value:
    return out if bias is None else b.binary("add", out, b.reshape(bias, (bias.shape[0], *[1] * k)))


def _conv(b: Build, x: Values, a: dict[str, Any]) -> Value:
    first, w = _sure(x), _sure(x, 1)
    k, groups = len(w.shape) - 2, int(a.get("group", 1))
    stride, dilation = (tuple(int(n) for n in a.get(word, [1] * k)) for word in ("strides", "dilations"))
    taps = [d * (n - 1) + 1 for d, n in zip(dilation, w.shape[2:], strict=True)]
    edges = _edges(a, first.shape[2:], taps, stride)
    size = [(n + lo + hi - t) // s + 1 for n, (lo, hi), t, s in zip(first.shape[2:], edges, taps, stride, strict=True)]
    if w.shape[1] * groups != first.shape[1] or min(size, default=1) < 1:
        raise NotUnderstood
    spatial = tuple(range(2, k + 2))
    out = b.emit("convolve", first, w, shape=(first.shape[0], w.shape[0], *size), x_dims=(0, 1, *spatial),
                 w_dims=(0, 1, *spatial), groups=groups, transposed=False, stride=stride, dilation=dilation,
                 padding=tuple(edges))
    return _biased(b, out, _at(x, 2), k)


def _conv_transpose(b: Build, x: Values, a: dict[str, Any]) -> Value:
    w = _sure(x, 1)
    k = len(w.shape) - 2
    pads = [int(p) for p in a.get("pads", [0] * 2 * k)]
    if a.get("auto_pad", "NOTSET") != "NOTSET" or "output_shape" in a or pads[:k] != pads[k:]:
        raise NotUnderstood
    return single(
        "convolution", b, _sure(x), w, _at(x, 2), list(a.get("strides", [1] * k)), pads[:k],
        list(a.get("dilations", [1] * k)), True, list(a.get("output_padding", [0] * k)), int(a.get("group", 1)))


def _pool(function: str) -> Entry:
    def entry(b: Build, x: Values, a: dict[str, Any]) -> Value:
        first, window = _sure(x), [int(n) for n in a["kernel_shape"]]
        k = len(window)
        stride, dilation = ([int(n) for n in a.get(word, [1] * k)] for word in ("strides", "dilations"))
        taps = [d * (n - 1) + 1 for d, n in zip(dilation, window, strict=True)]
        edges = _edges(a, first.shape[2:], taps, stride)
        if any(lo != hi for lo, hi in edges) or a["outputs"] != 1 or (function == "mean" and max(dilation) > 1):
            raise NotUnderstood
        padding, ceil = [lo for lo, _ in edges], bool(a.get("ceil_mode", 0))
        if function == "max":
            return single(f"max_pool{k}d", b, first, window, stride, padding, dilation, ceil)
        return single(f"avg_pool{k}d", b, first, window, stride, padding, ceil, bool(a.get("count_include_pad", 0)))
    return entry


def _global(function: str) -> Entry:
    return lambda b, x, a: b.reduce(_sure(x), function, range(2, len(_sure(x).shape)), keep=True)


def _norm(b: Build, method: str, x: Values, **more: Any) -> Value:
    given = [*x, *[None] * (5 - len(x))]
    return b.emit("normalize", *given, shape=_sure(x).shape, method=method, **more)


def _batch_norm(b: Build, x: Values, a: dict[str, Any]) -> Value:
    if a.get("training_mode") or a["outputs"] != 1:
        raise NotUnderstood
    return _norm(b, "batch", x, channel=1, eps=float(a.get("epsilon", 1e-5)), training=False)


def _instance_norm(b: Build, x: Values, a: dict[str, Any]) -> Value:
    return _norm(b, "instance", x, channel=1, eps=float(a.get("epsilon", 1e-5)), training=True)


def _last(x: Value, a: dict[str, Any]) -> tuple[int, ...]:
    return tuple(range(int(a.get("axis", -1)) % max(len(x.shape), 1), len(x.shape)))


def _layer_norm(b: Build, x: Values, a: dict[str, Any]) -> Value:
    return _norm(b, "layer", x, dims=_last(_sure(x), a), eps=float(a.get("epsilon", 1e-5)))


def _rms_norm(b: Build, x: Values, a: dict[str, Any]) -> Value:
    return _norm(b, "rms", x, dims=_last(_sure(x), a), eps=float(a.get("epsilon", 1e-5)))


def _group_norm(b: Build, x: Values, a: dict[str, Any]) -> Value:
    if _sure(x, 1).shape != _sure(x).shape[1:2]:
        raise NotUnderstood                                # of opset 18 one number a group
    return _norm(b, "group", x, channel=1, groups=int(a["num_groups"]), eps=float(a.get("epsilon", 1e-5)))


def _dropout(b: Build, x: Values, a: dict[str, Any]) -> Value:
    training = _at(x, 2)
    if a["outputs"] != 1 or (training is not None and bool(b.constants.get(training, True))):
        raise NotUnderstood
    return _sure(x)


_GATES = {"LSTM": (0, 2, 3, 1), "GRU": (1, 0, 2), "RNN": (0,)}            # PyTorch's order in ONNX's: i o f c, z r h


def _recur(kind: str) -> Entry:
    """One layer, one direction or both; rows of the gates come in PyTorch's order (``a["rows"]`` makes them)."""
    def entry(b: Build, x: Values, a: dict[str, Any]) -> list[Value]:
        first, w, r, bias = _sure(x), _sure(x, 1), _sure(x, 2), _at(x, 3)
        way, h = a.get("direction", "forward"), r.shape[-1]
        ways = 2 if way == "bidirectional" else 1
        wanted = {"LSTM": ["Sigmoid", "Tanh", "Tanh"], "GRU": ["Sigmoid", "Tanh"], "RNN": ["Tanh"]}[kind]
        functions = list(a.get("activations", wanted * ways))
        cell = {"LSTM": "lstm", "GRU": "gru", "RNN": f"rnn_{str(functions[0]).lower()}"}[kind]
        if kind == "RNN" and functions in (["Relu"] * ways, ["Tanh"] * ways):
            wanted = functions[:1]
        if (functions != wanted * ways or way == "reverse" or _at(x, 4) is not None or _at(x, 7) is not None
                or a.get("clip") or a.get("input_forget") or a.get("layout") or h != a.get("hidden_size", h)
                or (kind == "GRU" and not a.get("linear_before_reset"))):
            raise NotUnderstood
        weights: list[Value] = []
        for k in range(ways):
            weights += [a["rows"](v, k, _GATES[kind], part) for v, part in (
                (w, None), (r, None), *(((bias, 0), (bias, 1)) if bias is not None else ()))]
        steps, batch = first.shape[:2]
        states = [_at(x, 5), *([_at(x, 6)] if kind == "LSTM" else [None])]
        zero = b.expand(b.constant(0.0, first.dtype), (ways, batch, h)) if None in states[:2] else None
        start, carry = states[0] or zero, (states[1] or zero) if kind == "LSTM" else None
        outputs = [((steps, batch, ways * h), None), *[((ways, batch, h), None)] * (2 if kind == "LSTM" else 1)]
        y, *last = b.several("recur", first, start, carry, *weights, outputs=outputs, cell=cell, layers=1,
                             bidirectional=ways == 2, biases=bias is not None, batch_first=False, dropout=0.0)
        y = b.permute(b.reshape(y, (steps, batch, ways, h)), (0, 2, 1, 3))
        return [y, *last]
    return entry


def _attention(b: Build, x: Values, a: dict[str, Any]) -> Value:
    """Of (batch, heads, time, channels), or of (batch, time, heads x channels)."""
    q, k, v = (_sure(x, n) for n in range(3))
    if a["outputs"] != 1 or any(_at(x, n) is not None for n in (4, 5)) or a.get("softcap") or a.get(
            "qk_matmul_output_mode"):
        raise NotUnderstood
    flat = len(q.shape) == 3
    if flat:
        q, k, v = (b.permute(b.reshape(t, (*t.shape[:2], n, t.shape[2] // n)), (0, 2, 1, 3)) for t, n in (
            (q, int(a["q_num_heads"])), (k, int(a["kv_num_heads"])), (v, int(a["kv_num_heads"]))))
    scale = a.get("scale") or 1 / math.sqrt(q.shape[-1])
    out: Value = TABLE["scaled_dot_product_attention"](b, q, k, v, _at(x, 3), 0.0, bool(a.get("is_causal")),
                                                       float(scale), True)
    if not flat:
        return out
    out = b.permute(out, (0, 2, 1, 3))
    return b.reshape(out, (*out.shape[:2], -1))


ENTRIES: dict[str, Entry] = {
    "Conv": _conv, "ConvTranspose": _conv_transpose, "MaxPool": _pool("max"), "AveragePool": _pool("mean"),
    "GlobalAveragePool": _global("mean"), "GlobalMaxPool": _global("amax"), "BatchNormalization": _batch_norm,
    "InstanceNormalization": _instance_norm, "LayerNormalization": _layer_norm, "RMSNormalization": _rms_norm,
    "GroupNormalization": _group_norm, "Dropout": _dropout, "Attention": _attention,
    **{kind: _recur(kind) for kind in _GATES},
}
