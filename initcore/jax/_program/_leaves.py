"""What a function starts from: parameters by identity, inputs, and what it holds itself (numbers, tables, keys)."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

import jax
import numpy as np

from ..._aten import Build
from ..._types import Floats
from ...errors import ArgumentError, ArgumentTypeError, UsageError
from ...program import Parameter, Value
from ._tape import Known, Step

MOST_CONSTANT = 1 << 16                 # elements of what is worked out from constants


class Leaves:
    """The leaves of one program that is being written."""

    def __init__(self) -> None:
        self.build = Build()
        self.inputs: list[Value] = []
        self.parameters: dict[int, Parameter] = {}
        self.alive: list[Any] = []                      # so that an id stays what it is
        self.tape: list[Step] = []

    def weights(self, named: Sequence[tuple[str, Any]]) -> list[Value]:
        """Parameters by identity, each once."""
        names: dict[int, list[str]] = {}
        for name, leaf in named:
            names.setdefault(id(leaf), []).append(name)
        out = []
        for name, leaf in named:
            if id(leaf) not in self.parameters:
                value = Value(tuple(leaf.shape), str(leaf.dtype), name)
                floats = jax.dtypes.issubdtype(leaf.dtype, np.floating)
                self.parameters[id(leaf)] = Parameter(value, tuple(names[id(leaf)]),
                                                      functools.partial(_read, name, leaf), floats, not floats)
            out.append(self.parameters[id(leaf)].value)
        return out

    def freeze(self, params: Any, patterns: str | tuple[str, ...]) -> None:
        """Parameters that are not trained: those named, and the collections of Flax linen beside "params" (running
        statistics, caches)."""
        if isinstance(patterns, str):
            raise ArgumentTypeError(f"frozen must be several patterns of names, got one: frozen=({patterns!r},).")
        names = [name for own in self.parameters.values() for name in own.names]
        unknown = [p for p in patterns if not any(fnmatchcase(name, p) for name in names)]
        if unknown:
            raise ArgumentError(f"frozen speaks of {unknown[0]!r}, which no parameter matches; names here are like "
                                f"{', '.join(map(repr, names[:2]))}.")
        linen = isinstance(params, Mapping) and "params" in params
        for key, own in self.parameters.items():
            name = own.names[0]
            if (linen and not name.startswith("params.")) or any(fnmatchcase(name, p) for p in patterns):
                self.parameters[key] = replace(own, trainable=False, buffer=True)

    def constant(self, array: Any) -> Known:
        """What the function holds itself: numbers; a table where there are many; a key, which only draws read."""
        if jax.dtypes.issubdtype(array.dtype, jax.dtypes.prng_key):
            (value,) = self.build.several("random", outputs=[(tuple(array.shape), "uint32")])
        elif array.size <= MOST_CONSTANT:
            return np.asarray(array)
        else:
            self.alive.append(array)
            value = Value(tuple(array.shape), str(array.dtype), f"constant{len(self.alive)}")
            self.parameters[id(array)] = Parameter(value, (value.name,), functools.partial(_read, value.name, array),
                                                   False, True)
        self.tape.append(Step(lambda: [array], (), (value,)))
        return value

    def input(self, leaf: Any, name: str) -> Value:
        """An input."""
        shape = tuple(np.shape(leaf))
        dtype = str(leaf.dtype) if hasattr(leaf, "dtype") else str(np.asarray(leaf).dtype)
        self.inputs.append(Value(shape, dtype, name))
        return self.inputs[-1]


def _read(name: str, leaf: Any) -> Floats:
    """A leaf as NumPy's array; half precision as float32."""
    if isinstance(leaf, jax.ShapeDtypeStruct):
        raise UsageError(f"{name} is a ShapeDtypeStruct and has no numbers; make them with initcore.jax.init_params.")
    array = np.asarray(leaf)
    return array.astype(np.float32) if array.dtype.itemsize < 4 and array.dtype.kind not in "iub" else array
