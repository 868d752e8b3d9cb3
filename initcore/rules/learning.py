"""SIG307: the first steps of training, tried on the rows at hand beside a good start."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from .. import _rehearsal
from ..network import Network
from ..symmetry import invariance
from ._catalogue import rule
from ._context import Context
from ._finding import Finding

FAMILIES = {"sgd": "plain gradient steps", "momentum": "steps with momentum 0.9", "adam": "steps of Adam"}
# what weights and signal let one expect, not prove: where the rehearsal shows that it learns all the same, a warning
ESTIMATES = ("SAT", "SIG30", "OUT", "INP701")


@rule("SIG307", title="does not learn in a rehearsal", severity="fail", why="""
      Gradients too small for any usual learning rate, inputs that all look alike from the last layer on, steps that
      overshoot, units that are off: each alone and all together show in the first steps of training. A network that
      gets nowhere in them where a good start of the same architecture gets somewhere is stuck.""", measured="""
      Given x, y and a loss. At most `steps` minibatch steps of 32 rows with the optimiser named (its nearest of: plain
      gradient, momentum 0.9, Adam), at three or four learning rates a factor of ten apart, on at most 2048 rows (give
      all there are: a few hundred are learnt by heart). Compared is the share explained of the loss of the best
      constant output, on rows kept apart (a quarter, at most 256, from 128 rows on) or `heart` times that on the rows
      learnt from, if that is more; one that takes more than `late` steps, and so left a plateau, must do so again in
      `orders` other orders of the rows, and the smallest share counts. Where it stays below `enough` and a good start
      of the same architecture (orthogonal weights, inputs and z centred and scaled, Adam, as many steps) explains at
      least `good`: fail below `share` times what the good start explains, else warn. Where the good start gets nowhere
      nothing is said, for the rows may hold nothing to learn. A module is rehearsed, for half of `steps`, only where a
      rule that estimates warns or fails or signals fade (SIG301, SIG303) at a library's own scale, and its repaired
      copy under Adam is the good start. A network so large that
      fewer than half of `steps` can be paid for (6e9 multiplications a learning rate, a third of that for modules) gets
      a warning at most, with fewer than 60 steps it is left out, as trained networks are. Findings of other rules that
      only estimate (SAT, SIG, OUT, INP701) are warnings where the rehearsal learns.""", cure="""
      The finding names what mends it in a rehearsal of its own: scaled inputs, zero biases, or new weights;
      `report.repair(rng=key)` does it.""",
      thresholds={"steps": 480, "share": 0.3, "enough": 0.1, "good": 0.05, "heart": 0.3, "late": 40, "orders": 3})
def rehearsed(c: Context) -> Iterator[Finding]:
    """SIG307."""
    done = outcome(c)
    said = None if done is None else stuck(done, c.family, c.limits, "a good start of the same architecture")
    if done is not None and said is not None:
        cause, cure = _cause(c, done)
        yield c.finding(None, said.text, severity=said.severity, measured=said.measured, expected=said.expected,
                        cause=cause, cure=cure)


class Stuck(NamedTuple):
    """What a finding says of a rehearsal in which a network got nowhere."""

    severity: str
    text: str
    measured: float
    expected: str


def stuck(done: _rehearsal.Outcome, family: str, limits: Mapping[str, float], good_start: str) -> Stuck | None:
    """None where the network learns, or where a good start gets nowhere either. ``good_start`` in words."""
    if done.good is None:
        return None
    own, good = done.own.explained(limits), done.good.explained(limits)
    if good < limits["good"] or own >= limits["enough"] or own >= good:
        return None
    paid = done.own.steps >= limits["steps"] / 2 or not math.isfinite(done.own.seen)
    return Stuck("fail" if own < limits["share"] * good and paid else "warn",
                 f"After {done.own.steps} {FAMILIES[family]} at the best of several learning rates it explains "
                 f"{_percent(own)} of the loss that a constant output leaves; {good_start} reaches {_percent(good)} on "
                 "the same rows, and was not trained further.",
                 max(own, 0.0), f"at least {limits['enough']:g}, here {good:.2g} is reached")


def _percent(share: float) -> str:
    return "nothing" if share < 0.005 else f"{100 * share:.0f}%"


def outcome(c: Context) -> _rehearsal.Outcome | None:
    """The rehearsal of a check, done once; None without targets, a loss, or finite numbers."""
    if c.rehearsal is None and c.x is not None and c.y is not None and c.overflow is None and c.finite_weights \
            and c.finite_data and c.taken is not None and not c.trained:
        data = _rehearsal.rows(c.x, c.y, c.taken)
        c.rehearsal = None if data is None else _rehearsal.compare(c.net, data, c.family, c.numbers["SIG307"])
    return c.rehearsal


def learns(c: Context) -> bool:
    """Has the rehearsal shown that the network learns?"""
    done = outcome(c)
    limits = c.numbers["SIG307"]
    return done is not None and done.own.explained(limits) >= limits["enough"]


def family(optimizer: str) -> str:
    """How a rehearsal steps: entry by entry at its own scale as Adam does (so do orthogonalised and second-order
    steps), with momentum, or along the gradient."""
    kept = invariance(optimizer)
    if kept.kind in ("entry", "matrix"):
        return "adam"
    return "momentum" if kept.name in ("momentum", "nesterov") else "sgd"


def _cause(c: Context, done: _rehearsal.Outcome) -> tuple[str, str]:
    """The inputs' scale and the biases are set right in turn: the first that then learns is the cause, else the weights
    are."""
    limits = c.numbers["SIG307"]
    least = max(limits["enough"], 3 * done.own.explained(limits))

    def mends(net: Network, data: _rehearsal.Rows) -> bool:
        tried = _rehearsal.rehearse(net, data, c.family, {**limits, "enough": least})
        return tried is not None and tried.explained(limits) >= least
    assert c.x is not None and c.y is not None and c.taken is not None
    data = _rehearsal.rows(c.x, c.y, c.taken)
    assert data is not None
    x = data.x.astype(np.float64)
    mean, spread = x.mean(axis=0), x.std(axis=0)
    off = bool(np.any(np.abs(mean) > 3 * spread)) or not 0.1 < float(np.sqrt(np.mean(np.square(x)))) < 10
    if (off or spread.max() > 10 * np.median(spread)) and mends(c.net, _rehearsal.standardised(data)):
        return "input_scale", "subtract each feature's mean from the inputs and divide by its standard deviation"
    unbiased = Network([layer.replace(b=None if layer.b is None else np.zeros_like(layer.b)) for layer in c.net.layers])
    if any(layer.b is not None and layer.b.any() for layer in c.net.layers) and mends(unbiased, data):
        return "bias", "zero biases"
    return "weight_scale", "draw the weights again at the scale that suits the activation: report.repair(rng=key)"
