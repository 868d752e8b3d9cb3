"""Which tensor of one file is which of another, where their names differ."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

_PART = re.compile(r"[./:]")
_DEEP = 4                   # parts of a name that may belong to what wraps a model
_ASKED = 256                # names for whose ends others are looked for, so that any number of names takes little
_COMMON = 8                 # names with one end that are looked at: behind one prefix there is one
_TRIED = 8                  # pairs of prefixes that are counted over all names


Prefix = tuple[str, str]


def paired(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[Prefix | None, dict[str, str]]:
    """The prefix of one file's names that the other has another for, and the other's name of each that both have.

    ``before`` and ``after`` tell each tensor's shape.

    >>> paired({"module.a": 3, "module.b": (2, 3), "d": 1}, {"a": 3, "b": (2, 3), "c": 3, "d": 1})
    (('module.', ''), {'module.a': 'a', 'module.b': 'b', 'd': 'd'})
    """
    prefix = _prefix(before, after)
    found = {}
    for name in before:
        other = name if name in after or prefix is None else _behind(name, prefix)
        if other in after and (other == name or other not in before):
            found[name] = other
    return prefix, found


def _behind(name: str, prefix: Prefix) -> str:
    """A name with the other prefix; the name itself where it has not the first."""
    return prefix[1] + name[len(prefix[0]):] if name.startswith(prefix[0]) else name


def _prefix(before: Mapping[str, Any], after: Mapping[str, Any]) -> Prefix | None:
    """(p, q) where what is called p + rest in one file is q + rest in the other, of the same shape: for half of
    the tensors of the smaller file, two at least (a layer that comes for another is another layer). Else None.

    Wrappers do this: ``module.`` of DistributedDataParallel, ``_orig_mod.`` of torch.compile, the name of the
    attribute that holds the model.
    """
    gone = [name for name in before if name not in after]
    rests: dict[str, list[tuple[str, Any]]] = {}
    for name in gone[::len(gone) // _ASKED + 1]:
        for start in _starts(name):
            rests.setdefault(name[len(start):], []).append((start, before[name]))
    votes = Counter((start, other) for name in after if name not in before for other in _starts(name)
                    for start, shape in rests.get(name[len(other):], ())[:_COMMON] if shape == after[name])
    counts = {pair: sum((other := _behind(name, pair)) in after and other not in before and before[name] == after[other]
                        for name in gone) for pair, _ in votes.most_common(_TRIED)}
    # of prefixes that agree on as many tensors the shortest: "net." for "model.", not "net.layers." for "model.layers."
    best = min(counts, key=lambda pair: (-counts[pair], len(pair[0]) + len(pair[1]), pair), default=None)
    return best if best is not None and counts[best] >= max(2, min(len(before), len(after)) / 2) else None


def _starts(name: str) -> list[str]:
    """What may be cut off in front of a name: nothing, its first part, its first two ..."""
    return ["", *[name[:found.end()] for found in list(_PART.finditer(name))[:_DEEP] if found.end() < len(name)]]


def by_contents(gone: Mapping[str, Any], new: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Pairs of names with the same contents, each name once, the first of equal ones first.

    >>> by_contents({"a": 1, "b": 2, "c": 1}, {"d": 1, "e": 3})
    [('a', 'd')]
    """
    left: dict[Any, str] = {contents: name for name, contents in reversed(list(new.items()))}
    return [(name, left.pop(contents)) for name, contents in gone.items() if contents in left]
