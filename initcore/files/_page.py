"""Pages of a verdict on a file and of a comparison of two."""

from __future__ import annotations

import math
from typing import Any

from .._page.charts import Line, lines
from .._page.document import document
from .._page.html import Html, join, rows, table, tag
from ..verdict._page.findings import findings
from ..verdict._page.head import head, rests_on
from ..verdict._page.layers import short
from ..verdict._page.page import data, sections

_LISTED = 400               # rows of one table; the data of the page hold all


def report_page(report: Any) -> str:
    """The page of a :class:`initcore.files.FileReport`."""
    inside = report.network
    tables = [] if inside is None else [sections(inside)]
    said = [f"File: {report.source}", *[f"Note: {note}" for note in report.notes]]
    return document(f"initcore: {report.source}", head(report, str(report.coverage), said), findings(report.findings),
                    *tables, _tensors(report.tensors), rests_on(() if inside is None else inside.conditions),
                    data=data(report.to_dict()))


def _tensors(facts: Any) -> Html:
    if not facts:
        return Html("")
    body = rows(([t.name, " x ".join(map(str, t.shape)), t.dtype, t.role, short(t.mean), short(t.std), short(t.low),
                  short(t.high), t.zeros, t.nonfinite, t.equal_rows, t.equal_columns] for t in facts[:_LISTED]), head=1)
    caption = f"{len(facts)} tensors judged by themselves{_rest(facts)}"
    return tag("section", tag("h2", "Tensors"), table(caption, (
        "tensor", "shape", "type", "role", "mean", "std", "least", "most", "zeros", "not finite", "equal rows",
        "equal columns"), body, "names"))


def _rest(items: Any) -> str:
    return "" if len(items) <= _LISTED else f", the first {_LISTED} shown; the data of this page hold all"


def comparison_page(found: Any) -> str:
    """The page of a :class:`initcore.files.Comparison`."""
    top = tag("header", tag("p", "initcore: what differs?", class_="soft"),
              tag("h1", _verdict(found), class_="verdict"),
              tag("p", tag("strong", "A: "), found.a), tag("p", tag("strong", "B: "), found.b),
              *[tag("p", sentence) for sentence in (*found.names, found.head, *found.passed)],
              class_=f"head {('ok' if found.limits else 'info') if found.ok else 'fail'}")
    others = [(word, name) for word, names in (
        ("added", found.added), ("gone", found.gone), ("not read", found.unread),
        ("renamed", [f"{a} -> {b}" for a, b in found.renamed])) for name in names]
    parts: list[Html] = []
    if found.changed:
        body = rows(([c.name, short(_number(c.change)), short(c.before.std), short(c.after.std), c.ties, c.dead,
                      _kind(c)] for c in found.changed[:_LISTED]), head=1)
        parts += [_picture(found.changed), table(
            f"{len(found.changed)} tensors, most changed first{_rest(found.changed)}",
            ("tensor", "change", "std a", "std b", "new ties", "new dead rows", "kind"), body, "names")]
    sections_ = [tag("section", tag("h2", "Changed"), *(parts or [tag("p", "No tensor of both files differs.")]))]
    if others:
        sections_.append(tag("section", tag("h2", "Added, gone, renamed, not read"),
                             table(f"{len(others)} tensors{_rest(others)}", ("what", "tensor"),
                                   rows(others[:_LISTED], head=1), "words")))
    return document("initcore compare", top, *sections_, data=found.to_dict())


def _verdict(found: Any) -> str:
    """What the limits say; without any, whether the files differ."""
    if found.limits:
        return "Within its limits" if found.ok else "Limits passed"
    return "They differ" if found.added or found.gone or found.renamed or found.changed else "No difference"


def _picture(changed: Any) -> Html:
    """Change and spread of every tensor, in the order of the table."""
    seen = changed[:_LISTED]
    x = range(1, len(seen) + 1)
    drawn = [lines("How much each tensor changed", [Line("change", x, [_number(c.change) for c in seen], 1, dots=True)],
                   x_label="tensor, in the order of the table", y_label="|b - a| / |a| (log scale)", log=True,
                   caption="A change of 1 is as large as the tensor itself."),
             lines("Spread before and after", [
                 Line("standard deviation in A", x, [c.before.std for c in seen], 0, dots=True),
                 Line("in B", x, [c.after.std for c in seen], 1, dots=True, hollow=True)],
                   x_label="tensor, in the order of the table", y_label="standard deviation (log scale)", log=True)]
    return tag("div", join(drawn), class_="figures")


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _kind(c: Any) -> str:
    return ", ".join(f"{getattr(c.before, k)} -> {getattr(c.after, k)}" for k in ("dtype", "shape")
                     if getattr(c.before, k) != getattr(c.after, k))
