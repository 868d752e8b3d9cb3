"""Normalisations of a program: its own operations, and those that are written out as arithmetic.

x times the reciprocal of a root of something made of x, or x over a norm, is one normalisation: what lies inside it is
not looked at.
"""

from __future__ import annotations

from ..program import Op, Value
from ._ancestry import Ancestry

MOVES = frozenset(("reshape", "permute", "broadcast"))
_ROOTS = {"multiply": ("rsqrt",), "divide": ("sqrt", "norm")}


class Norms(Ancestry):
    """``norms`` : a norm's result -> the value in it that holds the root; ``inside`` : what lies inside of norms
    written out."""

    def __init__(self) -> None:
        super().__init__()
        self.norms: dict[Value, Value] = {}
        self.inside: set[Value] = set()
        self._sources: dict[Value, Value] = {}           # a norm written out -> what it normalises

    def _root(self, op: Op, seen: list[Value]) -> Value | None:
        """What holds the reciprocal root in a normalisation: the value itself for one operation."""
        if op.kind == "normalize":
            return op.outputs[0]
        roots = _ROOTS.get(op.kind, ())
        if len(seen) != 2 or not roots:
            return None
        found = [s for s in seen[op.kind == "divide":] if self._comes_from(s, roots)]
        return found[0] if len(found) == 1 else None

    def _comes_from(self, v: Value | None, names: tuple[str, ...]) -> bool:
        for _ in range(8):
            op = self.op_of.get(v) if v is not None else None
            if op is None or v not in self.live:
                return False
            if op.attributes.get("function") in names:
                return True
            if op.kind not in (*MOVES, "add", "maximum", "multiply", "choose") and op.attributes.get(
                    "function") not in ("clamp", "cast", "shift", "scale"):
                return False
            v = next((s for s in op.inputs if s in self.live), None)
        return False

    def _enclose(self, v: Value, root: Value) -> None:
        """Everything between a norm written out and what it normalises."""
        source = self.main[v]
        while source is not None and not self.is_ancestor(source, root):
            source = self.main[source]
        if source is not None and root is not v:
            self.inside |= self.strictly_between(source, v) - {v}
            self._sources[v] = source

    def _shift(self, v: Value, norm: Value, other: Value) -> None:
        """A norm whose mean is taken off afterwards: x r + (b - mean r)."""
        source = self._sources[norm]
        if self.is_ancestor(source, other) and not self.between(source, other):
            self.inside |= self.strictly_between(source, other)
            self.norms[v], self._sources[v] = self.norms[norm], source

    def strictly_between(self, source: Value, v: Value) -> set[Value]:
        """What v depends on and depends on the source itself; v among them."""
        mask, bit = self._ancestors[v], self.order[source]
        return {u for u in self.live if u is not source and mask >> self.order[u] & 1 and self._ancestors[u] >> bit & 1}
