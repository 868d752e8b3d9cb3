"""SIG301 to SIG306: vanishing and exploding signals, as findings with a cause."""

from __future__ import annotations

import math
from collections.abc import Iterator

from ..network import Dense
from ._catalogue import rule
from ._causes import activation_blame, gradient_blame, worst_layer
from ._context import Context
from ._finding import Finding
from ._weights import call, deviation, fits, library_scale, maybe_meant, spread, start, wrong_layout


def _gradients(c: Context, *, up: bool) -> Iterator[Finding]:
    """SIG303, and ``up`` SIG304."""
    if c.signal is None or len(c.net.layers) < 2 or any(c.zero(i) for i in c.hidden) or c.trained:
        return
    value, limits = c.signal.layers[0].gradient, c.limits
    limit = limits["product"]
    if math.isnan(value) or not (value > limit if up else value < limit):
        return
    if not up and any(la.activation_rms == 0 for la in c.signal.layers[:-1]):
        return                                      # a dead layer, or inputs that are 0, are told by their own rules
    depth = len(c.hidden)
    cause, cure, layers = gradient_blame(c, up)
    i = layers[0] if layers else worst_layer(c, up)
    severity = _severity(c, cause, value >= limits.get("library_product", math.inf))
    if severity != "info" and (up or value < _fatal(c, cause)):
        severity = "fail"
    how = (f"is {value:.2g} of that at the last hidden layer, a factor {value ** (1 / depth):.2g} in each of {depth} "
           f"layers" if 0 < value < math.inf else f"is {'0' if value == 0 else 'infinite'}")
    yield c.finding(i, f"The back-signal {'explodes' if up else 'vanishes'}: its norm at layers[0] {how} "
                    f"({c.signal.kind}).", severity=severity, measured=value,
                    expected=f"{'at most' if up else 'at least'} {limit:g}", cause=cause, cure=cure, layers=layers)


def _fatal(c: Context, cause: str) -> float:
    """Below this a vanishing back-signal is a failure, by calibration: entrywise optimisers make up for the size of a
    gradient, the others do not; a stack whose activation has no good scale has a longer rope."""
    if c.family == "adam":
        return c.limits["adam_product"]
    return c.limits["fail_product"] if cause == "activation" else c.limits["product"]


def _severity(c: Context, cause: str, mild: bool) -> str:
    """A loss within bounds at a library's own scale is information: ten layers of PyTorch's default GELU reach 3e-5."""
    known = cause == "weight_scale" and all(library_scale(c.net.layers[i]) for i in c.hidden)
    return "info" if mild and known else "warn"


def _activations(c: Context, *, up: bool) -> Iterator[Finding]:
    """SIG301 over hidden layers, ``up`` SIG302 over all: output over input rms."""
    if c.signal is None or not c.signal.input_rms > 0 or not math.isfinite(c.signal.input_rms) or c.trained:
        return
    limits, rms = c.limits, c.signal.input_rms
    reference = max(rms, 1.0) if up else min(rms, 1.0)      # inputs off unit scale are not the depth's doing
    for la in c.signal.layers if up else c.signal.layers[:-1]:
        if c.zero(la.index):
            break                                   # a zero layer is SYM104's and SYM106's affair
        size, varies = la.activation_rms, math.sqrt(max(la.variance, 0.0))
        if not up and varies < limits["fail_total"] * reference:
            size = min(size, varies)                # a sigmoid's outputs stay near 1/2 whatever the inputs
        if size == 0:
            break                                   # so is a constant one SAT203's, INP702's or SYM101's
        total = size / reference
        factor = total ** (1 / (la.index + 1))
        if (total > limits["total"] or (total > limits["short_total"] and factor > limits["per_layer"])) if up \
                else (total < limits["total"] or (total < limits["short_total"] and factor < limits["per_layer"])):
            i, cause, cure, layers = activation_blame(c, la, reference, up)
            severity = _severity(c, cause, total >= limits.get("library_total", math.inf))
            if total > limits["fail_total"] or len(c.hidden) >= limits["deep"] if up else total < limits["fail_total"]:
                severity = "fail"
            what = f"has rms {size:.3g}" if size == la.activation_rms else f"varies by {size:.3g} with the inputs"
            yield c.finding(
                i, f"Activations {'grow' if up else 'shrink'}: layers[{la.index}] {what}, {total:.2g} of the input's, "
                f"a factor {factor:.2g} per layer ({c.signal.kind}).", severity=severity, measured=total,
                expected=f"{'at most' if up else 'at least'} {limits['short_total']:g} at a factor "
                         f"{'above' if up else 'below'} {limits['per_layer']:g} per layer", cause=cause, cure=cure,
                layers=layers)
            return


@rule("SIG301", title="activations vanish with depth", severity="warn",
      why="""A factor below 1 in every layer multiplies up: deep layers receive nothing that depends on the input.""",
      measured="""Root mean square of each hidden layer's output over that of the input (1 if that is larger). Warn
      below `total`, or below `short_total` when the mean factor per layer is below `per_layer`; at a library's own
      small scale only information down to `library_total`; fail below `fail_total`, where a layer's sums that vary
      less than that with the inputs count too (a sigmoid's outputs stay near 1/2). A layer whose outputs are all 0 is
      told by SAT203, SYM104 or INP702.""",
      cure="Weights of variance gain^2/fan_in, with the gain of the activation (`initcore gain NAME`).",
      thresholds={"total": 1e-4, "short_total": 1e-2, "per_layer": 0.25, "library_total": 1e-6, "fail_total": 1e-8})
def vanishing_activations(c: Context) -> Iterator[Finding]:
    """Outputs that shrink from layer to layer."""
    return _activations(c, up=False)


@rule("SIG302", title="activations explode with depth", severity="warn",
      why="A factor above 1 in every layer multiplies up to huge outputs and a huge first loss.",
      measured="""Root mean square of each layer's output (the last included) over that of the input (1 if that is
      smaller). Warn above `total`, or above `short_total` when the mean factor per layer is above `per_layer`; fail
      then with `deep` hidden layers or more, and above `fail_total`. In a module also what a residual branch adds over
      what passes by: warn above `branch`. By trial, where no norm stands in front of the branches, one branch of 10
      costs nothing, one of 30 a tenth, one of 300 is fatal under plain steps, and 10 in every block under all. Where
      norms alone read the sums, a large branch is information under Adam and its kin, until all together grow by
      `held_total`: up to there none learnt less for it; plain steps do.""",
      cure="Weights of variance gain^2/fan_in.",
      thresholds={"total": 1e4, "short_total": 1e2, "per_layer": 4.0, "fail_total": 1e12, "deep": 4, "branch": 10.0,
                  "held_total": 1e12})
def exploding_activations(c: Context) -> Iterator[Finding]:
    """Outputs that grow from layer to layer."""
    return _activations(c, up=True)


@rule("SIG303", title="gradients vanish", severity="warn",
      why="""Each layer multiplies the norm of the back-signal by about sqrt(chi); when the product is tiny the first
      layers do not learn.""",
      measured="""Norm of the back-signal at the first layer over that at the last hidden output. Warn below
      `product`; where all layers have a library's own small scale (PyTorch's default 1/(3 fan_in), small_init) only
      information down to `library_product`. Fail, except there: under Adam and its kin below `adam_product`; under
      other optimisers too, but where the activation itself is to blame only below `fail_product`.""",
      cure="""The gain of the activation. A deep sigmoid stack has no good scale: use tanh or ReLU there, or
      normalise.""",
      thresholds={"product": 1e-4, "library_product": 1e-6, "fail_product": 1e-8, "adam_product": 1e-28})
def vanishing_gradient(c: Context) -> Iterator[Finding]:
    """Back-signals that shrink towards the input."""
    return _gradients(c, up=False)


@rule("SIG304", title="gradients explode", severity="fail",
      why="""Each layer multiplies the norm of the back-signal by about sqrt(chi); when the product is huge the first
      steps destroy the first layers.""",
      measured="Norm of the back-signal at the first layer over that at the last hidden output. Fail above `product`.",
      cure="The gain of the activation.", thresholds={"product": 1e4})
def exploding_gradient(c: Context) -> Iterator[Finding]:
    """Back-signals that grow towards the input."""
    return _gradients(c, up=True)


@rule("SIG305", title="variance does not fit the activation or the fan", severity="warn",
      why="""The weights' variance times fan_in should be the squared gain of the activation. Far off, signals die or
      grow; off by exactly fan_in/fan_out, the layout was mistaken.""",
      measured="""Hidden layers of at least `weights` weights: fan_in times the mean squared weight, over the squared
      gain of the activation's entry (2 for ReLU, 1 for saturating ones). Warn below `low` (for small layers below what
      one draw in 10000 reaches, if that is less), and above `high` for unbounded activations (SAT201 judges the
      bounded; under Adam information at the end of a branch whose sum norms alone read). The layout is blamed when the
      variance of at least 256 weights fits fan_out within sampling error, fits fan_in not, and the two differ by more
      than `layout_ratio`; not where every layer fits fan_out, where a round number was picked by hand, or where the
      weights take a few values only. Information where mode="fan_out" may have been asked for, which looks the same:
      one hidden layer alone, or all of them below a last layer that is zero or a library's default.""",
      cure="""The call in the finding. PyTorch's `nn.Linear.weight` is (fan_out, fan_in): pass `weight.T` or
      layout="oi".""",
      thresholds={"low": 0.02, "high": 20.0, "layout_ratio": 2.0, "weights": 4})
def variance_misfit(c: Context) -> Iterator[Finding]:
    """Weights of the wrong size for their layer."""
    limits = c.limits
    for i in c.hidden if c.finite_weights and not c.trained else ():
        layer = c.net.layers[i]
        mean, std = spread(layer)
        if std == 0 or layer.w.size < limits["weights"]:
            continue
        gain2, square, (n, m) = layer.activation.squared_gain, mean * mean + std * std, layer.w.shape
        offset = abs(mean) > 0.5 * std and abs(mean) > 6 * std / math.sqrt(layer.w.size)
        layers: tuple[int, ...] = (i,)
        severity = None
        if offset and n * n * mean * mean > 4 * gain2:
            cause, cure = "weight_mean", f"subtract the mean {mean:.3g}, or {call(c.net, i)}"
            text = f"The weights' mean {mean:.3g} is not small beside their standard deviation {std:.3g}."
        elif wrong_layout(c.net, i, limits["layout_ratio"]):
            severity = "info" if maybe_meant(c.net, limits["layout_ratio"]) else None
            cause, cure = "layout", f"if it was not meant, pass w.T or layout=\"oi\": {call(c.net, i)}"
            text = (f"fan_in std^2 = {n * square:.3g}, but fan_out std^2 = {m * square:.3g} is what "
                    f"{start(c.net, i).initializer} gives: the layout was read the wrong way round, or "
                    "mode=\"fan_out\" was asked for, which the numbers cannot tell apart.")
        elif _scale_is_off(c, i, square):
            cause, cure = "weight_scale", deviation(c.net, i, std)
            text = f"fan_in std^2 = {n * square:.3g}; {layer.activation.name} wants about {gain2:.3g}."
        else:
            continue
        yield c.finding(i, text, severity=severity, measured=n * square, expected=gain2, cause=cause, cure=cure,
                        layers=layers)


def _scale_is_off(c: Context, i: int, square: float) -> bool:
    """Is the mean square of layer i's weights far below what suits it, or, unbounded, far above?"""
    layer, limits = c.net.layers[i], c.limits
    gain2, (n, m) = layer.activation.squared_gain, layer.w.shape
    # the scale of the data may have been folded into the first layer
    folded = c.signal.input_rms ** 2 if i == 0 and c.measured and c.signal is not None else 1.0
    low = min(limits["low"], _least(layer.w.size))
    small = max(n, (n + m) / 2) * square / gain2 * max(folded, 1.0) < low and not _spectral(layer)
    if i == 0 and layer.activation.first_layer is not None:        # SIREN's first layer is 1/fan_in
        small = square < limits["low"] * start(c.net, 0).std ** 2
    bounded = math.isfinite(layer.activation.high - layer.activation.low)
    return small or (n * square / gain2 * min(folded, 1.0) > limits["high"] and not bounded)


def _least(k: int) -> float:
    """Below this the mean square of k normal weights of variance 1 falls once in 10^4 draws (Wilson, Hilferty 1931)."""
    return max(1 - 2 / (9 * k) - 3.72 * math.sqrt(2 / (9 * k)), 0.0) ** 3


def _spectral(layer: Dense) -> bool:
    """Weights of spectral norm sqrt(fan_out/fan_in) (Yang et al. 2023) are small on purpose where fan_out is small."""
    n, m = layer.fan_in, layer.fan_out
    return fits(layer, n * (math.sqrt(n) + math.sqrt(m)) ** 2 / m, (1.0,))


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
