"""SAT201 to SAT203: layers whose slopes are gone, as findings with a cause."""

from __future__ import annotations

import math
from collections.abc import Iterator

from ._catalogue import rule
from ._causes import layer_blame, lost_units, offset_blame, saturation_severity
from ._context import Context
from ._finding import Finding
from ._weights import call, zero_bias


@rule("SAT201", title="saturated layer", severity="fail",
      why="""Where |z| is large the slope of a saturating activation is close to 0 and the weights behind the unit
      stop moving. The weighted sum grows with the weights and with the number of inputs: q = fan_in std^2 E x^2.""",
      measured="""Hidden layers of saturating activations: the share of (unit, sample) pairs whose relative slope is
      below 1%, and the mean relative slope. Warn above `warn_share` or below `warn_slope`. A layer above `fail_share`
      fails where over all hidden layers the product of the shares that are left (the paths on which no slope is gone)
      is below `paths`, or, for Adam and its kin, which make up for small gradients, below `adam_paths`; by calibration
      most of the others train. Activations with flat pieces (hard_tanh, hard_sigmoid) warn by the mean slope only:
      their slope is 0 by design. Of a trained network what would warn is information: its weights have grown. Layers
      that are alike in their weights, biases and signal share one search for the cause; the number in a cure is the
      layer's own.""",
      cure="""The finding names the cause (weights too large, weights not centred, inputs not scaled or centred, bias,
      activation) and the number that mends it.""",
      thresholds={"fail_share": 0.5, "paths": 1e-3, "adam_paths": 1e-6, "warn_share": 0.2, "warn_slope": 0.3})
def saturated(c: Context) -> Iterator[Finding]:
    """Layers whose slopes are small."""
    numbers = c.limits
    for la in c.signal.layers if c.signal is not None else ():
        severity = saturation_severity(c, la)
        if severity is None:
            continue
        if c.trained and severity == "warn":
            severity = "info"                  # weights grow as they learn, and certain units saturate
        why = layer_blame(c, la.index)
        limit = numbers["fail_share"] if severity == "fail" else numbers["warn_share"]
        yield c.finding(
            la.index, f"{100 * la.slope_below_1pct:.0f}% of {la.activation} slopes are below 1% of the largest, mean "
            f"relative slope {la.mean_slope:.2f}; E z^2 = {la.q:.3g} "
            f"({c.signal.kind}).",  # type: ignore[union-attr]
            severity=severity, measured=la.slope_below_1pct,
            expected=f"at most {limit:g}, mean slope at least {numbers['warn_slope']:g}", cause=why.cause,
            cure=why.cure)


@rule("SAT202", title="slope exactly zero", severity="warn",
      why="""Computed as 1 - y y the slope of tanh is exactly 0 from |z| = 9.01 on in float32 (19.06 in float64), that
      of sigmoid above 17.33 (37.43): no gradient passes at all.""",
      measured="""Hidden layers of smooth saturating activations: the share of pairs beyond these points. Warn above
      `share`, fail above `fail_share`: by calibration most networks with fewer get loose; information in a trained
      network.""",
      cure="As for SAT201.", thresholds={"share": 0.01, "fail_share": 0.99})
def zero_slope(c: Context) -> Iterator[Finding]:
    """Layers whose slopes are exactly 0."""
    for la in c.signal.layers if c.signal is not None else ():
        layer = c.net.layers[la.index]
        if la.index in c.hidden and layer.activation.saturating and not layer.activation.flat_pieces \
                and la.slope_zero > c.limits["share"]:
            why = layer_blame(c, la.index)
            yield c.finding(
                la.index, f"{100 * la.slope_zero:.1f}% of {la.activation} slopes are exactly 0 in {layer.dtype.name} "
                "when taken from the output.",
                severity="fail" if la.slope_zero > c.limits["fail_share"] else "info" if c.trained else None,
                measured=la.slope_zero, expected=c.limits["share"], cause=why.cause, cure=why.cure)


@rule("SAT203", title="dead ReLU units", severity="warn",
      why="""A ReLU unit that is negative on all the data has no gradient and does not come back by itself; nor does a
      GELU, SiLU, softplus or ELU so far below 0 that its slope rounds to 0.""",
      measured="""Hidden layers of ReLU and of unbounded activations, on data of at least `rows` rows: the share of
      units with slope 0 on all the data (predicted: with probability 0.9999). Warn above `share` (plus four standard
      errors of the width: random networks may reach one half with depth); fail when the whole layer, of at least
      `units` units, is dead. Of fewer, on data, warn where at least `lost` of the units (and two) are off by no
      chance: by their own bias, lower than any library draws one, or by a mean of their own weights. With targets,
      fail for a dead layer of any width on any number of rows when no weight gets a gradient. In a module, on fewer
      than `rows` rows, warn of a whole layer of `units` units whose weights get no gradient. Layers that receive
      nothing but zeros are not blamed; of a trained network some dead units are information.""",
      cure="Zero or small positive biases, weights centred at zero, inputs centred.",
      thresholds={"share": 0.55, "rows": 32, "units": 8, "lost": 0.1})
def dead_relu(c: Context) -> Iterator[Finding]:
    """ReLU units that never fire."""
    silent = False                         # is the layer below 0 on all the data?
    for la in c.signal.layers if c.signal is not None else ():
        layer, fed = c.net.layers[la.index], not silent
        silent = la.activation_rms == 0
        phi = layer.activation
        if la.index not in c.hidden or not la.units or c.zero(la.index) or not fed \
                or len(phi.flat_pieces) > 1 or not (phi.dies if phi.saturating or phi.homogeneous else True):
            continue
        stuck = la.dead_units == 1 and c.motionless and c.y is not None
        if c.trace is not None and len(c.trace.x) < c.limits["rows"] and not stuck:
            continue                       # a handful of samples does not show that a unit is dead
        limit = c.limits["share"] + 4 * math.sqrt(0.25 / la.units)
        whole = la.dead_units == 1 and (la.units >= c.limits["units"] or stuck)
        if la.dead_units > limit or whole:
            why = offset_blame(c, la.index)
            zero = la.activation_rms == 0 or (phi.dies and phi.homogeneous)
            yield c.finding(la.index, f"{100 * la.dead_units:.0f}% of the {la.activation} units "
                            f"{'are 0' if zero else 'have slope 0'} on all of the data.",
                            severity="fail" if whole else "info" if c.trained else "warn", measured=la.dead_units,
                            expected=f"at most {min(limit, 1):.2f}", cause=why.cause, cure=why.cure)
        elif c.trace is not None and la.dead_units and phi.dies and phi.homogeneous:
            yield from _lost(c, la.index)


def _lost(c: Context, i: int) -> Iterator[Finding]:
    """A part of a layer that is off by its own biases or weights."""
    assert c.trace is not None
    layer = c.net.layers[i]
    lost = lost_units(layer.w, layer.b, c.trace.z[i].max(axis=0))
    share = len(lost.units) / layer.fan_out
    if share >= c.limits["lost"] and len(lost.units) > 1:
        cure = zero_bias(c.net, i) if lost.cause == "bias" else call(c.net, i)
        why = "biases are" if lost.cause == "bias" else "mean weights are"
        yield c.finding(i, f"{100 * share:.0f}% of the {layer.activation.name} units are 0 on all of the data because "
                        f"their own {why} far below 0: {lost}.", severity="info" if c.trained else "warn",
                        measured=share, expected=f"below {c.limits['lost']:g}", cause=lost.cause, cure=cure)
