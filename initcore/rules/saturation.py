"""SAT201 to SAT203: layers whose slopes are gone, as findings with a cause."""

from __future__ import annotations

import math

import numpy as np

from .._gaussian import shares as _shares
from ..network import Dense
from ..saturation import LayerSignal, _propagate
from ._blame import Blame, blame, initializer_call
from ._context import Context, RuleFunction
from ._finding import Finding


def saturation_severity(c: Context, la: LayerSignal, numbers: dict[str, float]) -> str | None:
    """The severity SAT201 gives a layer, or None."""
    phi = c.net.layers[la.index].activation
    if not phi.saturating or la.index not in c.hidden or not la.units:
        return None
    flat = la.slope_below_10pct == la.slope_below_1pct      # flat pieces: no slope between 1% and 10%
    if la.slope_below_1pct > numbers["fail_share"] and not (flat and la.mean_slope >= numbers["warn_slope"]):
        return "fail"
    if (la.slope_below_1pct > numbers["warn_share"] and not flat) or la.mean_slope < numbers["warn_slope"]:
        return "warn"
    return None


def _healthy(step: _propagate.Glance, layer: Dense, numbers: dict[str, float]) -> bool:
    """Would SAT201 be silent about a predicted layer?"""
    phi = layer.activation
    low = float(np.mean(_shares.share(phi, 0.01, step.mean, step.std)))
    slope = float(np.mean(step.found.slope))
    return low <= numbers["warn_share"] * (2 if phi.kinks else 1) and slope >= numbers["warn_slope"]


def layer_blame(c: Context, i: int, numbers: dict[str, float]) -> Blame:
    """The cause of a saturated layer; upstream when nothing of its own is wrong."""
    layer = c.net.layers[i]
    assert c.steps is not None
    if i in c.blamed:
        return c.blamed[i]
    found = blame(layer, c.steps[i].before, lambda s: _healthy(s, layer, numbers), first=i == 0,
                  layout_ratio=c.numbers["SIG305"]["layout_ratio"])
    c.blamed[i] = found or Blame("activation", f"{layer.activation.name} has no good scale for these inputs: use a "
                                               "ReLU or normalise the layer's input", False)
    return c.blamed[i]


def saturated(c: Context) -> list[Finding]:
    """SAT201."""
    numbers, out = c.numbers["SAT201"], []
    for la in c.signal.layers if c.signal is not None else ():
        severity = saturation_severity(c, la, numbers)
        if severity is None:
            continue
        why = layer_blame(c, la.index, numbers)
        limit = numbers["fail_share"] if severity == "fail" else numbers["warn_share"]
        out.append(Finding(
            "SAT201", severity, la.index, f"{100 * la.slope_below_1pct:.0f}% of {la.activation} slopes are below 1% "
                                          f"of the "
            f"largest, mean relative slope {la.mean_slope:.2f}; E z^2 = {la.q:.3g} "
            f"({c.signal.kind}).",  # type: ignore[union-attr]
            la.slope_below_1pct, f"at most {limit:g}, mean slope at least "
                                 f"{numbers['warn_slope']:g}", why.cause, why.cure,
            f"layers[{la.index}].w"))
    return out


def zero_slope(c: Context) -> list[Finding]:
    """SAT202."""
    limit, out = c.numbers["SAT202"]["share"], []
    for la in c.signal.layers if c.signal is not None else ():
        layer = c.net.layers[la.index]
        if la.index in c.hidden and layer.activation.saturating and not _flat(layer) and la.slope_zero > limit:
            why = layer_blame(c, la.index, c.numbers["SAT201"])
            out.append(Finding(
                "SAT202", "fail", la.index, f"{100 * la.slope_zero:.1f}% of {la.activation} slopes are exactly 0 in "
                f"{layer.dtype.name} when taken from the output.", la.slope_zero, limit, why.cause, why.cure,
                f"layers[{la.index}].w"))
    return out


def _flat(layer: Dense) -> bool:
    """Has the activation flat pieces (slope 0 by design)?"""
    return layer.activation.name in ("hard_tanh", "hard_sigmoid")


def dead_relu(c: Context) -> list[Finding]:
    """SAT203."""
    out = []
    for la in c.signal.layers if c.signal is not None else ():
        layer = c.net.layers[la.index]
        if la.index not in c.hidden or layer.activation.name != "relu" or not la.units or c.zero(la.index):
            continue
        if c.trace is not None and len(c.trace.x) < 32:
            continue                       # a handful of samples does not show that a unit is dead
        limit = c.numbers["SAT203"]["share"] + 4 * math.sqrt(0.25 / la.units)
        whole = la.dead_units == 1 and la.units >= 8
        if la.dead_units > limit or whole:
            why = _offset_blame(c, la.index)
            out.append(Finding(
                "SAT203", "fail" if whole else "warn", la.index, f"{100 * la.dead_units:.0f}% of the ReLU units are "
                                                                 f"0 on all "
                "of the "
                "data.", la.dead_units, f"at most {min(limit, 1):.2f}", why.cause, why.cure, f"layers[{la.index}].w"))
    return out


def _offset_blame(c: Context, i: int) -> Blame:
    """What makes z negative throughout: the bias, the weights' mean, or the inputs' offset."""
    assert c.steps is not None
    layer = c.net.layers[i]

    def alive(step: _propagate.Glance) -> bool:
        dead = _shares.mass([(-math.inf, 0)], step.mean, step.std) > 0.9999
        return float(np.mean(dead)) <= c.numbers["SAT203"]["share"]
    found = blame(layer, c.steps[i].before, alive, first=i == 0)
    return found or Blame("data", "centre the inputs and draw the weights with mean zero: "
                          + initializer_call(layer.activation, layer.fan_in, layer.fan_out), False)


RULES: dict[str, RuleFunction] = {"SAT201": saturated, "SAT202": zero_slope, "SAT203": dead_relu}
