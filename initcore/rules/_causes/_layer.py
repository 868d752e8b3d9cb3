"""The cause of one layer's fault: each suspect is set right in turn and the layer predicted again; the one that
mends it is blamed.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ..._gaussian import shares
from ...network import Dense, Network
from ...saturation import LayerSignal
from ...saturation._propagate import glance
from ...saturation._state import Glance, State
from .._context import Context
from .._finding import Blame
from .._weights import call, zero_bias
from ._likeness import Likeness, Trial, nearest
from ._suspects import suspects


def blame(net: Network, i: int, state: State, mended: Callable[[Glance], bool], *,
          layout_ratio: float = 1.5) -> Blame | None:
    """The suspect whose repair mends layer i; else one that lowers E z^2 most; None when nothing lowers it."""
    suspected = suspects(net, i, state, layout_ratio)
    if not suspected:
        return None
    trials = []
    for suspect in suspected:
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
    low = float(np.mean(shares.share(layer.activation, 0.01, step.mean, step.std)))
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
        dead = shares.mass([(-math.inf, 0)], step.mean, step.std) > 0.9999
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
    cures = {s.cause: s.cure for s in suspects(c.net, i, None, c.numbers["SIG305"]["layout_ratio"])}
    likeness = Likeness.of(c, i, tuple(cures))
    trial = nearest(likeness, trials)
    if trial is None:
        trials.append(Trial(likeness, search(c.steps.before(i))))
        return trials[-1].found
    found = trial.found
    return None if found is None else found._replace(cure=cures[found.cause])
