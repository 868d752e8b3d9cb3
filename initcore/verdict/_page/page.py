"""The whole page of a report."""

from __future__ import annotations

from typing import Any

from ..._page.document import document
from ..._page.html import Html, join
from .findings import findings
from .head import head, judged, rests_on
from .layers import figures, layer_table
from .proof import proof

_TEXTS = 100                # findings that are embedded with their texts; the others with their numbers


def page(report: Any) -> str:
    """The page of a report on a network."""
    notes = [f"Note: {note}" for note in getattr(report, "notes", ())]
    return document(f"initcore: {report.verdict}", head(report, judged(report), notes), findings(report.findings),
                    sections(report), rests_on(report.conditions), data=data(report.to_dict()))


def sections(report: Any) -> Html:
    """What a page says of a network beyond its findings: figures, layers, proof."""
    return join([figures(report), layer_table(report), proof(report)])


def data(found: dict[str, Any]) -> dict[str, Any]:
    """A report's dictionary as the page embeds it: beyond the worst findings only what tells one from another."""
    every = found["findings"]
    keep = ("rule", "severity", "layer", "tensor", "measured")
    return {**found, "findings": [f if i < _TEXTS else {k: f[k] for k in keep} for i, f in enumerate(every)]}
