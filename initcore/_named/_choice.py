"""Which rule takes which array: the first whose key matches. Neither an array nor a rule may be left over."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, NamedTuple

from .._checks import describe as shown
from ..errors import ArgumentError, ArgumentTypeError


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


def spelled(rule: Any) -> str:
    """A rule's key as the table shows it."""
    if isinstance(rule, tuple):
        return f"{rule[0].__name__}.{rule[1]}"
    return rule if isinstance(rule, str) else getattr(rule, "__name__", repr(rule)).strip("_").replace("_", " ")


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
