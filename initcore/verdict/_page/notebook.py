"""A report as a notebook shows it."""

from __future__ import annotations

from typing import Any

from ..._page.card import card, unfolded
from .findings import place
from .head import counts, judged
from .layers import percent, short


def fragment(report: Any) -> str:
    """Verdict, findings and layers, folded."""
    found = [[f.severity.upper(), f.rule, place(f), f.title, f.cure] for f in report.findings]
    layers = [[la.name, la.activation, la.units, short(la.q), percent(la.slope_below_1pct), short(la.chi),
               short(la.typical_factor)] for la in report.layers if hasattr(la, "slope_below_1pct")]
    return card(report.verdict[:1].upper() + report.verdict[1:],
                [f"Judged: {judged(report)}", *([] if found else ["No findings."])],
                [unfolded(f"Findings: {counts(report.findings, len(report.suppressed))}",
                          ("severity", "rule", "where", "what", "cure"), found, shown=len(found) <= 10),
                 unfolded(f"Layers: {len(layers)}", ("layer", "activation", "units", "q", "slope < 1%", "chi",
                                                     "typical"), layers)])
