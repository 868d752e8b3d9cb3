"""Findings, worst first; of one rule the first in full, the others as rows of a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..._page.html import Html, join, rows, table, tag
from ...rules import Finding, get

_FULL = 3
_LISTED = 200               # rows of one rule; the JSON holds them all


def findings(found: Sequence[Finding]) -> Html:
    """The section of all findings."""
    groups: dict[tuple[str, str], list[Finding]] = {}
    for f in found:
        groups.setdefault((f.severity, f.rule), []).append(f)
    body = join(_group(alike) for alike in groups.values()) if groups else tag(
        "p", "Nothing was found: no rule objects to these weights.")
    return tag("section", tag("h2", "Findings, worst first"), body)


def place(f: Finding) -> str:
    """Where: the tensor, the layer or module, the whole network."""
    return str(f.tensor or f.place or ("network" if f.layer is None else f"layers[{f.layer}]"))


def _group(alike: Sequence[Finding]) -> Html:
    full, rest = alike[:_FULL], alike[_FULL:]
    if not rest:
        return join(_finding(f) for f in full)
    seen = rest[:_LISTED]
    more = "" if len(seen) == len(rest) else f", the first {len(seen)} here, the others in the data of this page"
    same = len({f.cure for f in seen}) == 1
    body = rows(([place(f), _words(f.measured), _words(f.expected), "as above" if same and f.cure == full[0].cure else
                  f.cure] for f in seen), head=1)
    what = f"{rest[0].rule} at {len(rest)} more places{more}"
    return join([*map(_finding, full), tag("details", tag("summary", what),
                                           table(what, ("where", "measured", "expected", "cure"), body, "words"))])


def _finding(f: Finding) -> Html:
    facts: list[tuple[str, Any]] = [("at", str(f.place or "")), ("measured", _words(f.measured)),
                                    ("expected", _words(f.expected)), ("cause", f.cause or "")]
    items = [part for label, text in facts if text for part in (tag("dt", label), tag("dd", text))]
    if f.cure:
        items += [tag("dt", "cure"), tag("dd", tag("code", f.cure, class_="copy"))]
    return tag("article", tag("h3", tag("b", f"{f.severity.upper()} {f.rule}"), f" {place(f)}: {f.title}"),
               tag("p", f.message), tag("dl", *items) if items else "",
               tag("details", tag("summary", "Why this matters"), tag("p", get(f.rule).why)),
               class_=f"finding {f.severity}")


def _words(value: Any) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
