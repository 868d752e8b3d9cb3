"""Tracking a program: every operation by its rule, what cannot be said as opaque."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ..._types import Array
from .._program import Op, Parameter, Value
from ._marks import Marks
from ._rules import rule_of
from ._scores import roles
from ._trace import Trace
from ._tracks import Track, Unsaid, Weights, data, plain_dims


def track(inputs: tuple[Value, ...], parameters: tuple[Parameter, ...], constants: Mapping[Value, Array],
          ops: tuple[Op, ...], outputs: tuple[Value, ...], wild: frozenset[Parameter] = frozenset()) -> \
        tuple[Trace, dict[Value, Track]]:
    """The facts of a program, and what each value carries.

    A parameter that an operation not understood takes, or that leaves the network, is not to be proved about
    anywhere: found after it was used, all starts again.
    """
    while True:
        trace, tracks = _pass(inputs, parameters, constants, ops, outputs, wild)
        if trace.lost <= wild:
            return trace, tracks
        wild |= trace.lost


def _pass(inputs: tuple[Value, ...], parameters: tuple[Parameter, ...], constants: Mapping[Value, Array],
          ops: tuple[Op, ...], outputs: tuple[Value, ...], wild: frozenset[Parameter]) -> \
        tuple[Trace, dict[Value, Track]]:
    trace = Trace(wild)
    needed = _needed(ops, outputs)
    trace.used = {v for op, alive in zip(ops, needed) if alive for v in op.inputs if v is not None} | set(outputs)
    trace.roles = roles(ops, needed)
    tracks: dict[Value, Track] = {v: data(v.shape) for v in inputs}
    marks = Marks()
    trace.values = marks.values
    for v in inputs:
        marks.input(v)
    for v, a in constants.items():
        marks.constant(v, a)
        tracks[v] = data(v.shape, a if a.size <= 1 << 20 else None)
    for p in parameters:
        table = p.buffer and not p.value.dtype.startswith(("float", "bfloat"))
        marks.parameter(p.value, table)
        if table:
            tracks[p.value] = data(p.value.shape)
            continue
        tracks[p.value] = Track(plain_dims(p.value.shape), weights=Weights(p, _itself, frozen=not p.trainable))
    for i, op in enumerate(ops):
        if not needed[i]:
            continue
        trace.op = i
        given = [None if v is None else tracks[v] for v in op.inputs]
        mark, first = trace.mark(), len(trace.families)
        try:
            made = rule_of(op)(trace, op, given)
            for v, t in zip(op.outputs, made, strict=True):
                if t.shape != v.shape:
                    raise Unsaid(f"the result's shape: {t.shape}, declared {v.shape}")
        except Unsaid:
            trace.back_to(mark)
            made = _opaque(trace, i, op, given)
        trace.marks[i] = marks.operation(trace, op, i, given, made, first)
        tracks.update(zip(op.outputs, made))
    trace.op = len(ops)
    for v in outputs:
        trace.output(tracks[v])
        trace.results.append(tracks[v])
    return trace, tracks


def _needed(ops: tuple[Op, ...], outputs: tuple[Value, ...]) -> list[bool]:
    """Does something that leaves the network depend on it? What is not understood may do more than it says."""
    wanted, out = set(outputs), []
    for op in reversed(ops):
        out.append(op.kind == "opaque" or any(v in wanted for v in op.outputs))
        if out[-1]:
            wanted.update(v for v in op.inputs if v is not None)
    return out[::-1]


def _itself(a: Array) -> Array:
    return a


def _opaque(trace: Trace, i: int, op: Op, given: list[Track | None]) -> list[Track]:
    """What goes in is an output, what comes out is data."""
    if any(t is not None and not t.data for t in given):
        trace.opaque.append(i)
    for t in given:
        if t is not None:
            trace.output(replace(t, known=None))
    return [data(v.shape) for v in op.outputs]
