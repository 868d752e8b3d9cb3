"""Recurrent operations layer by layer: what PyTorch fuses, run so that the sums before the gates can be seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

GATES = {"lstm": (("input gate", "sigmoid"), ("forget gate", "sigmoid"), ("cell", "tanh"), ("output gate", "sigmoid")),
         "gru": (("reset gate", "sigmoid"), ("update gate", "sigmoid"), ("candidate", "tanh"))}
Seen = Callable[[str, str, Tensor], None]         # (part, activation, z)


def run(name: str, args: tuple[Any, ...], seen: Seen) -> Any:
    """The result of aten's ``name(*args)``; ``seen`` is told every sum before a gate, without gradient."""
    if name.endswith("_cell"):
        return _cell(name[:-5], args, seen)
    x, state, weights, biases, layers, dropout, train, both, batch_first = args[:9]
    op = getattr(torch.ops.aten, name).input
    size, ways = (4 if biases else 2), 1 + bool(both)
    states = list(state) if isinstance(state, (list, tuple)) else [state]
    last: list[list[Tensor]] = [[] for _ in states]
    for k in range(layers):
        at = slice(k * ways, (k + 1) * ways)
        mine = list(weights[k * ways * size:(k + 1) * ways * size])
        begin = [s[at] for s in states]
        given = begin if isinstance(state, (list, tuple)) else begin[0]
        out = op(x, given, mine, biases, 1, 0.0, train, both, batch_first)
        with torch.no_grad():
            for w in range(ways):
                _look(name, f"layer {k}" + " backwards" * w, x, out[0], begin[0][w], mine[w * size:(w + 1) * size], w,
                      batch_first, seen)
        x = out[0]
        for part, new in zip(last, out[1:]):
            part.append(new)
        if dropout and train and k < layers - 1:
            x = torch.dropout(x, dropout, True)
    return (x, *(torch.cat(part) for part in last))


def _look(name: str, part: str, x: Tensor, y: Tensor, h0: Tensor, weights: list[Tensor], way: int, batch_first: bool,
          seen: Seen) -> None:
    """The sums of one layer in one direction, from its inputs and outputs."""
    x, y = (x.transpose(0, 1), y.transpose(0, 1)) if batch_first and x.ndim == 3 else (x, y)
    n = h0.shape[-1]
    h = y[..., way * n:(way + 1) * n]
    before = torch.cat([h[1:], h0[None]]) if way else torch.cat([h0[None], h[:-1]])
    _sums(name, part, x, before, weights, seen)


def _sums(name: str, part: str, x: Tensor, h: Tensor, weights: list[Any], seen: Seen) -> None:
    w_ih, w_hh, *rest = weights
    b_ih, b_hh = rest if rest else (None, None)
    below, state = torch.nn.functional.linear(x, w_ih, b_ih), torch.nn.functional.linear(h, w_hh, b_hh)
    if name not in GATES:
        seen(part, name.removeprefix("rnn_"), below + state)
        return
    parts = list(zip(GATES[name], below.chunk(len(GATES[name]), -1), state.chunk(len(GATES[name]), -1)))
    for (gate, phi), a, b in parts:
        if name == "gru" and gate == "candidate":
            b = torch.sigmoid(parts[0][1] + parts[0][2]) * b
        seen(f"{part} {gate}", phi, a + b)


def _cell(name: str, args: tuple[Any, ...], seen: Seen) -> Any:
    op = getattr(torch.ops.aten, f"{name}_cell").default
    h = args[1][0] if isinstance(args[1], (list, tuple)) else args[1]
    with torch.no_grad():
        weights = [w for w in args[2:6] if isinstance(w, Tensor)]
        _sums(name, "", args[0], h, weights, seen)
    return op(*args)
