"""``initcore check package.module:factory``: a module of the user's own code, judged as ``ic.check`` does."""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import ArgumentError, needs
from ..verdict import ModuleReport

_TARGET = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")


def is_target(text: str) -> bool:
    """Is this package.module:factory, and no file of that name?

    >>> is_target("my.models:make"), is_target("net.npz")
    (True, False)
    """
    return _TARGET.fullmatch(text) is not None and not os.path.exists(text)


def shapes(text: str | None) -> Any:
    """The shape(s) in 2x3x224x224, or several with commas.

    >>> shapes("2x3x8x8"), shapes("4x6,4x2"), shapes(None)
    ((2, 3, 8, 8), ((4, 6), (4, 2)), None)
    """
    if text is None:
        return None
    parts = [part.strip() for part in text.split(",")]
    if not all(re.fullmatch(r"[1-9]\d*(x[1-9]\d*)*", part) for part in parts):
        raise ArgumentError(f"--input {text!r} is no shape; write it as 2x3x224x224, of several inputs with commas.")
    found = tuple(tuple(map(int, part.split("x"))) for part in parts)
    return found[0] if len(found) == 1 else found


def check_target(target: str, *, inputs: str | None, data: Path | None, tell: Callable[[str], None],
                 **options: Any) -> ModuleReport:
    """Import, make the module, and check it on the data or on inputs of that shape."""
    tell(f"importing {target}")
    module = made(target)
    if inputs is not None and data is not None:
        raise ArgumentError("--input and --data exclude each other: a shape, or the numbers themselves.")
    x, y = loaded(data) if data is not None else (shapes(inputs), None)
    from ..torch import check
    return check(module, x, y, progress=tell, **options)


def made(target: str) -> Any:
    """The module that a target names: the object itself, or what it gives when it is called without arguments."""
    needs("torch", "torch", "package.module:factory")
    import torch
    name, _, path = target.partition(":")
    sys.path.insert(0, os.getcwd())
    try:
        found: Any = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not (name == error.name or name.startswith(error.name + ".")):
            raise
        raise ArgumentError(f"{target!r}: no module {error.name!r} in the working directory or installed; a target is "
                            "a file or package.module:factory.") from None
    finally:
        sys.path.remove(os.getcwd())
    for part in path.split("."):
        if not hasattr(found, part):
            raise ArgumentError(f"{target!r}: {name} has no {part!r}.")
        found = getattr(found, part)
    if not isinstance(found, torch.nn.Module) and callable(found):
        found = found()
    if not isinstance(found, torch.nn.Module):
        raise ArgumentError(f"{target!r} gives {type(found).__name__}, not a torch.nn.Module.")
    return found


def loaded(file: Path) -> tuple[Any, Any]:
    """x as an array and y as a tensor (None where there is none), of .npz or .npy."""
    import torch

    from ..files import read_arrays
    arrays = read_arrays(file)
    x = arrays.get("x", next(iter(arrays.values())) if len(arrays) == 1 else None)
    if x is None:
        raise ArgumentError(f"--data {file.name} holds {', '.join(arrays)}, but no x.")
    y = arrays.get("y")
    return x, None if y is None else torch.from_numpy(y)
