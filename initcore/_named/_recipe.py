"""How one array is made: any block of it, from the whole's shape and the key."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .. import initializers
from .._types import Array
from ..random import Key
from ._choice import Named

COSTS_THE_WHOLE = {initializers.orthogonal, initializers.delta_orthogonal, initializers.spectral}


def base_of(initializer: Any) -> Any:
    """The function below partials."""
    while isinstance(initializer, functools.partial):
        initializer = initializer.func
    return initializer


def describe(value: Any) -> str:
    """An initialiser with its arguments.

    >>> describe(functools.partial(initializers.normal, std=0.02))
    'normal(std=0.02)'
    """
    if isinstance(value, functools.partial):
        given = [f"{a:g}" if isinstance(a, float) else repr(a) for a in value.args]
        given += [f"{k}={v:.4g}" if isinstance(v, float) else f"{k}={v!r}" for k, v in value.keywords.items()]
        return f"{describe(value.func)}({', '.join(given)})"
    return value if isinstance(value, str) else getattr(value, "__name__", type(value).__name__)


@functools.lru_cache(maxsize=256)
def takes(initializer: Callable[..., Any]) -> frozenset[str]:
    """Names of its arguments."""
    return frozenset(inspect.signature(initializer).parameters)


def probe(make: Callable[..., Any], costly: bool, shape: tuple[int, ...], dtype: str) -> None:
    """Let the initialiser check its arguments: an empty block of the array; where that costs the whole, a tiny one."""
    nothing = (0,) * len(shape)
    if not costly:
        make(nothing, rng=0, dtype=dtype, global_shape=shape, start=nothing)
        return
    groups = make.keywords.get("groups", 1)             # type: ignore[attr-defined]
    try:                                                # sizes that groups divide where they divide the array's
        make(tuple((groups + n % groups if k < 2 else 1) if n else 0 for k, n in enumerate(shape)), rng=0, dtype=dtype)
    except Exception:
        make(shape, rng=0, dtype=dtype)                 # the same error, with the shape that was meant
        raise


class Recipe:
    """How one array is made: any block of it, in its own order of axes.

    value : initialiser of :mod:`initcore.init` (name, callable, partial) or any ``f(shape, *, rng, dtype)``.
    where : what the adapter knows of the axes (``layout`` and ``groups``, or ``in_axis``, ``out_axis``,
        ``batch_axis``); what the rule says itself comes first.
    canonical : draw in the order (taps, in, out).
    """

    def __init__(self, value: Any, array: Named, where: Mapping[str, Any], canonical: bool = False) -> None:
        make = functools.partial(initializers.get(value))
        taken, given = takes(base_of(make)), dict(make.keywords)
        says = {"layout", "in_axis", "out_axis", "batch_axis"} & set(given)
        extra = {k: v for k, v in where.items() if k in taken and not (says and k != "groups") and k not in given}
        if extra.get("groups") == 1 or len(array.shape) < 3:
            extra.pop("groups", None)
        layout = extra.get("layout") or given.get("layout")
        self.array, self.order = array, None
        if canonical and layout is not None:
            target = canonical_layout(layout)
            if target != layout:
                self.order = [layout.index(c) for c in target]
            extra["layout"] = target
        self.make = functools.partial(make, **extra)
        self.base = base_of(make)
        self.blocks = "global_shape" in taken
        self.costly = self.base in COSTS_THE_WHOLE
        self.shape = self._turned(array.shape)

    def _turned(self, axes: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(axes) if self.order is None else tuple(axes[k] for k in self.order)

    def check(self) -> None:
        """Let the initialiser refuse what it does not take; the error names the array."""
        try:
            if self.blocks:
                probe(self.make, self.costly, self.shape, self.array.dtype)
        except Exception as error:
            error.add_note(f"(parameter {self.array.name!r}; nothing has been written)")
            raise

    def __call__(self, key: Key, box: Sequence[slice] | None = None) -> Array:
        """The block ``box`` (slices with a start and a stop), or the whole, in the array's own order of axes."""
        if box is None or all(s.start == 0 and s.stop == n for s, n in zip(box, self.array.shape)):
            made = self.make(self.shape, rng=key, dtype=self.array.dtype)
        elif self.blocks:
            inner = self._turned(box)
            made = self.make(tuple(s.stop - s.start for s in inner), rng=key, dtype=self.array.dtype,
                             global_shape=self.shape, start=tuple(s.start for s in inner))
        else:                                           # an initialiser of the user's own makes wholes only
            made = np.asarray(self.make(self.shape, rng=key, dtype=self.array.dtype))[self._turned(box)]
        return made if self.order is None else np.asarray(made).transpose(np.argsort(self.order))


def canonical_layout(layout: str) -> str:
    """The layout with the same axes in the order (taps, in, out).

    >>> canonical_layout("oihw"), canonical_layout("hwoi"), canonical_layout("bio")
    ('hwio', 'hwio', 'bio')
    """
    return "".join(c for c in layout if c not in "iom") + "i" + ("m" if "m" in layout else "o")
