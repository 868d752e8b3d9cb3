"""Whose fault it is: each suspect is set right in turn and the layer predicted again; the one that mends it is blamed.

Suspects of one layer: the input's scale and offset (first layer only), the weights' mean, their scale (their layout,
when the variance fits fan_out instead of fan_in), the bias.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..activations import Activation
from ..network import Dense
from ..saturation import _propagate

Array = np.ndarray
State = _propagate.State


class Blame(NamedTuple):
    """A cause of :data:`initcore.report.CAUSES`, the cure in words and numbers, and whether it alone mends."""

    cause: str
    cure: str
    mends: bool


def squared_gain(phi: Activation) -> float:
    """fan_in times the variance that suits phi: He 2/(1 + a^2) for the ReLU family, 1/w^2 for sin(w z), else 1.

    It is the convention a person would use, not the exact second-moment gain: the rule compares orders of magnitude.
    """
    if phi.name == "identity":
        return 1.0
    if phi.homogeneous:
        return 2.0 / (1.0 + phi.alpha ** 2)
    if phi.name.startswith("sin"):
        return 1.0 / phi.max_slope ** 2 if phi.max_slope else 1.0
    return 2.0 if phi.name.startswith(("gelu", "silu", "mish", "softplus")) else 1.0


def initializer_call(phi: Activation, fan_in: int, fan_out: int) -> str:
    """The call that makes good weights for a layer."""
    return f"ic.init.{initializer_name(phi)}(({fan_in}, {fan_out}), rng=key)"


def initializer_name(phi: Activation) -> str:
    """he_normal for the ReLU family and its smooth kin, lecun_normal for selu, glorot_normal elsewhere."""
    if phi.name == "identity" or phi.saturating:
        return "glorot_normal"
    return "lecun_normal" if phi.name == "selu" else "he_normal"


def initializer_std(phi: Activation, fan_in: int, fan_out: int) -> float:
    """The standard deviation of what :func:`initializer_call` draws."""
    variance = {"glorot_normal": 2 / max(fan_in + fan_out, 1), "he_normal": 2 / max(fan_in, 1)}
    return math.sqrt(variance.get(initializer_name(phi), 1 / max(fan_in, 1)))


def spread(w: Array) -> tuple[float, float]:
    """Mean and standard deviation of all entries, in float64."""
    mean = float(np.mean(w, dtype=np.float64)) if w.size else 0.0
    return mean, float(np.sqrt(np.mean(np.square(w.astype(np.float64) - mean)))) if w.size else 0.0


def fits(w: Array, fan: float, constants: tuple[float, ...]) -> bool:
    """Is fan times the mean square of w one of the constants, within four standard errors (and 1%)?"""
    value = fan * float(np.mean(np.square(w, dtype=np.float64)))
    slack = 0.01 + 4 * math.sqrt(2 / w.size)
    return any(abs(value / c - 1) <= slack for c in constants)


def library_scale(layer: Dense) -> bool:
    """Has a layer PyTorch's default variance 1/(3 fan_in), or small_init's 2/(5 fan_in)? Small, and chosen by many."""
    return fits(layer.w, layer.fan_in, (1 / 3, 0.4))


def wrong_layout(layer: Dense, ratio: float) -> bool:
    """Does the variance fit fan_out where it should fit fan_in (or their mean)?

    Only schemes with a fan_in default count: He for the ReLU family, LeCun, PyTorch's uniform; a standard deviation
    of 0.1, 0.05, 0.02 and the like was picked by hand and fits by chance.
    """
    n, m, size = layer.fan_in, layer.fan_out, layer.w.size
    if size < 256 or max(n, m) < ratio * min(n, m):
        return False
    mean, std = spread(layer.w)
    digits = std / 10 ** math.floor(math.log10(std)) if std > 0 else 0.0
    if abs(mean) > 5 * std / math.sqrt(size):
        return False
    known = [1.0, max(squared_gain(layer.activation), 1.0)]
    if float(np.abs(layer.w).max()) <= 1.001 * math.sqrt(3) * std * (1 + 3 / math.sqrt(size)):
        known.append(1 / 3)                  # bounded as a uniform distribution is
    by_hand = min(abs(digits / k - 1) for k in (1, 2, 5, 10))
    by_fan = min(abs(std / math.sqrt(k / m) - 1) for k in known)
    if by_hand < min(3 / math.sqrt(2 * size), by_fan + 0.001):       # picked by hand, and no further from that
        return False
    return (fits(layer.w, m, tuple(known)) and not fits(layer.w, n, (1 / 3, 1.0, 2.0, 25 / 9))
            and not fits(layer.w, (n + m) / 2, (1.0, 2.0, 25 / 9)) and not orthogonal(layer.w))


def orthogonal(w: Array) -> bool:
    """Are the shorter side's vectors (the first 64 of them) orthogonal? Their scale is no fan's.

    Independent vectors of length m have cosines of about 1/sqrt(m); a tenth of that leaves room for bfloat16.
    """
    rows = np.asarray((w if w.shape[0] <= w.shape[1] else w.T)[:64], dtype=np.float64)
    gram = rows @ rows.T
    norms = np.sqrt(np.diag(gram))
    if len(rows) < 2 or not norms.all():
        return False
    cosines = gram / np.outer(norms, norms) - np.eye(len(rows))
    return bool(np.sqrt(np.sum(cosines ** 2) / (len(rows) * (len(rows) - 1))) < 0.1 / math.sqrt(rows.shape[1]))


def blame(layer: Dense, state: State, mended: Callable[[_propagate.Glance], bool], *, first: bool,
          layout_ratio: float = 1.5) -> Blame | None:
    """The suspect whose repair mends the layer; else one that lowers E z^2 most; None when nothing lowers it."""
    suspects = list(_suspects(layer, state, first, layout_ratio))
    if not suspects:
        return None
    trials = []
    for cause, fixed, fixed_state, cure in suspects:
        done = _propagate.glance(fixed, fixed_state)
        q = float(np.mean(np.square(done.mean) + np.square(done.std)))
        trials.append((not mended(done), q, cause, cure))
    good = [t for t in trials if not t[0]]     # in the order of suspicion
    best = good[0] if good else min(trials, key=lambda t: t[1])
    # a likelier suspect whose repair does about as much is blamed first
    bad, q, cause, cure = next((t for t in trials if t[1] <= 1.5 * best[1]), best)
    z = _propagate.glance(layer, state)
    before = float(np.mean(np.square(z.mean) + np.square(z.std)))
    return Blame(cause, cure, not bad) if not bad or q < 0.7 * before else None


def _suspects(layer: Dense, state: State, first: bool, layout_ratio: float) -> list[tuple[str, Dense, State, str]]:
    """(cause, layer, state, cure) with one thing set right each, the likeliest first."""
    w = layer.w.astype(np.float64)
    mean, std = spread(w)
    n = layer.fan_in
    target = math.sqrt(squared_gain(layer.activation) / max(n, 1))
    double = layer.replace(w=w, b=None if layer.b is None else layer.b.astype(np.float64))
    call = initializer_call(layer.activation, n, layer.fan_out)
    weights: list[tuple[str, Dense, State, str]] = []
    if abs(mean) > 4 * std / math.sqrt(max(w.size, 1)) and abs(mean) > 0.02 * std:
        weights.append(("weight_mean", double.replace(w=w - mean), state,
                        f"subtract the mean {mean:.4g} from the weights, or {call}"))
    wide = std > 1.5 * target
    if wide and wrong_layout(layer, layout_ratio):
        weights.append(("layout", double.replace(w=mean + (w - mean) * math.sqrt(layer.fan_out / n)), state,
                        f"the variance fits fan_out={layer.fan_out} instead of fan_in={n}: draw with the right layout, "
                        f"{call}; PyTorch weights need .T"))
    elif wide:
        weights.append(("weight_scale", double.replace(w=mean + (w - mean) * (target / std)), state,
                        f"standard deviation {initializer_std(layer.activation, n, layer.fan_out):.4g} instead of "
                        f"{std:.4g}: {call}"))
    inputs: list[tuple[str, Dense, State, str]] = []
    if first:
        offset = float(np.sqrt(np.mean(np.square(state.mean))))
        scale = math.sqrt(float(np.mean(state.variance)))
        rms = math.sqrt(state.second_moment)
        if rms > 1.5:
            inputs.append(("input_scale", double, State(state.mean / rms, state.cov / rms ** 2, state.cells),
                           f"divide the inputs by {rms:.4g}" + (" (pixels: by 255)" if 60 < rms <= 255 else "")))
        if offset > 0.5 * scale:
            # far off centre the offset is the fault even though shrinking would hide it
            inputs.insert(0 if offset > 3 * scale else len(inputs), (
                "input_offset", double, State(np.zeros_like(state.mean), state.cov, state.cells),
                f"subtract each feature's mean from the inputs (on average {float(np.mean(state.mean)):.4g})"))
    biases: list[tuple[str, Dense, State, str]] = []
    if layer.b is not None and np.any(layer.b):
        biases.append(("bias", double.replace(b=None), state, f"zero biases: ic.init.zeros({layer.fan_out})"))
    weights_fit = std <= 3 * target and abs(mean) <= 0.5 * std
    return inputs + biases + weights if weights_fit else weights + biases + inputs
