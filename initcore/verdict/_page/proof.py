"""The proof of symmetry and its evidence, unfolded on demand."""

from __future__ import annotations

from typing import Any

from ..._page.html import Html, rows, table, tag
from ...errors import InitcoreError
from ...plots import TiesDisplay

_EXPLAINED = 6              # layers whose evidence is spelt out
_LONGEST = 6000             # characters of one piece of evidence


def proof(report: Any) -> Html:
    """Verdict of the proof, a row a layer that is not free, the equalities behind it, and who learns when."""
    found = getattr(report, "symmetry", None)
    if found is None:
        return Html("")
    parts: list[Html] = [tag("h2", "Proof: which units stay different"),
                         tag("p", tag("strong", found.verdict))]
    bad = [i for i, la in enumerate(found.layers) if not la.ok or la.count("proportional")]
    if bad:
        cells = TiesDisplay.from_report(found)
        body = rows(([found.layers[i].name, found.layers[i].verdict, cells.cells(i)] for i in bad[:100]), head=1)
        parts.append(table(f"{len(bad)} of {len(found.layers)} hidden layers are not free",
                           ("layer", "verdict", "its groups"), body, "words"))
    parts += [_evidence(found, i) for i in bad[:_EXPLAINED]]
    late = {k: v for k, v in found.zero_flow.items() if v != 0}
    if late:
        body = rows(([k, "never" if v is None else f"step {v}"] for k, v in list(late.items())[:200]), head=1)
        parts.append(tag("details", tag("summary", f"{len(late)} parameters without a gradient at the first step"),
                         table("First step with a gradient", ("parameter", "first gradient"), body, "words")))
    return tag("section", *parts)


def _evidence(found: Any, i: int) -> Html:
    la = found.layers[i]
    largest = max(range(len(la.cell_sizes)), key=lambda c: (la.status[int(la.representative[c])] != "free",
                                                            int(la.cell_sizes[c])))
    unit = int(la.representative[largest])
    label = la.labels[unit]
    others = [j for j, other in enumerate(la.labels) if other == label and j != unit]
    try:
        text = found.explain(i, unit, others[0] if others else unit)
    except InitcoreError:                        # a report without its network
        return Html("")
    text = text if len(text) <= _LONGEST else text[:_LONGEST] + "\n..."
    return tag("details", tag("summary", f"Evidence for {la.name}, units {unit} and {others[0] if others else unit}"),
               tag("pre", text))
