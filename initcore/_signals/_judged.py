"""What was found, and the report of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..rules import Finding, nodes
from ..verdict import ModuleReport


class Said(NamedTuple):
    """What a loss was, in words: its name, its value (nan: none), and was it measured on targets?"""

    name: str
    value: float
    known: bool


@dataclass(frozen=True)
class Judged:
    """Findings, and what they rest on. exported : the framework's own form of the network, to be measured again."""

    findings: list[Finding]
    exported: Any
    context: nodes.NodeContext | None
    conditions: tuple[str, ...]
    notes: tuple[str, ...] = ()
    whole: bool = True


def merged(tensors: Sequence[Finding], seen: Sequence[Finding], given: bool) -> list[Finding]:
    """Findings of tensors but for those that nodes know better (whether a spread or a zero tensor does harm), and those
    of nodes but for those of inputs that nobody gave."""
    return [*(f for f in tensors if not nodes.knows_better(f)),
            *(f for f in seen if given or not f.rule.startswith("INP"))]


def conditions(optimizer: str, loss: Said, data: str, context: nodes.NodeContext) -> tuple[str, ...]:
    """What an answer rests on, in words.

    >>> conditions("sgd", Said("mse", 2.5, True), "a batch of 8", nodes.NodeContext({}))
    ('optimiser sgd', 'loss mse (2.5 on the data)', 'a batch of 8')
    """
    value = f" ({loss.value:.3g} on the data)" if loss.known and not math.isnan(loss.value) else ""
    return (f"optimiser {optimizer}", f"loss {loss.name}{value}", data, *["a trained network"] * context.trained,
            *(context.symmetry.conditions if context.symmetry is not None else ()))


def reported(title: str, judged: Judged, mend: Any, fail_level: str, baseline: Any) -> ModuleReport:
    """The report."""
    signal = None if judged.context is None else judged.context.signal
    proof = None if judged.context is None else judged.context.symmetry
    report = ModuleReport(title, judged.findings, signal=signal, symmetry=proof, fail_level=fail_level, mend=mend,
                          conditions=judged.conditions, notes=judged.notes, whole=judged.whole,
                          way=() if judged.context is None else judged.context.steps)
    return report if baseline is None else report.setting_aside(baseline)
