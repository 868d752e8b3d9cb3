"""OUT601 and OUT602: what the last layer says before it has learnt anything."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from .. import kernels
from ._catalogue import rule
from ._context import Context
from ._conventions import initializer_call, squared_gain
from ._finding import Finding
from ._weights import spread


def _classes(c: Context) -> int:
    """Number of classes if the outputs are (or are taken as) softmax logits, else 0."""
    n = c.net.widths[-1]
    if c.loss not in (None, "softmax_cross_entropy") or n < 2:
        return 0
    if c.loss is None and c.net.layers[-1].activation.name != "identity":
        return 0
    if c.loss is None and c.y is not None and not (c.y.ndim == 1 and c.y.dtype.kind in "iu"):
        return 0
    return n


def _cause(c: Context) -> tuple[str, str]:
    """Blame the last layer, or what comes before it when the last layer's weights are of ordinary size."""
    layer = c.net.layers[-1]
    mean, std = spread(layer.w)
    usual = math.sqrt(2.0 / max(layer.fan_in + layer.fan_out, 1))
    call = "0.01 * " + initializer_call(layer.activation, layer.fan_in, layer.fan_out)
    if abs(mean) > std and layer.w.size > 16:
        return "weight_mean", call
    if std > 2 * usual:
        return "weight_scale", f"standard deviation {usual:.3g} or less instead of {std:.3g}: {call}"
    if _ordinary(c) and c.signal is not None and c.signal.input_rms > 3:
        offset, scale = _offset(c)
        if offset > 3 * scale:
            return "input_offset", f"subtract each feature's mean from the inputs (root mean square {offset:.3g})"
        return "input_scale", f"divide the inputs by {c.signal.input_rms:.3g}"
    if layer.b is not None and float(np.abs(layer.b).max(initial=0)) > 3:
        return "bias", f"zero biases: ic.init.zeros({layer.fan_out})"
    return "weight_scale", f"the layers before it send large values; mend them first, or {call}"


def _offset(c: Context) -> tuple[float, float]:
    """Root mean square of the features' means, and of what varies."""
    assert c.state is not None
    return float(np.sqrt(np.mean(np.square(c.state.mean)))), math.sqrt(float(np.mean(c.state.variance)))


def _ordinary(c: Context) -> bool:
    """Are all weights centred and of the conventional size, within a factor of a few?"""
    def fine(w: np.ndarray, gain2: float) -> bool:
        mean, std = spread(w)
        return len(w) * std * std < 3 * gain2 and abs(mean) <= 0.5 * std
    return all(not la.w.any() or fine(la.w, max(squared_gain(la.activation), 2.0)) for la in c.net.layers)


@rule("OUT601", title="initial loss too high", severity="warn",
      why="""A classifier that knows nothing has loss ln C. Above twice that the first steps only unlearn large
      outputs.""",
      measured="""Softmax cross entropy on (x, y), or expected for labels unknown, over ln C. Above `ratio` a warning;
      information where all weights and inputs are of ordinary size (a narrow deep network may wander).""",
      cure="A smaller last layer: zeros, or Glorot times 0.01.", thresholds={"ratio": 2.0})
def initial_loss(c: Context) -> Iterator[Finding]:
    """A first loss far above that of knowing nothing."""
    labelled = c.trace is not None and c.overflow is None and c.y is not None
    binary = c.loss == "binary_cross_entropy" and labelled
    n = 2 if binary else _classes(c)
    if not n or c.signal is None or c.predicted is None:
        return
    if c.trace is not None and labelled and c.y is not None:
        value, how = float(kernels.loss(c.loss or "softmax_cross_entropy", c.trace.y, c.y)[0]), "measured"
    else:
        value, how = c.predicted.expected_loss, "expected for labels unknown"
    # A nat above ln C is no large loss; with two classes twice ln C is less than that.
    limit = max(c.limits["ratio"] * math.log(n), math.log(n) + 1)
    if not value > limit:
        return
    cause, cure = _cause(c)
    taken = "" if c.loss or c.y is not None else ", outputs taken as logits"
    mild = _ordinary(c) and c.signal.input_rms <= 3 and cause != "bias"
    yield c.finding(len(c.net.layers) - 1, f"The first loss is {value:.3g} ({how}{taken}); knowing nothing costs "
                    f"ln {n} = {math.log(n):.3g}.", severity="info" if mild else "warn", measured=value,
                    expected=limit, cause=cause, cure=cure)


@rule("OUT602", title="saturated output head", severity="warn",
      why="""An output that is certain before training has a small gradient where it is right and a large loss where
      it is wrong.""",
      measured="""Saturating output activations: the share with relative slope below 1% above `share`. Softmax logits:
      standard deviation over the outputs above `logit_std`.""",
      cure="A smaller last layer.", thresholds={"share": 0.5, "logit_std": 10.0})
def saturated_head(c: Context) -> Iterator[Finding]:
    """Outputs that are certain before training."""
    if c.signal is None:
        return
    la, layer, limits = c.signal.layers[-1], c.net.layers[-1], c.limits
    if layer.activation.saturating:
        if la.slope_below_1pct > limits["share"]:
            cause, cure = _cause(c)
            yield c.finding(la.index, f"{100 * la.slope_below_1pct:.0f}% of the {la.activation} outputs have a slope "
                            "below 1% of the largest.", measured=la.slope_below_1pct, expected=limits["share"],
                            cause=cause, cure=cure)
        return
    logits = _classes(c) or (c.loss == "binary_cross_entropy" and layer.activation.name == "identity")
    spread_out = math.sqrt(max(la.q, 0.0)) if la.q == la.q else math.nan
    if logits and spread_out > limits["logit_std"]:
        cause, cure = _cause(c)
        yield c.finding(la.index, f"The logits have root mean square {spread_out:.3g}: the network is certain before "
                        "it has learnt anything.", measured=spread_out, expected=limits["logit_std"], cause=cause,
                        cure=cure)
