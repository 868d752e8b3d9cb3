"""Will this network, with these weights, learn at all? One call, one verdict, causes and cures.

``check`` runs the rules of :mod:`initcore.rules` over what :mod:`initcore.symmetry` proves and
:mod:`initcore.saturation` predicts (or, given data, measures).
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .. import _rehearsal, rules, saturation, symmetry
from .._checks import array, flag, float_array, number, one_of, quiet
from .._weight_statistics import HALF_SMALLEST
from ..errors import ArgumentError, ShapeError
from ..network import Network, Trace, own_layers, require_network
from ..rules import Finding, learning
from ..rules._context import Context
from ..saturation._input_moments import input_state
from ..saturation._predict import from_steps
from ..saturation._walk import steps
from ._baseline import fingerprints
from ._repair import Standard, repaired
from ._report import Report
from ._targets import LOSSES, learnt, measured, targets

_ROWS = 1024           # enough to see that a gradient is not 0
STAGES = ("start", "trained")


@quiet
def check(net: Any, x: Any = None, y: Any = None, *, loss: Any = None, optimizer: str = "sgd",
          l2: float = 0.0, l1: float = 0.0, clip_value: float | None = None, hidden_dropout: bool = False,
          stage: str | None = None, select: Any = None, ignore: Any = None, fail_level: str = "fail",
          thresholds: Any = None, baseline: Any = None) -> Report:
    """The verdict on a network before training, or on a trained one.

    Parameters
    ----------
    net : :class:`initcore.Network` (``check_finite=False`` to have NaN reported instead of refused); or the path of a
        file or folder of weights: :func:`initcore.files.check_file` tells what it takes besides, and answers; or a
        PyTorch module: so does ``initcore.torch.check``.
    x : inputs ``(batch, features)``; a few hundred rows are enough. Without, inputs are taken as independent with
        mean 0 and variance 1, and the report says so.
    y : targets as :meth:`initcore.Network.gradients` takes them. With them the first loss and the gradients of every
        weight are measured. NaN, strings and dates are errors.
    loss : "softmax_cross_entropy", "mse", "binary_cross_entropy" or None: softmax where y holds classes or the last
        layer is linear with several outputs.
    optimizer : the name :func:`initcore.symmetry.analyze` takes; ties depend on it.
    l2, l1 : weights of penalties added to the gradient ("adamw": its decoupled decay).
    clip_value : bound on single gradient entries (clipping by norm changes no tie and need not be told). It and L1
        leave only ties of equal weights, not of equal sums or multiples.
    hidden_dropout : hidden units are dropped at random, which separates equal ones.
    stage : "start", "trained" (certain outputs and grown weights are no faults then, ties are told with their share),
        or None: trained where the measured loss is below half of what knowing nothing costs.
    select, ignore : rule identifiers or prefixes ("SYM", "SAT201"), a list or comma-separated.
    fail_level : "fail", "warn" or "info": what :attr:`Report.ok` and ``raise_for_findings`` object to.
    thresholds : changes to the catalogue's numbers, ``{"SAT201.fail_share": 0.6}``.
    baseline : an earlier report (Report, its dictionary, or the path of its JSON); its findings are set aside.

    Returns
    -------
    Report : ``.ok``, ``.verdict``, ``.findings``, ``.layers``, ``.conditions``, ``str()``, ``.to_json()``,
        ``.to_sarif()``, ``.raise_for_findings()``, ``.repair(rng=)``.

    >>> import numpy as np
    >>> from initcore import Dense, Network
    >>> net = Network([Dense(np.zeros((4, 3)), np.zeros(3), "tanh"), Dense(np.zeros((3, 2)), np.zeros(2))])
    >>> report = check(net)
    >>> report.verdict, sorted({f.rule for f in report.findings if f.severity == "fail"})
    ('cannot learn', ['SYM104'])
    """
    if isinstance(net, (str, os.PathLike)):
        return _file(net, x, y, loss=loss, optimizer=optimizer, l2=l2, l1=l1, clip_value=clip_value,
                     hidden_dropout=hidden_dropout, stage=stage, select=select, ignore=ignore, fail_level=fail_level,
                     thresholds=thresholds, baseline=baseline)
    room = _room(net)
    if room is not None:
        return importlib.import_module(room).check(
            net, x, y, loss=loss, optimizer=optimizer, l2=l2, l1=l1, clip_value=clip_value, stage=stage, select=select,
            ignore=ignore, fail_level=fail_level, thresholds=thresholds, baseline=baseline)
    require_network(net)
    one_of("fail_level", fail_level, rules.SEVERITIES)
    if loss is not None:
        one_of("loss", loss, LOSSES)
    if stage is not None:
        one_of("stage", stage, STAGES)
    symmetry.invariance(optimizer)
    active, numbers, known = rules.chosen(select, ignore), rules.thresholds(thresholds), fingerprints(baseline)
    if y is not None and x is None:
        raise ArgumentError("y was given without x; the initial loss needs both.")
    training = Training(optimizer, number("l2", l2, low=0.0), number("l1", l1, low=0.0),
                        None if clip_value is None else number("clip_value", clip_value, low=0.0, open_low=True),
                        flag("hidden_dropout", hidden_dropout))
    judge = Judge(loss, training, stage, active, numbers)
    context, found = judge(net, x, y)
    usable = context.x if context.x is not None and context.finite_data and context.x.size else None
    mend = Mend(net, judge, usable, None if usable is None or context.trained else context.y, context.taken,
                context.family)
    report = Report(net, found, signal=context.signal, symmetry=context.symmetry, fail_level=fail_level, mend=mend,
                    conditions=conditions(context, training), predicted=context.predicted)
    return report.with_baseline(known) if known else report


# A framework's class of modules -> the room above that judges them, opened when one is given.
_ROOMS = {("torch.nn.modules.module", "Module"): "initcore.torch", ("initcore.jax", "Model"): "initcore.jax",
          ("flax.nnx.module", "Module"): "initcore.jax", ("flax.linen.module", "Module"): "initcore.jax",
          ("equinox._module._module", "Module"): "initcore.jax",
          ("keras.src.models.model", "Model"): "initcore.keras", ("keras.src.layers.layer", "Layer"): "initcore.keras"}


def _room(net: Any) -> str | None:
    """The room that judges what a framework calls a module; None for anything else."""
    return next((room for kind in type(net).__mro__ if (room := _ROOMS.get((kind.__module__, kind.__name__)))), None)


def _file(path: Any, x: Any, y: Any, **options: Any) -> Any:
    """The verdict on a file. Files are read a floor above: the room is opened when a file is given."""
    if x is not None or y is not None:
        raise ArgumentError("x and y go with a network; with a file use initcore.files.check_file(path, data=FILE).")
    return importlib.import_module("initcore.files").check_file(path, **options)


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
