"""What is active in this thread: a context that knows tensors by name, as :func:`initcore.torch.seeded` makes."""

from __future__ import annotations

import threading
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


def global_shape(tensor: Tensor) -> tuple[int, ...]:
    """The shape of the array the tensor is, or is the local part of."""
    context = _local.context
    shape = None if context is None else context.shape(tensor)
    return tuple(tensor.shape) if shape is None else shape
