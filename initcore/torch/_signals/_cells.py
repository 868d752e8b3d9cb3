"""Recurrent operations layer by layer: what PyTorch fuses, run so that the sums before the gates can be seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ..._signals import GATES

Seen = Callable[[str, Tensor], None]              # (part, z)


def run(name: str, args: tuple[Any, ...], seen: Seen) -> Any:
    """The result of aten's ``name(*args)``; ``seen`` is told every sum before a gate, without gradient, by the name
    that :class:`initcore._signals.Ask` has for it."""
    if name.endswith("_cell"):
        return _cell(name[:-5], args, seen)
    x, state, weights, biases, layers, dropout, train, both, batch_first = args[:9]
    op = getattr(torch.ops.aten, name).input
    ways = 1 + bool(both)
    size = len(weights) // (layers * ways)                  # two matrices, two biases, a projection
    given_states = list(state) if isinstance(state, (list, tuple)) else [state]
    last: list[list[Tensor]] = [[] for _ in given_states]
    for k in range(layers):
        at = slice(k * ways, (k + 1) * ways)
        mine = list(weights[k * ways * size:(k + 1) * ways * size])
        begin = [s[at] for s in given_states]
        given = begin if isinstance(state, (list, tuple)) else begin[0]
        out = op(x, given, mine, biases, 1, 0.0, train, both, batch_first)
        with torch.no_grad():
            for w in range(ways):
                part = f"layer {k}{' backwards' * w}" if layers * ways > 1 else ""
                own = mine[w * size:w * size + (4 if biases else 2)]
                _look(name, part, x, out[0], begin[0][w], own, w, batch_first, seen)
        x = out[0]
        for states, new in zip(last, out[1:]):
            states.append(new)
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
    gates = [gate for gate, _ in GATES[name]]
    parts = list(zip(gates, below.chunk(len(gates), -1), state.chunk(len(gates), -1)))
    for gate, a, b in parts:
        if name == "gru" and gate == gates[-1]:
            b = torch.sigmoid(parts[0][1] + parts[0][2]) * b
        seen(f"{part} {gate}".strip(), a + b)


def _cell(name: str, args: tuple[Any, ...], seen: Seen) -> Any:
    op = getattr(torch.ops.aten, f"{name}_cell").default
    h = args[1][0] if isinstance(args[1], (list, tuple)) else args[1]
    with torch.no_grad():
        weights = [w for w in args[2:6] if isinstance(w, Tensor)]
        _sums(name, "", args[0], h, weights, seen)
    return op(*args)
