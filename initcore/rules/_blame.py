"""Whose fault it is: each suspect is set right in turn and the layer predicted again; the one that mends it is blamed.

Layers that are alike share one search: what decides its outcome are a few numbers, the weights' scale and mean beside
what the activation asks for, the bias, and the signal.

Suspects of one layer: the input's scale and offset (first layer only), the weights' mean, their scale (their layout,
when the variance fits fan_out instead of fan_in), the bias.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .._gaussian import shares as _shares
from .._types import Array
from ..network import Dense, Network
from ..saturation import LayerSignal
from ..saturation._propagate import glance
from ..saturation._state import Glance, State
from ._context import Context
from ._finding import Blame
from ._weights import call, deviation, spread, start, wrong_layout, zero_bias

ALIKE = 0.25         # difference below which a number counts as the same: a quarter of a size, an eighth of a share
TRIALS = 24          # searches a check makes at most for one question, beside the first of every kind


class Suspect(NamedTuple):
    """What may be wrong with a layer, and the cure; ``fixed()`` gives layer and state with that one thing set right."""

    cause: str
    cure: str
    fixed: Callable[[], tuple[Dense, State]]


def blame(net: Network, i: int, state: State, mended: Callable[[Glance], bool], *,
          layout_ratio: float = 1.5) -> Blame | None:
    """The suspect whose repair mends layer i; else one that lowers E z^2 most; None when nothing lowers it."""
    suspects = _suspects(net, i, state, layout_ratio)
    if not suspects:
        return None
    trials = []
    for suspect in suspects:
        done = glance(*suspect.fixed())
        q = float(np.mean(np.square(done.mean) + np.square(done.std)))
        trials.append((not mended(done), q, suspect.cause, suspect.cure))
    good = [t for t in trials if not t[0]]     # in the order of suspicion
    best = good[0] if good else min(trials, key=lambda t: t[1])
    # a likelier suspect whose repair does about as much is blamed first
    bad, q, cause, cure = next((t for t in trials if t[1] <= 1.5 * best[1]), best)
    z = glance(net.layers[i], state)
    before = float(np.mean(np.square(z.mean) + np.square(z.std)))
    return Blame(cause, cure, not bad) if not bad or q < 0.7 * before else None


def _suspects(net: Network, i: int, state: State | None, layout_ratio: float) -> list[Suspect]:
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
    if c.open_paths is None:
        layers = c.signal.layers[:-1] if c.signal is not None else ()
        c.open_paths = math.prod(1 - la.slope_below_1pct for la in layers
                                 if c.net.layers[la.index].activation.saturating)
    return c.open_paths


def _healthy(step: Glance, layer: Dense, numbers: dict[str, float]) -> bool:
    """Would SAT201 be silent about a predicted layer?"""
    low = float(np.mean(_shares.share(layer.activation, 0.01, step.mean, step.std)))
    return (low <= numbers["warn_share"] * (2 if layer.activation.kinks else 1)
            and float(np.mean(step.slope)) >= numbers["warn_slope"])


def layer_blame(c: Context, i: int) -> Blame:
    """The cause of a saturated layer; upstream when nothing of its own is wrong."""
    layer, numbers = c.net.layers[i], c.numbers["SAT201"]
    other = Blame("activation", f"{layer.activation.name} has no good scale for these inputs: use a ReLU or normalise "
                  "the layer's input", False)
    return by_likeness(c, i, "slopes", other, lambda state: blame(
        c.net, i, state, lambda s: _healthy(s, layer, numbers), layout_ratio=c.numbers["SIG305"]["layout_ratio"]))


def offset_blame(c: Context, i: int) -> Blame:
    """What makes z negative throughout: the bias, the weights' mean, or the inputs' offset."""
    layer = c.net.layers[i]

    def alive(step: Glance) -> bool:
        dead = _shares.mass([(-math.inf, 0)], step.mean, step.std) > 0.9999
        return float(np.mean(dead)) <= (c.numbers["SAT203"]["share"] if layer.fan_out > 1 else 0.5)

    def search(state: State) -> Blame | None:
        b = layer.b
        if b is not None and len(b) and float(np.max(b)) < 0:           # zero biases leave the sign of z to the weights
            if alive(glance(layer.replace(b=None), state)):
                return Blame("bias", zero_bias(c.net, i), True)
        return blame(c.net, i, state, alive)
    other = Blame("data" if i == 0 else "weight_mean", "centre the inputs and draw the weights with mean zero: "
                  + call(c.net, i), False)
    return by_likeness(c, i, "sign", other, search)


def by_likeness(c: Context, i: int, what: str, other: Blame, search: Callable[[State], Blame | None]) -> Blame:
    """The cause of layer i: of the first layer that is like it, with the layer's own cure; else ``search``'s.

    A search costs as much as predicting the layer several times, and deep networks repeat one fault in every layer:
    TRIALS bounds their number.
    ``other``: what to say where the search finds nothing.
    """
    assert c.steps is not None
    known = c.blamed.setdefault(what, {})
    if i not in known:
        known[i] = (_shared(c, i, c.trials.setdefault(what, []), search) if i else search(c.steps.before(i))) or other
    return known[i]


def _shared(c: Context, i: int, trials: list[Trial], search: Callable[[State], Blame | None]) -> Blame | None:
    """What was found for a layer like i, in i's own numbers; else what the search finds, kept for others."""
    assert c.steps is not None
    cures = {s.cause: s.cure for s in _suspects(c.net, i, None, c.numbers["SIG305"]["layout_ratio"])}
    likeness = Likeness.of(c, i, tuple(cures))
    trial = nearest(likeness, trials)
    if trial is None:
        trials.append(Trial(likeness, search(c.steps.before(i))))
        return trials[-1].found
    found = trial.found
    return None if found is None else found._replace(cure=cures[found.cause])


class Likeness(NamedTuple):
    """A layer as a search for its cause sees it: ``kind`` must be equal, ``numbers`` near, to have the same cause."""

    kind: tuple[str, ...]
    numbers: tuple[float, ...]

    @classmethod
    def of(cls, c: Context, i: int, causes: tuple[str, ...]) -> Likeness:
        """Layer i, of which ``causes`` are suspected."""
        assert c.predicted is not None
        layer, la = c.net.layers[i], c.predicted.layers[i]
        mean, std = spread(layer)
        target, size = start(c.net, i).std, math.sqrt(_finite(la.q)) or 1e-150
        b = np.zeros(1) if layer.b is None or not layer.b.size else layer.b.astype(np.float64)
        bias, offset = math.sqrt(_finite(float(np.mean(np.square(b))))), _finite(float(np.mean(b)))
        shares = (la.slope_below_1pct, la.mean_slope, la.dead_units, la.mean / size, la.variance / size ** 2,
                  bias / (bias + size), offset / (bias + size), mean / (abs(mean) + std + target))
        return cls((layer.activation.name, *causes),
                   (math.log(size), math.log(std / target + 1e-3), *(2 * _finite(s) for s in shares)))

    def apart(self, other: Likeness) -> float:
        """The largest difference between two layers of one kind; infinite for others."""
        if self.kind != other.kind:
            return math.inf
        return max(abs(a - b) for a, b in zip(self.numbers, other.numbers, strict=True))


class Trial(NamedTuple):
    """A search that was made: of which layer, and what it found."""

    likeness: Likeness
    found: Blame | None


def nearest(likeness: Likeness, trials: list[Trial]) -> Trial | None:
    """The trial that stands for a layer: one like it; after TRIALS the nearest of its kind; None to search anew."""
    best = min(trials, key=lambda t: likeness.apart(t.likeness), default=None)
    if best is None:
        return None
    return best if likeness.apart(best.likeness) < (ALIKE if len(trials) < TRIALS else math.inf) else None


def _finite(value: float) -> float:
    """A number whose square and logarithm are finite; 0 for NaN."""
    return 0.0 if math.isnan(value) else max(-1e150, min(value, 1e150))
