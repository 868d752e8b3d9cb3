"""The report on a program."""

from __future__ import annotations

from ...program import Program
from .._optimizers import rule
from .._report import SymmetryReport
from .._verdicts import report_on
from ._lower import lowered


def program_report(program: Program, optimizer: str, l2: float, max_sweeps: int, tolerance: float | None,
                   hidden_dropout: bool, same_targets: bool = False) -> SymmetryReport:
    """What is true of a program under an optimiser; of an approximate one nothing is said for ever."""
    system, _ = lowered(program, same_targets)
    masked = any(b.structural for b in system.blocks)
    law = rule(optimizer, l2, hidden_dropout=hidden_dropout, masked=masked)
    report = report_on(system, law, l2, max_sweeps, tolerance, hidden_dropout)
    report.coverage = program.coverage
    if program.approximate:
        _not_for_ever(report)
    return report


def _not_for_ever(report: SymmetryReport) -> None:
    """The reader could not be exact, so what looks tied is not settled."""
    report.certified = False
    report.conditions = ("the program is approximate: its reader could not be exact", *report.conditions)
    for la in report.layers:
        la.status = tuple("free" if s == "free" else "undetermined" for s in la.status)
        la.strength = None
