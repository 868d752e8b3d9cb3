"""Whose fault it is: suspects are set right in turn and the node is measured again; the one that mends it is blamed."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Any, NamedTuple

from ...program import Place
from .._weights import variance_as_deviation, wrong_scale_of
from ._facts import Change, Feature, NodeContext, Weight

MOST = 6                # weights that are tried
NOWHERE = Place()
FAR = 4.0               # a mean square this many times what suits is worth a trial


class Culprit(NamedTuple):
    """What is blamed: cause, cure, the parameter and its place, every parameter to draw again, and does that mend."""

    cause: str
    cure: str
    name: str
    place: Place
    tensors: tuple[str, ...]
    mends: bool


class Suspect(NamedTuple):
    """One thing set right."""

    change: Change
    culprit: Culprit


def deviation(w: Weight) -> str:
    """The cure of a weight of the wrong size."""
    slip = variance_as_deviation(w.std, w.start.std, w.size, w.fan_in, w.fan_out * w.taps)
    return f"standard deviation {w.start.std:.4g} instead of {w.std:.4g}{slip}: {redraw(w)}"


def redraw(w: Weight) -> str:
    """The call that draws a weight as it should be."""
    return w.words.drawn(w.name, w.start.std)


def zeroed(w: Weight) -> str:
    """The cure of a bias."""
    return f"zero biases: {w.words.zero(w.bias)}"


def of_weight(w: Weight, ratio: float) -> Iterator[Suspect]:
    """A weight's mean, scale (or layout) and bias, each set right."""
    def one(cause: str, cure: str, change: Change, name: str = "") -> Suspect:
        return Suspect(change, Culprit(cause, cure, name or w.name, w.place, (name or w.name,), True))
    if w.table:
        if w.misfit / w.fan_in > 100:
            yield one("weight_scale", f"standard deviation 1 or less instead of {w.std:.4g}", {w.key: (1 / w.std, 0.0)})
        return
    off = abs(w.mean) > 4 * w.std / math.sqrt(max(w.size, 1)) and abs(w.mean) > 0.02 * w.std
    if off:
        yield one("weight_mean", f"subtract the mean {w.mean:.4g} from {w.name}, or {redraw(w)}",
                  {w.key: (1.0, -w.mean)})
    if w.std > 1.5 * w.start.std:
        factor = w.start.std / w.std
        layout = wrong_scale_of(w.dense(), ratio, w.taps)
        cure = deviation(w) if not layout else f"{layout}: {redraw(w)}"
        kept = w.mean * (1 - factor) if off else 0.0           # a mean that is chance shrinks with the rest
        yield one("layout" if layout else "weight_scale", cure, {w.key: (factor, kept)})
    if w.bias_key is not None and w.bias_rms > 0:
        yield one("bias", zeroed(w), {w.bias_key: (0.0, 0.0)}, w.bias)


def of_input(f: Feature) -> Iterator[Suspect]:
    """An input's scale and offset set right."""
    rms = float((f.mean ** 2 + f.std ** 2).mean()) ** 0.5
    offset, scale = float((f.mean ** 2).mean()) ** 0.5, float((f.std ** 2).mean()) ** 0.5
    found = []
    if rms > 1.5:
        pixels = f.low >= 0 and 100 < f.high <= 255
        cure = f"divide {f.name} by {255 if pixels else rms:.4g}" + " (pixels)" * pixels
        found.append(Suspect({f.key: (1 / rms, 0.0)}, Culprit("input_scale", cure, f.name, NOWHERE, (), True)))
    if offset > 0.5 * scale:
        mean = float(f.mean.mean())
        found.insert(0 if offset > 3 * scale else len(found), Suspect(
            {f.key: (1.0, -mean)}, Culprit("input_offset", f"subtract each feature's mean from {f.name} (on average "
                                           f"{mean:.4g})", f.name, NOWHERE, (), True)))
    yield from found


def suspects(c: NodeContext, local: Iterable[Weight], earlier: Iterable[Weight],
             gains: Iterable[tuple[Hashable, str, str]] = (), place: Place = NOWHERE) -> list[Suspect]:
    """The likeliest first: local weights (after the inputs where the weights fit), a norm's gain and shift, then
    weights further up whose size is far off."""
    ratio = c.numbers["SIG305"]["layout_ratio"]
    local = list(local)
    fit = all(w.std <= 3 * w.start.std and abs(w.mean) <= 0.5 * w.std for w in local)
    mine = [s for w in local[:MOST] for s in of_weight(w, ratio)]
    biases = [s for s in mine if s.culprit.cause == "bias"]
    rest = [s for s in mine if s.culprit.cause != "bias"]
    inputs = [s for f in c.features for s in of_input(f)] if any(w.data for w in local) else []
    out = inputs + biases + rest if fit else rest + biases + inputs
    for key, name, kind in gains:
        what = c.words.one(name) if kind == "scale" else c.words.zero(name)
        out.append(Suspect({key: (0.0, 1.0 if kind == "scale" else 0.0)},
                           Culprit("weight_scale" if kind == "scale" else "bias", what, name,
                                   place, (name,), True)))
    far = sorted((w for w in earlier if w not in local and (w.misfit > FAR or (w.table and w.std > 10))),
                 key=lambda w: -w.misfit)
    out += [s for w in far[:MOST] for s in of_weight(w, ratio)]
    if not any(w.data for w in local) and any(w.data for w in earlier):
        out += [s for f in c.features for s in of_input(f)]
    return out


def blame(c: NodeContext, key: Hashable, found: list[Suspect], healthy: Callable[[Any], bool],
          badness: Callable[[Any], float]) -> Culprit | None:
    """The first suspect whose repair mends the node; else the one that does most, where it does much."""
    trials: list[tuple[float, int, Suspect]] = []
    before = badness(c.measure({}, key))
    for s in found:
        value = c.measure(s.change, key)
        if value is None:
            continue
        if healthy(value):
            return s.culprit
        trials.append((badness(value), len(trials), s))
    if not trials:
        return None
    trials.sort(key=lambda t: t[:2])
    best = trials[0]
    return best[2].culprit._replace(mends=False) if best[0] < 0.7 * before else None


__all__ = ["Culprit", "Suspect", "blame", "deviation", "redraw", "suspects", "zeroed"]
