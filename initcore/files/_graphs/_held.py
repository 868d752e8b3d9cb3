"""What every reader of a graph needs: the file's tensors as a program's parameters, and bounds on what a graph may ask.

A graph in a file is a claim. Names that nothing makes, weights that are missing or have another shape than the graph
says are refused with a sentence; an operation whose result is not what the graph declares is opaque, and counted.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ..._types import Floats
from ...errors import FileFormatError
from ...program import Parameter, Program, Value
from .._tensor import Tensor, Weights
from .._text import shown_name

MOST_NODES = 50_000        # operations of one graph
MOST_NUMBERS = 1 << 27      # parameters of a network that is read whole
Graph = Callable[..., Program]    # of the weights, and of sizes by dim where the graph leaves them open


class Unread(Exception):
    """Why a graph that may be sound is not read: a newer format, too much of it. The tensors are judged alone."""


class Held:
    """The tensors of a file as parameters: each memory once, read when somebody asks."""

    def __init__(self, weights: Weights) -> None:
        self.weights = weights
        self.parameters: dict[Value, Parameter] = {}
        self._by_place: dict[Any, Parameter] = {}
        if sum(t.size for t in weights.tensors.values()) > MOST_NUMBERS:
            raise Unread(f"It has more than {MOST_NUMBERS >> 20} M parameters, which a proof would hold in memory at "
                         "once.")
        self._names: dict[Any, list[str]] = {}
        for name, tensor in weights.tensors.items():
            self._names.setdefault(_place(name, tensor), []).append(name)

    def find(self, name: str) -> Tensor | None:
        """The file's tensor of that name."""
        return self.weights.tensors.get(shown_name(name))

    def get(self, name: str, shape: tuple[int, ...] | None = None, *, trainable: bool = True,
            buffer: bool = False) -> Parameter:
        """The parameter of that name, whose shape is as the graph says (None: it says nothing)."""
        tensor = self.find(name)
        if tensor is None:
            raise FileFormatError(f"{self.weights.source}: its graph uses {shown_name(name)!r}, which is not among its "
                                  "weights; the file is damaged.")
        if shape is not None and shape != tensor.shape:
            raise FileFormatError(f"{self.weights.source}: {shown_name(name)!r} has the shape {tensor.shape}, and "
                                  f"{shape} in the graph; the file is damaged.")
        place = _place(shown_name(name), tensor)
        if place not in self._by_place:
            if tensor.stream is None and tensor.size:
                raise Unread(f"{shown_name(name)!r} holds {tensor.dtype}, which is not read.")
            value = Value(tensor.shape, tensor.dtype, tensor.name)
            read = functools.partial(_read, tensor)
            made = Parameter(value, tuple(self._names[place]), read, trainable and not buffer, buffer)
            self._by_place[place] = self.parameters[value] = made
        return self._by_place[place]

    def derived(self, whole: Parameter, key: Any, shape: tuple[int, ...], move: Callable[[Any], Any]) -> Parameter:
        """A part of a parameter, or its rows in another order, as a parameter of the same names."""
        if (whole.names[0], key) not in self._by_place:
            value = Value(shape, whole.value.dtype, whole.value.name)
            made = Parameter(value, whole.names, lambda: np.ascontiguousarray(move(np.asarray(whole.read()))),
                             whole.trainable, whole.buffer)
            self._by_place[whole.names[0], key] = self.parameters[made.value] = made
        return self._by_place[whole.names[0], key]

    def zeros(self, shape: tuple[int, ...], dtype: str) -> Parameter:
        """Zeros that are not trained, where an operation has a weight that the file's layer lacks."""
        if ("zeros", shape, dtype) not in self._by_place:
            made = Parameter(Value(shape, dtype, "zeros"), ("zeros",), lambda: np.zeros(
                shape, "float64" if dtype == "float64" else "float32"), False, True)
            self._by_place["zeros", shape, dtype] = self.parameters[made.value] = made
        return self._by_place["zeros", shape, dtype]

    def same(self, name: str, first: str) -> None:
        """Say that a tensor holds another's numbers: it counts once."""
        for one in (first, name):
            key = shown_name(one)
            self.weights.tensors[key] = replace(self.weights.tensors[key], place=("same", first))
        self.weights.notes.append(f"{shown_name(name)!r} is a transposed copy of {shown_name(first)!r}, which the "
                                  "exporter made of a shared weight: taken for one.")


def _place(name: str, tensor: Tensor) -> Any:
    return name if tensor.place is None or not tensor.size else (tensor.place, tensor.shape)


def _read(tensor: Tensor) -> Floats:
    a = tensor.array()
    return a.astype(np.float32) if a.dtype == np.float16 else a


def counted(shown: str, nodes: int) -> None:
    """Raise where a graph has more operations than a network has."""
    if nodes > MOST_NODES:
        raise FileFormatError(f"{shown} has {nodes} operations; {MOST_NODES} are read at most.")


def field_of(thing: Any, key: str, kind: type, shown: str, what: str) -> Any:
    """An entry of a document, of the type it must have."""
    found = thing.get(key) if isinstance(thing, Mapping) else None
    if not isinstance(found, kind) or (kind is int and isinstance(found, bool)):
        raise FileFormatError(f"{shown}: {what} has no {shown_name(key)!r} as it should; the file is damaged.")
    return found
