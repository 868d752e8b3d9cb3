"""A module's parameters and buffers, each memory once, whatever its names; and how to read them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..._aten import Reading
from ..._types import Floats
from ...errors import ArgumentError, ArgumentTypeError, DTypeError, ShapeError, UsageError
from ...program import Parameter, Value
from .._names import clean, identity
from .._places.memory import as_array
from ._calls import dtype_name

_PLAIN = (Tensor, torch.nn.Parameter, torch.nn.Buffer)


class Weights:
    """Parameters of a module by memory: ``parameters``, in the module's order."""

    def __init__(self, module: Any, given: Mapping[str, Any] | Callable[[str], Any] | None) -> None:
        if given is not None and not isinstance(given, Mapping) and not callable(given):
            raise ArgumentTypeError("weights must be a mapping of names to arrays or a function of a name, got "
                                    f"{type(given).__name__}.")
        self._given = given
        self._by_name: dict[str, Tensor] = {}
        self._by_memory: dict[Any, Parameter] = {}
        self._listed: dict[Any, tuple[str, Tensor]] | None = None
        self._module = module
        names: dict[Any, list[str]] = {}
        for name, tensor, _ in _named(module):
            self._by_name[name] = tensor
            names.setdefault(identity(tensor), []).append(clean(name))
        for name, tensor, buffer in _named(module):
            at = identity(tensor)
            if at not in self._by_memory:
                self._by_memory[at] = self._parameter(tuple(dict.fromkeys(names[at])), _plain(name, tensor), buffer)
        self.parameters = list(self._by_memory.values())

    def enter(self, reading: Reading, name: str, target: str) -> None:
        """The graph's name for the parameter or buffer of that path; one memory has one value, but two names' writes
        stay apart only where the framework keeps the memory apart."""
        parameter = self._by_memory[identity(self._by_name[target])]
        if reading.knows(parameter.names[0]):
            reading.bind(name, parameter.names[0])
            return
        reading.enter(parameter.names[0], parameter.value)
        reading.bind(name, parameter.names[0])

    def find(self, tensor: Tensor) -> Parameter | None:
        """The parameter of this memory: a registered one, or one that a module keeps in a list or an attribute."""
        at = identity(tensor)
        if at in self._by_memory:
            return self._by_memory[at]
        if self._listed is None:
            self._listed = {identity(t): (name, t) for name, t in _unregistered(self._module)}
        name, own = self._listed.get(at, ("", tensor))
        if not name or not own.requires_grad:
            return None
        self._by_memory[at] = self._parameter((name,), own, False)
        return self._by_memory[at]

    def buffer(self, name: str, tensor: Tensor) -> Parameter:
        """A large tensor that the graph holds."""
        return self._parameter((name,), tensor, True)

    def _parameter(self, names: tuple[str, ...], tensor: Tensor, buffer: bool) -> Parameter:
        value = Value(tuple(tensor.shape), dtype_name(tensor), names[0])
        read = functools.lru_cache(maxsize=1)(functools.partial(as_array, tensor)) if tensor.dtype in _HALF and \
            self._given is None else functools.partial(self._read, names, tensor)
        return Parameter(value, names, read, tensor.requires_grad and not buffer, buffer)

    def _read(self, names: tuple[str, ...], tensor: Tensor) -> Floats:
        if self._given is None:
            if tensor.is_meta:
                raise UsageError(f"{names[0]} is on the meta device and has no values; give program(..., weights=) a "
                                 "state dict or a function of a name.")
            return as_array(tensor)
        array = self._lookup(names)
        if isinstance(array, Tensor):
            array = as_array(array)
        array = np.asarray(array)
        if array.shape != tuple(tensor.shape):
            raise ShapeError(f"weights: {names[0]} has the shape {array.shape}, the module's is {tuple(tensor.shape)}.")
        return array

    def _lookup(self, names: tuple[str, ...]) -> Any:
        if callable(self._given):
            return self._given(names[0])
        assert self._given is not None
        for name in names:
            if name in self._given:
                return self._given[name]
        raise ArgumentError(f"weights has no {' or '.join(names)}.")


_HALF = (torch.float16, torch.bfloat16)


def _named(module: Any) -> Iterator[tuple[str, Tensor, bool]]:
    """Every name of every parameter, then of every buffer."""
    yield from ((name, p, False) for name, p in module.named_parameters(remove_duplicate=False))
    yield from ((name, b, True) for name, b in module.named_buffers(remove_duplicate=False))


def _plain(name: str, tensor: Tensor) -> Tensor:
    if isinstance(tensor, torch.nn.parameter.UninitializedTensorMixin):
        raise UsageError(f"{name} has no shape yet; call the module once on a batch, then read it.")
    if type(tensor) not in _PLAIN or tensor.layout is not torch.strided:
        raise DTypeError(f"{name} is a {type(tensor).__name__}"
                         f"{'' if tensor.layout is torch.strided else f' of layout {tensor.layout}'}, not a "
                         "plain tensor; read the module before it is quantised or sharded (on the meta device, with "
                         "weights=).")
    return tensor


def _unregistered(module: Any) -> Iterator[tuple[str, Tensor]]:
    """Tensors in attributes, lists, tuples and dicts of the modules, by their paths."""
    for path, part in module.named_modules():
        for name, thing in vars(part).items():
            if name not in ("_parameters", "_buffers", "_modules"):
                yield from _inside(f"{path}.{name}" if path else name, thing, 2)


def _inside(path: str, thing: Any, depth: int) -> Iterator[tuple[str, Tensor]]:
    if isinstance(thing, Tensor):
        yield path, thing
    elif depth and isinstance(thing, (list, tuple, dict)):
        items = thing.items() if isinstance(thing, dict) else enumerate(thing)
        for key, item in items:
            yield from _inside(f"{path}.{key}", item, depth - 1)
