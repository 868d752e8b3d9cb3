"""SIG301 to SIG306: vanishing and exploding signals, as findings with a cause."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from ..network import Dense, Network
from ..saturation import LayerSignal
from ..saturation._propagate import gradient_norms
from ..saturation._state import State
from ..saturation._walk import slopes, steps
from ._blame import layer_blame, saturation_severity
from ._catalogue import rule
from ._context import Context
from ._conventions import initializer_call, initializer_name, squared_gain
from ._finding import Finding
from ._weights import fits, library_scale, spread, wrong_layout

Array = np.ndarray


def _standard(net: Network) -> Network:
    """The same net with every hidden layer at the conventional scale: centred, variance gain^2/fan_in (or Glorot's)."""
    layers = []
    for i, layer in enumerate(net.layers):
        mean, std = spread(layer.w)
        if i < len(net.layers) - 1 and std > 0:
            target = math.sqrt(squared_gain(layer.activation) / layer.fan_in)
            w = (layer.w.astype(np.float64) - mean) * (target / std)
            layer = Dense(w, None if layer.b is None else np.zeros(layer.fan_out), layer.activation)
        else:
            layer = Dense(layer.w.astype(np.float64), None if layer.b is None else layer.b.astype(np.float64),
                          layer.activation)
        layers.append(layer)
    return Network(layers)


def _gradient(net: Network, state: State) -> float:
    return gradient_norms(net, *slopes(steps(net, state)))[0]


def _worst_layer(c: Context, up: bool) -> int:
    """The hidden layer whose factor is the most extreme."""
    assert c.signal is not None
    norms = [la.gradient for la in c.signal.layers[:-1]]
    ratios = [norms[i] / norms[i + 1] if norms[i + 1] > 0 else math.nan for i in range(len(norms) - 1)]
    if not ratios or all(math.isnan(r) for r in ratios):
        return 0
    return 1 + int(np.nanargmax(ratios) if up else np.nanargmin(ratios))


def _gradients(c: Context, *, up: bool) -> Iterator[Finding]:
    """SIG303, and ``up`` SIG304."""
    if c.signal is None or len(c.net.layers) < 2 or any(c.zero(i) for i in c.hidden):
        return
    value, limit = c.signal.layers[0].gradient, c.limits["product"]
    if not math.isfinite(value) and not up:
        return
    if not (value > limit if up else value < limit):
        return
    assert c.state is not None
    i = _worst_layer(c, up)
    layer = c.net.layers[i]
    depth = len(c.hidden)
    mended = _gradient(_standard(c.net), c.state)
    per_layer = max(value, 1e-300) ** (1 / depth)
    worst = next((k for k in c.hidden if abs(spread(c.net.layers[k].w)[0]) > 0.5 * spread(c.net.layers[k].w)[1]), None)
    own = {layer_blame(c, la.index).cause: la.index for la in c.signal.layers[:-1]
           if saturation_severity(c, la) is not None and not up}
    if not 1e-4 <= mended <= 1e4:
        cause = "activation"
        cure = (f"no scale of random weights mends {depth} layers of {layer.activation.name} (at the usual scale the "
                f"factor is still {mended:.1e}): use tanh or ReLU, or normalise between layers")
    elif worst is not None:
        cause, i = "weight_mean", worst
        cure = initializer_call(c.net.layers[i].activation, c.net.layers[i].fan_in, c.net.layers[i].fan_out)
    elif own and not set(own) & {"weight_scale", "layout", "activation"}:
        cause, i = next(iter(own.items()))
        cure = layer_blame(c, i).cure
    else:
        cause = "layout" if wrong_layout(layer, c.numbers["SIG305"]["layout_ratio"]) else "weight_scale"
        target = math.sqrt(squared_gain(layer.activation) / layer.fan_in)
        cure = (f"standard deviation {target:.3g} instead of {spread(layer.w)[1]:.3g}: "
                + initializer_call(layer.activation, layer.fan_in, layer.fan_out))
    word = "explodes" if up else "vanishes"
    severity = _severity(c, cause, value >= c.limits.get("library_product", math.inf))
    yield c.finding(i, f"The back-signal {word}: its norm at layers[0] is {value:.2g} of that at the last hidden "
                    f"layer, a factor {per_layer:.2g} in each of {depth} layers ({c.signal.kind}).", severity=severity,
                    measured=value, expected=f"{'at most' if up else 'at least'} {limit:g}", cause=cause, cure=cure)


def _severity(c: Context, cause: str, mild: bool) -> str:
    """A loss within bounds at a library's own scale is information: ten layers of PyTorch's default GELU reach 3e-5."""
    known = cause == "weight_scale" and all(library_scale(c.net.layers[i]) for i in c.hidden)
    return "info" if mild and known else "warn"


def _activations(c: Context, *, up: bool) -> Iterator[Finding]:
    """SIG301 over hidden layers, ``up`` SIG302 over all: output rms over input rms."""
    if c.signal is None or not c.signal.input_rms > 0 or not math.isfinite(c.signal.input_rms):
        return
    numbers, rms = c.limits, c.signal.input_rms
    reference = max(rms, 1.0) if up else min(rms, 1.0)      # inputs off unit scale are not the depth's doing
    for la in c.signal.layers if up else c.signal.layers[:-1]:
        if c.zero(la.index):
            break                                   # a zero layer is SYM104's and SYM106's affair
        total = la.activation_rms / reference
        factor = max(total, 1e-300) ** (1 / (la.index + 1))
        if (total > numbers["total"] or (total > numbers["short_total"] and factor > numbers["per_layer"])) if up \
                else (total < numbers["total"] or (total < numbers["short_total"] and factor < numbers["per_layer"])):
            yield _activation_finding(c, la, total, factor, up)
            return


def _activation_finding(c: Context, la: LayerSignal, total: float, factor: float, up: bool) -> Finding:
    assert c.signal is not None
    reference = max(c.signal.input_rms, 1.0) if up else min(c.signal.input_rms, 1.0)
    rms = [reference, *[x.activation_rms for x in c.signal.layers]]
    ratios = [rms[k + 1] / rms[k] if rms[k] > 0 else 1.0 for k in range(la.index + 1)]
    i = int(np.argmax(ratios) if up else np.argmin(ratios))
    layer = c.net.layers[i]
    mean, std = spread(layer.w)
    target = math.sqrt(squared_gain(layer.activation) / layer.fan_in)
    limit = c.limits
    call = initializer_call(layer.activation, layer.fan_in, layer.fan_out)
    if (abs(mean) if up else -mean) > 0.5 * std:    # a negative mean switches units off, a positive one does not
        cause, cure = "weight_mean", f"subtract the mean {mean:.3g}, or {call}"
    elif layer.b is not None and up and np.sqrt(np.mean(np.square(layer.b, dtype=np.float64))) > 0.5 * rms[i + 1]:
        cause, cure = "bias", f"zero biases: ic.init.zeros({layer.fan_out})"
    elif wrong_layout(layer, c.numbers["SIG305"]["layout_ratio"]):
        cause, cure = "layout", call
    else:
        cause, cure = "weight_scale", f"standard deviation {target:.3g} instead of {std:.3g}: {call}"
    word = "grow" if up else "shrink"
    severity = _severity(c, cause, total >= limit.get("library_total", math.inf))
    return c.finding(
        i, f"Activations {word}: the output of layers[{la.index}] has rms {la.activation_rms:.3g}, {total:.2g} of the "
        f"input's, a factor {factor:.2g} per layer ({c.signal.kind}).", severity=severity, measured=total,
        expected=f"{'at most' if up else 'at least'} {limit['short_total']:g} at a factor "
                 f"{'above' if up else 'below'} {limit['per_layer']:g} per layer", cause=cause, cure=cure)


@rule("SIG301", title="activations vanish with depth", severity="warn",
      why="""A factor below 1 in every layer multiplies up: deep layers receive nothing that depends on the input.""",
      measured="""Root mean square of each hidden layer's output over that of the input (1 if that is larger). Warn
      below `total`, or below `short_total` when the mean factor per layer is below `per_layer`; at a library's own
      small scale only information down to `library_total`.""",
      cure="Weights of variance gain^2/fan_in, with the gain of the activation (`initcore gain NAME`).",
      thresholds={"total": 1e-4, "short_total": 1e-2, "per_layer": 0.25, "library_total": 1e-6})
def vanishing_activations(c: Context) -> Iterator[Finding]:
    """Outputs that shrink from layer to layer."""
    return _activations(c, up=False)


@rule("SIG302", title="activations explode with depth", severity="warn",
      why="A factor above 1 in every layer multiplies up to huge outputs and a huge first loss.",
      measured="""Root mean square of each layer's output (the last included) over that of the input (1 if that is
      smaller). Warn above `total`, or above `short_total` when the mean factor per layer is above `per_layer`.""",
      cure="Weights of variance gain^2/fan_in.", thresholds={"total": 1e4, "short_total": 1e2, "per_layer": 4.0})
def exploding_activations(c: Context) -> Iterator[Finding]:
    """Outputs that grow from layer to layer."""
    return _activations(c, up=True)


@rule("SIG303", title="gradients vanish", severity="warn",
      why="""Each layer multiplies the norm of the back-signal by about sqrt(chi); when the product is tiny the first
      layers do not learn.""",
      measured="""Norm of the back-signal at the first layer over that at the last hidden output. Warn below
      `product`; where all layers have a library's own small scale (PyTorch's default 1/(3 fan_in), small_init) only
      information down to `library_product`.""",
      cure="""The gain of the activation. A deep sigmoid stack has no good scale: use tanh or ReLU there, or
      normalise.""",
      thresholds={"product": 1e-4, "library_product": 1e-6})
def vanishing_gradient(c: Context) -> Iterator[Finding]:
    """Back-signals that shrink towards the input."""
    return _gradients(c, up=False)


@rule("SIG304", title="gradients explode", severity="warn",
      why="""Each layer multiplies the norm of the back-signal by about sqrt(chi); when the product is huge the first
      steps destroy the first layers.""",
      measured="Norm of the back-signal at the first layer over that at the last hidden output. Warn above `product`.",
      cure="The gain of the activation.", thresholds={"product": 1e4})
def exploding_gradient(c: Context) -> Iterator[Finding]:
    """Back-signals that grow towards the input."""
    return _gradients(c, up=True)


@rule("SIG305", title="variance does not fit the activation or the fan", severity="warn",
      why="""The weights' variance times fan_in should be the squared gain of the activation. Far off, signals die or
      grow; off by exactly fan_in/fan_out, the layout was mistaken.""",
      measured="""Hidden layers of at least `weights` weights: fan_in times the mean squared weight, over the squared
      gain (He 2 for the ReLU family, 1 elsewhere). Warn below `low`, and above `high` for unbounded activations
      (SAT201 judges the bounded). The layout is blamed when the variance fits fan_out within sampling error, fits
      fan_in not, and the two differ by more than `layout_ratio`.""",
      cure="""The call in the finding. PyTorch's `nn.Linear.weight` is (fan_out, fan_in): pass `weight.T` or
      layout="oi".""",
      thresholds={"low": 0.02, "high": 20.0, "layout_ratio": 2.0, "weights": 16})
def variance_misfit(c: Context) -> Iterator[Finding]:
    """Weights of the wrong size for their layer."""
    numbers = c.limits
    for i in c.hidden if c.finite_weights else ():
        layer = c.net.layers[i]
        mean, std = spread(layer.w)
        if std == 0 or layer.w.size < numbers["weights"]:
            continue
        gain2 = squared_gain(layer.activation)
        square = mean * mean + std * std
        n, m = layer.fan_in, layer.fan_out
        value = n * square / gain2
        kind = initializer_name(layer.activation)
        call = initializer_call(layer.activation, n, m)
        cure = f"standard deviation {math.sqrt(gain2 / n):.3g} instead of {std:.3g}: {call}"
        offset = abs(mean) > 0.5 * std and abs(mean) > 6 * std / math.sqrt(layer.w.size)
        # the scale of the data may have been folded into the first layer
        folded = c.signal.input_rms ** 2 if i == 0 and c.measured and c.signal is not None else 1.0
        small = max(n, (n + m) / 2) * square / gain2 * max(folded, 1.0) < numbers["low"] and not _spectral(layer)
        bounded = math.isfinite(layer.activation.high - layer.activation.low)
        large = value * min(folded, 1.0) > numbers["high"] and not bounded
        if offset and n * n * mean * mean > 4 * gain2:
            cause, cure = "weight_mean", f"subtract the mean {mean:.3g}, or {initializer_call(layer.activation, n, m)}"
            text = f"The weights' mean {mean:.3g} is not small beside their standard deviation {std:.3g}."
        elif wrong_layout(layer, numbers["layout_ratio"]):
            cause = "layout"
            text = (f"fan_in std^2 = {n * square:.3g}, but fan_out std^2 = {m * square:.3g} is what {kind} gives: "
                    "the layout was read the wrong way round.")
            cure = f"pass w.T or layout=\"oi\": {initializer_call(layer.activation, n, m)}"
        elif small or large:
            cause = "weight_scale"
            text = f"fan_in std^2 = {n * square:.3g}; {layer.activation.name} wants about {gain2:.3g}."
        else:
            continue
        yield c.finding(i, text, measured=n * square, expected=gain2, cause=cause, cure=cure)


def _spectral(layer: Dense) -> bool:
    """Weights of spectral norm sqrt(fan_out/fan_in) (Yang et al. 2023) are small on purpose where fan_out is small."""
    n, m = layer.fan_in, layer.fan_out
    return fits(layer.w, n * (math.sqrt(n) + math.sqrt(m)) ** 2 / m, (1.0,))


@rule("SIG306", title="too deep for its width", severity="info",
      why="""In a random network the log of the signal's norm wanders with variance about 5 sum 1/n over the widths
      (ReLU): one draw in a few differs from the mean by a large factor (Hanin and Rolnick 2018).""",
      measured="The sum of 1/n over hidden layers. Info above `sum`.",
      cure="Wider layers, orthogonal weights, residual connections or normalisation.", thresholds={"sum": 0.5})
def too_deep(c: Context) -> Iterator[Finding]:
    """Networks whose draws differ much from the average."""
    total = sum(1 / c.net.layers[i].fan_out for i in c.hidden if c.net.layers[i].fan_out)
    if total > c.limits["sum"]:
        yield c.finding(None, f"sum of 1/width over hidden layers is {total:.2g}: one draw of the weights may differ "
                        "from the average by a large factor.", measured=total, expected=c.limits["sum"],
                        cure="wider layers, or orthogonal weights")
