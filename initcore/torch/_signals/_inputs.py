"""What a module is called with: the user's batch, or numbers of given moments in the shape that was named."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from ...errors import ArgumentError, ArgumentTypeError

ROWS = 64
ASSUMED = "inputs drawn: normal, mean 0, variance 1"


class Call(NamedTuple):
    """Arguments of one call. given : they are the user's data. said : in words."""

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    given: bool
    said: str


def call_of(module: nn.Module, x: Any) -> Call:
    """The call that x describes; see :func:`initcore.torch.check`."""
    if x is None:
        x = _first_shape(module)
    if isinstance(x, Tensor):
        return Call((x,), {}, True, _rows(x))
    if hasattr(x, "__array__") and not isinstance(x, (tuple, list, Mapping)):
        return call_of(module, _cast(torch.as_tensor(x), module))
    if _is_shape(x):
        return Call((_draw(tuple(x), module),), {}, False, ASSUMED)
    if isinstance(x, Mapping):
        return Call((), dict(x), True, _rows(next(iter(x.values()), None)))
    if isinstance(x, (tuple, list)) and x:
        if all(_is_shape(part) for part in x):
            return Call(tuple(_draw(tuple(part), module) for part in x), {}, False, ASSUMED)
        return Call(tuple(x), {}, True, _rows(x[0]))
    raise ArgumentTypeError("x must be a tensor, a tuple of arguments, a mapping of keyword arguments or a shape such "
                            f"as (8, 3, 32, 32), got {type(x).__name__}.")


def _is_shape(x: Any) -> bool:
    return isinstance(x, (tuple, list, torch.Size)) and bool(x) and all(type(n) is int and n > 0 for n in x)


def _rows(x: Any) -> str:
    return f"a batch of {x.shape[0]}" if isinstance(x, Tensor) and x.ndim else "a batch"


def _kind(module: nn.Module) -> tuple[torch.device, torch.dtype]:
    first = next((p for p in module.parameters() if p.is_floating_point()), None)
    return (torch.device("cpu"), torch.float32) if first is None else (first.device, first.dtype)


def _cast(x: Tensor, module: nn.Module) -> Tensor:
    device, dtype = _kind(module)
    return x.to(device, dtype) if x.is_floating_point() else x.to(device)


def _draw(shape: tuple[int, ...], module: nn.Module) -> Tensor:
    """Normal numbers; indices below the table's length where the module begins with an embedding."""
    device, dtype = _kind(module)
    generator = torch.Generator().manual_seed(0)
    first = next((m for m in module.modules() if not list(m.children())), None)
    if isinstance(first, nn.Embedding):
        return torch.randint(first.num_embeddings, shape, generator=generator).to(device)
    return torch.randn(shape, generator=generator).to(device, dtype)


def _first_shape(module: nn.Module) -> tuple[int, ...]:
    """(64, features) where the first layer is linear."""
    first = next((m for m in module.modules() if not list(m.children())), None)
    if isinstance(first, nn.Linear):
        return (ROWS, first.in_features)
    raise ArgumentError("x is missing, and the first layer does not tell its shape: give a batch, or a shape such as "
                        "x=(8, 3, 32, 32).")
