"""The weights of a program as the rules on nodes want them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping

import numpy as np

from .. import activations
from .._types import Array
from ..activations import Activation
from ..network import Dense
from ..program import Place, Value
from ..rules import nodes
from ._ancestry import origins
from ._around import is_gate, reads_data
from ._structure import Structure
from ._uses import Use

NOWHERE = Place()


class Weights:
    """Every weight that meets data, once: steps of a loop and tied ones are one. array : the values of one, None where
    they cannot be told."""

    def __init__(self, s: Structure, array: Callable[[Value], Array | None], words: nodes.Words = nodes.TORCH) -> None:
        self.s, self.array, self.words = s, array, words
        self.names = {p.value: p.names[0] for p in s.program.parameters}
        self.trainable = {p.value for p in s.program.parameters if p.trainable}
        self._buffers = {p.value for p in s.program.parameters if p.buffer}
        self._made: dict[tuple[Value, tuple[int, ...]], nodes.Weight] = {}

    def every(self) -> tuple[nodes.Weight, ...]:
        """All that were entered."""
        return tuple(self._made.values())

    def of(self, uses: Iterable[Use]) -> tuple[nodes.Weight, ...]:
        """The weights of uses, each once."""
        keys = dict.fromkeys((u.w, u.summed) for u in uses)
        return tuple(dict.fromkeys(self._made[key] for key in keys if key in self._made))

    def enter(self, u: Use, main: bool, rms: Mapping[Value, float]) -> None:
        """A use. rms : of the values that were measured."""
        key = u.w, u.summed
        if key in self._made:
            known = self._made[key]
            known.after, known.main = known.after | u.after, known.main or main
            return
        values = self.array(u.w)
        if values is None:
            return
        act = self.s.activations.get(u.activation) if u.activation is not None else None
        looked = _layer(values, u, act).look()
        bias = None if u.bias is None else self.array(u.bias)
        b = np.zeros(0) if bias is None else np.asarray(bias, np.float64)
        made_of = self._origins(u.w)
        self._made[key] = nodes.Weight(
            self.s.source(u.w), self.name(u.w), self.s.op_of[u.node].place, self._maker(u, act), u.fan_in, u.fan_out,
            u.taps, frozenset(u.after), act, gate=is_gate(self.s, u.activation), main=main, table=u.kind == "table",
            data=reads_data(self.s, u.x), mean=looked.total_mean, std=looked.std, size=looked.size,
            largest=looked.largest, bias_key=u.bias, bias=self.name(u.bias) if u.bias is not None else "",
            bias_high=float(b.max()) if b.size else 0.0, bias_rms=float(np.sqrt((b * b).mean())) if b.size else 0.0,
            trainable=any(p in self.trainable for p in made_of),
            sources=frozenset(self.names[p] for p in made_of if p not in self._buffers),
            reads=rms.get(u.x, math.nan) if u.x is not None else math.nan, writes=rms.get(u.node, math.nan),
            words=self.words)

    def name(self, v: Value) -> str:
        """The parameter's name; of a weight made of several the largest's."""
        best = max(self._origins(v), key=lambda p: (p not in self._buffers, math.prod(p.shape)), default=None)
        return self.names[best] if best is not None else v.name

    def _origins(self, v: Value) -> list[Value]:
        """The parameters a weight is made of."""
        def inputs(u: Value) -> list[Value]:
            op = self.s.op_of.get(u)
            return [] if op is None else [x for x in op.inputs if x is not None]
        return origins(v, inputs, self.names)

    def _maker(self, u: Use, act: Activation | None) -> Callable[[], Dense]:
        def make() -> Dense:
            values = self.array(u.w)
            assert values is not None
            layer, bias = _layer(values, u, act), None if u.bias is None else self.array(u.bias)
            fits = bias is not None and bias.size == layer.fan_out
            return layer.replace(b=np.asarray(bias, layer.dtype).reshape(-1)) if fits else layer
        return make


def _layer(values: Array, u: Use, act: Activation | None) -> Dense:
    """A weight's values as a dense layer's, (fan_in, all else)."""
    rest = [k for k in range(values.ndim) if k not in u.summed]
    rows = math.prod(values.shape[k] for k in u.summed)
    a = np.transpose(values, (*u.summed, *rest)).reshape(rows, -1)
    return Dense(np.ascontiguousarray(a), None, act or activations.IDENTITY)
