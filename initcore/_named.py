"""Arrays of a model by name: which rule fills which, how each is drawn, and the table of what went where.

Design
A. An adapter lists its model's arrays as :class:`Named`; :func:`choose` gives each its rule and refuses, before
   anything is written, arrays without a rule and rules without an array.
B. The name is the stream's: ``names=`` lets arrays of several frameworks share one, and with ``canonical`` they draw
   in one order of the axes, so that the functions they are part of are one function.
C. :class:`Recipe` makes any block of an array, from the whole's shape and the key.
"""

from __future__ import annotations

import fnmatch
import functools
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple

import numpy as np

from . import initializers
from ._checks import describe as shown
from ._types import Array
from .errors import ArgumentError, ArgumentTypeError
from .random import Key

COSTS_THE_WHOLE = {initializers.orthogonal, initializers.delta_orthogonal, initializers.spectral}


class Row(NamedTuple):
    """One tensor: its name, shape and dtype, what it is drawn by, and the rule that said so."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    drawn_by: str
    rule: str


class Table:
    """What ``initialize`` did: ``rows``; printed with equal layers in one line.

    >>> rows = [Row(f"layers.{i}.weight", (4, 4), "float32", "zeros", "*") for i in range(3)]
    >>> print(Table(rows))
    parameter             shape   dtype    drawn by  rule
    layers.{0-2}.weight   (4, 4)  float32  zeros     *
    """

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = tuple(rows)

    def __str__(self) -> str:
        groups: dict[tuple[str, ...], list[list[str]]] = {}
        for row in self.rows:
            stem = re.sub(r"\d+", "#", row.name, count=1) if re.search(r"\.\d+\.", row.name) else row.name
            key = (stem, str(row.shape), row.dtype, row.drawn_by, row.rule)
            groups.setdefault(key, []).append(re.findall(r"\d+", row.name))
        lines = [("parameter", "shape", "dtype", "drawn by", "rule")]
        for (stem, *rest), numbers in groups.items():
            if len(numbers) > 1:
                stem = stem.replace("#", "{" + f"{numbers[0][0]}-{numbers[-1][0]}" + "}", 1)
            elif "#" in stem:
                stem = stem.replace("#", numbers[0][0], 1)
            lines.append((stem, *rest))       # type: ignore[arg-type]
        widths = [max(len(line[k]) for line in lines) + 2 for k in range(5)]
        return "\n".join("".join(text.ljust(n) for text, n in zip(line, widths)).rstrip() for line in lines)

    def __repr__(self) -> str:
        return f"<Table of {len(self.rows)} tensors>"


class Named(NamedTuple):
    """One array of a model: ``name`` of its stream, ``own`` name in the framework, shape, dtype, what it is there."""

    name: str
    own: str
    shape: tuple[int, ...]
    dtype: str
    thing: Any = None


class Chosen(NamedTuple):
    """An array, the rule that took it as it is written in the table, and the rule's value."""

    array: Named
    rule: str
    value: Any


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


def spelled(rule: Any) -> str:
    """A rule's key as the table shows it."""
    if isinstance(rule, tuple):
        return f"{rule[0].__name__}.{rule[1]}"
    return rule if isinstance(rule, str) else getattr(rule, "__name__", repr(rule)).strip("_").replace("_", " ")


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


def renamed(own: Sequence[str], names: Any) -> dict[str, str]:
    """The stream's name of every array: what ``names`` (a mapping) says, else its own.

    >>> renamed(["a", "b"], {"b": "head"})
    {'a': 'a', 'b': 'head'}
    """
    if names is None:
        return {name: name for name in own}
    if not isinstance(names, Mapping):
        raise ArgumentTypeError(f"names must map the model's own names to those of the streams, got {shown(names)}.")
    unknown = [n for n in names if n not in own]
    if unknown:
        raise ArgumentError(f"names= speaks of {unknown[0]!r}, which the model does not have; its names are like "
                            f"{', '.join(map(repr, own[:3]))}.")
    found = {name: str(names.get(name, name)) for name in own}
    twice = [n for n in found.values() if list(found.values()).count(n) > 1] if len(set(found.values())) < len(own) \
        else []
    if twice:
        raise ArgumentError(f"two arrays would draw from the stream {twice[0]!r} and start equal; give each a name of "
                            "its own in names=.")
    return found


def by_name(rule: Any, array: Named) -> bool:
    """Whether a rule's key takes the array: a pattern of its names, or a function of (name, thing)."""
    if isinstance(rule, str):
        return fnmatch.fnmatchcase(array.name, rule) or fnmatch.fnmatchcase(array.own, rule)
    if callable(rule) and not isinstance(rule, type):
        return bool(rule(array.name, array.thing))
    raise ArgumentTypeError(f"a rule's key is a pattern of names or a function of (name, array), got {rule!r}.")


def choose(found: Sequence[Named], rules: Any, matches: Callable[[Any, Named], bool] = by_name, *,
           all_used: bool = True) -> list[Chosen]:
    """The first rule that takes it, for every array.

    Raises ArgumentError for arrays without a rule, listing them, and for rules without an array.
    """
    if not isinstance(rules, Mapping):
        raise ArgumentTypeError(f"rules must map patterns of names to initialisers, got {shown(rules)}.")
    out, lost, used = [], [], set()
    for array in found:
        rule = next((rule for rule in rules if matches(rule, array)), None)
        if rule is None:
            lost.append(f"{array.name} {array.shape}")
            continue
        used.add(rule)
        out.append(Chosen(array, spelled(rule), rules[rule]))
    settled(rules, used, lost, found, all_used=all_used)
    return out


def settled(rules: Mapping[Any, Any], used: AbstractSet[Any], lost: Sequence[str], found: Sequence[Any], *,
            all_used: bool) -> None:
    """Refuse arrays that no rule took (``lost``: name and shape), and, with ``all_used``, rules that took none of those
    found."""
    if lost:
        raise ArgumentError(f"no rule matches {len(lost)} parameter(s): {', '.join(lost[:20])}"
                            f"{', ...' if len(lost) > 20 else ''}. Add a rule for each; '*' as the last one takes the "
                            "rest, None leaves a parameter as it is.")
    idle = [spelled(rule) for rule in rules if rule not in used]
    if idle and all_used:
        raise ArgumentError(f"rules without a parameter: {', '.join(idle)}. Names here are like "
                            f"{', '.join(repr(a.name) for a in found[:3])}; the first rule that matches counts.")


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
