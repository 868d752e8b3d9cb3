"""OUT601 and OUT602: what the last layer says before it has learnt anything."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from ._catalogue import rule
from ._causes import offset_blame
from ._context import Context
from ._finding import Finding
from ._weights import call, deviation, spread, start, zero_bias


def _classes(c: Context) -> int:
    """Number of classes if the outputs are (or are taken as) softmax logits, else 0."""
    n = c.net.widths[-1]
    if c.loss not in (None, "softmax_cross_entropy") or n < 2:
        return 0
    if c.loss is None and not c.net.layers[-1].activation.linear:
        return 0
    if c.loss is None and c.y is not None and c.taken != "softmax_cross_entropy":
        return 0
    return n


def _cause(c: Context) -> tuple[int, str, str]:
    """Layer, cause and cure: the last layer, or what comes before it when the last layer is of ordinary size."""
    last = len(c.net.layers) - 1
    layer = c.net.layers[last]
    mean, std = spread(layer)
    quiet = "0.01 * " + call(c.net, last)
    if abs(mean) > std and layer.w.size > 16:
        return last, "weight_mean", quiet
    if std > 2 * start(c.net, last).std:
        return last, "weight_scale", f"{deviation(c.net, last, std)}, or {quiet}"
    if layer.b is not None and float(np.abs(layer.b).max(initial=0)) > 3:
        return last, "bias", zero_bias(c.net, last)
    for i in c.hidden:                                  # a sound head above layers that send large values
        mean, std = spread(c.net.layers[i])
        if abs(mean) > 0.5 * std and c.net.layers[i].fan_in * mean * mean > start(c.net, i).std ** 2:
            return i, "weight_mean", f"subtract the mean {mean:.4g} from the weights, or {call(c.net, i)}"
        if std > 3 * start(c.net, i).std:
            return i, "weight_scale", deviation(c.net, i, std)
        if _biased(c, i):
            return i, "bias", zero_bias(c.net, i)
    if c.signal is not None and c.signal.input_rms > 3:
        offset, scale = _offset(c)
        if offset > 3 * scale:
            return last, "input_offset", f"subtract each feature's mean from the inputs (root mean square {offset:.3g})"
        return last, "input_scale", f"divide the inputs by {c.signal.input_rms:.3g}"
    return last, "weight_scale", f"the layers before it send large values; mend them first, or {quiet}"


def _biased(c: Context, i: int) -> bool:
    """Is a hidden layer's bias large, and larger than what it is added to?"""
    b = c.net.layers[i].b
    if b is None or c.steps is None or not b.any():
        return False
    size = math.sqrt(float(np.mean(np.square(b, dtype=np.float64))))
    return size > 3 and size > 2 * math.sqrt(float(np.mean(np.square(c.steps[i].std))))


def _offset(c: Context) -> tuple[float, float]:
    """Root mean square of the features' means, and of what varies."""
    assert c.state is not None
    return float(np.sqrt(np.mean(np.square(c.state.mean)))), math.sqrt(float(np.mean(c.state.variance)))


def _ordinary(c: Context) -> bool:
    """Are all weights centred and of the conventional size, within a factor of a few?"""
    def fine(i: int) -> bool:
        mean, std = spread(c.net.layers[i])
        gain2 = max(c.net.layers[i].activation.squared_gain, 2.0)
        return len(c.net.layers[i].w) * std * std < 3 * gain2 and abs(mean) <= 0.5 * std
    return all(c.zero(i) or fine(i) for i in range(len(c.net.layers)))


@rule("OUT601", title="initial loss too high", severity="warn",
      why="""A classifier that knows nothing has loss ln C. Above twice that the first steps only unlearn large
      outputs.""",
      measured="""Softmax cross entropy on (x, y), or expected for labels unknown, over ln C. Above `ratio` a warning;
      information where all weights and inputs are of ordinary size (a narrow deep network may wander).""",
      cure="A smaller last layer: zeros, or Glorot times 0.01.", thresholds={"ratio": 2.0})
def initial_loss(c: Context) -> Iterator[Finding]:
    """A first loss far above that of knowing nothing."""
    binary = c.loss == "binary_cross_entropy" and c.value is not None
    n = 2 if binary else _classes(c)
    if not n or c.signal is None or c.predicted is None or c.trained:
        return
    value, how = ((c.value, "measured") if c.value is not None
                  else (c.predicted.expected_loss, "expected for labels unknown"))
    # A nat above ln C is no large loss; with two classes twice ln C is less than that.
    limit = max(c.limits["ratio"] * math.log(n), math.log(n) + 1)
    if not value > limit:
        return
    i, cause, cure = _cause(c)
    taken = "" if c.loss or c.y is not None else ", outputs taken as logits"
    mild = _ordinary(c) and c.signal.input_rms <= 3 and cause != "bias"
    yield c.finding(i, f"The first loss is {value:.3g} ({how}{taken}); knowing nothing costs "
                    f"ln {n} = {math.log(n):.3g}.", severity="info" if mild else "warn", measured=value,
                    expected=limit, cause=cause, cure=cure)


@rule("OUT602", title="output head flat or dead", severity="warn",
      why="""An output that is certain before training has a small gradient where it is right and a large loss where
      it is wrong; one whose slope is 0 has none at all, and no layer below it learns anything.""",
      measured="""On data: fail where the gradient of every weight is exactly 0 (for random errors at the outputs where
      there are no targets), and for a softmax over one output, which is always 1; warn where some outputs of a kinked
      activation are flat on all of at least `rows` rows. Saturating output activations: the share with relative slope
      below 1%, warn above `share`, fail above `fail_share`. Softmax logits: root mean square over the outputs above
      `logit_std`; equal columns other than 0, which give the layers below no first gradient. A trained network may be
      certain.""",
      cure="A smaller last layer with zero biases; for a flat ReLU output a linear one.",
      thresholds={"share": 0.1, "fail_share": 0.9, "logit_std": 10.0, "rows": 8})
def flat_head(c: Context) -> Iterator[Finding]:
    """Outputs that are certain, flat or dead before training."""
    if c.signal is None:
        return
    last, layer = len(c.net.layers) - 1, c.net.layers[-1]
    if c.net.widths[-1] == 1 and c.loss == "softmax_cross_entropy":
        yield c.finding(last, "A softmax over one output is 1 whatever the weights: no gradient ever flows.",
                        severity="fail", measured=1, expected="two outputs or more", cause="activation",
                        cure="loss=\"binary_cross_entropy\", or one output a class")
        return
    dead = list(_dead(c, last))
    yield from dead
    if not dead and not c.trained:
        yield from (_saturated if layer.activation.saturating else _certain)(c, last)


def _dead(c: Context, last: int) -> Iterator[Finding]:
    """No gradient at all, or outputs of slope 0 on all the data."""
    assert c.signal is not None
    layer, la = c.net.layers[last], c.signal.layers[last]
    flat = la.dead_units if c.measured and not c.zero(last) else 0.0
    silent = next((k.index for k in c.signal.layers[:-1] if k.activation_rms == 0 or k.dead_units == 1), None)
    if c.motionless and silent is None and not _proved(c) and c.signal.input_rms > 0 and c.value != 0:
        why = offset_blame(c, last)
        what = f"every {layer.activation.name} output has slope 0" if flat == 1 else "the errors cancel or underflow"
        yield c.finding(last, f"The gradient of every weight is exactly 0 on this data: {what}.", severity="fail",
                        measured=0, expected="a gradient", cause=why.cause, cure=why.cure)
    elif flat and silent is None and c.x is not None and len(c.x) >= c.limits["rows"] and layer.activation.kinks:
        why = offset_blame(c, last)
        yield c.finding(last, f"{100 * flat:.0f}% of the {layer.activation.name} outputs have slope 0 on all of the "
                        "data and stay what they are.", severity="fail" if flat == 1 else "warn", measured=flat,
                        expected=0, cause=why.cause, cure=why.cure)


def _proved(c: Context) -> bool:
    """Has the proof said already that weights never get a gradient?"""
    return any(step is None and name.endswith(".w") for name, step in c.symmetry.zero_flow.items())


def _saturated(c: Context, last: int) -> Iterator[Finding]:
    """A saturating output far out."""
    assert c.signal is not None
    share, limits = c.signal.layers[last].slope_below_1pct, c.limits
    flat = bool(c.net.layers[last].activation.flat_pieces)
    if share > max(limits["share"], 0.5 * flat):        # with flat pieces a share of slopes is 0 by design
        i, cause, cure = _cause(c)
        worst = share > limits["fail_share"]
        yield c.finding(i, f"{100 * share:.0f}% of the {c.net.layers[last].activation.name} outputs have a slope below "
                        "1% of the largest.", severity="fail" if worst else "warn", measured=share,
                        expected=limits["fail_share" if worst else "share"], cause=cause, cure=cure)


def _certain(c: Context, last: int) -> Iterator[Finding]:
    """Logits that are large, or equal by construction."""
    assert c.signal is not None
    layer, q = c.net.layers[last], c.signal.layers[last].q
    binary = c.loss == "binary_cross_entropy" and layer.activation.linear
    if not (_classes(c) or binary):
        return
    size = math.sqrt(max(q, 0.0)) if q == q else math.nan
    if size > c.limits["logit_std"]:
        i, cause, cure = _cause(c)
        yield c.finding(i, f"The logits have root mean square {size:.3g}: the network is certain before it has learnt "
                        "anything.", measured=size, expected=c.limits["logit_std"], cause=cause, cure=cure)
    softmax = (c.loss or c.taken) == "softmax_cross_entropy"
    if softmax and last and not c.zero(last) and (layer.w == layer.w[:, :1]).all():     # whatever the biases
        yield c.finding(last, "All outputs have the same weights: under softmax cross entropy their errors cancel, and "
                        "the layers below get no gradient in the first step.", measured="equal columns",
                        expected="random or zero ones", cause="symmetry", cure=call(c.net, last))
