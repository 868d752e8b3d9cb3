"""What depends on what in a graph: of a framework's own nodes, or of a program's values.

Ancestors are bits of an int, one a node, so that thousands of questions cost next to nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Hashable, Iterable
from typing import Any, Generic, TypeVar

N = TypeVar("N", bound=Hashable)
U = TypeVar("U", bound=Any)


class Ancestry(Generic[N, U]):
    """A graph whose nodes are entered in order. ``uses`` : the uses of weights, each with its ``node``; ``main`` : to
    each node the one before it on its main way."""

    def __init__(self) -> None:
        self.order: dict[N, int] = {}
        self.uses: list[U] = []
        self.main: dict[N, N | None] = {}
        self._ancestors: dict[N, int] = {}
        self._depth: dict[N, int] = {}

    def is_ancestor(self, a: N, b: N) -> bool:
        """Does b depend on a?"""
        return bool(self._ancestors.get(b, 0) >> self.order[a] & 1)

    def between(self, after: N, branch: N) -> list[U]:
        """The uses that ``branch`` depends on and ``after`` does not, the last one first."""
        return self._among(self._ancestors[branch] & ~self._ancestors.get(after, 0))

    def before(self, node: N) -> list[U]:
        """All uses that a node depends on, the last one first."""
        return self._among(self._ancestors.get(node, 0))

    def spine(self, output: N) -> list[N]:
        """The main way to an output, from the input on."""
        way: list[N] = []
        node: N | None = output
        while node is not None:
            way.append(node)
            node = self.main.get(node)
        return way[::-1]

    def _among(self, mask: int) -> list[U]:
        return [u for u in reversed(self.uses) if mask >> self.order[u.node] & 1]

    def _rank(self, node: N) -> int:
        return self._depth.get(node, 0)


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
