"""Verdicts beside outcomes: what is counted, for the page and for ``initcore rule``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

import initcore as ic

from . import training
from .starts import Start

STUCK, WELL = 0.1, 0.8     # of what a good start of the same architecture reaches
LEAST = 0.25               # what the good start must reach itself for a comparison to mean anything
OUTCOMES = ("stuck", "slow", "well")
VERDICTS = ("NOT OK", "warning", "no finding")


class Case(NamedTuple):
    """One network under one optimiser: how it ended, the verdict, and the rules that fired with their severity."""

    optimizer: str
    outcome: str
    verdict: str
    rules: tuple[tuple[str, str], ...]

    @property
    def tied(self) -> bool:
        """Is it NOT OK for a proved tie? Then that is right whatever the accuracy."""
        return any(rule.startswith("SYM") and severity == "fail" for rule, severity in self.rules)


def outcome(reached: float, goal: float) -> str | None:
    """How a run ended, beside a good start's; None where the good start got nowhere."""
    if goal < LEAST:
        return None
    return "stuck" if reached < STUCK * goal else "well" if reached >= WELL * goal else "slow"


def report(one: Start, optimizer: str) -> ic.verdict.Report:
    """The verdict of the library on all rows there are, as anybody would ask for it before training."""
    return ic.check(one.net, one.task.x, one.task.y, loss=one.task.loss, optimizer=optimizer)


def judge(one: Start, optimizer: str, ended: str) -> Case:
    """Verdict and outcome of one network."""
    found = report(one, optimizer)
    worst: dict[str, str] = {}
    for f in found.findings:
        if f.severity == "fail" or f.rule not in worst:
            worst[f.rule] = f.severity
    severities = set(worst.values())
    verdict = "NOT OK" if not found.ok else "warning" if "warn" in severities else "no finding"
    return Case(optimizer, ended, verdict, tuple(sorted(worst.items())))


def confusion(cases: Iterable[Case]) -> dict[str, dict[str, int]]:
    """Networks by verdict and outcome."""
    count = Counter((c.verdict, c.outcome) for c in cases)
    return {v: {o: count[v, o] for o in OUTCOMES} for v in VERDICTS}


def shares(cases: list[Case]) -> dict[str, float]:
    """The three figures that are asked for: stuck ones called NOT OK, NOT OK that train well, stuck without finding."""
    def share(part: int, whole: int) -> float:
        return part / whole if whole else 0.0
    stuck = [c for c in cases if c.outcome == "stuck"]
    bad = [c for c in cases if c.verdict == "NOT OK"]
    clean = [c for c in cases if c.verdict == "no finding"]
    return {"stuck that are NOT OK": share(sum(c.verdict == "NOT OK" for c in stuck), len(stuck)),
            "NOT OK that train well": share(sum(c.outcome == "well" and not c.tied for c in bad), len(bad)),
            "no finding, yet stuck": share(sum(c.outcome == "stuck" for c in clean), len(clean))}


def by_rule(cases: Iterable[Case]) -> dict[str, dict[str, list[int]]]:
    """For every rule and severity above information: networks that ended stuck, slow, well."""
    out: dict[str, dict[str, list[int]]] = {}
    for c in cases:
        for rule, severity in c.rules:
            if severity != "info":
                row = out.setdefault(rule, {}).setdefault(severity, [0, 0, 0])
                row[OUTCOMES.index(c.outcome)] += 1
    return dict(sorted(out.items()))


def repaired(one: Start, optimizer: str, goal: float) -> str | None:
    """How the repaired network ends, fed standardised inputs; None where nothing was found, or what no weights mend."""
    found = report(one, optimizer)
    if not any(f.severity != "info" for f in found.findings) or any(f.rule == "INP702" for f in found.findings):
        return None
    task = one.task._replace(x=found.standardise(one.task.x))
    return outcome(training.reach(found.repair(rng=0, fold=False), task, optimizer, 0.9 * goal), goal)
