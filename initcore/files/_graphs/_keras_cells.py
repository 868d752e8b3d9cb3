"""Keras's layers of several parts in the words of :mod:`initcore.program`: recurrent ones and attention."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..._aten import NotUnderstood
from ...program import Value
from ._keras_layers import Entry, Layer

_GATES = {"LSTM": (0, 1, 2, 3), "GRU": (1, 0, 2), "SimpleRNN": (0,)}          # PyTorch's order in Keras's


def _run(la: Layer, x: Value, kind: str, config: dict[str, Any], below: str) -> Value:
    """One direction over (batch, time, features): all times, in the order they were run through."""
    plain = {"LSTM": ("tanh", "sigmoid"), "GRU": ("tanh", "sigmoid"), "SimpleRNN": (config.get("activation"), None)}
    if (config.get("activation"), config.get("recurrent_activation")) != plain[kind] or config.get(
            "recurrent_dropout") or config.get("return_state") or (kind == "GRU" and not config.get("reset_after")):
        raise NotUnderstood
    cell = {"LSTM": "lstm", "GRU": "gru", "SimpleRNN": f"rnn_{config.get('activation')}"}[kind]
    if cell not in ("lstm", "gru", "rnn_tanh", "rnn_relu"):
        raise NotUnderstood
    b, gates = la.build, _GATES[kind]
    if config.get("dropout"):
        x = b.emit("dropout", x, shape=x.shape, rate=float(config["dropout"]), dims=(1,))
    if config.get("go_backwards"):
        x = b.emit("flip", x, shape=x.shape, dims=(1,))
    kernel, recurrent = (la.variable(k, below) for k in (0, 1))
    u = recurrent.value.shape[0]

    def rows(a: Any) -> Any:
        return np.concatenate([a[..., g * u:(g + 1) * u] for g in gates], -1).T
    weights = [la.derived(p, "gates", p.value.shape[::-1], rows) for p in (kernel, recurrent)]
    if config.get("use_bias", True):
        bias = la.variable(2, below)
        wide = bias.value.shape[-1]
        if len(bias.value.shape) == 2:
            halves = (lambda a: rows(a[0]), lambda a: rows(a[1]))
            weights += [la.derived(bias, ("gates", k), (wide,), half) for k, half in enumerate(halves)]
        else:
            weights += [la.derived(bias, "gates", (wide,), rows), la.zeros((wide,), bias.value.dtype)]
    start = b.expand(b.constant(0.0, x.dtype), (1, x.shape[0], u))
    states = [((1, x.shape[0], u), None)] * (2 if kind == "LSTM" else 1)
    return b.several("recur", x, start, start if kind == "LSTM" else None, *weights,
                     outputs=[((*x.shape[:2], u), None), *states], cell=cell, layers=1, bidirectional=False,
                     biases=len(weights) == 4, batch_first=True, dropout=0.0)[0]


def _last(la: Layer, y: Value, config: dict[str, Any]) -> Value:
    return y if config.get("return_sequences") else la.build.select(y, 1, -1)


def _recurrent(kind: str) -> Entry:
    def entry(la: Layer, xs: list[Value]) -> Value:
        if len(xs) != 1:
            raise NotUnderstood
        return _last(la, _run(la, xs[0], kind, la.config, "/cell"), la.config)
    return entry


def _bidirectional(la: Layer, xs: list[Value]) -> Value:
    """Both directions; what ran backwards is turned round again."""
    if len(xs) != 1 or la.config.get("merge_mode") not in ("concat", "sum"):
        raise NotUnderstood
    outs = []
    for part in ("layer", "backward_layer"):
        one, folder = la.config[part], "forward_layer" if part == "layer" else part
        config = one["config"]
        if one["class_name"] not in _GATES or bool(config.get("go_backwards")) is (part == "layer"):
            raise NotUnderstood
        y = _last(la, _run(la, xs[0], one["class_name"], config, f"/{folder}/cell"), config)
        back = part != "layer" and bool(config.get("return_sequences"))
        outs.append(la.build.emit("flip", y, shape=y.shape, dims=(1,)) if back else y)
    if la.config["merge_mode"] == "sum":
        return la.build.binary("add", *outs)
    return la.build.concatenate(outs, -1)


def _attention(la: Layer, xs: list[Value]) -> Value:
    """Query, value and (else the value) key of (batch, time, features)."""
    mask = [v for k, v in la.options.items() if k not in ("use_causal_mask", "training") and v not in (None, False)]
    if mask or not 2 <= len(xs) <= 3 or any(len(x.shape) != 3 for x in xs):
        raise NotUnderstood
    la.has("use_gate", False)
    la.has("sliding_window", None)
    la.has("attention_axes", None, [1])
    b, biased = la.build, la.config.get("use_bias", True)
    query, value, key = xs[0], xs[1], xs[-1]
    parts = []
    for word, x in (("query", query), ("key", key), ("value", value)):
        y = b.contract(x, la.weight(0, f"/{word}_dense"), ((2,), (0,)))
        y = b.binary("add", y, la.weight(1, f"/{word}_dense")) if biased else y
        parts.append(b.permute(y, (0, 2, 1, 3)))
    shape = (*parts[0].shape[:-1], parts[2].shape[-1])
    out = b.emit("attention", *parts, None, shape=shape, queries=1, causal=bool(la.options.get("use_causal_mask")),
                 scale=1 / math.sqrt(parts[0].shape[-1]), dropout=float(la.config.get("dropout") or 0.0))
    y = b.contract(out, la.weight(0, "/output_dense"), ((1, 3), (0, 1)))
    return b.binary("add", y, la.weight(1, "/output_dense")) if biased else y


def _distributed(la: Layer, xs: list[Value]) -> Value:
    """A dense layer at every time is a dense layer."""
    inner = la.config["layer"]
    if inner["class_name"] != "Dense" or len(xs) != 1:
        raise NotUnderstood
    b, x, config = la.build, xs[0], inner["config"]
    out = b.contract(x, la.weight(0, "/layer"), ((len(x.shape) - 1,), (0,)))
    if config.get("use_bias", True):
        out = b.binary("add", out, la.weight(1, "/layer"))
    return la.active(out, config.get("activation") or "linear")


ENTRIES: dict[str, Entry] = {**{kind: _recurrent(kind) for kind in _GATES}, "Bidirectional": _bidirectional,
                             "MultiHeadAttention": _attention, "TimeDistributed": _distributed}
