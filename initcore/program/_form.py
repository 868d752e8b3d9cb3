"""A program: inputs, parameters, constants, operations, outputs; checked once, printed as a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._page.card import card, unfolded
from .._types import Array
from ._coverage import Coverage, coverage
from ._program import Op, Parameter, Value
from ._validate import check
from .tracking import Trace, Track, track

_WIDTH = 80


@dataclass(frozen=True, slots=True, eq=False, repr=False, init=False)
class Program:
    """A network as operations of one vocabulary, in the order of execution, each value assigned once.

    Parameters
    ----------
    inputs, outputs : values.   parameters : each once, by memory, buffers too.
    constants : value -> array (small literals; a scalar operand is a constant of shape ()).
    ops : :class:`Op`, subgraphs put in place.
    approximate : the reader could not be exact; nothing proved of it is called "for ever".

    Raises
    ------
    UnknownNameError, ArgumentError, ShapeError : what is not of the vocabulary, with the operation's place.

    >>> import numpy as np
    >>> x, h, y = Value((8, 3), name="x"), Value((8, 4), name="h"), Value((8, 4), name="y")
    >>> w = Parameter(Value((4, 3)), ("up.weight",), lambda: np.ones((4, 3), "float32"))
    >>> p = Program([x], [w], {}, [Op("contract", (x, w.value), (h,), {"contracting": ((1,), (1,))}),
    ...                            Op("activation", (h,), (y,), {"activation": "tanh"})], [y])
    >>> p
    <Program: 2 operations, 1 parameter of 12 numbers, 100% understood>
    """

    inputs: tuple[Value, ...]
    parameters: tuple[Parameter, ...]
    constants: Mapping[Value, Array]
    ops: tuple[Op, ...]
    outputs: tuple[Value, ...]
    approximate: bool

    def __init__(self, inputs: Iterable[Value], parameters: Iterable[Parameter], constants: Mapping[Value, Any],
                 ops: Iterable[Op], outputs: Iterable[Value], *, approximate: bool = False) -> None:
        put = object.__setattr__
        put(self, "inputs", tuple(inputs))
        put(self, "parameters", tuple(parameters))
        put(self, "constants", {k: np.asarray(v) for k, v in constants.items()})
        put(self, "ops", tuple(ops))
        put(self, "outputs", tuple(outputs))
        put(self, "approximate", bool(approximate))
        check(self.inputs, self.parameters, self.constants, self.ops, self.outputs)

    @property
    def coverage(self) -> Coverage:
        """Which share of the trainable parameters the operations understood reach, and what was not."""
        trace, _ = self.tracked()
        return coverage(self.parameters, self.ops, trace.lost, trace.opaque)

    def tracked(self, wild: frozenset[Parameter] = frozenset()) -> tuple[Trace, dict[Value, Track]]:
        """Which units its values carry (for the proof); nothing is said of the parameters ``wild``."""
        return track(self.inputs, self.parameters, self.constants, self.ops, self.outputs, wild)

    @property
    def size(self) -> int:
        """The number of its parameters' elements, buffers left out."""
        return sum(p.size for p in self.parameters if not p.buffer)

    def __repr__(self) -> str:
        n, k = len(self.ops), sum(not p.buffer for p in self.parameters)
        return (f"<Program: {n} operation{'s' * (n != 1)}, {k} parameter{'s' * (k != 1)} of {self.size:,} numbers, "
                f"{self.coverage.share:.0%} understood{', approximate' if self.approximate else ''}>")

    def _repr_html_(self) -> str:
        return _card(self)

    def __str__(self) -> str:
        """One line an operation: what, shape of the result, parameters, place; 80 columns."""
        seen = self.coverage
        names = {p.value: p.names[0] for p in self.parameters}
        rows = [(_called(op), "x".join(map(str, op.outputs[0].shape)) if op.outputs else "",
                 " ".join(names[v] for v in op.inputs if v in names), _where(op)) for op in self.ops]
        return "\n".join([repr(self), *(_row(r) for r in rows), str(seen)])


def _card(program: Program) -> str:
    names = {p.value: p.names[0] for p in program.parameters}
    rows = [[_called(op), "x".join(map(str, op.outputs[0].shape)) if op.outputs else "",
             " ".join(names[v] for v in op.inputs if v in names), _where(op)] for op in program.ops]
    return card(repr(program)[1:-1], [str(program.coverage)],
                [unfolded("Operations", ("operation", "shape", "parameters", "where"), rows)])


def _called(op: Op) -> str:
    word = op.attributes.get("activation") or op.attributes.get("function") or op.attributes.get("method") or \
        op.attributes.get("cell")
    name = getattr(word, "name", word)
    return f"{op.kind} {name}" if name and op.kind != "opaque" else f"opaque {op.source}" if op.kind == "opaque" \
        else op.kind


def _where(op: Op) -> str:
    place = op.place
    line = f"{place.file.rsplit('/', 1)[-1]}:{place.line}" if place.line else ""
    return " ".join(part for part in (place.module, line) if part)


def _row(cells: tuple[str, str, str, str]) -> str:
    what, shape, weights, where = cells
    return f"{_cut(what, 20):20} {_cut(shape, 14):14} {_cut(weights, 19):19} {_cut(where, 24)}".rstrip()[:_WIDTH]


def _cut(text: str, width: int) -> str:
    """The end of a text that is too long: the end of a path says more than its beginning."""
    return text if len(text) <= width else "~" + text[1 - width:]
