"""In which order and layout the layers of a file chain: every reading that fits the shapes, and which one it is."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from ..errors import FileFormatError
from ._tensor import Tensor

LAYOUTS = ("io", "oi")
_MAX_STEPS = 20_000


class Group(NamedTuple):
    """A weight with its bias."""

    stem: str
    weight: str
    bias: str | None
    convention: str | None
    shape: tuple[int, ...]
    bias_size: int | None

    def sizes(self, layout: str) -> tuple[int, int]:
        """(fan_in, fan_out) if the weight is in this layout; a squeezed weight (n,) has one output."""
        if len(self.shape) == 1:
            return self.shape[0], 1
        return (self.shape[0], self.shape[1]) if layout == "io" else (self.shape[1], self.shape[0])

    def fits(self, layout: str) -> bool:
        """Is the bias as long as the layer has outputs?"""
        return self.bias_size is None or self.bias_size == self.sizes(layout)[1]


def natural(name: str) -> list[list[tuple[int, int, str]]]:
    """Sort key that puts layer 10 after layer 9, and "dense" before "dense_1", part by part of a path."""
    return [[_number(t) if t.isdecimal() else (1, 0, t.lower()) for t in re.findall(r"\d+|[a-z]+", part, re.I)]
            for part in re.split(r"[./]", name)]


def _number(digits: str) -> tuple[int, int, str]:
    """A sort key for a number of any length: how many digits, then the digits."""
    bare = digits.lstrip("0")
    return 0, len(bare), bare


def _family(stem: str) -> str:
    """What is left of a name without its numbers: layers of one family follow their numbers."""
    return re.sub(r"[\W_]*\d+", "", stem).lower()


def _orders(groups: list[Group], layouts: Sequence[str], free: bool) -> Iterator[list[Group]]:
    """Every order in which the sizes chain and no family runs against its numbers."""
    families: dict[str, list[Group]] = {}
    for g in groups:
        families.setdefault(_family(g.stem) if free else "", []).append(g)
    steps = 0

    def extend(done: list[Group], at: dict[str, int], width: int | None) -> Iterator[list[Group]]:
        nonlocal steps
        steps += 1
        if steps > _MAX_STEPS:
            return
        if len(done) == len(groups):
            yield list(done)
            return
        for family, members in families.items():
            i = at.get(family, 0)
            if i == len(members):
                continue
            g = members[i]
            fan_in, fan_out = g.sizes(layouts[groups.index(g)])
            if width is None or fan_in == width:
                yield from extend([*done, g], {**at, family: i + 1}, fan_out)

    yield from extend([], {}, None)


def readings(groups: list[Group], layout: str | None, free: bool) -> list[list[tuple[Group, str]]]:
    """The readings that fit: every order and layout, those by the names' conventions alone if any fits."""
    tries = [[one] * len(groups) for one in LAYOUTS if layout in (None, one)]
    by_name = layout is None and any(g.convention for g in groups)
    if by_name:
        tries = [[g.convention or default for g in groups] for default in LAYOUTS] + tries
    found: list[list[tuple[Group, str]]] = []
    for number, layouts in enumerate(tries):
        if by_name and number == len(LAYOUTS) and found:
            break
        if not all(g.fits(lay) for g, lay in zip(groups, layouts)):
            continue
        of = {g.stem: lay for g, lay in zip(groups, layouts)}
        for chain in _orders(groups, layouts, free):
            reading = [(g, of[g.stem]) for g in chain]
            if reading not in found:
                found.append(reading)
            if len(found) > 8:
                break
    return found


def _symmetric(tensor: Tensor) -> bool:
    if tensor.ndim == 2 and tensor.shape[0] != tensor.shape[1]:
        return False
    a = tensor.array()
    return bool(np.array_equal(a, a.T, equal_nan=True))


def chosen_of(chains: list[list[tuple[Group, str]]], arrays: Mapping[str, Tensor],
            source: str) -> list[tuple[Group, str]]:
    """The only reading, or the question that decides between several."""
    orders = {tuple(g.stem for g, _ in chain) for chain in chains}
    symmetric = len(orders) == 1 and all(_symmetric(arrays[g.weight])
                                         for g, _ in chains[0])
    if len(chains) == 1 or symmetric:                  # all zeros, one constant: both readings are one network
        return chains[0]
    if len(orders) > 1:
        a, b = (", ".join(order) for order in sorted(orders)[:2])
        raise FileFormatError(f"{source}: which layer comes first? Both {a} and {b} fit the shapes; "
                              "say it with --order NAME,NAME,...")
    shapes = " ".join(f"{g.weight} {g.shape}" for g, _ in chains[0][:3])
    raise FileFormatError(f"{source}: are the weights (fan_in, fan_out) or (fan_out, fan_in)? The shapes ({shapes}) "
                          "fit both; say --layout io (Keras, JAX) or --layout oi (PyTorch).")


def broken(groups: list[Group], layout: str | None, source: str) -> str:
    """Why no reading fits."""
    tries = [layout] if layout else list(LAYOUTS)
    for g in groups:
        if not any(g.fits(lay) for lay in tries):
            said = f" with layout {layout!r}" if layout else ""
            return (f"{source}: {g.bias!r} has {g.bias_size} entries, which does not fit {g.weight!r} of shape "
                    f"{g.shape}{said}.")
    ordered = sorted(groups, key=lambda g: natural(g.stem))
    shapes = ", ".join(f"{g.weight} {g.shape}" for g in ordered[:6])
    hint = " Try the other --layout, or leave it out." if layout else " Layers with branches cannot be checked."
    if len(groups) > 1 and not any(g.bias for g in groups) and any(
            all(b.sizes(lay)[0] == a.sizes(lay)[1] + 1 for a, b in itertools.pairwise(ordered)) for lay in tries):
        hint = (" Each has one input more than the layer before it has units: if that is a bias folded in as the last "
                "row or column, --folded-bias reads it.")
    hint = _towers(ordered, layout) or hint
    return f"{source}: these layers do not chain in any order: {shapes}.{hint}"


def _towers(groups: list[Group], layout: str | None) -> str:
    """The case of several networks in one file: parts of one beginning of their names that chain by themselves."""
    parts: dict[str, list[Group]] = {}
    for g in groups:
        parts.setdefault(re.split(r"[./]", g.stem, maxsplit=1)[0], []).append(g)
    if not 1 < len(parts) < 10 or not all(len(p) > 1 and readings(p, layout, False) for p in parts.values()):
        return ""
    first = ",".join(g.stem for g in next(iter(parts.values())))
    return (f" They are {len(parts)} networks side by side, {', '.join(map(repr, parts))}: --order {first} reads the "
            "first.")
