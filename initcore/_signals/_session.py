"""What a framework does for a check: run a program on a batch, and say what its values were."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from .._types import Array
from ..activations import Activation
from ..program import Op, Program, Value
from ..rules import nodes

SAMPLE = 1 << 16
Changes = Mapping[Hashable, tuple[float, float]]      # what a weight's, bias's or input's value v names -> a v + b


class Ask(NamedTuple):
    """How an activation's input is looked at: the dim that counts units, most elements, is ``highest`` wanted? cell,
    part : where it is a sum inside a recurrent operation, that one's result and which sum."""

    channel: int
    most: int = SAMPLE
    highest: bool = True
    cell: Value | None = None
    part: str = ""


class Look(NamedTuple):
    """An activation's input: rows ``(rows, units)`` of a sample, the largest value of each unit on all of the data
    (where it was asked for), and positions of the data."""

    rows: Array
    highest: Array
    positions: int


@dataclass
class Measured:
    """What one pass saw. rms, gradients : of values (none: not seen). still : names of trainable parameters whose
    gradient is exactly 0. loss : its value, None where there is none."""

    rms: Mapping[Value, float]
    gradients: Mapping[Value, float]
    still: frozenset[str]
    loss: float | None


@dataclass(frozen=True)
class Told:
    """What is known of the loss: its name; classes : of a softmax, 0 where it is none; known : it was measured on
    targets; nothing : what knowing nothing costs (nan: not known)."""

    name: str
    classes: int
    known: bool
    nothing: float = math.nan


class Said(NamedTuple):
    """What a loss was, in words: its name, its value (nan: none), and was it measured on targets?"""

    name: str
    value: float
    known: bool


class Session(Protocol):
    """A program with a batch, ready to be run. ``met`` is told every look as it is taken."""

    program: Program
    told: Told                                            # after ``measure``
    words: nodes.Words
    outputs: tuple[Value, ...]                            # the one that is judged first
    origins: Mapping[Value, Hashable]                     # equal for what one line of a loop made again and again

    def measure(self, values: frozenset[Value], looks: Mapping[Value, Ask], keys: frozenset[Value],
                met: Callable[[Value, Look], None]) -> Measured:
        """One forward and one backward pass. keys : what may be set right later."""

    def again(self, changes: Changes, values: frozenset[Value], looks: Mapping[Value, Ask],
              met: Callable[[Value, Look], None]) -> Mapping[Value, float]:
        """Root mean squares in a forward pass with tensors set right; of what ``measure`` saw, and no more."""

    def array(self, v: Value) -> Array | None:
        """The value of a weight; None where it cannot be told."""

    def inputs(self) -> Mapping[Value, Array]:
        """The batch, features last."""

    def stuck(self) -> frozenset[str]:
        """Names of the parameters that get no gradient in the next steps either."""

    def label(self, op: Op, activation: Activation | None) -> str:
        """The result of an operation in words."""


def described(op: Op, activation: Activation | None) -> str:
    """The result of an operation in words, by its place: "layers.1 (tanh)", "model.py:12 (tanh)"."""
    file = op.place.file.replace("\\", "/").rpartition("/")[2]
    where = op.place.module or (f"{file}:{op.place.line}" if op.place.line else "")
    name = activation.name if activation is not None else op.kind
    return f"{where} ({name})" if where else f"({name})"
