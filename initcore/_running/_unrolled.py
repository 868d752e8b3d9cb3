"""Recurrent layers written out, step by step: each gate is an activation that can be looked at.

PyTorch's cells (Hochreiter and Schmidhuber 1997 with a forget gate; Cho et al. 2014 with the reset after the product).
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace

from .._aten import Build
from ..program import Op, Program, Value
from ._op import Unrun, refuse

_MOST_STEPS = 1 << 12       # over all layers


def unrolled(program: Program) -> tuple[Program, dict[Value, Hashable]]:
    """(the program without ``recur``, what of it one line of a loop made: equal for the steps of one)."""
    if not any(op.kind == "recur" for op in program.ops):
        return program, {}
    build, now, origins = Build(), dict[Value, Value](), dict[Value, Hashable]()
    build.constants.update(program.constants)
    for k, op in enumerate(program.ops):
        inputs = tuple(None if v is None else now.get(v, v) for v in op.inputs)
        if op.kind == "recur":
            build.place, build.source = op.place, op.source
            made = _Layers(build, replace(op, inputs=inputs), k, origins).run()
            now.update(zip(op.outputs, made, strict=False))
        else:
            build.ops.append(replace(op, inputs=inputs))
    return Program(program.inputs, program.parameters, build.constants, build.ops,
                   [now.get(v, v) for v in program.outputs]), origins


class _Layers:
    """One recurrent operation being written."""

    def __init__(self, build: Build, op: Op, number: int, origins: dict[Value, Hashable]) -> None:
        self.b, self.op, self.number, self.origins = build, op, number, origins
        a = op.attributes
        self.ways = 1 + bool(a.get("bidirectional"))
        self.layers = a.get("layers", 1)
        x = op.inputs[0]
        if x is None or len(x.shape) != 3 or a.get("projected"):
            raise refuse(op, "its states are projected")
        self.x = x if a.get("batch_first") else build.permute(x, (1, 0, 2))
        if self.x.shape[1] * self.ways * self.layers > _MOST_STEPS:
            raise Unrun(f"a recurrent layer of {self.x.shape[1]} steps is not evaluated")
        self.width = 4 if a.get("biases", True) else 2

    def run(self) -> list[Value]:
        """y, h, c."""
        x, last = self.x, []
        for layer in range(self.layers):
            ways = [self._way(x, layer, way) for way in range(self.ways)]
            x = self.b.concatenate([y for y, _ in ways], 2)
            last += [state for _, state in ways]
        y = x if self.op.attributes.get("batch_first") else self.b.permute(x, (1, 0, 2))
        return [y, *(self.b.concatenate([self.b.unsqueeze(s[k], 0) for s in last], 0) for k in range(len(last[0])))]

    def _way(self, x: Value, layer: int, way: int) -> tuple[Value, tuple[Value, ...]]:
        b, at = self.b, layer * self.ways + way
        w, u, *biases = self.op.inputs[3 + at * self.width:3 + (at + 1) * self.width]
        if w is None or u is None:
            raise refuse(self.op)
        whole = b.contract(x, w, ((2,), (1,)))
        whole = whole if not biases else b.binary("add", whole, biases[0])  # type: ignore[arg-type]
        size = u.shape[1]
        state = tuple(self._start(k, at, x.shape[0], size) for k in range(2 if self.op.attributes["cell"] == "lstm"
                                                                          else 1))
        steps = range(x.shape[1])
        out: list[Value] = []
        for t in reversed(steps) if way else steps:
            done = len(b.ops)
            state = self._step(b.select(whole, 1, t), u, biases[1] if biases else None, state)
            for k, made in enumerate(b.ops[done:]):
                self.origins[made.outputs[0]] = (self.number, at, k)
            out.append(state[0])
        out = out[::-1] if way else out
        return b.concatenate([b.unsqueeze(h, 1) for h in out], 1), state

    def _start(self, k: int, at: int, rows: int, size: int) -> Value:
        given = self.op.inputs[1 + k]
        return self.b.expand(self.b.constant(0.0, self.x.dtype), (rows, size)) if given is None else \
            self.b.select(given, 0, at)

    def _step(self, x: Value, u: Value, bias: Value | None, state: tuple[Value, ...]) -> tuple[Value, ...]:
        b, cell, h = self.b, self.op.attributes["cell"], state[0]
        back = b.contract(h, u, ((1,), (1,)))
        back = back if bias is None else b.binary("add", back, bias)
        n = u.shape[1]
        if cell == "gru":
            r, z = (b.activation("sigmoid", b.binary("add", b.slice(x, 1, k * n, (k + 1) * n),
                                                     b.slice(back, 1, k * n, (k + 1) * n))) for k in (0, 1))
            new = b.activation("tanh", b.binary("add", b.slice(x, 1, 2 * n, 3 * n), b.binary(
                "multiply", r, b.slice(back, 1, 2 * n, 3 * n))))
            return (b.binary("add", new, b.binary("multiply", z, b.binary("subtract", h, new))),)
        total = b.binary("add", x, back)
        if cell != "lstm":
            return (b.activation(cell.removeprefix("rnn_"), total),)
        i, f, g, o = (b.activation("tanh" if k == 2 else "sigmoid", b.slice(total, 1, k * n, (k + 1) * n))
                      for k in range(4))
        c = b.binary("add", b.binary("multiply", f, state[1]), b.binary("multiply", i, g))
        return b.binary("multiply", o, b.activation("tanh", c)), c


__all__ = ["unrolled"]
