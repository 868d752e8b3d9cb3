"""Keras's layers of several parts in the words of :mod:`initcore.program`: recurrent ones and attention."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...._aten import NotUnderstood
from ....program import Value
from ._layer import Entry, Layer

_MOST_STEPS = 64            # that are written out
_MERGES = ("concat", "sum", "mul", "ave", None)
_GATES = {"LSTM": (0, 1, 2, 3), "GRU": (1, 0, 2), "SimpleRNN": (0,)}          # PyTorch's order in Keras's


def _run(la: Layer, x: Value, kind: str, config: dict[str, Any], below: str, initial: list[Value]) -> list[Value]:
    """One direction over (batch, time, features): all times in the order they were run through, and the states."""
    plain = {"LSTM": ("tanh", "sigmoid"), "GRU": ("tanh", "sigmoid"), "SimpleRNN": (config.get("activation"), None)}
    if (config.get("activation"), config.get("recurrent_activation")) != plain[kind] or config.get(
            "recurrent_dropout") or len(initial) not in (0, 1 + (kind == "LSTM")):
        raise NotUnderstood
    cell = {"LSTM": "lstm", "GRU": "gru", "SimpleRNN": f"rnn_{config.get('activation')}"}[kind]
    if cell not in ("lstm", "gru", "rnn_tanh", "rnn_relu"):
        raise NotUnderstood
    b, gates = la.build, _GATES[kind]
    if config.get("dropout"):
        x = b.emit("dropout", x, shape=x.shape, rate=float(config["dropout"]), dims=(1,))
    if config.get("go_backwards"):
        x = b.emit("flip", x, shape=x.shape, dims=(1,))
    if kind == "GRU" and not config.get("reset_after"):
        return _reset_before(la, x, config, below, initial)
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
    zero = b.expand(b.constant(0.0, x.dtype), (1, x.shape[0], u))
    start = [b.unsqueeze(h, 0) for h in initial] or [zero] * (1 + (kind == "LSTM"))
    if any(h.shape != zero.shape for h in start):
        raise NotUnderstood
    states = [(zero.shape, None)] * len(start)
    y, *last = b.several("recur", x, *start, *[None] * (2 - len(start)), *weights,
                         outputs=[((*x.shape[:2], u), None), *states], cell=cell, layers=1, bidirectional=False,
                         biases=len(weights) == 4, batch_first=True, dropout=0.0)
    return [y, *(b.select(s, 0, 0) for s in last)]


def _reset_before(la: Layer, x: Value, config: dict[str, Any], below: str, initial: list[Value]) -> list[Value]:
    """A GRU whose reset gate acts on the state before the product (Cho et al. 2014), step by step."""
    b, w, u = la.build, la.weight(0, below), la.weight(1, below)
    n, steps = u.shape[0], x.shape[1]
    if steps > _MOST_STEPS:
        raise NotUnderstood
    whole = b.contract(x, w, ((2,), (0,)))
    whole = b.binary("add", whole, la.weight(2, below)) if config.get("use_bias", True) else whole
    gates, new = b.slice(u, 1, 0, 2 * n), b.slice(u, 1, 2 * n, 3 * n)
    h = initial[0] if initial else b.expand(b.constant(0.0, x.dtype), (x.shape[0], n))
    out = []
    for t in range(steps):
        now, back = b.select(whole, 1, t), b.contract(h, gates, ((1,), (0,)))
        z, r = (b.activation("sigmoid", b.binary("add", b.slice(now, 1, k * n, (k + 1) * n),
                                                 b.slice(back, 1, k * n, (k + 1) * n))) for k in (0, 1))
        made = b.activation("tanh", b.binary("add", b.slice(now, 1, 2 * n, 3 * n), b.contract(
            b.binary("multiply", r, h), new, ((1,), (0,)))))
        h = b.binary("add", made, b.binary("multiply", z, b.binary("subtract", h, made)))
        out.append(b.unsqueeze(h, 1))
    return [b.concatenate(out, 1), h]


def _last(la: Layer, y: Value, config: dict[str, Any]) -> Value:
    return y if config.get("return_sequences") else la.build.select(y, 1, -1)


def _initial(la: Layer, xs: list[Value]) -> list[Value]:
    """States that the layer is called with, beside its input or by name."""
    given = la.options.get("initial_state")
    if any(v not in (None, False) for k, v in la.options.items() if k not in ("initial_state", "training")):
        raise NotUnderstood
    return [*xs[1:], *(given if isinstance(given, list) else [] if given is None else [given])]


def _recurrent(kind: str) -> Entry:
    def entry(la: Layer, xs: list[Value]) -> list[Value]:
        y, *states = _run(la, xs[0], kind, la.config, "/cell", _initial(la, xs))
        return [_last(la, y, la.config), *(states if la.config.get("return_state") else [])]
    return entry


def _bidirectional(la: Layer, xs: list[Value]) -> list[Value]:
    """Both directions; what ran backwards is turned round again. States come after, the forward ones first."""
    if len(xs) != 1 or _initial(la, xs) or la.config.get("merge_mode") not in _MERGES:
        raise NotUnderstood
    outs, last = [], []
    for part in ("layer", "backward_layer"):
        one, folder = la.config[part], "forward_layer" if part == "layer" else part
        config = one["config"]
        if one["class_name"] not in _GATES or bool(config.get("go_backwards")) is (part == "layer"):
            raise NotUnderstood
        y, *states = _run(la, xs[0], one["class_name"], config, f"/{folder}/cell", [])
        y = _last(la, y, config)
        last += states if config.get("return_state") else []
        back = part != "layer" and bool(config.get("return_sequences"))
        outs.append(la.build.emit("flip", y, shape=y.shape, dims=(1,)) if back else y)
    merge = la.config["merge_mode"]
    if merge is None:
        return [*outs, *last]
    if merge == "concat":
        return [la.build.concatenate(outs, -1), *last]
    both = la.build.binary("multiply" if merge == "mul" else "add", *outs)
    return [la.build.elementwise("scale", both, factor=0.5) if merge == "ave" else both, *last]


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
