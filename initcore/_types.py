"""The types that signatures name: arrays of floats, shapes, sources of randomness, activations.

They say what a caller may pass; what is passed is checked at run time all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, SupportsIndex, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from .activations import Activation
    from .random import Key

Floats: TypeAlias = np.ndarray[Any, np.dtype[np.floating[Any]]]
"""An array of floating-point numbers; the docstring says of which width where it matters."""

Integers: TypeAlias = np.ndarray[Any, np.dtype[np.integer[Any]]]
"""An array of integers."""

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
"""An array of any element type."""

Shape: TypeAlias = SupportsIndex | Sequence[SupportsIndex]
"""A size for each axis; one integer is one axis."""

RngLike: TypeAlias = ("Key | int | np.integer[Any] | Sequence[int] | np.ndarray[Any, np.dtype[np.integer[Any]]] | "
                      "np.random.SeedSequence | np.random.Generator | np.random.BitGenerator | None")
"""What :func:`initcore.random.as_key` takes (SPEC 7)."""

ActivationLike: TypeAlias = "str | Activation | Callable[[Any], Any]"
"""A name, an Activation, or any elementwise function."""
