"""Recurrent operations: the sums before their gates, which no value of a program holds."""

from __future__ import annotations

from dataclasses import dataclass

from .. import activations
from ..activations import Activation
from ..program import Op, Value
from ._uses import Use

_SIGMOID, _TANH = activations.get("sigmoid"), activations.get("tanh")
GATES = {"lstm": (("input gate", _SIGMOID), ("forget gate", _SIGMOID), ("cell", _TANH), ("output gate", _SIGMOID)),
         "gru": (("reset gate", _SIGMOID), ("update gate", _SIGMOID), ("candidate", _TANH)),
         "rnn_tanh": (("", _TANH),), "rnn_relu": (("", activations.get("relu")),)}


@dataclass(frozen=True, eq=False)
class Gate:
    """A sum inside a recurrent operation that an activation reads; ``z`` stands for it.

    part : "input gate", of several layers "layer 0 input gate". uses : the two weights whose products are summed.
    """

    op: Op
    z: Value
    part: str
    activation: Activation
    uses: tuple[Use, ...]


def gates(op: Op, uses: list[Use]) -> list[Gate]:
    """Layer by layer and direction by direction, in the order of the weights' rows."""
    out = []
    for part in dict.fromkeys(u.part for u in uses):
        mine = tuple(u for u in uses if u.part == part)
        table = GATES[op.attributes["cell"]]
        shape = (*op.outputs[0].shape[:-1], mine[0].fan_out // len(table))
        for name, activation in table:
            z = Value(shape, op.outputs[0].dtype)
            out.append(Gate(op, z, f"{part} {name}".strip(), activation, mine))
    return out
