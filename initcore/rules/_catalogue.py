"""The rule catalogue: identifier, severity, thresholds and words of every rule, each in one place.

The pages under ``docs/rules`` and ``initcore rule SAT201`` are printed from here (:meth:`Rule.page`).
Identifiers are stable: a rule may be retired, its number is never reused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .._checks import number
from ..errors import ArgumentTypeError, unknown_name

SEVERITIES = ("info", "warn", "fail")     # in order of weight


@dataclass(frozen=True)
class Rule:
    """One rule. ``severity`` is the worst it gives; ``thresholds`` holds every number it compares with."""

    id: str
    title: str
    severity: str
    why: str
    measured: str
    cure: str
    thresholds: Mapping[str, float] = field(default_factory=dict)

    def page(self) -> str:
        """The rule's page, Markdown."""
        rows = [f"| `{k}` | {v:g} |" for k, v in self.thresholds.items()]
        table = ["", "| threshold | value |", "|---|---|", *rows, "",
                 f"Change one with `check(..., thresholds={{\"{self.id}.{next(iter(self.thresholds))}\": ...}})`."
                 ] if rows else []
        return "\n".join([f"# {self.id}: {self.title}", "", f"Severity: {self.severity}", "", self.why, "",
                          "## What is compared", "", self.measured, *table, "", "## What to do", "", self.cure, ""])


_ALL = (
    Rule("SYM101", "tied units", "fail",
         "Units with the same incoming weights, bias and outgoing weights compute the same thing, receive the same "
         "gradient and stay equal for ever: the layer is as narrow as its number of distinct units. All weights zero "
         "(sigmoid) or one constant are the common cases.",
         "The coarsest partition of the units that every gradient step of the optimiser keeps (proved from the weights "
         "alone, in exact arithmetic). Any cell of two or more units is a finding. Equal rows with different outgoing "
         "weights separate at the first step and are not reported here.",
         "Draw the weights at random; one tensor at random on either side of the layer is enough."),
    Rule("SYM102", "nearly tied units", "warn",
         "Units that differ by little more than rounding separate only after many steps.",
         "Pairs of units whose distance, relative to their size, is at most `distance`, and which are not exactly "
         "tied.",
         "Draw the weights at random at their full scale instead of adding small noise to a constant.",
         {"distance": 1e-4}),
    Rule("SYM103", "sign-tied units", "fail",
         "With an odd activation a unit whose incoming and outgoing weights are the negatives of another's is its "
         "mirror "
         "image for ever: two units do the work of one.",
         "The signed refinement: units equal up to a common sign of bias, incoming and outgoing weights.",
         "Draw the weights at random."),
    Rule("SYM104", "dead from the start", "fail",
         "With phi(0) = 0 a unit with zero bias, zero incoming and zero outgoing weights (or two zero layers in a row) "
         "has output 0 and gradient 0 for ever. Nothing but the output bias ever moves in an all-zero tanh or ReLU "
         "network.",
         "The zero cell of the partition, and tensors that never receive a gradient by the zero-flow pass.",
         "Draw the weights at random. One zero tensor (a zero last layer, one factor of an adapter) is fine; two in a "
         "row are not."),
    Rule("SYM105", "equal units that separate at the first step", "info",
         "Units with equal incoming weights but different outgoing weights are one unit at step 0 and differ after it.",
         "Cells of the forward-only partition that the joint partition splits.",
         "Nothing needs doing; random incoming weights save the first steps."),
    Rule("SYM106", "blocked at step 0", "info",
         "A tensor behind a zero layer gets no gradient in the first step and starts one or more steps later.",
         "The zero-flow pass: first step with a gradient above 0, for every weight and bias.",
         "Nothing needs doing: a zero-initialised head or adapter is often meant."),
    Rule("SAT201", "saturated layer", "fail",
         "Where |z| is large the slope of a saturating activation is close to 0 and the weights behind the unit stop "
         "moving. The weighted sum grows with the weights and with the number of inputs: q = fan_in std^2 E x^2.",
         "Hidden layers of saturating activations: the share of (unit, sample) pairs whose relative slope is below 1%, "
         "and the mean relative slope. Fail above `fail_share`; warn above `warn_share` or below `warn_slope`. "
         "Activations with flat pieces (hard_tanh, hard_sigmoid) warn by the mean slope only: their slope is 0 by "
         "design.",
         "The finding names the cause (weights too large, weights not centred, inputs not scaled or centred, bias, "
         "activation) and the number that mends it.",
         {"fail_share": 0.5, "warn_share": 0.2, "warn_slope": 0.3}),
    Rule("SAT202", "slope exactly zero", "fail",
         "Computed as 1 - y y the slope of tanh is exactly 0 from |z| = 9.01 on in float32 (19.06 in float64), that of "
         "sigmoid above 17.33 (37.43): no gradient passes at all.",
         "Hidden layers of smooth saturating activations: the share of pairs beyond these points. Fail above `share`.",
         "As for SAT201.", {"share": 0.01}),
    Rule("SAT203", "dead ReLU units", "warn",
         "A ReLU unit that is negative on all the data has no gradient and does not come back by itself.",
         "Hidden ReLU layers: the share of units with slope 0 on all the data (predicted: with probability 0.9999). "
         "Warn above `share` (plus four standard errors of the width: random networks may reach one half with depth); "
         "fail when the whole layer is dead.",
         "Zero or small positive biases, weights centred at zero, inputs centred.", {"share": 0.55}),
    Rule("SIG301", "activations vanish with depth", "warn",
         "A factor below 1 in every layer multiplies up: deep layers receive nothing that depends on the input.",
         "Root mean square of each hidden layer's output over that of the input (1 if that is larger). Warn below "
         "`total`, or below "
         "`short_total` when the mean factor per layer is below `per_layer`; at a library's own small scale only "
         "information down to `library_total`.",
         "Weights of variance gain^2/fan_in, with the gain of the activation (`initcore gain NAME`).",
         {"total": 1e-4, "short_total": 1e-2, "per_layer": 0.25, "library_total": 1e-6}),
    Rule("SIG302", "activations explode with depth", "warn",
         "A factor above 1 in every layer multiplies up to huge outputs and a huge first loss.",
         "Root mean square of each layer's output (the last included) over that of the input (1 if that is smaller). "
         "Warn above `total`, or "
         "above `short_total` when the mean factor per layer is above `per_layer`.",
         "Weights of variance gain^2/fan_in.", {"total": 1e4, "short_total": 1e2, "per_layer": 4.0}),
    Rule("SIG303", "gradients vanish", "warn",
         "Each layer multiplies the norm of the back-signal by about sqrt(chi); when the product is tiny the first "
         "layers "
         "do not learn.",
         "Norm of the back-signal at the first layer over that at the last hidden output. Warn below `product`; "
         "where all "
         "layers have a library's own small scale (PyTorch's default 1/(3 fan_in), small_init) only information down "
         "to "
         "`library_product`.",
         "The gain of the activation. A deep sigmoid stack has no good scale: use tanh or ReLU there, or normalise.",
         {"product": 1e-4, "library_product": 1e-6}),
    Rule("SIG304", "gradients explode", "warn",
         "Each layer multiplies the norm of the back-signal by about sqrt(chi); when the product is huge the first "
         "steps "
         "destroy the first layers.",
         "Norm of the back-signal at the first layer over that at the last hidden output. Warn above `product`.",
         "The gain of the activation.", {"product": 1e4}),
    Rule("SIG305", "variance does not fit the activation or the fan", "warn",
         "The weights' variance times fan_in should be the squared gain of the activation. Far off, signals die or "
         "grow; "
         "off by exactly fan_in/fan_out, the layout was mistaken.",
         "Hidden layers: fan_in times the mean squared weight, over the squared gain (He 2 for the ReLU family, 1 "
         "elsewhere). Warn below `low`, and above `high` for unbounded activations (SAT201 judges the bounded). The "
         "layout is blamed when the variance fits fan_out within sampling error, fits fan_in not, and the two differ "
         "by more than `layout_ratio`.",
         "The call in the finding. PyTorch's `nn.Linear.weight` is (fan_out, fan_in): pass `weight.T` or "
         "layout=\"oi\".",
         {"low": 0.02, "high": 20.0, "layout_ratio": 2.0}),
    Rule("SIG306", "too deep for its width", "info",
         "In a random network the log of the signal's norm wanders with variance about 5 sum 1/n over the widths "
         "(ReLU): "
         "one draw in a few differs from the mean by a large factor (Hanin and Rolnick 2018).",
         "The sum of 1/n over hidden layers. Info above `sum`.",
         "Wider layers, orthogonal weights, residual connections or normalisation.", {"sum": 0.5}),
    Rule("NUM401", "non-finite value", "fail",
         "NaN or infinity in a weight spreads to every output in one step.",
         "Every weight, bias and, given data, input; and the activations, which may overflow.",
         "Load the weights again or re-initialise the layer named."),
    Rule("NUM402", "garbage range or denormals", "fail",
         "Values of absurd size, or mostly denormal ones, are what uninitialised memory looks like (numpy.empty, "
         "torch.empty).",
         "Any weight beyond `largest`, or more than `denormal_share` of the non-zero values denormal.",
         "Initialise the tensor.", {"largest": 1e10, "denormal_share": 0.01}),
    Rule("NUM403", "overflow or underflow in half precision", "warn",
         "In float16 values beyond 65504 become infinite and values below 3e-8 become 0.",
         "Weights or pre-activations (mean and six standard deviations) beyond `largest`; or more than `zero_share` of "
         "a tensor's non-zero values below `smallest`.",
         "Scale the weights; use bfloat16 or loss scaling.",
         {"largest": 65504.0, "smallest": 2.0 ** -25, "zero_share": 0.5}),
    Rule("RNG501", "identical random tensors in different layers", "warn",
         "Two layers drawn from the same seed hold the same numbers, up to scale: the layers are correlated and the "
         "theory "
         "of independent weights does not hold.",
         "Weights of different layers whose first elements agree up to one common factor.",
         "One child key a tensor: `key.child(\"layer0.weight\")`.", {"elements": 8}),
    Rule("OUT601", "initial loss too high", "warn",
         "A classifier that knows nothing has loss ln C. Above twice that the first steps only unlearn large outputs.",
         "Softmax cross entropy on (x, y), or expected for labels unknown, over ln C. Above `ratio` a "
         "warning; information where all weights and inputs are of ordinary size (a narrow deep network may wander).",
         "A smaller last layer: zeros, or Glorot times 0.01.", {"ratio": 2.0}),
    Rule("OUT602", "saturated output head", "warn",
         "An output that is certain before training has a small gradient where it is right and a large loss where it "
         "is "
         "wrong.",
         "Saturating output activations: the share with relative slope below 1% above `share`. Softmax logits: "
         "standard "
         "deviation over the outputs above `logit_std`.",
         "A smaller last layer.", {"share": 0.5, "logit_std": 10.0}),
)
CATALOGUE: dict[str, Rule] = {rule.id: rule for rule in _ALL}


def get(rule_id: str) -> Rule:
    """The rule of that identifier (any case).

    >>> get("sat201").title
    'saturated layer'
    """
    key = str(rule_id).upper()
    if key not in CATALOGUE:
        raise unknown_name("rule", rule_id, CATALOGUE)
    return CATALOGUE[key]


def chosen(select: Any = None, ignore: Any = None) -> frozenset[str]:
    """The identifiers left by ``select`` and ``ignore``: identifiers or prefixes ("SYM"), a list or comma-separated."""
    keep = _expand("select", select) if select is not None else set(CATALOGUE)
    return frozenset(keep - (_expand("ignore", ignore) if ignore is not None else set()))


def _expand(argument: str, given: str | Iterable[str]) -> set[str]:
    if not isinstance(given, Iterable):
        raise ArgumentTypeError(f"{argument} must be rule identifiers such as [\"SAT201\", \"SYM\"], got {given!r}.")
    parts = given.split(",") if isinstance(given, str) else list(given)
    out: set[str] = set()
    for part in parts:
        if not isinstance(part, str):
            raise ArgumentTypeError(f"{argument} must hold rule identifiers such as \"SAT201\" or \"SYM\", got "
                                    f"{part!r}.")
        prefix = part.strip().upper()
        found = {k for k in CATALOGUE if prefix == "ALL" or (prefix and k.startswith(prefix))}
        if prefix and not found:
            raise unknown_name(argument, part, [*CATALOGUE, "SYM", "SAT", "SIG", "NUM", "RNG", "OUT", "ALL"])
        out |= found
    return out


def thresholds(changes: Mapping[str, Any] | None = None) -> dict[str, dict[str, float]]:
    """Every rule's thresholds with changes: ``{"SAT201.fail_share": 0.6}`` or ``{"SAT201": {"fail_share": 0.6}}``."""
    out = {k: dict(rule.thresholds) for k, rule in CATALOGUE.items()}
    if changes is not None and not isinstance(changes, Mapping):
        raise ArgumentTypeError("thresholds must be a mapping such as {\"SAT201.fail_share\": 0.6}, "
                                f"got {changes!r}.")
    flat: list[tuple[str, str, Any]] = []
    for key, value in (changes or {}).items():
        rule_id, _, name = str(key).partition(".")
        if isinstance(value, Mapping) and not name:
            flat += [(rule_id, n, v) for n, v in value.items()]
        else:
            flat.append((rule_id, name, value))
    for rule_id, name, value in flat:
        known = out[get(rule_id).id]
        if name not in known:
            raise unknown_name(f"thresholds[{rule_id!r}]", name, known)
        known[name] = number(f"thresholds[{rule_id}.{name}]", value, low=0)
    return out
