"""The types that signatures name. Those of a room's own kind stand there: RngLike in random, ActivationLike in
activations.

They say what a caller may pass; what is passed is checked at run time all the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, SupportsIndex, TypeAlias

import numpy as np

Floats: TypeAlias = np.ndarray[Any, np.dtype[np.floating[Any]]]
"""An array of floating-point numbers; the docstring says of which width where it matters."""

Integers: TypeAlias = np.ndarray[Any, np.dtype[np.integer[Any]]]
"""An array of integers."""

Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
"""An array of any element type."""

Shape: TypeAlias = SupportsIndex | Sequence[SupportsIndex]
"""A size for each axis; one integer is one axis."""
