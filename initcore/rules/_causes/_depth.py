"""Whose fault it is that signals die or grow with depth, and every layer that a repair must draw again."""

from __future__ import annotations

import math

import numpy as np

from ...network import Dense, Network
from ...saturation import LayerSignal
from ...saturation._predict import from_steps
from ...saturation._propagate import glance, gradient_norms
from ...saturation._state import State
from ...saturation._walk import slopes, steps
from .._context import Context
from .._weights import call, deviation, off_centre, spread, start, wrong_layout, zero_bias
from ._layer import layer_blame, saturation_severity

_SETTLED = 64


def _standard(net: Network, gain: float = 1.0) -> Network:
    """The net with every hidden layer centred, without bias, at ``gain`` times the scale its activation asks for."""
    layers = []
    for i, layer in enumerate(net.layers):
        mean, std = spread(layer)
        w, b = layer.w.astype(np.float64), None if layer.b is None else layer.b.astype(np.float64)
        if i < len(net.layers) - 1 and std > 0:
            w, b = (w - mean) * (gain * start(net, i).std / std), None
        layers.append(Dense(w, b, layer.activation))
    return Network(layers)


def _gradient(net: Network, state: State, more: int = 0) -> float:
    """The back-signal's factor over all hidden layers, and over ``more`` like the later half of them."""
    norms = gradient_norms(net, *slopes(steps(net, state)))[:-1]
    half = len(norms) // 2
    if not more or not 0 < norms[-1] < math.inf or not 0 < norms[half] < math.inf:
        return norms[0]
    per_layer = math.log(norms[half] / norms[-1]) / (len(norms) - 1 - half)
    return norms[0] * math.exp(min(more * per_layer, 700.0))


def _mending_gain(c: Context) -> float | None:
    """The gain over the usual scale, nearest to 1, at which the back-signal neither vanishes nor explodes."""
    assert c.state is not None
    low, high = c.numbers["SIG303"]["product"], c.numbers["SIG304"]["product"]
    # Variances settle within a few dozen layers of one scale: deeper networks are continued from there.
    more = max(0, len(c.hidden) - _SETTLED)
    net = Network(c.net.layers[:_SETTLED + 1], check_finite=False) if more else c.net
    return next((g for g in (1.0, 1.3, 0.8, 1.6, 2.0, 0.6, 3.0, 4.0)
                 if low <= _gradient(_standard(net, g), c.state, more) <= high), None)


def worst_layer(c: Context, up: bool) -> int:
    """The hidden layer whose factor is the most extreme."""
    assert c.signal is not None
    norms = [la.gradient for la in c.signal.layers[:-1]]
    ratios = [norms[i] / norms[i + 1] if norms[i + 1] > 0 else math.nan for i in range(len(norms) - 1)]
    if not ratios or all(math.isnan(r) for r in ratios):
        return 0
    return 1 + int(np.nanargmax(ratios) if up else np.nanargmin(ratios))


def _misfits(c: Context, up: bool) -> tuple[int, ...]:
    """The hidden layers whose scale is off in that direction: all that a repair must draw again."""
    off = []
    for i in c.hidden:
        ratio = spread(c.net.layers[i])[1] / start(c.net, i).std
        if ratio > 1.25 if up else ratio < 0.8:
            off.append(i)
    return tuple(off)


def _too_large(c: Context) -> tuple[int, ...]:
    """The saturating layers so large that their slopes are gone."""
    return tuple(i for i in c.hidden if c.net.layers[i].activation.saturating
                 and spread(c.net.layers[i])[1] > 1.25 * start(c.net, i).std)


def _unbiased(net: Network) -> Network:
    """The net without the biases of its hidden layers."""
    return Network([*[layer.replace(b=None) for layer in net.layers[:-1]], net.layers[-1]], check_finite=False)


def _biases(c: Context) -> tuple[int, ...]:
    """The hidden layers whose bias outweighs what it is added to, the worst first."""
    assert c.state is not None
    biases = {i: b for i in c.hidden if (b := c.net.layers[i].b) is not None and b.any()}
    sizes = {}
    if biases:
        walk = steps(_unbiased(c.net), c.state)
        for i, b in biases.items():
            z = math.sqrt(float(np.mean(np.square(walk[i].mean) + np.square(walk[i].std)))) or 1e-300
            sizes[i] = float(np.sqrt(np.mean(np.square(b, dtype=np.float64)))) / z
    worst = max(sizes.values(), default=0.0)
    return tuple(sorted((i for i, size in sizes.items() if size >= 0.3 * worst), key=lambda i: -sizes[i]))


def _blamed_biases(layers: tuple[int, ...], c: Context) -> tuple[int, str, tuple[int, ...]]:
    """The worst of them, the cure, and all."""
    also = f"; likewise layers {_listed(layers[1:])}" if len(layers) > 1 else ""
    return layers[0], zero_bias(c.net, layers[0]) + also, layers


def _bias_mends_gradient(c: Context) -> tuple[int, ...]:
    """The layers whose biases make the back-signal die or explode; none where it does so without them."""
    assert c.state is not None
    low, high = c.numbers["SIG303"]["product"], c.numbers["SIG304"]["product"]
    layers = _biases(c)
    if layers and not low <= _gradient(c.net, c.state) <= high \
            and low <= _gradient(_unbiased(c.net), c.state) <= high:
        return layers
    return ()


def _bias_mends_activations(c: Context, la: LayerSignal, reference: float) -> tuple[int, ...]:
    """The layers below ``la`` whose biases hide the inputs from it; none where it is as small without them."""
    assert c.state is not None
    layers = tuple(i for i in _biases(c) if i <= la.index)
    if not layers:
        return ()
    plain = _unbiased(c.net)
    then = from_steps(plain, c.state, "", steps(plain, c.state)).layers[la.index]
    size = min(then.activation_rms, math.sqrt(max(then.variance, 0.0)))
    limits = c.numbers["SIG301"]
    per_layer = (size / reference) ** (1 / (la.index + 1))
    small = size < limits["total"] * reference or (size < limits["short_total"] * reference
                                                   and per_layer < limits["per_layer"])
    return () if small else layers


def gradient_blame(c: Context, up: bool) -> tuple[str, str, tuple[int, ...]]:
    """Cause, cure and every layer to be mended."""
    assert c.signal is not None
    spreads = [spread(c.net.layers[k]) for k in c.hidden]
    worst = next((k for k in c.hidden if off_centre(c.net.layers[k])), None)
    if worst is not None:
        return "weight_mean", call(c.net, worst), (worst,)
    own = {layer_blame(c, la.index).cause: la.index for la in c.signal.layers[:-1]
           if saturation_severity(c, la) is not None and not up}
    if own and not set(own) & {"weight_scale", "layout", "activation"}:
        cause, i = next(iter(own.items()))
        return cause, layer_blame(c, i).cure, (i,)
    biased = _bias_mends_gradient(c)
    if biased:
        return "bias", *_blamed_biases(biased, c)[1:]
    gain, name = _mending_gain(c), c.net.layers[worst_layer(c, up)].activation.name      # dear: the whole depth, often
    layers = _misfits(c, up) or (() if up else _too_large(c))
    if gain is None or not 0.6 <= gain <= 1.6:
        other = "" if c.net.layers[0].activation.odd else "use tanh or ReLU, or "
        how = (f"no scale of random weights mends {len(c.hidden)} layers of {name}" if gain is None else
               f"the usual scale does not mend {len(c.hidden)} layers of {name}, only {gain:g} times that does")
        return "activation", (f"{how}: {other}normalise between layers, or add residual connections; report.repair() "
                              "brings its outputs back to centre"), ()
    if not layers:                                  # of the usual scale already, which is not enough
        i = worst_layer(c, up)
        usual, std = start(c.net, i).std, spreads[i][1]
        biased = _biases(c)
        if gain == 1.0 and biased:
            return "bias", *_blamed_biases(biased, c)[1:]
        return "weight_scale", (f"standard deviation {gain * usual:.4g} instead of {std:.4g}, in every hidden layer: "
                                f"{gain:g} * {call(c.net, i)}"), tuple(c.hidden)
    i = max(layers, key=lambda k: abs(math.log(spreads[k][1] / start(c.net, k).std)) if spreads[k][1] else math.inf)
    layers = (i, *[k for k in layers if k != i])
    cause = "layout" if wrong_layout(c.net, i, c.numbers["SIG305"]["layout_ratio"]) else "weight_scale"
    also = f"; likewise layers {_listed(layers[1:])}" if len(layers) > 1 else ""
    return cause, deviation(c.net, i, spreads[i][1]) + also, layers


def _listed(layers: tuple[int, ...]) -> str:
    """Numbers in words, runs shortened: "0 to 3, 5"."""
    runs: list[list[int]] = []
    for k in sorted(layers):
        if runs and k == runs[-1][-1] + 1:
            runs[-1].append(k)
        else:
            runs.append([k])
    return ", ".join(str(r[0]) if len(r) == 1 else f"{r[0]} to {r[-1]}" for r in runs)


def activation_blame(c: Context, la: LayerSignal, reference: float,
                      up: bool) -> tuple[int, str, str, tuple[int, ...]]:
    """The layer of the most extreme factor up to ``la``, its cause and cure, and all layers to be mended."""
    assert c.signal is not None and c.steps is not None
    sizes = [reference, *[x.activation_rms for x in c.signal.layers]]
    ratios = [sizes[k + 1] / sizes[k] if sizes[k] > 0 else 1.0 for k in range(la.index + 1)]
    i = int(np.argmax(ratios) if up else np.argmin(ratios))
    layer = c.net.layers[i]
    mean, std = spread(layer)
    bias = 0.0 if layer.b is None else float(np.sqrt(np.mean(np.square(layer.b, dtype=np.float64))))
    if off_centre(layer) and (up or mean < 0):      # a negative mean switches units off, a positive one does not
        return i, "weight_mean", f"subtract the mean {mean:.4g}, or {call(c.net, i)}", (i,)
    if bias > 0:
        done = glance(layer.replace(b=None), c.steps.before(i))
        size = math.sqrt(float(np.mean(np.square(done.found.mean) + done.found.variance))) or 1e-300
        shift = sizes[i + 1] / size
        if (bias > 0.5 * sizes[i + 1] and shift > 2) if up else shift < 0.5:
            return i, "bias", zero_bias(c.net, i), (i,)
    hiding = () if up else _bias_mends_activations(c, la, reference)
    if hiding:
        worst, cure, layers = _blamed_biases(hiding, c)
        return worst, "bias", cure, layers
    if wrong_layout(c.net, i, c.numbers["SIG305"]["layout_ratio"]):
        return i, "layout", call(c.net, i), (i,)
    layers = tuple(k for k in _misfits(c, up) if k != i)        # those above la too: they would be the next to be found
    also = f"; likewise layers {_listed(layers)}" if layers else ""
    usual = start(c.net, i).std
    if i < len(c.net.layers) - 1 and 0.8 < std / usual < 1.25 and layers:
        i, layers = layers[0], layers[1:]
        std, also = spread(c.net.layers[i])[1], f"; likewise layers {_listed(layers)}" if layers else ""
    elif 0.8 < std / usual < 1.25:
        return i, "activation", (f"the usual scale is not enough for {layer.activation.name} at this depth: normalise "
                                 "between layers, or add residual connections"), ()
    return i, "weight_scale", deviation(c.net, i, std) + also, (i, *layers)
