"""How a network is judged: how it will be trained, what is computed once, and the rules run over it.

A :class:`Judge` outlives the check: a report that repairs its network asks it again about every candidate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .. import _rehearsal, rules, saturation, symmetry
from .._checks import array, float_array
from .._weight_statistics import HALF_SMALLEST
from ..errors import ArgumentError, ShapeError
from ..network import Network, Trace, own_layers
from ..rules import Finding, learning
from ..rules._context import Context
from ..saturation._input_moments import input_state
from ..saturation._predict import from_steps
from ..saturation._walk import steps
from ._repair import Standard, repaired
from ._targets import learnt, measured, targets

_ROWS = 1024           # enough to see that a gradient is not 0


@dataclass(frozen=True)
class Training:
    """How the network will be trained, as far as ties depend on it."""

    optimizer: str
    l2: float = 0.0
    l1: float = 0.0
    clip_value: float | None = None
    hidden_dropout: bool = False

    def analyze(self, net: Network) -> symmetry.Report:
        """The proof. L1 and clipped entries act on each weight by an odd function: ties of equal weights and of signs
        stay, sums and multiples do not; that is an entrywise optimiser with a penalty in its gradient."""
        if not (self.l1 or self.clip_value):
            return symmetry.analyze(net, optimizer=self.optimizer, l2=self.l2, hidden_dropout=self.hidden_dropout)
        symmetry.invariance(self.optimizer)
        return symmetry.analyze(net, optimizer="sign_sgd", l2=self.l2 or 1.0, hidden_dropout=self.hidden_dropout)

    def __str__(self) -> str:
        extra = [f"{k} {v:g}" for k, v in (("L2", self.l2), ("L1", self.l1), ("entries clipped at", self.clip_value))
                 if v]
        return ", ".join([self.optimizer, *extra, *["hidden dropout"] * self.hidden_dropout])


@dataclass(frozen=True)
class Judge:
    """The rules asked for, ready to be run over any network."""

    loss: str | None
    training: Training
    stage: str | None
    active: frozenset[str]
    numbers: dict[str, dict[str, float]]

    def __call__(self, net: Network, x: Any, y: Any) -> tuple[Context, list[Finding]]:
        context = gather(net, x, y, loss=self.loss, training=self.training, stage=self.stage, numbers=self.numbers)
        found = [f for rule_id, rule in rules.CATALOGUE.items() if rule_id in self.active for f in rule.run(context)]
        if "SIG307" in self.active and any(_estimate(f) for f in found) and learning.learns(context):
            found = [replace(f, severity="warn") if _estimate(f) else f for f in found]
        return context, found


def _estimate(f: Finding) -> bool:
    """Does a failure rest on an estimate, which a rehearsal overrules?"""
    return f.severity == "fail" and f.rule.startswith(learning.ESTIMATES)


@dataclass(frozen=True)
class Mend:
    """What a report needs to repair its network: the judge, and the data where they are usable."""

    net: Network
    judge: Judge
    x: np.ndarray | None
    y: np.ndarray | None
    loss: str | None
    family: str

    def __call__(self, findings: Sequence[Finding], rng: Any, fold: bool) -> Network:
        x = self.x if self.x is None or fold else self.standard(self.x).astype(self.net.dtype)
        beside = None
        if x is not None and self.y is not None and self.loss is not None:
            rows = _rehearsal.rows(x, self.y, self.loss)
            if rows is not None:
                beside = _rehearsal.beside(self.net, rows, self.family, self.judge.numbers["SIG307"])
        return repaired(self.net, findings, lambda net: self.judge(net, x, self.y)[1], x, rng, fold, beside)

    @property
    def standard(self) -> Standard:
        """What standardises the inputs."""
        if self.x is None:
            raise ArgumentError("this report was made without inputs x; give check the training data to standardise.")
        return Standard.of(self.x)


def gather(net: Network, x: Any, y: Any, *, loss: str | None, training: Training, stage: str | None,
           numbers: dict[str, dict[str, float]]) -> Context:
    """Everything the rules look at, computed once."""
    net = own_layers(net)
    data = None if x is None else _data(net, x)
    given, taken = (None, loss) if y is None or data is None else targets(net, data, y, loss)
    c = Context(net, data, given, loss, numbers, optimizer=str(training), trained=stage == "trained", taken=taken)
    if numbers["NUM403"]["smallest"] == HALF_SMALLEST:
        c.seen = {f"layers[{i}].w": layer.look() for i, layer in enumerate(net.layers)}
    c.finite_weights = all(c.statistics(name, a).all_finite for _, name, a in net.parameters())
    c.finite_data = data is None or bool(np.isfinite(data).all())
    if not c.finite_weights:
        symmetry.invariance(training.optimizer)
        return c
    c.symmetry = training.analyze(net)
    c.family = learning.family(training.optimizer)
    usable = data if data is not None and c.finite_data and len(data) else None
    with np.errstate(over="ignore", invalid="ignore"):
        c.state, assumed = input_state(net, usable)
        c.steps = steps(net, c.state)
        if usable is not None:
            c.trace = net.trace(usable)
            c.overflow = next((i for i, z in enumerate(c.trace.z) if not np.isfinite(z).all()), None)
            if c.overflow is None:
                c.signal = saturation.measure(net, usable, trace=c.trace)
                _measure_loss(c, stage)
        c.predicted = from_steps(net, c.state, assumed, c.steps)
    c.signal = c.signal or c.predicted
    return c


def _measure_loss(c: Context, stage: str | None) -> None:
    """The loss on (x, y) and the gradients: of the first rows, and of all where those give none."""
    assert c.trace is not None
    if c.y is not None and c.taken is not None:
        c.value, dy = measured(c.taken, c.trace.y, c.y)
        c.trained = c.trained or (stage is None and learnt(c.taken, c.value, c.y, c.net.widths[-1]))
    else:
        dy = np.asarray(np.random.Generator(np.random.PCG64(0)).standard_normal(c.trace.y.shape), c.net.dtype)
    for rows in (_ROWS, len(dy)):
        part = Trace(c.trace.x[:rows], [z[:rows] for z in c.trace.z], [a[:rows] for a in c.trace.a])
        c.gradients = c.net.backward(part, np.ascontiguousarray(dy[:rows]))
        if not c.motionless:
            break


def conditions(c: Context, training: Training) -> tuple[str, ...]:
    """What the answer rests on, in words."""
    words = [f"optimiser {training}"]
    if c.taken is not None:
        words.append(f"loss {c.taken}{'' if c.loss else ', taken from the form of y'}"
                     + ("" if c.value is None else f" ({c.value:.3g} on the data)"))
    elif c.loss is None:
        words.append("no loss given")
    words.append(f"{len(c.x)} rows of data" if c.x is not None else c.signal.assumed if c.signal else "no data")
    if c.trained:
        words.append("a trained network")
    elif c.y is None or c.taken is None:
        words.append("no targets, so nothing was rehearsed: what is no proof is an estimate")
    return (*[w for w in words if w], *(c.symmetry.conditions if c.symmetry is not None else ()))


def _data(net: Network, x: Any) -> np.ndarray:
    a = array("x", x)
    if a.dtype.kind in "iub":                # pixel arrays are integers; nothing is lost in checking them
        a = a.astype(net.dtype)
    a = float_array("x", a, ndim=2)
    if a.shape[1] != net.widths[0]:
        raise ShapeError(f"x has shape {a.shape}, but the network takes {net.widths[0]} features.")
    return a
