"""Which array is which: layers, their order and their layout, from names and shapes.

Nothing is guessed: where names and shapes leave two answers, the error asks the question and says which
option answers it.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from .._checks import describe, texts
from ..errors import ArgumentError, FileFormatError
from ._tensor import Tensor

LAYOUTS = ("io", "oi")
# Last part of a name -> (is it a weight?, the layout its library writes; None: both are found under this name).
_ENDINGS = {"weight": (True, "oi"), "kernel": (True, "io"), "coefs": (True, "io"), "w": (True, None),
            "weights": (True, None), "bias": (False, None), "biases": (False, None), "b": (False, None),
            "intercepts": (False, None)}
_WORD = "|".join(sorted(_ENDINGS, key=len, reverse=True))
# "W1", "b_2", "weights_1", "coefs_0": the word, then the number.
_NUMBERED = re.compile(rf"(.*?)(?:^|(?<=[\W_]))({_WORD})[_.]?(\d+)", re.IGNORECASE)
# "fc1.weight", "dense/kernel", "fc1_b", "w": the word last. "dW" and "glow" are other words.
_LAST = re.compile(rf"(.*?)(?:^|(?<=[\W_\d]))({_WORD})", re.IGNORECASE)
# "W_in", "b_hidden": the word first. Not "weight": PyTorch's weight_ih_l0, weight_g are no dense layers.
_FIRST = re.compile(r"()(w|weights|b|biases)[_.](\w+)", re.IGNORECASE)
_MAX_STEPS = 20_000


class NoChain(FileFormatError):
    """The layers do not follow one another in any order."""


class Part(NamedTuple):
    """One layer: the names of its weight and bias arrays (None: no bias), and the weight's layout."""

    weight: str
    bias: str | None
    layout: str


class Plan(NamedTuple):
    """The layers in order, and what the reader should know about how they were found."""

    layers: tuple[Part, ...]
    notes: tuple[str, ...]


class _Group(NamedTuple):
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
        return self.bias_size is None or self.bias_size == self.sizes(layout)[1]


def listing(names: Iterable[str], most: int = 6) -> str:
    """Names for a message, the first few."""
    given = list(names)
    more = f" and {len(given) - most} more" if len(given) > most else ""
    return (", ".join(repr(n) for n in given[:most]) + more) or "nothing"


def natural(name: str) -> list[list[tuple[int, int, str]]]:
    """Sort key that puts layer 10 after layer 9, and "dense" before "dense_1", part by part of a path."""
    return [[_number(t) if t.isdecimal() else (1, 0, t.lower()) for t in re.findall(r"\d+|[a-z]+", part, re.I)]
            for part in re.split(r"[./]", name)]


def _number(digits: str) -> tuple[int, int, str]:
    """A sort key for a number of any length: how many digits, then the digits."""
    bare = digits.lstrip("0")
    return 0, len(bare), bare


@lru_cache(maxsize=1 << 17)
def parse(name: str) -> tuple[str, bool, str | None] | None:
    """``(stem, is it a weight?, layout convention)`` of a parameter name, or None if it is not one."""
    bare = re.sub(r"[./](?:raw_)?value$", "", re.sub(r":\d+$", "", name))          # Flax nnx: layers.0.kernel.value
    for pattern in (_NUMBERED, _LAST, _FIRST):
        match = pattern.fullmatch(bare)
        if match:
            is_weight, convention = _ENDINGS[match[2].lower()]
            rest = "" if pattern is _LAST else match[3]
            if rest and match[2].lower() == "weight":
                convention = None                      # "weight1" is nobody's convention
            return (match[1] + rest).strip("./_"), is_weight, convention
    return None


def plan(arrays: Mapping[str, Tensor], *, layout: str | None = None, order: Sequence[str] | None = None,
         source: str = "the file") -> Plan:
    """The layers that these arrays describe, in order, each with its layout."""
    if layout is not None and (not isinstance(layout, str) or layout not in LAYOUTS):
        raise ArgumentError(f"layout={describe(layout)} is not known; use 'io' for (fan_in, fan_out) or 'oi' for "
                            "(fan_out, fan_in).")
    order = None if order is None else texts("order", order)
    groups, unread = _groups(arrays, source, None if order is None else set(order))
    notes = [f"Not part of the check: {listing(unread)}."] if unread else []
    chains = _chains(_in_order(groups, order), layout, free=order is None)
    if not chains:
        raise NoChain(_broken(groups, layout, source))
    chosen = _choose(chains, arrays, source)
    odd = [g.weight for g, lay in chosen if layout is None and g.convention not in (None, lay)]
    if odd:
        notes.append(f"By its name {odd[0]!r} would be in the other layout, but only {chosen[0][1]!r} fits the shapes.")
    return Plan(tuple(Part(g.weight, g.bias, lay if len(g.shape) == 2 else "io") for g, lay in chosen), tuple(notes))


def _groups(arrays: Mapping[str, Tensor], source: str, only: set[str] | None) -> tuple[list[_Group], list[str]]:
    """Weight matrices with their biases, and the names of all arrays that are neither.

    ``only``: the layers that will be asked for; what is wrong with others does not matter then.
    """
    weights: dict[str, tuple[str, str | None]] = {}
    biases: dict[str, str] = {}
    for name, array, (stem, is_weight, convention) in _parsed(arrays):
        wanted = only is None or bool({stem, name} & only)
        if not array.judged:
            if not wanted or (only is None and not is_weight):
                continue
            raise FileFormatError(f"{name!r} holds {array.dtype}, but weights must be floating point (float16, "
                                  "bfloat16, float32 or float64); save it with .astype('float32').")
        if is_weight and array.ndim > 2:
            if not wanted:
                continue
            raise FileFormatError(f"{name!r} has shape {array.shape}: a convolution or an attention head; only dense "
                                  "layers (2-D weights) can be checked from a file.")
        if stem in (weights if is_weight else biases):
            other = weights[stem][0] if is_weight else biases[stem]
            raise FileFormatError(f"{source}: {other!r} and {name!r} both look like the "
                                  f"{'weights' if is_weight else 'bias'} of one layer; rename one.")
        if is_weight:
            weights[stem] = (name, convention)
        else:
            biases[stem] = name
    groups, used = [], set()
    for stem, (name, convention) in weights.items():
        bias = biases.get(stem)
        size = None if bias is None else arrays[bias].size
        if arrays[name].ndim == 1 and size not in (None, 1):
            continue                                   # a scale and a shift of one length: a normalisation
        used.update({name} if bias is None else {name, bias})
        groups.append(_Group(stem, name, bias, convention, arrays[name].shape, size))
    if not any(len(g.shape) == 2 for g in groups):
        raise FileFormatError(f"{source} has no weight matrices: it holds {listing(arrays)}. Names such as "
                              "'fc1.weight', 'dense_1/kernel' or 'W1' are understood.")
    empty = [g for g in groups if 0 in g.shape]
    if empty:
        raise FileFormatError(f"{empty[0].weight!r} has shape {empty[0].shape}: a layer without weights.")
    return groups, [name for name in arrays if name not in used]


def _parsed(arrays: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor, tuple[str, bool, str | None]]]:
    """Each array that is a layer's, with the layer's name and what it is there."""
    if arrays and all(re.fullmatch(r"arr_\d+", n) for n in arrays):
        yield from _positional(arrays)
        return
    for name, array in arrays.items():
        found = parse(name)
        if found is not None and not (found[1] and array.ndim == 0):
            yield name, array, found


def _positional(arrays: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor, tuple[str, bool, str | None]]]:
    """numpy.savez(file, w1, b1, w2, b2): a matrix opens a layer, the vector after it is its bias.

    A vector after a bias, as long as that bias, is the weight of one squeezed output unit.
    """
    last, bias = "", 0
    for name, array in sorted(arrays.items(), key=lambda item: natural(item[0])):
        if array.ndim >= 2 or (array.ndim == 1 and bias and array.size == bias):
            last, bias = name, 0
            yield name, array, (name, True, None)
        elif last and not bias:
            bias = array.size
            yield name, array, (last, False, None)


def _in_order(groups: list[_Group], order: Sequence[str] | None) -> list[_Group]:
    if order is None:
        return sorted(groups, key=lambda g: natural(g.stem))
    known = {g.stem: g for g in groups} | {g.weight: g for g in groups}
    missing = [name for name in order if name not in known]
    if missing:
        raise ArgumentError(f"order names {missing[0]!r}, but the layers are {listing(g.stem for g in groups)}.")
    return [known[name] for name in order]


def _family(stem: str) -> str:
    """What is left of a name without its numbers: layers of one family follow their numbers."""
    return re.sub(r"[\W_]*\d+", "", stem).lower()


def _orders(groups: list[_Group], layouts: Sequence[str], free: bool) -> Iterator[list[_Group]]:
    """Every order in which the sizes chain and no family runs against its numbers."""
    families: dict[str, list[_Group]] = {}
    for g in groups:
        families.setdefault(_family(g.stem) if free else "", []).append(g)
    steps = 0

    def extend(done: list[_Group], at: dict[str, int], width: int | None) -> Iterator[list[_Group]]:
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


def _chains(groups: list[_Group], layout: str | None, free: bool) -> list[list[tuple[_Group, str]]]:
    """The readings that fit: every order and layout, those by the names' conventions alone if any fits."""
    tries = [[one] * len(groups) for one in LAYOUTS if layout in (None, one)]
    by_name = layout is None and any(g.convention for g in groups)
    if by_name:
        tries = [[g.convention or default for g in groups] for default in LAYOUTS] + tries
    found: list[list[tuple[_Group, str]]] = []
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


def _choose(chains: list[list[tuple[_Group, str]]], arrays: Mapping[str, Tensor],
            source: str) -> list[tuple[_Group, str]]:
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


def _broken(groups: list[_Group], layout: str | None, source: str) -> str:
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
    return f"{source}: these layers do not chain in any order: {shapes}.{hint}"
