"""SAT201 to SAT203 at activations."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from .._causes import lost_units
from .._finding import Finding
from ._blame import Culprit, blame, redraw, suspects, zeroed
from ._facts import Activity, NodeContext


def severity(c: NodeContext, a: Activity) -> str | None:
    """What SAT201 gives an activation. A gate may be nearly closed on purpose: only slopes below 1% count there."""
    numbers, la = c.numbers["SAT201"], a.signal
    if not a.activation.saturating or a.output or not a.rows:
        return None
    flat = bool(a.activation.flat_pieces)
    low, slow = la.slope_below_1pct, la.mean_slope < numbers["warn_slope"]
    if low > numbers["fail_share"] and not (flat and not slow):
        return "fail" if _open_paths(c, a) < numbers["adam_paths" if c.family == "adam" else "paths"] else "warn"
    return "warn" if (low > numbers["warn_share"] and not flat) or (slow and not a.gate) else None


def _open_paths(c: NodeContext, a: Activity) -> float:
    """The share of paths through an activation on which no slope is gone, were the activations independent: its own
    open slopes times those of all others on the main way, which every path takes."""
    return math.prod(1 - b.signal.slope_below_1pct for b in c.activities
                     if b.activation.saturating and not b.output and b.rows and (b is a or b.main))


def healthy(c: NodeContext, a: Activity, la: Any) -> bool:
    """Would SAT201 be silent about another measurement of the activation?"""
    numbers = c.numbers["SAT201"]
    return bool(la.slope_below_1pct <= numbers["warn_share"] * (2 if a.activation.kinks else 1)
                and (a.gate or la.mean_slope >= numbers["warn_slope"]))


def culprit(c: NodeContext, a: Activity) -> Culprit:
    """The cause of a saturated activation."""
    if a.key not in c.blamed:
        found = blame(c, a.key, suspects(c, a.local, a.earlier, a.gains, a.place), lambda la: healthy(c, a, la),
                      lambda la: la.slope_below_1pct + (1 - la.mean_slope))
        c.blamed[a.key] = found or Culprit(
            "activation", f"{a.activation.name} has no good scale for these inputs: use a ReLU or normalise its input",
            a.name, a.place, (), False)
    why: Culprit = c.blamed[a.key]
    return why


def saturated(c: NodeContext) -> Iterator[Finding]:
    """SAT201."""
    numbers = c.limits
    for a in c.activities:
        worst, la = severity(c, a), a.signal
        if worst is None:
            continue
        if c.trained and worst == "warn":
            worst = "info"                        # weights grow as they learn, and certain units saturate
        why = culprit(c, a)
        limit = numbers["fail_share"] if worst == "fail" else numbers["warn_share"]
        yield c.finding(
            why.place if why.place.module else a.place, why.name,
            f"At {a.name} {100 * la.slope_below_1pct:.0f}% of {a.activation.name} slopes are below 1% of the largest, "
            f"mean relative slope {la.mean_slope:.2f}; E z^2 = {la.q:.3g}.", severity=worst,
            measured=la.slope_below_1pct,
            expected=f"at most {limit:g}, mean slope at least {numbers['warn_slope']:g}", cause=why.cause,
            cure=why.cure, tensors=why.tensors)


def zero_slope(c: NodeContext) -> Iterator[Finding]:
    """SAT202."""
    for a in c.activities:
        la = a.signal
        if a.output or not a.activation.saturating or a.activation.flat_pieces \
                or not la.slope_zero > c.limits["share"] or severity(c, a) is None:
            continue
        why = culprit(c, a)
        yield c.finding(
            why.place if why.place.module else a.place, why.name,
            f"At {a.name} {100 * la.slope_zero:.1f}% of {a.activation.name} slopes are exactly 0 when taken from the "
            "output.", severity="fail" if la.slope_zero > c.limits["fail_share"] else "info" if c.trained else None,
            measured=la.slope_zero, expected=c.limits["share"], cause=why.cause, cure=why.cure, tensors=why.tensors)


def _lost(c: NodeContext, a: Activity) -> Iterator[Finding]:
    """A part of an activation that is off by its units' own biases or weights."""
    layer = a.local[0].dense() if len(a.local) == 1 and not a.gains and a.highest is not None else None
    if layer is None or a.highest is None or layer.w.shape[1] != len(a.highest) or c.trained:
        return
    w, lost = a.local[0], lost_units(layer.w, layer.b, a.highest)
    share = len(lost.units) / len(a.highest)
    if share >= c.limits["lost"] and len(lost.units) > 1:
        bias = lost.cause == "bias"
        yield c.finding(w.place if w.place.module else a.place, w.bias if bias else w.name,
                        f"At {a.name} {100 * share:.0f}% of the {a.activation.name} units are 0 on all of the data "
                        f"because their own {'biases are' if bias else 'mean weights are'} far below 0: {lost}.",
                        severity="warn", measured=share, expected=f"below {c.limits['lost']:g}", cause=lost.cause,
                        cure=zeroed(w) if bias else redraw(w))


def dead_relu(c: NodeContext) -> Iterator[Finding]:
    """SAT203."""
    for a in c.activities:
        la = a.signal
        if a.output or not a.activation.dies or not la.units or not a.fed \
                or all(w.std == 0 and w.mean == 0 for w in a.local):
            continue
        limit = c.limits["share"] + 4 * math.sqrt(0.25 / la.units)
        silent, wide = bool(a.local) and all(w.silent for w in a.local), la.units >= c.limits["units"]
        whole = la.dead_units == 1 and (wide or silent)
        if a.rows < c.limits["rows"]:             # a few rows tell of one unit nothing, of a whole wide layer they do
            whole = whole and wide and silent and a.rows > 1
            limit = 1.0
        if not (la.dead_units > limit or whole):
            if a.rows >= c.limits["rows"] and la.dead_units and a.activation.homogeneous:
                yield from _lost(c, a)
            continue
        key = ("dead", a.key)
        if key not in c.blamed:
            found = suspects(c, a.local, a.earlier, a.gains, a.place)
            # a negative bias before all else: with it gone the sign is left to the weights
            negative = {w.bias for w in a.local if w.bias_high < 0}
            found.sort(key=lambda s: s.culprit.cause != "bias" or not negative & set(s.culprit.tensors))
            c.blamed[key] = blame(c, a.key, found, lambda m: m.dead_units <= min(c.limits["share"], 0.5),
                                  lambda m: m.dead_units) or Culprit(
                "weight_mean", "centre the inputs and draw the weights with mean zero", a.name, a.place, (), False)
        why = c.blamed[key]
        yield c.finding(why.place if why.place.module else a.place, why.name,
                        f"At {a.name} {100 * la.dead_units:.0f}% of the {a.activation.name} units are 0 on all of the "
                        "data.", severity="fail" if whole and a.rows >= c.limits["rows"] else
                        "info" if c.trained else "warn", measured=la.dead_units,
                        expected=f"at most {min(limit, 1):.2f}", cause=why.cause, cure=why.cure, tensors=why.tensors)
