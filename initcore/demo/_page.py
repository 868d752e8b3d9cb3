"""The demo as one page: eight starts as small multiples, before training foretold, after training found."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import rules
from .._page.axes import Axis
from .._page.charts import Line, lines
from .._page.document import document
from .._page.html import Html, join, rows, table, tag

_SHARES = Axis(0.0, 1.0)


def page(document_: dict[str, Any]) -> str:
    """The page of a document of :func:`initcore.demo.run`.

    Every text in it is escaped, the document is embedded; it needs neither a network nor a script.
    """
    d = document_
    shape = "-".join(map(str, d["widths"]))
    top = tag("header", tag("p", "initcore demo", class_="soft"),
              tag("h1", f"Will it learn? {len(d['starts'])} starts of one network"),
              tag("p", f"The network {shape}, {d['dtype']}, on {d['train_images']} handwritten digits, with "
                       f"{d['test_images']} more to test. Each start is judged from its weights and the inputs' mean "
                       f"and covariance alone; then it is trained for {d['epochs']} epochs by each of "
                       f"{' and '.join(d['optimizers'])}, and counted."), class_="head ok")
    starts = d["starts"]
    return document("initcore demo", top, _growth(d["fan_in"]),
                    tag("section", tag("h2", "Before training: foretold"),
                        tag("p", "Two things of every hidden layer: which share of its units stays different for ever, "
                                 "and which share is flat. Lines are foretold; rings are what was counted later."),
                        tag("div", *[_before(e, d["widths"]) for e in starts], class_="figures")),
                    tag("section", tag("h2", "After training: found"),
                        tag("p", "The share of test images that are right, epoch by epoch."),
                        tag("div", *[_after(e) for e in starts], class_="figures")),
                    _table(starts), data=d)


def _growth(fan_in: list[dict[str, float]]) -> Html:
    n = [row["fan_in"] for row in fan_in]
    across = Axis(float(min(n)), float(max(n)), log=True)
    drawn = [lines("Why not large: flat units by the number of inputs", [
        Line("tanh, foretold", n, [r["tanh"] for r in fan_in], 0),
        Line("tanh, counted", n, [r["measured_tanh"] for r in fan_in], 0, dots=True, hollow=True),
        Line("sigmoid, foretold", n, [r["sigmoid"] for r in fan_in], 1)], x_axis=across, y_axis=_SHARES,
        x_label="inputs n (log scale)", y_label="share with < 1% of the slope",
        caption="Weights of standard deviation 1, inputs of size 1."),
        lines("The sum grows with the number of inputs", [
            Line("sqrt(n)", n, [r["z_std"] for r in fan_in], 0),
            Line("counted", n, [r["measured_z_std"] for r in fan_in], 0, dots=True, hollow=True)], x_axis=across,
            log=True, x_label="inputs n (log scale)", y_label="standard deviation of the sum")]
    return tag("section", tag("h2", "Why large weights are worse in wide layers"), tag("div", *drawn, class_="figures"))


def _before(e: dict[str, Any], widths: list[int]) -> Html:
    p, m = e["predicted"], e["measured"]
    x = range(1, len(p["saturated"]) + 1)
    units = [n / w for n, w in zip(p["distinct_units"], widths[1:])]
    found = [min(run["distinct_units"][i] for run in e["runs"].values()) / w for i, w in enumerate(widths[1:-1])]
    return lines(f"{e['name']}: {e['weights']}", [
        Line("different units", x, units, 0), Line("found", x, found, 0, dots=True, hollow=True),
        Line("flat", x, p["saturated"], 1), Line("found", x, m["saturated"], 1, dots=True, hollow=True)],
        y_axis=_SHARES, x_label="hidden layer", y_label="share of units",
        caption=f"{_verdict(e['verdict'])} With data, {', '.join(f'{k}: {v}' for k, v in e['judged'].items())}. "
                f"{e['why']}")


def _verdict(found: list[dict[str, Any]]) -> str:
    if not found:
        return "Verdict: this can learn."
    worst = found[0]
    return f"Verdict: {worst['severity']} {worst['rule']}, {rules.get(worst['rule']).title}."


def _after(e: dict[str, Any]) -> Html:
    series = [Line(name, [r["epoch"] for r in run["epochs"]], [r["test_accuracy"] for r in run["epochs"]], k)
              for k, (name, run) in enumerate(e["runs"].items())]
    ends = ", ".join(f"{run['test_accuracy']:.1%} by {name}" for name, run in e["runs"].items())
    return lines(e["name"], series, y_axis=_SHARES, x_label="epoch", y_label="share of test images right",
                 caption=f"Right in the end: {ends}.")


def _table(starts: list[dict[str, Any]]) -> Html:
    body = []
    for e in starts:
        p, m, runs = e["predicted"], e["measured"], e["runs"].values()
        body.append([e["name"], _extent(p["distinct_units"]), _extent(n for r in runs for n in r["distinct_units"]),
                     f"{np.mean(p['saturated']):.1%}", f"{np.mean(m['saturated']):.1%}",
                     *[f"{r['test_accuracy']:.1%}" for r in runs]])
    names = list(starts[0]["runs"]) if starts else []
    return tag("section", tag("h2", "Foretold and found"), table(
        "Units: the fewest and the most in a hidden layer. Flat: mean over hidden layers.",
        ("start", "units, foretold", "found", "flat, foretold", "found", *[f"right, {n}" for n in names]),
        join([rows(body, head=1)])))


def _extent(values: Any) -> str:
    items = list(values)
    return str(min(items)) if min(items) == max(items) else f"{min(items)} to {max(items)}"
