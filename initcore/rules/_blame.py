"""Whose fault it is: each suspect is set right in turn and the layer predicted again; the one that mends it is blamed.

Suspects of one layer: the input's scale and offset (first layer only), the weights' mean, their scale (their layout,
when the variance fits fan_out instead of fan_in), the bias.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from .._gaussian import shares as _shares
from ..network import Dense, Network
from ..saturation import LayerSignal
from ..saturation._propagate import glance
from ..saturation._state import Glance, State
from ._context import Context
from ._finding import Blame
from ._weights import call, deviation, spread, start, wrong_layout, zero_bias


def blame(net: Network, i: int, state: State, mended: Callable[[Glance], bool], *,
          layout_ratio: float = 1.5) -> Blame | None:
    """The suspect whose repair mends layer i; else one that lowers E z^2 most; None when nothing lowers it."""
    suspects = list(_suspects(net, i, state, layout_ratio))
    if not suspects:
        return None
    trials = []
    for cause, fixed, fixed_state, cure in suspects:
        done = glance(fixed, fixed_state)
        q = float(np.mean(np.square(done.mean) + np.square(done.std)))
        trials.append((not mended(done), q, cause, cure))
    good = [t for t in trials if not t[0]]     # in the order of suspicion
    best = good[0] if good else min(trials, key=lambda t: t[1])
    # a likelier suspect whose repair does about as much is blamed first
    bad, q, cause, cure = next((t for t in trials if t[1] <= 1.5 * best[1]), best)
    z = glance(net.layers[i], state)
    before = float(np.mean(np.square(z.mean) + np.square(z.std)))
    return Blame(cause, cure, not bad) if not bad or q < 0.7 * before else None


def _suspects(net: Network, i: int, state: State, layout_ratio: float) -> list[tuple[str, Dense, State, str]]:
    """(cause, layer, state, cure) with one thing set right each, the likeliest first."""
    layer = net.layers[i]
    w = layer.w.astype(np.float64)
    mean, std = spread(layer)
    n = layer.fan_in
    target = start(net, i).std
    double = layer.replace(w=w, b=None if layer.b is None else layer.b.astype(np.float64))
    weights: list[tuple[str, Dense, State, str]] = []
    if abs(mean) > 4 * std / math.sqrt(max(w.size, 1)) and abs(mean) > 0.02 * std:
        weights.append(("weight_mean", double.replace(w=w - mean), state,
                        f"subtract the mean {mean:.4g} from the weights, or {call(net, i)}"))
    wide = std > 1.5 * target
    if wide and wrong_layout(net, i, layout_ratio):
        weights.append(("layout", double.replace(w=mean + (w - mean) * math.sqrt(layer.fan_out / n)), state,
                        f"the variance fits fan_out={layer.fan_out} instead of fan_in={n}: draw with the right layout, "
                        f"{call(net, i)}; PyTorch weights need .T"))
    elif wide:
        weights.append(("weight_scale", double.replace(w=mean + (w - mean) * (target / std)), state,
                        deviation(net, i, std)))
    inputs = _input_suspects(double, state) if i == 0 else []
    biases: list[tuple[str, Dense, State, str]] = []
    if layer.b is not None and np.any(layer.b):
        biases.append(("bias", double.replace(b=None), state, zero_bias(net, i)))
    weights_fit = std <= 3 * target and abs(mean) <= 0.5 * std
    return inputs + biases + weights if weights_fit else weights + biases + inputs


def _input_suspects(layer: Dense, state: State) -> list[tuple[str, Dense, State, str]]:
    """What may be wrong with the inputs of the first layer."""
    inputs: list[tuple[str, Dense, State, str]] = []
    offset = float(np.sqrt(np.mean(np.square(state.mean))))
    scale = math.sqrt(float(np.mean(state.variance)))
    rms = math.sqrt(state.second_moment)
    if rms > 1.5:
        std = np.sqrt(np.maximum(state.variance, 0))
        worst = int(np.argmax(std))
        one = std[worst] > 30 * np.median(std)          # a feature of its own scale among others
        factor = np.where(std > 10 * max(float(np.median(std)), 1e-300), std, 1.0) if one else np.full(len(std), rms)
        cov = state.cov / (np.outer(factor, factor) if state.cov.ndim == 2 else np.square(factor))
        words = (f"feature {worst} by {std[worst]:.4g}: x = (x - x.mean(0)) / x.std(0)" if one else
                 f"the inputs by {rms:.4g}" + (" (pixels: by 255)" if 60 < rms <= 255 else ""))
        inputs.append(("input_scale", layer, State(state.mean / factor, cov, state.cells), f"divide {words}"))
    if offset > 0.5 * scale:
        # far off centre the offset is the fault even though shrinking would hide it
        inputs.insert(0 if offset > 3 * scale else len(inputs), (
            "input_offset", layer, State(np.zeros_like(state.mean), state.cov, state.cells),
            f"subtract each feature's mean from the inputs (on average {float(np.mean(state.mean)):.4g})"))
    return inputs


def saturation_severity(c: Context, la: LayerSignal) -> str | None:
    """The severity SAT201 gives a layer, or None."""
    numbers = c.numbers["SAT201"]
    phi = c.net.layers[la.index].activation
    if not phi.saturating or la.index not in c.hidden or not la.units:
        return None
    flat = la.slope_below_10pct == la.slope_below_1pct      # flat pieces: no slope between 1% and 10%
    if la.slope_below_1pct > numbers["fail_share"] and not (flat and la.mean_slope >= numbers["warn_slope"]):
        return "fail" if _open_paths(c) < numbers["adam_paths" if c.family == "adam" else "paths"] else "warn"
    if (la.slope_below_1pct > numbers["warn_share"] and not flat) or la.mean_slope < numbers["warn_slope"]:
        return "warn"
    return None


def _open_paths(c: Context) -> float:
    """The share of paths through the hidden layers on which no slope is gone, were the layers independent."""
    layers = c.signal.layers[:-1] if c.signal is not None else ()
    return math.prod(1 - la.slope_below_1pct for la in layers if c.net.layers[la.index].activation.saturating)


def _healthy(step: Glance, layer: Dense, numbers: dict[str, float]) -> bool:
    """Would SAT201 be silent about a predicted layer?"""
    phi = layer.activation
    low = float(np.mean(_shares.share(phi, 0.01, step.mean, step.std)))
    slope = float(np.mean(step.found.slope))
    return low <= numbers["warn_share"] * (2 if phi.kinks else 1) and slope >= numbers["warn_slope"]


def layer_blame(c: Context, i: int) -> Blame:
    """The cause of a saturated layer; upstream when nothing of its own is wrong."""
    layer, numbers = c.net.layers[i], c.numbers["SAT201"]
    assert c.steps is not None
    if i not in c.blamed:
        found = blame(c.net, i, c.steps.before(i), lambda s: _healthy(s, layer, numbers),
                      layout_ratio=c.numbers["SIG305"]["layout_ratio"])
        c.blamed[i] = found or Blame("activation", f"{layer.activation.name} has no good scale for these inputs: use "
                                     "a ReLU or normalise the layer's input", False)
    return c.blamed[i]


def offset_blame(c: Context, i: int) -> Blame:
    """What makes z negative throughout: the bias, the weights' mean, or the inputs' offset."""
    assert c.steps is not None
    layer = c.net.layers[i]

    def alive(step: Glance) -> bool:
        dead = _shares.mass([(-math.inf, 0)], step.mean, step.std) > 0.9999
        return float(np.mean(dead)) <= (c.numbers["SAT203"]["share"] if layer.fan_out > 1 else 0.5)
    bias = layer.b
    if bias is not None and len(bias) and float(np.max(bias)) < 0:      # zero biases leave the sign of z to the weights
        if alive(glance(layer.replace(b=None), c.steps.before(i))):
            return Blame("bias", zero_bias(c.net, i), True)
    found = blame(c.net, i, c.steps.before(i), alive)
    return found or Blame("data" if i == 0 else "weight_mean", "centre the inputs and draw the weights with mean zero: "
                          + call(c.net, i), False)
