"""What is active in this thread: a context that knows tensors by name, as :func:`initcore.torch.seeded` makes."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any, Protocol

from torch import Tensor


class Context(Protocol):
    """Finds the stream of a tensor (``key``, ``entry``, ``part``), or None for one it does not know."""

    def stream(self, tensor: Tensor) -> Any: ...

    def shape(self, tensor: Tensor) -> tuple[int, ...] | None: ...


class _Local(threading.local):
    context: Context | None = None


_local = _Local()


def current() -> Context | None:
    """The context of this thread."""
    return _local.context


def enter(context: Context | None) -> None:
    """Set the context of this thread; None: no context."""
    _local.context = context


@contextlib.contextmanager
def only(entry: Any, key: Any) -> Iterator[None]:
    """A context that knows one tensor."""
    outer = _local.context
    _local.context = _Only(entry, key)
    try:
        yield
    finally:
        _local.context = outer


class _Only:
    part = None

    def __init__(self, entry: Any, key: Any) -> None:
        self.entry, self.key = entry, key

    def stream(self, tensor: Tensor) -> _Only | None:
        return self if tensor is self.entry.tensor else None

    def shape(self, tensor: Tensor) -> tuple[int, ...] | None:
        return self.entry.place.shape if tensor is self.entry.tensor else None


def global_shape(tensor: Tensor) -> tuple[int, ...]:
    """The shape of the array the tensor is, or is the local part of."""
    context = _local.context
    shape = None if context is None else context.shape(tensor)
    return tuple(tensor.shape) if shape is None else shape
