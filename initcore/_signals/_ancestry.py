"""What depends on what in a program, and the main way through it.

Ancestors are bits of an int, one a value, so that thousands of questions cost next to nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Hashable, Iterable
from typing import TypeVar

from ..program import Op, Value
from ._uses import Use

N = TypeVar("N", bound=Hashable)


class Ancestry:
    """Values entered in order. ``uses`` : of weights; ``main`` : to each value the one before it on its main way;
    ``op_of``, ``users`` : what makes a value, what reads it."""

    def __init__(self) -> None:
        self.order: dict[Value, int] = {}
        self.uses: list[Use] = []
        self.main: dict[Value, Value | None] = {}
        self.op_of: dict[Value, Op] = {}
        self.users: dict[Value, list[Op]] = {}
        self.live: set[Value] = set()
        self._ancestors: dict[Value, int] = {}
        self._depth: dict[Value, int] = {}

    def kind(self, v: Value | None) -> str:
        """The operation that makes a value; "" for inputs, parameters and constants."""
        op = self.op_of.get(v) if v is not None else None
        return op.kind if op is not None else ""

    def is_ancestor(self, a: Value, b: Value) -> bool:
        """Does b depend on a?"""
        return bool(self._ancestors.get(b, 0) >> self.order[a] & 1)

    def between(self, after: Value, branch: Value) -> list[Use]:
        """The uses that ``branch`` depends on and ``after`` does not, the last one first."""
        return self._among(self._ancestors[branch] & ~self._ancestors.get(after, 0))

    def before(self, v: Value) -> list[Use]:
        """All uses that a value depends on, the last one first."""
        return self._among(self._ancestors.get(v, 0))

    def spine(self, output: Value) -> list[Value]:
        """The main way to an output, from the input on."""
        way: list[Value] = []
        v: Value | None = output
        while v is not None:
            way.append(v)
            v = self.main.get(v)
        return way[::-1]

    def _among(self, mask: int) -> list[Use]:
        return [u for u in reversed(self.uses) if mask >> self.order[u.node] & 1]

    def _rank(self, v: Value) -> int:
        return self._depth.get(v, 0)


def origins(node: N, made_of: Callable[[N], Iterable[N]], wanted: Container[N]) -> list[N]:
    """The nodes among ``wanted`` that a node is made of, itself included.

    >>> origins(6, lambda n: [n - 1, n - 2] if n > 2 else [], {1, 3})
    [3, 1]
    """
    todo, seen, out = [node], set(), []
    while todo:
        at = todo.pop()
        if at in seen:
            continue
        seen.add(at)
        if at in wanted:
            out.append(at)
        todo += made_of(at)
    return out
