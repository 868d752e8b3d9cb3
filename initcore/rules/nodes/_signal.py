"""SIG301 to SIG306 along the main way, at residual sums and at weights."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from ...program import Place
from .._finding import Finding
from .._weights import fits, wrong_scale_of
from ._blame import Culprit, blame, deviation, redraw, suspects, zeroed
from ._facts import NodeContext, Residual, Step, Weight


def _worst(c: NodeContext, weights: Sequence[Weight], up: bool) -> Culprit | None:
    """The weight on a way whose size is furthest off in that direction."""
    fit = [w for w in weights if not w.table and "norm" not in w.after and w.misfit > 0]
    off = [w for w in fit if abs(w.mean) > 0.5 * w.std]
    if off:
        w = max(off, key=lambda w: abs(w.mean))
        return Culprit("weight_mean", f"subtract the mean {w.mean:.4g} from {w.name}, or {redraw(w)}", w.name, w.place,
                       (w.name,), False)
    biased = [w for w in weights if w.bias_rms > 3]
    if up and biased:
        w = max(biased, key=lambda w: w.bias_rms)
        return Culprit("bias", zeroed(w), w.bias, w.place, (w.bias,), False)
    wide = [w for w in fit if (w.misfit > 1.5 if up else w.misfit < 0.64)]
    if not wide:
        return None
    w = max(wide, key=lambda w: w.misfit if up else -w.misfit)
    layout = wrong_scale_of(w.dense(), c.numbers["SIG305"]["layout_ratio"], w.taps)
    names = tuple(dict.fromkeys([w.name, *[v.name for v in wide]]))
    return Culprit("layout" if layout else "weight_scale", f"{layout}: {redraw(w)}" if layout else deviation(w), w.name,
                   w.place, names, False)


def _runs(c: NodeContext, up: bool) -> Iterator[tuple[list[Step], float]]:
    """Prefixes of the main way since the last norm, with the size reached over that at the beginning.

    Inputs of another size than 1 are the first layer's to make up for: where it does, nothing grows or shrinks.
    """
    run: list[Step] = []
    total = 1.0
    calm = c.calm
    for s in c.steps:
        if s.normed or (up and s.held and calm):
            run, total = [], 1.0
            continue
        if s.before > 0 and math.isfinite(s.before):
            raw = not run and any(w.data for w in s.weights)
            total *= s.after / ((max if up else min)(s.before, 1.0) if raw else s.before)
        run = [*run, s]
        yield run, total


def _activations(c: NodeContext, *, up: bool) -> Iterator[Finding]:
    if c.trained or c.bad:
        return
    limits = c.limits
    for run, total in _runs(c, up):
        last = run[-1]
        deep = sum(bool(s.weights) for s in run)
        if last is c.steps[-1] and not up:
            return                                       # small outputs are a quiet head
        if not deep or total == 0:
            return
        factor = total ** (1 / deep)
        if not ((total > limits["total"] or (total > limits["short_total"] and factor > limits["per_layer"])) if up
                else (total < limits["total"] or (total < limits["short_total"] and factor < limits["per_layer"]))):
            continue
        why = _worst(c, [w for s in run for w in s.weights], up) or Culprit(
            "activation", "normalise between layers, or add residual connections", last.name, last.place, (), False)
        severe = total > limits["fail_total"] or deep >= limits["deep"] if up else total < limits["fail_total"]
        mild = not up and total >= limits["library_total"] and _library(c, run)
        yield c.finding(why.place, why.name,
                        f"Activations {'grow' if up else 'shrink'}: at {last.name} they are {total:.2g} of what enters "
                        f"{run[0].name}, a factor {factor:.2g} per layer.",
                        severity="info" if mild else "fail" if severe else None, measured=total,
                        expected=f"{'at most' if up else 'at least'} {limits['short_total']:g} at a factor "
                                 f"{'above' if up else 'below'} {limits['per_layer']:g} per layer",
                        cause=why.cause, cure=why.cure, tensors=why.tensors)
        return


def _library(c: NodeContext, run: list[Step]) -> bool:
    """Have all layers of a run PyTorch's default variance 1/(3 fan_in), or small_init's?"""
    return all(fits(w.dense(), w.fan_in, (1 / 3, 0.4)) for s in run for w in s.weights if not w.table)


def vanishing_activations(c: NodeContext) -> Iterator[Finding]:
    """SIG301."""
    return _activations(c, up=False)


def exploding_activations(c: NodeContext) -> Iterator[Finding]:
    """SIG302: along the way, and residual branches much larger than what passes by."""
    grown = list(_activations(c, up=True))
    yield from grown
    said, most = {f.tensor for f in grown}, c.limits["branch"]
    for r in c.residuals:
        if r.skip > 0 and math.isfinite(r.branch) and r.branch > most * r.skip and not c.trained:
            why = _branch(c, r)
            if why is None or why.name in said:
                continue
            said.add(why.name)
            yield c.finding(why.place, why.name, f"The branch added at {r.name} has {r.branch / r.skip:.3g} times the "
                            f"size of what passes by (root mean squares {r.branch:.3g} and {r.skip:.3g}).",
                            severity="info" if r.held and c.calm else None, measured=r.branch / r.skip,
                            expected=f"at most {most:g}", cause=why.cause, cure=why.cure, tensors=why.tensors)


def _branch(c: NodeContext, r: Residual) -> Culprit | None:
    """What makes a branch large; None where no weight in it is."""
    far = [w for w in r.weights if w.misfit > 2.0 or w.bias_rms > 1 or abs(w.mean) > 0.5 * w.std]
    if not far:
        return None
    order = sorted(far, key=lambda w: -max(w.misfit, w.bias_rms))
    return blame(c, r.key, suspects(c, order, ()), lambda v: v <= c.limits["branch"], lambda v: float(v))


def _gradients(c: NodeContext, *, up: bool) -> Iterator[Finding]:
    """Where the back-signal has grown beyond its bound, or, over the whole depth, where it is least."""
    if c.trained or c.bad or c.motionless:
        return
    limits, value = c.limits, 1.0
    run: list[Step] = []
    found: tuple[float, int] | None = None
    for s in reversed(c.steps):
        if s.normed and not s.weights:
            continue
        if s.gradient_after > 0 and math.isfinite(s.gradient_after) and math.isfinite(s.gradient_before):
            if not run and s.weights and s is c.steps[-1]:
                continue                                # the head's own factor is no depth
            value *= s.gradient_before / s.gradient_after
            run.append(s)
        if value == 0 or len(run) < 2 or not (value > limits["product"] if up else value < limits["product"]):
            continue
        if found is None or value < found[0]:
            found = value, len(run)
        if up:
            break
    if found is None:
        return
    value, run = found[0], run[:found[1]]
    why = _worst(c, [w for t in run for w in t.weights], up) or Culprit(
        "activation", "normalise between layers, or add residual connections", run[-1].name, run[-1].place, (), False)
    low = limits.get("adam_product" if c.family == "adam" else "fail_product" if why.cause == "activation"
                     else "product", 0.0)
    deep = max(sum(bool(t.weights) for t in run), 1)
    mild = not up and value >= limits.get("library_product", math.inf) and _library(c, run)
    yield c.finding(why.place, why.name, f"The back-signal {'explodes' if up else 'vanishes'}: its norm at "
                    f"{run[-1].name} is {value:.2g} of that at {run[0].name}, a factor {value ** (1 / deep):.2g} in "
                    f"each of {deep} layers.", severity="info" if mild else "fail" if up or value < low else "warn",
                    measured=value, expected=f"{'at most' if up else 'at least'} {limits['product']:g}",
                    cause=why.cause, cure=why.cure, tensors=why.tensors)


def vanishing_gradient(c: NodeContext) -> Iterator[Finding]:
    """SIG303."""
    return _gradients(c, up=False)


def exploding_gradient(c: NodeContext) -> Iterator[Finding]:
    """SIG304."""
    return _gradients(c, up=True)


def too_deep(c: NodeContext) -> Iterator[Finding]:
    """SIG306: over the layers that an activation follows and nothing mends, neither a norm nor a way around them."""
    total = sum(1 / (s.weights[0].fan_out * s.weights[0].taps) for s in c.steps if s.weights and not s.normed
                and not s.beside and s.weights[0].activation is not None and not s.weights[0].table)
    if total > c.limits["sum"]:
        yield c.finding(Place(), "", f"sum of 1/width over hidden layers is {total:.2g}: one draw of the weights may "
                        "differ from the average by a large factor.", measured=total, expected=c.limits["sum"],
                        cure="wider layers, or orthogonal weights")


def variance_misfit(c: NodeContext) -> Iterator[Finding]:
    """SIG305: weights of the wrong size where nothing after them takes the size out again."""
    judged = [w for w in c.weights if _judged(c, w)]
    alike = _fan_out_everywhere(judged)
    held = {w for r in c.residuals if r.held for w in r.weights if w.after == {"sum"}} if c.calm else set()
    for w in judged:
        why = _misfit(c, w, alike, _by_hand(judged, w))
        if why is None:
            continue
        cause, cure, text = why
        large = w in held and cause == "weight_scale" and w.misfit > 1      # a large branch that norms read: harmless
        yield c.finding(w.place, w.name, text, severity="info" if large else None,
                        measured=w.fan_in * w.mean_square, expected=w.gain2, cause=cause, cure=cure, tensors=(w.name,))


def _judged(c: NodeContext, w: Weight) -> bool:
    """Does the size of a weight matter, and is it ours to judge?"""
    return (w.trainable and not w.table and not c.trained and w.size >= c.limits["weights"] and w.std > 0
            and not (w.after and w.after <= {"norm"}))


def _fan_out_everywhere(weights: Sequence[Weight]) -> bool:
    """Do most weights fit fan_out? Then it was asked for (``mode="fan_out"``)."""
    counted = [w for w in weights if w.size >= 256 and w.fan_in != w.fan_out * w.taps]
    hits = sum(fits(w.dense(), w.fan_out * w.taps, (2.0, max(w.gain2, 1.0))) for w in counted)
    return len(counted) > 1 and hits > len(counted) / 2


def _by_hand(weights: Sequence[Weight], w: Weight) -> bool:
    """Do other weights of other fans have the same standard deviation? Then one number was picked for all."""
    alike = sum(abs(v.std / w.std - 1) < 0.05 + 3 / math.sqrt(2 * min(v.size, w.size)) for v in weights
                if v is not w and v.std > 0 and v.fan_in != w.fan_in)
    return alike >= 1 and w.std <= 0.1


def _misfit(c: NodeContext, w: Weight, alike: bool, by_hand: bool) -> tuple[str, str, str] | None:
    """Cause, cure and text, or None."""
    limits, n, square = c.limits, w.fan_in, w.mean_square
    offset = abs(w.mean) > 0.5 * w.std and abs(w.mean) > 6 * w.std / math.sqrt(w.size)
    if offset and n * n * w.mean * w.mean > 4 * w.gain2:
        return ("weight_mean", f"subtract the mean {w.mean:.3g} from {w.name}, or {redraw(w)}",
                f"The weights' mean {w.mean:.3g} is not small beside their standard deviation {w.std:.3g}.")
    layer = None if alike else w.dense()
    layout = "" if layer is None else wrong_scale_of(layer, limits["layout_ratio"], w.taps)
    if layout:
        return "layout", redraw(w), f"fan_in std^2 = {n * square:.3g}: {layout}."
    reads = c.features[0] if w.data and len(c.features) == 1 else None
    folded = float((reads.mean ** 2 + reads.std ** 2).mean()) if reads is not None else 1.0
    bounded = w.activation is not None and w.activation.saturating                  # SAT201 judges those
    quiet = w.after & {"sum", "output", "product"} or not w.main or by_hand
    small = max(n, (n + w.fan_out * w.taps) / 2) * square / w.gain2 * max(folded, 1.0) < limits["low"] and not quiet
    large = n * square / w.gain2 * min(folded, 1.0) > limits["high"]
    if w.data and w.activation is not None and w.activation.first_layer is not None:      # SIREN's is 1/fan_in
        small, large = square < limits["low"] * w.start.std ** 2, square > limits["high"] * w.start.std ** 2
    head = "output" in w.after and w.after <= {"output", "other"}                   # a loss inside the module is other
    large = large and not bounded and not head
    if not small and not large:
        return None
    wants = w.activation.name if w.activation is not None else "a linear layer"
    return "weight_scale", deviation(w), f"fan_in std^2 = {n * square:.3g}; {wants} wants about {w.gain2:.3g}."
