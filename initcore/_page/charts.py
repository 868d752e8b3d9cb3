"""Charts as inline SVG: lines over depth, stacked shares, a map, and the small pictures of a table.

Every chart says in words what it shows: first, last, least and most of each line stand in its label.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .axes import Axis, decades, linear
from .html import Html, join, tag

WIDTH, HEIGHT = 380, 230
_LEFT, _RIGHT, _TOP, _BOTTOM = 50, 10, 10, 38


@dataclass(frozen=True)
class Line:
    """One line: its name in the key, and its values.

    look : which of the six styles.   dots : marks, no line.   hollow : marks that others are seen through.
    marked : a mark at every point where these are few.
    """

    name: str
    x: Iterable[float]
    y: Iterable[float]
    look: int = 0
    dots: bool = False
    hollow: bool = False
    marked: bool = True


@dataclass(frozen=True)
class Region:
    """A part of the plane behind the lines: its name in the key, boxes ``(x0, x1, y0, y1)``, and its colour."""

    name: str
    boxes: Sequence[tuple[float, float, float, float]]
    look: int = 0


def figure(title: str, picture: Html, caption: str = "", key: Html | str = "") -> Html:
    """A figure with its heading, key and caption."""
    return tag("figure", tag("h3", title), key, picture, tag("figcaption", caption) if caption else "")


def lines(title: str, series: Sequence[Line], *, x_label: str, y_label: str, log: bool = False, caption: str = "",
          y_axis: Axis | None = None, x_axis: Axis | None = None, regions: Sequence[Region] = ()) -> Html:
    """Lines over one axis, before regions of the plane, with a key where there are several."""
    series = [s for s in series if any(not math.isnan(v) for v in s.y)] or series[:1]
    xs, ys = [v for s in series for v in s.x], [v for s in series for v in s.y]
    across = x_axis or linear(xs)
    up = y_axis or (decades(ys) if log else linear(ys))
    drawn = [*[tag("path", d="".join(_box(across, up, *box) for box in r.boxes), class_=f"m{r.look} shade")
               for r in regions],
             _frame(across, up, x_label, y_label), *[_line(s, across, up) for s in series]]
    items = [tag("li", _patch(f"m{r.look} shade"), r.name) for r in regions]
    items += [tag("li", _swatch(s), s.name) for s in series]
    key = tag("ul", *items, class_="key") if len(items) > 1 else ""
    said = (f"{title}. {y_label} over {x_label}. "
            + (f"Regions: {', '.join(r.name for r in regions)}. " if regions else "")
            + " ".join(_words(s) for s in series))
    return figure(title, _svg(said, *drawn), caption, key)


def shares(title: str, names: Sequence[str], columns: Sequence[Sequence[float]], *, x_label: str, y_label: str,
           looks: Sequence[int], caption: str = "", seams: Sequence[Sequence[float]] = ()) -> Html:
    """Stacked shares, one column a layer: ``columns[i]`` holds the shares of layer i, in the order of ``names``;
    ``seams[i]`` where a line crosses column i, to tell parts of one name apart."""
    across, up = Axis(-0.5, max(len(columns) - 0.5, 0.5), whole=True), Axis(0.0, 1.0)
    paths: list[Html] = []
    for k, look in enumerate(looks):
        d = []
        for first, last, low, high in _runs(columns, k):
            d.append(_box(across, up, first - 0.42, last + 0.42, low, high))
        if d:
            paths.append(tag("path", d="".join(d), class_=f"m{look}"))
    cuts = "".join(f"M{_x(across, i - 0.42):.1f} {_y(up, y):.1f}H{_x(across, i + 0.42):.1f}"
                   for i, here in enumerate(seams) for y in here)
    if cuts:
        paths.append(tag("path", d=cuts, class_="seam"))
    key = tag("ul", *[tag("li", _patch(f"m{look}"), name) for name, look in zip(names, looks)], class_="key")
    mean = [sum(c[k] for c in columns) / max(len(columns), 1) for k in range(len(names))]
    said = f"{title}. Mean over layers: " + ", ".join(f"{n} {m:.0%}" for n, m in zip(names, mean)) + "."
    return figure(title, _svg(said, _frame(across, up, x_label, y_label), *paths), caption, key)


def _runs(columns: Sequence[Sequence[float]], k: int) -> list[tuple[int, int, float, float]]:
    """Neighbouring layers with equal shares as one block: first, last, lower and upper edge of part k."""
    out: list[tuple[int, int, float, float]] = []
    close = len(columns) > 60                     # columns too narrow for gaps between them
    for i, column in enumerate(columns):
        low = sum(column[:k])
        high = low + column[k]
        if high <= low:
            continue
        if close and out and out[-1][1] == i - 1 and out[-1][2:] == (low, high):
            out[-1] = (out[-1][0], i, low, high)
        else:
            out.append((i, i, low, high))
    return out


def sparkline(counts: Sequence[float]) -> Html:
    """A histogram of the size of a word; hidden from readers who hear the numbers beside it."""
    top = max(counts, default=0) or 1
    width = 64 / max(len(counts), 1)
    d, last = ["M1 16"], 0
    for c in counts:
        h = round(14 * c / top)
        d.append(f"v{last - h}" * (h != last) + f"h{width:g}")
        last = h
    return tag("svg", tag("path", d="".join(d) + "V16z", class_="m0"), class_="spark", viewBox="0 0 66 18",
               aria_hidden="true")


def _box(across: Axis, up: Axis, x0: float, x1: float, y0: float, y1: float) -> str:
    left, right = _x(across, x0), _x(across, x1)
    return f"M{left:.1f} {_y(up, y0):.1f}H{right:.1f}V{_y(up, y1):.1f}H{left:.1f}z"


def _svg(said: str, *parts: Html) -> Html:
    return tag("svg", *parts, viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=said)


def _x(axis: Axis, value: float) -> float:
    return _LEFT + (WIDTH - _LEFT - _RIGHT) * axis.at(value)


def _y(axis: Axis, value: float) -> float:
    return HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * axis.at(value)


def _frame(across: Axis, up: Axis, x_label: str, y_label: str) -> Html:
    """Grid, ticks and labels."""
    bottom, right = HEIGHT - _BOTTOM, WIDTH - _RIGHT
    ups, acrosses = up.ticks(), across.ticks(6)
    grid = "".join(f"M{_LEFT} {_y(up, v):.1f}H{right}" for v, _ in ups)
    text = [tag("text", word, x=_LEFT - 5, y=f"{_y(up, v) + 4:.1f}", text_anchor="end") for v, word in ups]
    text += [tag("text", word, x=f"{_x(across, v):.1f}", y=bottom + 15, text_anchor="middle") for v, word in acrosses]
    text.append(tag("text", x_label, x=(_LEFT + right) // 2, y=HEIGHT - 5, text_anchor="middle"))
    middle = (_TOP + bottom) // 2
    text.append(tag("text", y_label, x=11, y=middle, text_anchor="middle", transform=f"rotate(-90 11 {middle})"))
    return join([tag("path", d=grid, class_="grid") if grid else "",
                 tag("path", d=f"M{_LEFT} {_TOP}V{bottom}H{right}", class_="axis"), *text])


def _line(s: Line, across: Axis, up: Axis) -> Html:
    """The line in pieces between missing values; few points get marks, zeros on a logarithmic axis hollow ones."""
    places = [(_x(across, x), _y(up, y), y) for x, y in zip(s.x, s.y)]
    pieces: list[list[tuple[float, float]]] = [[]]
    for px, py, _ in places:
        if math.isnan(px) or math.isnan(py):
            pieces.append([])
        else:
            pieces[-1].append((px, py))
    d = "".join("M" + "L".join(f"{px:.1f} {py:.1f}" for px, py in _thinned(piece)) for piece in pieces if piece)
    marks = [tag("circle", cx=f"{px:.1f}", cy=f"{py:.1f}", r=5 if s.hollow else 3,
                 class_=f"s{s.look} hollow" if s.hollow or (up.log and not 0 < y < math.inf) else f"m{s.look}")
             for px, py, y in places if not math.isnan(py)] if s.dots or (s.marked and len(places) <= 40) else []
    return join([*([tag("path", d=d, class_=f"s{s.look}")] if d and not s.dots else []), *marks])


def _thinned(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """At most four points a pixel: the first, the lowest, the highest and the last of each."""
    if len(points) <= WIDTH:
        return points
    out: list[tuple[float, float]] = []
    at: dict[int, list[tuple[float, float]]] = {}
    for p in points:
        at.setdefault(int(p[0]), []).append(p)
    for here in at.values():
        low, high = min(here, key=lambda p: p[1]), max(here, key=lambda p: p[1])
        out += dict.fromkeys((here[0], *sorted((low, high)), here[-1]))
    return out


def _patch(look: str) -> Html:
    return tag("svg", tag("path", d="M0 0h26v10H0z", class_=look), viewBox="0 0 26 10", aria_hidden="true")


def _swatch(s: Line) -> Html:
    mark = tag("circle", cx=13, cy=5, r=4, class_=f"s{s.look} hollow" if s.hollow else f"m{s.look}")
    return tag("svg", mark if s.dots else tag("path", d="M0 5H26", class_=f"s{s.look}"), viewBox="0 0 26 10",
               aria_hidden="true")


def _words(s: Line) -> str:
    """The line for who hears it."""
    y = [float(v) for v in s.y if not math.isnan(v)]
    if not y:
        return f"{s.name}: no values."
    return f"{s.name}: first {y[0]:.3g}, last {y[-1]:.3g}, least {min(y):.3g}, most {max(y):.3g}."
