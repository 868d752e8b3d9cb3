"""A piece of HTML for notebooks: a heading, a few sentences, tables that unfold; the notebook's own style."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from .html import Html, join, rows, tag

_ROWS = 30


def card(title: str, lines: Iterable[Any] = (), tables: Iterable[Html] = ()) -> str:
    """The piece; every text is escaped.

    >>> card("Network", ["3 -> 2"])
    '<div><p><strong>Network</strong></p><p>3 -&gt; 2</p></div>'
    """
    return str(tag("div", tag("p", tag("strong", title)), *[tag("p", line) for line in lines], *tables))


def unfolded(summary: str, headings: Sequence[str], body: Sequence[Sequence[Any]], shown: bool = False) -> Html:
    """A table under a summary, of long ones the first rows; a narrow notebook scrolls it by itself."""
    more = [] if len(body) <= _ROWS else [tag("p", f"... and {len(body) - _ROWS} more")]
    top = tag("thead", tag("tr", *[tag("th", h, scope="col") for h in headings]))
    table = tag("div", tag("table", top, tag("tbody", rows(body[:_ROWS]))), style="overflow-x: auto")
    return tag("details", tag("summary", summary), table, *more, open=shown) if body else join([])
