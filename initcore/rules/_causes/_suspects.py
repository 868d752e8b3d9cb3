"""What may be wrong with one layer, the likeliest first: the input's scale and offset (first layer only), the weights'
mean, their scale (their layout, when the variance fits fan_out instead of fan_in), the bias.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..._types import Array
from ...network import Dense, Network
from ...saturation._state import State
from .._weights import call, deviation, spread, start, wrong_layout, zero_bias


class Suspect(NamedTuple):
    """What may be wrong with a layer, and the cure; ``fixed()`` gives layer and state with that one thing set right."""

    cause: str
    cure: str
    fixed: Callable[[], tuple[Dense, State]]


def suspects(net: Network, i: int, state: State | None, layout_ratio: float) -> list[Suspect]:
    """What may be wrong with layer i, the likeliest first. Without a state the inputs are not suspected."""
    layer = net.layers[i]
    mean, std = spread(layer)
    n = layer.fan_in
    target = start(net, i).std

    def weights(change: Callable[[Array], Array]) -> Callable[[], tuple[Dense, State]]:
        return lambda: (_double(layer, change(layer.w.astype(np.float64))), _known(state))

    off = abs(mean) > 4 * std / math.sqrt(max(layer.w.size, 1)) and abs(mean) > 0.02 * std

    def scaled(factor: float) -> Callable[[], tuple[Dense, State]]:
        kept = mean * (1 - factor) if off else 0.0          # a mean that is chance shrinks with the rest
        return weights(lambda w: w * factor + kept)

    own = []
    if off:
        own.append(Suspect("weight_mean", f"subtract the mean {mean:.4g} from the weights, or {call(net, i)}",
                           weights(lambda w: w - mean)))
    wide = std > 1.5 * target
    if wide and wrong_layout(net, i, layout_ratio):
        own.append(Suspect("layout", f"the variance fits fan_out={layer.fan_out} instead of fan_in={n}: draw with the "
                           f"right layout, {call(net, i)}; PyTorch weights need .T",
                           scaled(math.sqrt(layer.fan_out / n))))
    elif wide:
        own.append(Suspect("weight_scale", deviation(net, i, std), scaled(target / std)))
    inputs = _input_suspects(layer, state) if i == 0 and state is not None else []
    biases = []
    if layer.b is not None and np.any(layer.b):
        biases.append(Suspect("bias", zero_bias(net, i),
                              lambda: (Dense(layer.w.astype(np.float64), None, layer.activation), _known(state))))
    weights_fit = std <= 3 * target and abs(mean) <= 0.5 * std
    return inputs + biases + own if weights_fit else own + biases + inputs


def _double(layer: Dense, w: Array) -> Dense:
    """The layer with other weights, in float64."""
    return layer.replace(w=w, b=None if layer.b is None else layer.b.astype(np.float64))


def _known(state: State | None) -> State:
    assert state is not None
    return state


def _input_suspects(layer: Dense, state: State) -> list[Suspect]:
    """What may be wrong with the inputs of the first layer."""
    def given(mean: Array, cov: Array) -> Callable[[], tuple[Dense, State]]:
        return lambda: (_double(layer, layer.w.astype(np.float64)), State(mean, cov, state.cells))

    inputs = []
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
        inputs.append(Suspect("input_scale", f"divide {words}", given(state.mean / factor, cov)))
    if offset > 0.5 * scale:
        # far off centre the offset is the fault even though shrinking would hide it
        inputs.insert(0 if offset > 3 * scale else len(inputs), Suspect(
            "input_offset",
            f"subtract each feature's mean from the inputs (on average {float(np.mean(state.mean)):.4g})",
            given(np.zeros_like(state.mean), state.cov)))
    return inputs
