"""A network as operations on values: what every reader of a framework makes and every analysis reads.

Nothing here knows a framework, and nothing here holds a weight: a parameter is read when somebody asks for it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .._types import Floats


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """One array of the network while it runs; two values are the same only if they are one object.

    shape : of the example it was traced with.   dtype : NumPy's name, "bfloat16" and "float8_e4m3fn" included.
    """

    shape: tuple[int, ...]
    dtype: str = "float32"
    name: str = ""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an operation comes from: the module's path ("layers.3.mlp"), the user's file and line (0: not known)."""

    module: str = ""
    file: str = ""
    line: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" if self.line else self.module


@dataclass(frozen=True, slots=True, eq=False)
class Parameter:
    """A weight by memory, not by name: all its names, and how to read it.

    value : what operations take as input.
    names : every name the framework gives this memory, the first is the one reports use.
    read : the array in the framework's own layout, float32 or float64 (half precision widened once).
    trainable : False for a frozen parameter and for a buffer.   buffer : running statistics, tables of constants.
    """

    value: Value
    names: tuple[str, ...]
    read: Callable[[], Floats]
    trainable: bool = True
    buffer: bool = False

    @property
    def size(self) -> int:
        """The number of its elements."""
        return int(np.prod(self.value.shape, dtype=np.int64))


@dataclass(frozen=True, slots=True, eq=False)
class Op:
    """One operation of the vocabulary (:mod:`initcore.program` lists them) on values.

    kind : its name in the vocabulary, "opaque" for what a reader does not know.
    inputs : values, None for an argument that was left out.
    source : what the framework calls it ("aten.linear.default"), for messages and for golden lists.
    """

    kind: str
    inputs: tuple[Value | None, ...]
    outputs: tuple[Value, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    place: Place = Place()
    source: str = ""
