"""What every operation computes, whichever weights it is given: equal numbers for equal functions.

Design
A. An operation's number is made of its kind, its attributes and the numbers of what it takes. Parameters count by
   shape alone, data by what they are, draws are like nothing else. So the towers of an ensemble, two critics, the
   experts of a list get equal numbers layer by layer, and nothing else does.
B. Which units of a value an operation takes is said by their ids: cutting out a part of the units, turning them round
   or putting them side by side leaves the number as it is. Where its *data* are moved, the number tells it.
C. A finer number than needed loses ties and never invents one.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from .._program import Op, Value
from .._vocabulary import FREE
from ._trace import Trace
from ._tracks import UNIT, Track

_Key = Hashable
_KNOWN = 1 << 16            # elements that are compared
_PIECES = ("slice", "flip", "roll")


class Marks:
    """``values``: the number of each value; equal keys have equal numbers, made in the order of first appearance."""

    def __init__(self) -> None:
        self.values: dict[Value, int] = {}
        self._known: dict[_Key, int] = {}

    def number(self, *key: _Key) -> int:
        """The number of a key."""
        return self._known.setdefault(key, len(self._known))

    def input(self, v: Value) -> None:
        """Data: like nothing but itself."""
        self.values[v] = self.number("input", len(self.values))

    def constant(self, v: Value, a: Any) -> None:
        """Numbers that are known."""
        a = np.asarray(a)
        self.values[v] = self.number("constant", _key(a)) if a.size <= _KNOWN else \
            self.number("large constant", len(self.values))

    def parameter(self, v: Value, data: bool) -> None:
        """A weight of this shape, whichever; a table of whole numbers is data."""
        self.values[v] = self.number("table", len(self.values)) if data else self.number("weights", v.shape, v.dtype)

    def operation(self, trace: Trace, op: Op, i: int, given: Sequence[Track | None], made: Sequence[Track],
                  first: int) -> int:
        """Number the results and the families from ``first`` on of operation i; its own number."""
        moved = self._only_moved(op, given)
        if moved is not None:
            self.values[op.outputs[0]] = moved
            return moved
        takes = tuple(None if v is None else self._described(self.values[v], t) for v, t in zip(op.inputs, given))
        own = self.number(op.kind, _attributes(op), takes, tuple(v.shape for v in op.outputs),
                          i if _draws(op) else -1)
        bare = all(t is None or t.data for t in given)
        for k, (v, t) in enumerate(zip(op.outputs, made)):
            # Data that depend on units or weights (which is the largest?) are their own.
            alone = op.kind == "opaque" or (t.data and not bare)
            self.values[v] = self.number("result", own, k, i if alone else -1)
        new = trace.families[first:]
        if _side_by_side(op, given, new):
            self.values[op.outputs[0]] = self.number("beside", frozenset(takes), i if bare else -1)
            trace.kinds += [self.number("piece", op.attributes["dim"], len(op.outputs[0].shape), d, f.role)
                            for d, f in zip(takes, new)]
        else:
            trace.kinds += [self.number("family", own, k, f.role) for k, f in enumerate(new)]
        return own

    def _described(self, mark: int, t: Track | None) -> _Key:
        return None if t is None else (mark, t.dims, t.weights is not None and (t.weights.frozen, t.weights.copied))

    def _only_moved(self, op: Op, given: Sequence[Track | None]) -> int | None:
        """The number of a value whose units alone were moved, and no data; None for every other operation."""
        t, v = (given[0], op.inputs[0]) if given else (None, None)
        if op.kind not in _PIECES or t is None or v is None:
            return None
        if t.weights is not None:
            return self.number("part", op.kind, self.values[v], op.outputs[0].shape)
        if t.ids is None:
            return None
        a = op.attributes
        if op.kind == "slice":
            steps = a.get("steps") or (1,) * len(t.shape)
            touched = [d for d, n in enumerate(t.shape) if (a["starts"][d], a["stops"][d], steps[d]) != (0, n, 1)]
        else:
            touched = list(a["dims"])
        return self.values[v] if all({f.kind for f in t.dims[d]} == {UNIT} for d in touched) else None


def _side_by_side(op: Op, given: Sequence[Track | None], new: Sequence[Any]) -> bool:
    """Are these families the pieces of a value put together along units, one an operand?"""
    if op.kind != "concatenate" or len(new) != len(given) or len(given) < 2:
        return False
    return all(f.role in ("sum", "constant") and len(f.operands) <= 1 for f in new)


def _draws(op: Op) -> bool:
    return op.kind in ("random", "dropout", "opaque") or bool(op.attributes.get("dropout"))


def _attributes(op: Op) -> _Key:
    return tuple((k, _key(v)) for k, v in sorted(op.attributes.items()) if k not in FREE)


def _key(x: Any) -> _Key:
    if x is None or isinstance(x, (bool, int, float, str, complex)):
        return type(x).__name__, repr(x)
    if isinstance(x, np.ndarray):
        return x.shape, x.dtype.str, x.tobytes()
    if isinstance(x, (tuple, list)):
        return tuple(_key(v) for v in x)
    return "object", id(x)
