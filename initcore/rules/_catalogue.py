"""The registry of rules: what :func:`rule` enters is what runs, what is printed and what can be chosen and changed.

A rule stands in one place, over its function in one of the families beside this file. The pages under ``docs/rules``
and ``initcore rule SAT201`` are printed from the same entry (:meth:`Rule.page`). Identifiers are stable: a rule may
be retired, its number is never reused.
"""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

from .._checks import describe, number
from ..errors import ArgumentTypeError, unknown_name

SEVERITIES = ("info", "warn", "fail")     # in order of weight
VERDICTS = {"info": "fit to train", "warn": "will learn badly or slowly", "fail": "cannot learn"}   # after the worst
CATALOGUE: dict[str, Rule] = {}           # by identifier, in the order in which the families are imported


@dataclass(frozen=True)
class Rule:
    """One rule. ``severity`` is what it gives unless its page says when it gives another; ``thresholds`` holds every
    number it compares with."""

    id: str
    title: str
    severity: str
    why: str
    measured: str
    cure: str
    thresholds: Mapping[str, float] = field(default_factory=dict)
    function: Callable[[Any], Iterable[Any]] = field(default=lambda context: (), repr=False, compare=False)

    def run(self, context: Any) -> list[Any]:
        """What the rule finds in a :class:`~initcore.rules._context.Context`."""
        context.rule = self
        return list(self.function(context))

    def page(self) -> str:
        """The rule's page, Markdown."""
        rows = [f"| `{k}` | {v:g} |" for k, v in self.thresholds.items()]
        table = ["", "| threshold | value |", "|---|---|", *rows, "",
                 f"Change one with `check(..., thresholds={{\"{self.id}.{next(iter(self.thresholds))}\": ...}})`."
                 ] if rows else []
        return "\n".join([f"# {self.id}: {self.title}", "", f"Severity: {self.severity}", "", self.why, "",
                          "## What is compared", "", self.measured, *table, "", "## What to do", "", self.cure, "",
                          "## How often it was right", "", calibration(self.id), ""])


def rule(rule_id: str, *, title: str, severity: str, why: str, measured: str, cure: str,
         thresholds: Mapping[str, float] | None = None) -> Callable[[Callable[[Any], Iterable[Any]]], Rule]:
    """Enter the decorated function as a rule; its name then stands for the :class:`Rule`.

    The function takes a :class:`~initcore.rules._context.Context` and yields ``c.finding(...)``; it reads its own
    thresholds as ``c.limits``. The texts may be wrapped and indented as the source is.
    """
    def enter(function: Callable[[Any], Iterable[Any]]) -> Rule:
        entry = Rule(rule_id, title, severity, _flowed(why), _flowed(measured), _flowed(cure),
                     dict(thresholds or {}), function)
        if severity not in SEVERITIES or CATALOGUE.setdefault(rule_id, entry) is not entry:
            raise ValueError(f"rule {rule_id} is entered twice, or its severity {severity!r} is none of {SEVERITIES}.")
        return entry
    return enter


def _flowed(text: str) -> str:
    return " ".join(textwrap.dedent(text).split())


def get(rule_id: str) -> Rule:
    """The rule of that identifier (any case).

    >>> get("sat201").title
    'saturated layer'
    """
    key = str(rule_id).upper()
    if key not in CATALOGUE:
        raise unknown_name("rule", rule_id, CATALOGUE)
    return CATALOGUE[key]


def chosen(select: Any = None, ignore: Any = None) -> frozenset[str]:
    """The identifiers left by ``select`` and ``ignore``: identifiers or prefixes ("SYM"), a list or comma-separated.

    Raises UnknownNameError for what begins no identifier, ArgumentTypeError for what is no text.

    >>> from initcore.rules import chosen
    >>> sorted(chosen("SAT,NUM401", ignore="SAT203"))
    ['NUM401', 'SAT201', 'SAT202']
    """
    keep = _expand("select", select) if select is not None else set(CATALOGUE)
    return frozenset(keep - (_expand("ignore", ignore) if ignore is not None else set()))


def _expand(argument: str, given: str | Iterable[str]) -> set[str]:
    try:
        parts = given.split(",") if isinstance(given, str) else list(given)
    except TypeError:
        raise ArgumentTypeError(f"{argument} must be rule identifiers such as [\"SAT201\", \"SYM\"], got "
                                f"{describe(given)}.") from None
    out: set[str] = set()
    for part in parts:
        if not isinstance(part, str):
            raise ArgumentTypeError(f"{argument} must hold rule identifiers such as \"SAT201\" or \"SYM\", got "
                                    f"{part!r}.")
        prefix = part.strip().upper()
        found = {k for k in CATALOGUE if prefix == "ALL" or (prefix and k.startswith(prefix))}
        if prefix and not found:
            raise unknown_name(argument, part, [*CATALOGUE, *dict.fromkeys(k[:3] for k in CATALOGUE), "ALL"])
        out |= found
    return out


def thresholds(changes: Mapping[str, Any] | None = None) -> dict[str, dict[str, float]]:
    """Every rule's thresholds with changes: ``{"SAT201.fail_share": 0.6}`` or ``{"SAT201": {"fail_share": 0.6}}``.

    Raises UnknownNameError for a rule or a threshold that does not exist, ArgumentTypeError for what is no number.

    >>> from initcore.rules import thresholds
    >>> thresholds({"SAT201.fail_share": 0.6})["SAT201"]["fail_share"]
    0.6
    """
    out = {k: dict(entry.thresholds) for k, entry in CATALOGUE.items()}
    if changes is not None and not isinstance(changes, Mapping):
        raise ArgumentTypeError("thresholds must be a mapping such as {\"SAT201.fail_share\": 0.6}, "
                                f"got {changes!r}.")
    flat: list[tuple[str, str, Any]] = []
    for key, value in (changes or {}).items():
        rule_id, _, name = str(key).partition(".")
        if isinstance(value, Mapping) and not name:
            flat += [(rule_id, n, v) for n, v in value.items()]
        else:
            flat.append((rule_id, name, value))
    for rule_id, name, value in flat:
        known = out[get(rule_id).id]
        if name not in known:
            raise unknown_name(f"thresholds[{rule_id!r}]", name, known)
        known[name] = number(f"thresholds[{rule_id}.{name}]", value, low=0)
    return out


def calibration(rule_id: str) -> str:
    """How often a rule fired on networks that were then trained, and how they ended; counted by ``tools/calibrate.py``.

    >>> calibration("SIG304").startswith("On random networks that were then trained")
    True
    """
    text = resources.files(__package__).joinpath("calibration.json").read_text(encoding="utf-8")
    found: dict[str, list[int]] = json.loads(text)["rules"].get(rule_id, {})
    if not found:
        return "It did not fire as a warning or a failure on the networks that were trained to calibrate the rules."
    words = {"fail": "a failure", "warn": "a warning"}
    said = [f"as {words[severity]} {sum(row)} times ({row[0]} of these networks stayed stuck, {row[1]} learnt badly or "
            f"slowly, {row[2]} well)" for severity, row in sorted(found.items())]
    return ("On random networks that were then trained (docs/explanation/calibration) it fired " + ", and ".join(said)
            + ".")
