"""A program that is one chain of dense layers, as the :class:`initcore.Network` it is: more is known of those."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ... import activations
from ...network import Dense, Network
from ...program import Op, Parameter, Program, Value


class Chain(NamedTuple):
    """The network, the names of its weights and biases; ``dropped``: hidden units are dropped at random."""

    network: Network
    weights: tuple[str, ...]
    biases: tuple[str, ...]
    dropped: bool


def chain_of(program: Program) -> Chain | None:
    """The chain, or None where anything else stands in the program.

    Dropout, flattening of the input and a softmax at the end are no layers and let through.
    """
    if len(program.inputs) != 1 or len(program.outputs) != 1 or program.approximate:
        return None
    parameters = {p.value: p for p in program.parameters}
    at = program.inputs[0]
    layers: list[list[Any]] = []                        # weight (fan_in, fan_out), its parameter, bias, activation
    dropped = False
    for op in program.ops:
        if not op.inputs or op.inputs[0] is not at or len(op.outputs) != 1:
            return None
        dropped |= op.kind == "dropout" and bool(layers)
        soft = op.kind == "softmax" and op.outputs[0] is program.outputs[0]
        if not soft and op.kind != "dropout" and not _step(op, layers, parameters):
            return None
        at = op.outputs[0]
    if at is not program.outputs[0] or not layers or len({id(la[0]) for la in layers}) < len(layers):
        return None
    return _network(layers, dropped)


def _step(op: Op, layers: list[list[Any]], parameters: dict[Value, Parameter]) -> bool:
    """Take one operation into the layers; False where it does not belong to a chain."""
    given = parameters.get(op.inputs[1]) if len(op.inputs) == 2 and op.inputs[1] is not None else None
    x, last = op.inputs[0], layers[-1] if layers else None
    assert x is not None
    if op.kind == "contract" and given is not None and len(x.shape) == 2 and len(given.value.shape) == 2:
        (left, right), batch = op.attributes["contracting"], op.attributes.get("batch") or ((), ())
        if tuple(left) != (1,) or any(batch):
            return False
        layers.append([given, tuple(right) == (1,), None, None])
        return True
    if op.kind == "add" and given is not None and last is not None and last[2] is None and last[3] is None:
        last[2] = given
        return given.value.shape == op.outputs[0].shape[-1:]
    if op.kind == "activation" and last is not None and last[3] is None:
        last[3] = op.attributes["activation"]
        return True
    if op.kind == "reshape" and last is None:
        return len(op.outputs[0].shape) == 2 and op.outputs[0].shape[0] == x.shape[0]
    return False


def _network(layers: Sequence[list[Any]], dropped: bool) -> Chain:
    kinds = {p.value.dtype for layer in layers for p in (layer[0], layer[2]) if p is not None}
    dtype = np.dtype(np.float64 if "float64" in kinds else np.float32)
    made = []
    for weight, outward, bias, phi in layers:
        w = weight.read()
        w = np.ascontiguousarray(w.T if outward else w, dtype=dtype)
        b = None if bias is None else np.ascontiguousarray(bias.read(), dtype=dtype)
        made.append(Dense(w, b, activations.IDENTITY if phi is None else activations.get(phi)))
    return Chain(Network(made, check_finite=False), tuple(layer[0].names[0] for layer in layers),
                 tuple(layer[2].names[0] for layer in layers if layer[2] is not None), dropped)
