"""Markup in which every text is escaped by construction: only :class:`Html` stands in a page as it is."""

from __future__ import annotations

import html
from collections.abc import Iterable
from typing import Any

_VOID = ("br", "hr", "meta")
_OPEN = ("td", "th", "tr", "li", "dt", "dd")       # what HTML closes by itself: a tenth of a table's size


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


def shown(text: Any) -> str:
    """The text with every character that is not printable written as its escape; line ends stay.

    Control characters steer terminals, bidirectional marks reorder what is read, lone surrogates (a file name that is
    not UTF-8) cannot be printed at all.

    >>> shown("fc1\\x1b[2J.weight")
    'fc1\\\\x1b[2J.weight'
    """
    given = str(text)
    if given.isprintable():
        return given
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode("ascii") for c in given)


def shown_name(text: Any) -> str:
    """:func:`shown` for a name, which is one line."""
    return shown(text).replace("\n", "\\n")


def escaped(value: Any) -> Html:
    """A value as it may stand in a page, between tags or in quotes.

    >>> escaped("<b>&\\u202e")
    '&lt;b&gt;&amp;\\\\u202e'
    """
    return value if isinstance(value, Html) else Html(html.escape(shown(value)))


def join(parts: Iterable[Any], between: str = "") -> Html:
    """Several values after each other."""
    return Html(between.join(map(escaped, parts)))


def tag(name: str, /, *children: Any, **attributes: Any) -> Html:
    """An element; names of attributes as Python has them, ``class_`` and ``aria_label``; None leaves one out.

    >>> tag("p", "1 < 2", class_="note", hidden=None)
    '<p class="note">1 &lt; 2</p>'
    """
    given = "".join(f" {k.rstrip('_').replace('_', '-')}" + ("" if v is True else f'="{escaped(v)}"')
                    for k, v in attributes.items() if v is not None and v is not False)
    end = "" if name in _VOID or name in _OPEN else f"</{name}>"
    return Html(f"<{name}{given}>{join(children)}{end}")


def rows(cells: Iterable[Iterable[Any]], head: int = 0) -> Html:
    """Rows of a table; the first ``head`` cells of each head their row."""
    return join(tag("tr", *[tag("th", c, scope="row") if i < head else tag("td", c) for i, c in enumerate(row)])
                for row in cells)


def table(caption: str, headings: Iterable[Any], body: Html, class_: str | None = None) -> Html:
    """A table that scrolls by itself where the page is narrow, and can be reached by keyboard."""
    top = tag("thead", tag("tr", *[tag("th", h, scope="col") for h in headings]))
    return tag("div", tag("table", tag("caption", caption), top, tag("tbody", body), class_=class_),
               class_="scroll", tabindex="0", role="region", aria_label=caption)
