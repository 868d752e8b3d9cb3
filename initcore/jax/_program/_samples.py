"""Activations by their values: a chain of elementwise operations on one value that is a known function of it.

JAX writes gelu, silu, softplus or elu as the arithmetic they are made of. Beside every such value stand its numbers on
a fixed grid, as a function of each value it came from; where they are those of an activation, that is what it is.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from ... import activations
from ..._types import Array
from ...program import Value
from ._primitives import ACTIVATIONS

_MOST = 16                              # values an elementwise chain is followed back to
GRID = np.concatenate([np.linspace(-9.3, 9.1, 93), [-1.0, -0.5, 0.0, 0.25, 1.0]]).astype(np.float32)
_PLAIN = {activations.IDENTITY.name, *ACTIVATIONS.values()}         # their own primitives, or nothing


@functools.lru_cache(maxsize=1)
def _table() -> tuple[tuple[str, ...], Array]:
    names = tuple(n for n in activations.names if n not in _PLAIN)
    names = (*names, *(f"leaky_relu_{s}" for s in ("0.1", "0.2", "0.3")))
    return names, np.array([activations.get(n).phi(GRID.astype(np.float64)) for n in names])


class Samples:
    """What every elementwise value is on the grid, as a function of values before it."""

    def __init__(self) -> None:
        self._of: dict[Value, dict[Value, Array]] = {}

    def of(self, value: Value) -> dict[Value, Array]:
        """Root -> numbers; every value is itself of itself."""
        return {**self._of.get(value, {}), value: GRID}

    def note(self, made: Value, primitive: Any, inputs: Sequence[Value | float], params: dict[str, Any]) -> None:
        """``made`` is this elementwise primitive of values and numbers."""
        sources = [self.of(x) for x in inputs if isinstance(x, Value)]
        roots = set(sources[0]).intersection(*sources[1:]) if sources else set()
        found: dict[Value, Array] = {}
        for root in list(roots)[-_MOST:]:
            given = [self.of(x)[root] if isinstance(x, Value) else np.full_like(GRID, x) for x in inputs]
            with np.errstate(all="ignore"):
                found[root] = np.asarray(primitive.bind(*given, **params))
        self._of[made] = found

    def same(self, made: Value, other: Value) -> None:
        """``made`` has the numbers of ``other``."""
        self._of[made] = self.of(other)

    def activation(self, made: Value) -> tuple[str, Value] | None:
        """The activation it is, and of what."""
        names, table = _table()
        for root, numbers in self._of.get(made, {}).items():
            if root is made or root.shape != made.shape or numbers.dtype.kind != "f" or not np.isfinite(numbers).all():
                continue
            error = np.abs(table - numbers).max(axis=1)
            k = int(error.argmin())
            if error[k] < 2e-6 * (1 + np.abs(table[k]).max()):
                return names[k], root
        return None
