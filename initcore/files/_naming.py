"""Which array is which: layers, their order and their layout, from names and shapes.

Nothing is guessed: where names and shapes leave two answers, the error asks the question and says which
option answers it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from .._checks import describe, texts
from ..errors import ArgumentError, FileFormatError
from ._orders import LAYOUTS, Group, broken, chosen_of, natural, readings
from ._tensor import Tensor

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


def listing(names: Iterable[str], most: int = 6) -> str:
    """Names for a message, the first few."""
    given = list(names)
    more = f" and {len(given) - most} more" if len(given) > most else ""
    return (", ".join(repr(n) for n in given[:most]) + more) or "nothing"


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
    chains = readings(_in_order(groups, order), layout, free=order is None)
    if not chains:
        raise NoChain(broken(groups, layout, source))
    chosen = chosen_of(chains, arrays, source)
    odd = [g.weight for g, lay in chosen if layout is None and g.convention not in (None, lay)]
    if odd:
        notes.append(f"By its name {odd[0]!r} would be in the other layout, but only {chosen[0][1]!r} fits the shapes.")
    return Plan(tuple(Part(g.weight, g.bias, lay if len(g.shape) == 2 else "io") for g, lay in chosen), tuple(notes))


def _groups(arrays: Mapping[str, Tensor], source: str, only: set[str] | None) -> tuple[list[Group], list[str]]:
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
        groups.append(Group(stem, name, bias, convention, arrays[name].shape, size))
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


def _in_order(groups: list[Group], order: Sequence[str] | None) -> list[Group]:
    if order is None:
        return sorted(groups, key=lambda g: natural(g.stem))
    known = {g.stem: g for g in groups} | {g.weight: g for g in groups}
    missing = [name for name in order if name not in known]
    if missing:
        raise ArgumentError(f"order names {missing[0]!r}, but the layers are {listing(g.stem for g in groups)}.")
    return [known[name] for name in order]
