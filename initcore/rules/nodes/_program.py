"""The weights of a program as the rules on nodes want them: fans, sizes, and what follows each.

Design
A. A weight is what the tracking of a program calls a parameter that was only moved, cast or scaled; data are
   everything that comes of an input or of a table.
B. What follows a product (a norm, an activation, a sum, the output) is found by walking forward through operations
   that only move or scale; the main way leads from the output back, along the skips of residual sums.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from ... import activations
from ...network import Dense
from ...program import Op, Parameter, Program, Value
from ._facts import TORCH, NodeContext, Weight, Words

_PASS = {"reshape", "permute", "broadcast", "slice", "concatenate", "flip", "roll", "pad", "dropout", "pool",
         "resample", "detach"}
_SCALES = {"add", "subtract", "multiply", "divide"}
_JOINS = {"contract", "convolve", "attention", "look_up", "recur"}


def program_context(program: Program, numbers: dict[str, dict[str, float]], proof: Any,
                    family: str = "sgd", words: Words = TORCH) -> NodeContext:
    """What the rules look at of a network that was not measured: its weights, and the proof."""
    weights = tuple(replace(w, words=words) for w in _Uses(program).weights())
    return NodeContext(numbers, weights=weights, symmetry=proof, family=family, words=words)


class _Uses:
    """Who takes which value, which values depend on the network's inputs, and the main way."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.tracks = program.tracked()[1]
        self.live: set[Value] = set(program.inputs)
        self.maker: dict[Value, Op] = {}
        self.users: dict[Value, list[Op]] = {}
        self.depth: dict[Value, int] = {}
        for op in program.ops:
            if op.kind == "look_up" or any(v in self.live for v in op.inputs):
                self.live.update(op.outputs)
            for v in {v for v in op.inputs if v is not None}:
                self.users.setdefault(v, []).append(op)
            before = max((self.depth.get(v, 0) for v in op.inputs if v is not None), default=0)
            for v in op.outputs:
                self.maker[v], self.depth[v] = op, before + (op.kind in ("contract", "convolve"))
        self.main = self._main_way()

    def _main_way(self) -> set[Op]:
        """Operations from the first output back: at a sum the shallower side, which is the skip."""
        way: set[Op] = set()
        at = self.program.outputs[0] if self.program.outputs else None
        while at is not None and at in self.maker:
            op = self.maker[at]
            way.add(op)
            seen = [v for v in op.inputs if v is not None and v in self.live and v in self.maker]
            if not seen:
                break
            at = min(seen, key=lambda v: self.depth[v]) if op.kind == "add" else seen[0]
        return way

    def weights(self) -> Iterator[Weight]:
        """One for every use."""
        for op in self.program.ops:
            for place, given in enumerate(op.inputs):
                track = None if given is None else self.tracks[given]
                if track is None or track.weights is None or given in self.live:
                    continue
                found = self._use(op, place, track.weights.array)
                if found is not None and track.weights.parameter.size:
                    yield self._weight(op, track.weights.parameter, *found)

    def _use(self, op: Op, place: int, moved: Any) -> tuple[Any, int, int, int, bool] | None:
        """(what makes (fan_in, fan_out) of the values, fan_in, fan_out, taps, is it a table), or None."""
        shape = op.inputs[place].shape  # type: ignore[union-attr]
        if op.kind == "look_up" and place == 0:
            d = int(op.attributes.get("dim", 0))
            return (lambda a: np.moveaxis(moved(a), d, 0).reshape(shape[d], -1)), shape[d], math.prod(shape) // max(
                shape[d], 1), 1, True
        if op.kind == "contract":
            summed = tuple(op.attributes["contracting"][place])
            batch = tuple((op.attributes.get("batch") or ((), ()))[place])
            free = tuple(d for d in range(len(shape)) if d not in (*summed, *batch))
            order, fan = (*summed, *batch, *free), math.prod(shape[d] for d in summed)
            return (lambda a: moved(a).transpose(order).reshape(fan, -1)), fan, math.prod(
                shape[d] for d in free), 1, False
        if op.kind == "convolve" and place == 1:
            out, into, *taps = op.attributes["w_dims"]
            n, order = math.prod(shape[d] for d in taps), (into, *taps, out)
            step = math.prod(op.attributes.get("stride") or ()) if op.attributes.get("transposed") else 1
            groups = op.attributes.get("groups", 1) if op.attributes.get("transposed") else 1
            return (lambda a: moved(a).transpose(order).reshape(-1, shape[out])), max(
                shape[into] // groups * n // max(step, 1), 1), shape[out] * groups, n, False
        if op.kind == "recur" and place >= 3 and len(shape) == 2:
            return (lambda a: moved(a).T), shape[1], shape[0], 1, False
        return None

    def _weight(self, op: Op, parameter: Parameter, matrix: Any, fan_in: int, fan_out: int, taps: int,
                table: bool) -> Weight:
        values = np.asarray(parameter.read(), np.float64)
        after, first = self._after(op)
        phi = activations.get(first) if first is not None else None
        return Weight(
            (parameter.names[0], op.source), parameter.names[0], op.place,
            lambda: Dense(np.ascontiguousarray(matrix(parameter.read())), None, phi or activations.IDENTITY), fan_in,
            fan_out, taps, frozenset(after), phi, False, op in self.main, table,
            any(v in self.program.inputs for v in op.inputs), float(values.mean()), float(values.std()), values.size,
            float(np.abs(values).max()), trainable=parameter.trainable, sources=frozenset(parameter.names))

    def _after(self, op: Op) -> tuple[set[str], Any]:
        """What follows a product, and the first activation that does."""
        found: set[str] = set()
        first: Any = None
        todo, seen = list(op.outputs[:1]), set(op.outputs)
        while todo:
            v = todo.pop(0)
            if v in self.program.outputs:
                found.add("output")
            for user in self.users.get(v, ()):
                beside = [x for x in user.inputs if x is not None and x is not v and x in self.live]
                if user.kind == "normalize":
                    found.add("norm")
                elif user.kind == "activation":
                    found.add("activation")
                    first = first if first is not None else user.attributes["activation"]
                elif user.kind in _JOINS:
                    found.add("contraction")
                elif user.kind == "add" and beside and any(x in self.maker and self.depth[x] != self.depth[v]
                                                           for x in beside):
                    found.add("sum")
                elif user.kind in _PASS or user.kind in _SCALES or (
                        user.kind == "elementwise" and user.attributes["function"] in ("cast", "scale", "neg")):
                    found |= {"product"} if user.kind == "multiply" and beside else set()
                    todo += [x for x in user.outputs if x not in seen]
                    seen.update(user.outputs)
                else:
                    found.add("other")
        return found, first
