"""Layers or modules: figures of the signal over depth, and a table of every one."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..._page.axes import Axis
from ..._page.charts import Line, Region, lines, shares, sparkline
from ..._page.html import Html, join, rows, table, tag
from ...errors import InitcoreError
from ...plots import HistogramDisplay, PhaseDisplay, SaturationDisplay, SignalDisplay, TiesDisplay

_LOOKS = (5, 1, 3, 4, 2, 0)             # of the statuses of units: free, tied, sign-tied, proportional, dead, open
_MARKED = 30                            # layers whose marks do not run into each other
_TABLE, _ENDS, _WORST = 300, 100, 100   # rows shown unfolded; else at either end, and of the worst
_PICTURES = 150                         # rows with a histogram in them
_SEAMED, _SEAMS = 60, 24                # layers whose cells are drawn apart, and cells of one
_GRID = (32, 16)                        # points of the plane whose phase is looked up


def figures(report: Any) -> Html:
    """Spread and gradient, saturated share, ties, and order and chaos; those that the report has data for."""
    drawn = [f for f in (_made(_signal, report), _made(_saturated, report), _made(_ties, report),
                         _made(_phase, report)) if f]
    return tag("section", tag("h2", "In pictures"), tag("div", *drawn, class_="figures")) if drawn else Html("")


def _made(draw: Callable[[Any], Html], report: Any) -> Html:
    try:
        return draw(report)
    except InitcoreError:                # no signal, no proof, no hidden layer: there is nothing to draw
        return Html("")


def _signal(report: Any) -> Html:
    d = SignalDisplay.from_report(report)
    x = range(len(d.names))
    end = "last hidden output" if d.along == "layer" else "end of the way"
    return lines("Signal and gradient by depth", [
        Line(d.quantity, x, d.spread, 0), Line("gradient, root mean square", x, d.gradient, 1),
        Line("gradient, typical path", x, d.typical, 2)], x_label=d.along, y_label="size (log scale)", log=True,
        caption=f"{'Foretold' if d.kind == 'predicted' else 'Measured'}. Gradient: of a unit back-signal at the {end}. "
                "Level lines are healthy; marks at the foot are exactly 0.")


def _saturated(report: Any) -> Html:
    d = SaturationDisplay.from_report(report)
    x = range(len(d.names))
    beside = d.measured is not None and len(x) <= _MARKED       # marks on the lines, while there is room
    series = []
    for values, word in ((d.measured, "measured"), (d.predicted, "foretold")):
        if values is not None:
            marks = beside and word == "foretold"
            first = 2 if word == "foretold" and not beside else 0
            series += [Line(f"below 1% of the slope, {word}", x, values[1], first, marks, marks),
                       Line(f"slope exactly 0, {word}", x, values[2], first + 1, marks, marks)]
    return lines("Saturated share by depth", series, x_label="layer", y_label="share of units and samples",
                 y_axis=Axis(0.0, 1.0), caption="A saturated unit passes next to no gradient on.")


def _ties(report: Any) -> Html:
    d = TiesDisplay.from_report(report)
    parts = d.shares()
    if not parts:
        return Html("")
    words = ("free", "tied", "tied up to sign", "proportional", "dead", "not settled")
    used = [k for k in range(len(words)) if any(p[k] for p in parts)] or [0]
    seams = d.seams(_SEAMS) if len(parts) <= _SEAMED else ()
    return shares("Units that stay different", [words[k] for k in used], [[p[k] for k in used] for p in parts],
                  looks=[_LOOKS[k] for k in used], x_label="hidden layer", y_label="share of its units", seams=seams,
                  caption="Proved from the weights: tied units are one unit for ever, dead ones are 0 for ever."
                          + " Lines part the groups." * any(seams))


def _phase(report: Any) -> Html:
    d = PhaseDisplay.from_report(report)
    low, high = d.reach
    across = Axis(low, high, log=True) if low else Axis(0.0, high)
    up = Axis(0.0, d.extent[1])
    seen = (d.line[:, 0] >= low) & (d.line[:, 0] <= high) & (np.append(0.0, d.line[:-1, 1]) <= up.high)
    inside = d.line[seen]
    series = [Line("critical line", inside[:, 0], np.minimum(inside[:, 1], up.high), 5, marked=False)][:len(inside)]
    kept = d.points[np.linspace(0, len(d.points) - 1, min(len(d.points), 120)).astype(int)]
    series.append(Line("hidden layers", kept[:, 0], kept[:, 1], 3, dots=True, hollow=True))
    return lines(f"Order and chaos, {d.activation}", series, x_axis=across, y_axis=up, regions=_regions(d),
                 x_label="weight variance x inputs, sigma_w2", y_label="bias variance, sigma_b2",
                 caption=f"Left of the line gradients vanish with depth, right of it they explode. {d.said}.")


def _regions(d: PhaseDisplay) -> list[Region]:
    """The phases as boxes around the points of a grid; neighbours in a column that agree are one box."""
    diagram = d.regions(*_GRID)
    w, b = diagram.sigma_w2, diagram.sigma_b2
    middle = np.sqrt(w[1:] * w[:-1]) if d.reach[0] else (w[1:] + w[:-1]) / 2
    x, y = np.concatenate([d.reach[:1], middle, w[-1:]]), np.concatenate([b[:1], (b[1:] + b[:-1]) / 2, b[-1:]])
    boxes: dict[str, list[tuple[float, float, float, float]]] = {}
    for i, column in enumerate(diagram.phase):
        cuts = [0, *(np.flatnonzero(column[1:] != column[:-1]) + 1), len(column)]
        for first, last in zip(cuts, cuts[1:]):
            boxes.setdefault(str(column[first]), []).append((x[i], x[i + 1], y[first], y[last]))
    return [Region("no fixed point" if phase == "none" else phase, boxes[phase], look)
            for phase, look in d.shades.items() if phase in boxes]


def layer_table(report: Any) -> Html:
    """A row a layer; of many the first, the last and the worst."""
    layers: Sequence[Any] = tuple(getattr(report, "layers", ()))
    if not layers or not hasattr(layers[0], "slope_below_1pct"):
        return Html("")
    proof = getattr(report, "symmetry", None) if getattr(report, "net", None) is not None else None
    widths = {la.layer: la.effective_width for la in proof.layers} if proof is not None else {}
    pictures = _histograms(report) if len(layers) <= _PICTURES else {}
    signal = getattr(report, "signal", None) or report
    kept = signal.excerpt(_TABLE, _ENDS, _WORST)
    cells = {i: _row(layers[i], i, widths, pictures) for i in kept}
    used = [k for k in range(len(cells[0])) if any(row[k] not in ("", None) for row in cells.values())]
    body, last = [], -1
    for i in kept:
        if i > last + 1:
            body.append(tag("tr", tag("td", f"... {i - last - 1} more", colspan=len(used))))
        body.append(rows([[cells[i][k] for k in used]], head=1))
        last = i
    headings = ["module" if signal.placed else "layer", "activation", "units", "stay different",
                *(["outputs" if _bounded(layers) else "z"] if pictures else []), "spread", "slope < 10%", "< 1%",
                "exactly 0", "mean slope", "chi", "typical", "gradient"]
    caption = (f"{len(layers)} layers, {signal.kind}" + ("" if len(kept) == len(layers) else
               f"; {len(kept)} of them shown: first, last and worst. The data of this page hold all") + ".")
    legend = ("Spread: root mean square of the pre-activations. Slope columns: share of units and samples with less "
              "than that share of the greatest slope. Chi: factor on the mean square of the gradient. Typical: factor "
              "on the gradient of the typical path.")
    return tag("section", tag("h2", "Layers"), table(caption, [headings[k] for k in used], join(body),
                                                             "names" if signal.placed else None),
               tag("p", legend, class_="soft"), way_table(report))


def way_table(report: Any) -> Html:
    """A row a step of a module's main way, unfolded on demand."""
    way: Sequence[Any] = tuple(getattr(report, "way", ()))
    if not way:
        return Html("")
    kept = [*range(min(len(way), _ENDS)), *range(max(_ENDS, len(way) - _ENDS), len(way))]
    cells = rows(([s.name, str(s.place), *map(short, (s.before, s.after, s.gradient_before, s.gradient_after))]
                  for s in (way[i] for i in kept)), head=1)
    what = f"The main way, {len(way)} steps" + (f", the first and the last {_ENDS}" if len(kept) < len(way) else "")
    return tag("details", tag("summary", what), table(
        what, ("step", "where", "signal before", "after", "back-signal before", "after"), cells, "words"))


def _row(la: Any, i: int, widths: dict[int, int], pictures: dict[str, Html]) -> list[Any]:
    cells = [la.name if la.name != f"layers[{i}]" else i, la.activation, la.units, widths.get(i, "")]
    if pictures:
        cells.append(pictures.get(la.name, ""))
    with np.errstate(all="ignore"):
        spread = float(np.sqrt(la.q))
    return [*cells, short(spread), *map(percent, (la.slope_below_10pct, la.slope_below_1pct, la.slope_zero)),
            short(la.mean_slope), *map(short, (la.chi, la.typical_factor, la.gradient))]


def _bounded(layers: Sequence[Any]) -> bool:
    return any(la.histogram is not None for la in layers)


def _histograms(report: Any) -> dict[str, Html]:
    d = HistogramDisplay.from_report(report)
    return {name: sparkline(density) for name, density in zip(d.names, d.density.tolist())}


def short(value: float) -> str:
    """A number in three digits; nothing for NaN."""
    return "" if math.isnan(value) else f"{value:.3g}"


def percent(share: float) -> str:
    """A share in percent, 0% only where it is exactly 0."""
    return "" if math.isnan(share) else "<1%" if 0 < share < 0.005 else f"{100 * share:.0f}%"


