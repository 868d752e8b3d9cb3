"""INP701, INP702, OUT601, OUT602, NUM401 and NUM403: the ends of a network, and numbers that do not fit."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from ...program import Place
from .._finding import Finding
from ._blame import Culprit, blame, deviation, suspects
from ._facts import NodeContext, Weight


def unscaled(c: NodeContext) -> Iterator[Finding]:
    """INP701. Inputs that a norm reads first are its affair."""
    limits = c.limits
    for f in c.features:
        if f.rows < limits["rows"] or not f.varies:
            continue
        severity = "info" if f.normed else None
        size = np.where(f.std > 0, f.std, np.abs(f.mean))
        large, rms = size > limits["large"], math.sqrt(float(np.mean(f.mean ** 2 + f.std ** 2)))
        if large.any():
            k = int(np.argmax(size))
            factor = 255.0 if f.low >= 0 and 100 < f.high <= 255 else rms if large.mean() > 0.5 else float(size[k])
            what = f"{int(large.sum())} of {len(size)} features"
            yield c.finding(Place(), f.name, f"{f.name} is not scaled: {what} have a standard deviation of up to "
                            f"{float(size[k]):.3g}.", severity=severity, measured=float(size[k]),
                            expected=limits["large"], cause="input_scale", cure=f"divide {f.name} by {factor:.4g}")
        elif 0 < rms < limits["small"]:
            yield c.finding(Place(), f.name, f"{f.name} is tiny: root mean square {rms:.3g}.", severity=severity,
                            measured=rms, expected=f"at least {limits['small']:g}", cause="input_scale",
                            cure=f"divide {f.name} by {rms:.4g}")
        off = (np.abs(f.mean) > np.maximum(limits["offset"] * f.std, 1.0)) & (f.std > 0)
        if off.any():
            ratio = np.where(off, np.abs(f.mean) / np.where(f.std > 0, f.std, 1), 0)
            k = int(np.argmax(ratio))
            yield c.finding(Place(), f.name, f"{f.name} is not centred: {int(off.sum())} of {len(off)} features, e.g. "
                            f"mean {float(f.mean[k]):.3g} at standard deviation {float(f.std[k]):.3g}.",
                            severity=severity, measured=float(ratio[k]), expected=limits["offset"],
                            cause="input_offset", cure=f"subtract each feature's mean from {f.name}")


def constant(c: NodeContext) -> Iterator[Finding]:
    """INP702."""
    for f in c.features:
        if not f.varies and f.rows > 1 and len(c.features) == 1:
            what = "is all 0" if f.low == f.high == 0 else "is one row, repeated"
            yield c.finding(Place(), f.name, f"{f.name} {what}: it tells nothing apart.",
                            severity="fail" if f.rows >= c.limits["rows"] else "warn", measured=0,
                            expected="at least one feature that varies", cause="data",
                            cure="mend the loading of the data; no weights can help")


def initial_loss(c: NodeContext) -> Iterator[Finding]:
    """OUT601."""
    out = c.outputs
    if out is None or out.loss is None or not out.classes or c.trained:
        return
    limit = max(c.limits["ratio"] * math.log(out.classes), math.log(out.classes) + 1)
    if not out.loss > limit:
        return
    why = _head(c)
    yield c.finding(why.place, why.name, f"The first loss is {out.loss:.3g}; knowing nothing costs ln {out.classes} = "
                    f"{math.log(out.classes):.3g}.", measured=out.loss, expected=limit, cause=why.cause, cure=why.cure,
                    tensors=why.tensors)


def _head(c: NodeContext) -> Culprit:
    """Why the outputs are large: the head, else what is measured to bring them down."""
    out = c.outputs
    assert out is not None
    if "head" not in c.blamed:
        key = ("output",)
        head = [w for w in out.weights if "output" in w.after or w.table] or list(out.weights[:1])
        found = suspects(c, head, out.weights)
        limit = c.numbers["OUT602"]["logit_std"] / 2
        c.blamed["head"] = blame(c, key, found, lambda v: v <= min(limit, 0.5 * out.rms), lambda v: float(v)) or (
            _quiet(head[0]) if head else Culprit("weight_scale", "a smaller last layer", out.name, out.place, (),
                                                 False))
    why: Culprit = c.blamed["head"]
    return why


def _quiet(w: Weight) -> Culprit:
    return Culprit("weight_scale", "a smaller last layer: "
                   + w.words.drawn(w.name, 0.01 * w.start.std), w.name, w.place, (w.name,), False)


def flat_head(c: NodeContext) -> Iterator[Finding]:
    """OUT602: no gradient at all, saturated output activations, logits that are certain."""
    out, limits = c.outputs, c.limits
    if c.motionless and not c.bad and not any(w.std == 0 and w.mean == 0 and w.trainable for w in c.weights) \
            and not any(a.signal.dead_units == 1 for a in c.activities) and (out is None or out.loss != 0):
        where, place = (out.name, out.place) if out is not None else ("", Place())
        yield c.finding(place, where, "The gradient of every weight is exactly 0 on this data.", severity="fail",
                        measured=0, expected="a gradient", cause="activation",
                        cure="look for an output whose slope is 0 everywhere, or for detach() and no_grad()")
        return
    if c.trained or out is None:
        return
    for a in c.activities:
        share = a.signal.slope_below_1pct
        if a.output and a.activation.saturating and share > max(limits["share"], 0.5 * bool(a.activation.flat_pieces)):
            found = suspects(c, a.local, a.earlier, a.gains, a.place)
            why = blame(c, a.key, found, lambda la: la.slope_below_1pct <= limits["share"],
                        lambda la: la.slope_below_1pct) or Culprit("weight_scale", "a smaller last layer", a.name,
                                                                   a.place, (), False)
            yield c.finding(why.place, why.name, f"{100 * share:.0f}% of the {a.activation.name} outputs have a slope "
                            "below 1% of the largest.", severity="fail" if share > limits["fail_share"] else None,
                            measured=share, expected=limits["share"], cause=why.cause, cure=why.cure,
                            tensors=why.tensors)
    if out.classes and out.rms > limits["logit_std"]:
        why = _head(c)
        yield c.finding(why.place, why.name, f"The logits have root mean square {out.rms:.3g}: the outputs are certain "
                        "before anything is learnt.", measured=out.rms, expected=limits["logit_std"], cause=why.cause,
                        cure=why.cure, tensors=why.tensors)


def non_finite(c: NodeContext) -> Iterator[Finding]:
    """NUM401: the first node whose value is not finite."""
    for name, place, what in c.bad[:1]:
        why = next((w for w in c.weights if w.misfit > 1e6), None)
        yield c.finding(place, name, f"{what} at {name} on this data; what comes after is not judged.", measured="inf",
                        expected="finite numbers", cause="data" if why is None else "weight_scale",
                        cure="" if why is None else deviation(why), tensors=() if why is None else (why.name,))


def half_precision(c: NodeContext) -> Iterator[Finding]:
    """NUM403 at sums: the first one on its way that float16 cannot hold; weights are judged as tensors."""
    limit = c.limits["largest"]
    sizes = [(a.name, a.place, math.sqrt(a.signal.q), a.local) for a in c.activities if a.signal.q >= 0]
    sizes += [(s.name, s.place, s.after, s.weights) for s in c.steps]
    for name, place, size, weights in sizes:
        if limit < 6 * size < math.inf:
            worst = max((w for w in weights if w.misfit > 4), key=lambda w: w.misfit, default=None)
            yield c.finding(place, worst.name if worst is not None else name, f"The sums at {name} reach about "
                            f"{6 * size:.3g}, infinite in float16.", measured=6 * size, expected=limit,
                            cause="weight_scale", cure=deviation(worst) if worst is not None else
                            "scale what enters, or use bfloat16", tensors=() if worst is None else (worst.name,))
            return
