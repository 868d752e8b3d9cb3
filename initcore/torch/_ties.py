"""``to_empty`` that keeps ties."""

from __future__ import annotations

from typing import Any

import torch

from ..errors import ArgumentTypeError
from ._names import identity


def ties(model: Any) -> list[list[tuple[Any, str, str, bool]]]:
    """Groups of two or more places, (module, attribute, name, is_buffer), that hold one tensor."""
    groups: dict[Any, list[tuple[Any, str, str, bool]]] = {}
    for path, module in model.named_modules(remove_duplicate=True):
        for table, is_buffer in ((module._parameters, False), (module._buffers, True)):
            for attribute, tensor in table.items():
                if tensor is not None:
                    name = f"{path}.{attribute}" if path else attribute
                    groups.setdefault(identity(tensor), []).append((module, attribute, name, is_buffer))
    return [group for group in groups.values() if len(group) > 1]


def to_empty(model: Any, *, device: Any) -> Any:
    """``model.to_empty(device=device)`` with the ties restored that it loses: the model with raw memory, and returned.

    ``torch.nn.Module.to_empty`` makes a new tensor for every reference, so that an output projection that shares the
    embedding's weight comes back as a second, independent one. Initialise afterwards, and look with
    :func:`initcore.torch.coverage` whether all was.

    >>> with torch.device("meta"):
    ...     model = torch.nn.ModuleDict({"embed": torch.nn.Embedding(9, 4), "head": torch.nn.Linear(4, 9, bias=False)})
    >>> model["head"].weight = model["embed"].weight
    >>> to_empty(model, device="cpu")["head"].weight is model["embed"].weight
    True
    """
    if not isinstance(model, torch.nn.Module):
        raise ArgumentTypeError(f"model must be a torch.nn.Module, got {type(model).__name__}.")
    tied = ties(model)
    model.to_empty(device=device)
    restore(tied)
    return model


def restore(tied: list[list[tuple[Any, str, str, bool]]]) -> None:
    """Put the first place's tensor into the others of its group."""
    for (module, attribute, _, _), *others in tied:
        tensor = getattr(module, attribute)
        for other, name, _, _ in others:
            setattr(other, name, tensor)
