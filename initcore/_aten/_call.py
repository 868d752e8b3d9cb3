"""One call of ATen, as the readers hand it on: an overload's name, its arguments by name, what it returns.

A reader (PyTorch's, that of .pt2 files) flattens its graph into these, with a :class:`Ref` for every tensor among the
arguments; subgraphs come inlined.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..program import Place

NOWHERE = Place()


@dataclass(frozen=True, slots=True)
class Ref:
    """A tensor among a call's arguments, by its name in the graph."""

    name: str


@dataclass(frozen=True, slots=True)
class Out:
    """A tensor that a call returns."""

    name: str
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True, slots=True)
class Call:
    """One call: ``target`` "aten.add.Tensor"; ``writes``: arguments that an operation of unknown name changes."""

    target: str
    arguments: Mapping[str, Any]
    outputs: Sequence[Out]
    place: Place = NOWHERE
    name: str = ""
    writes: Sequence[str] = field(default=())

    @property
    def first(self) -> Any:
        """The first argument, None without one."""
        return next(iter(self.arguments.values()), None)

    @property
    def base(self) -> str:
        """"aten.add_.Tensor" -> "add_"."""
        parts = self.target.split(".")
        return parts[1] if len(parts) > 1 else parts[0]

    @property
    def in_place(self) -> bool:
        """Whether its first argument is what it writes."""
        return self.base.endswith("_") and not self.base.endswith("__")
