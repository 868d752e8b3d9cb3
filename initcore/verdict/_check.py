"""Will this network, with these weights, learn at all? One call, one verdict, causes and cures.

``check`` runs the rules of :mod:`initcore.rules` over what :mod:`initcore.symmetry` proves and
:mod:`initcore.saturation` predicts (or, given data, measures).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import rules, saturation, symmetry
from .._checks import float_array
from ..errors import ArgumentError, ShapeError, unknown_name
from ..network import Network, require_network
from ..rules import Finding
from ..rules._context import Context
from ..saturation._input_moments import input_state
from ..saturation._predict import from_steps
from ..saturation._walk import steps
from ._baseline import fingerprints
from ._repair import repaired
from ._report import Report

LOSSES = ("softmax_cross_entropy", "mse", "binary_cross_entropy")


def check(net: Network, x: Any = None, y: Any = None, *, loss: str | None = None, optimizer: str = "sgd",
          select: Any = None, ignore: Any = None, fail_level: str = "fail", thresholds: Any = None,
          baseline: Any = None) -> Report:
    """The verdict on a network before training.

    Parameters
    ----------
    net : :class:`initcore.Network` (``check_finite=False`` to have NaN reported instead of refused).
    x : inputs ``(batch, features)``; a few hundred rows are enough. Without, inputs are taken as independent with
        mean 0 and variance 1, and the report says so.
    y : targets as :meth:`initcore.Network.gradients` takes them; used by the initial-loss rule.
    loss : "softmax_cross_entropy", "mse", "binary_cross_entropy" or None: softmax where y holds classes or the last
        layer is linear with several outputs.
    optimizer : the name :func:`initcore.symmetry.analyze` takes; ties depend on it.
    select, ignore : rule identifiers or prefixes ("SYM", "SAT201"), a list or comma-separated.
    fail_level : "fail", "warn" or "info": what :attr:`Report.ok` and ``raise_for_findings`` object to.
    thresholds : changes to the catalogue's numbers, ``{"SAT201.fail_share": 0.6}``.
    baseline : an earlier report (Report, its dictionary, or the path of its JSON); its findings are set aside.

    Returns
    -------
    Report : ``.ok``, ``.findings``, ``.layers``, ``str()``, ``.to_json()``, ``.to_sarif()``,
        ``.raise_for_findings()``, ``.repair(rng=)``.

    >>> import numpy as np
    >>> from initcore import Dense, Network
    >>> net = Network([Dense(np.zeros((4, 3)), np.zeros(3), "tanh"), Dense(np.zeros((3, 2)), np.zeros(2))])
    >>> report = check(net)
    >>> report.ok, sorted({f.rule for f in report.findings if f.severity == "fail"})
    (False, ['SYM104'])
    """
    require_network(net)
    if fail_level not in rules.SEVERITIES:
        raise unknown_name("fail_level", fail_level, rules.SEVERITIES)
    if loss is not None and loss not in LOSSES:
        raise unknown_name("loss", loss, LOSSES)
    active, numbers, known = rules.chosen(select, ignore), rules.thresholds(thresholds), fingerprints(baseline)
    if y is not None and x is None:
        raise ArgumentError("y was given without x; the initial loss needs both.")
    judge = Judge(loss, optimizer, active, numbers)
    context, found = judge(net, x, y)
    usable = context.x if context.x is not None and context.finite_data and context.x.size else None
    mend = Mend(net, judge, usable, None if usable is None else context.y)
    report = Report(net, found, signal=context.signal, symmetry=context.symmetry, fail_level=fail_level, mend=mend)
    return report.with_baseline(known) if known else report


@dataclass(frozen=True)
class Judge:
    """The rules asked for, ready to be run over any network."""

    loss: str | None
    optimizer: str
    active: frozenset[str]
    numbers: dict[str, dict[str, float]]

    def __call__(self, net: Network, x: Any, y: Any) -> tuple[Context, list[Finding]]:
        context = gather(net, x, y, loss=self.loss, optimizer=self.optimizer, numbers=self.numbers)
        return context, [f for rule_id, rule in rules.CATALOGUE.items() if rule_id in self.active
                         for f in rule.run(context)]


@dataclass(frozen=True)
class Mend:
    """What a report needs to repair its network: the judge, and the data where they are usable."""

    net: Network
    judge: Judge
    x: np.ndarray | None
    y: np.ndarray | None

    def __call__(self, findings: Sequence[Finding], rng: Any) -> Network:
        return repaired(self.net, findings, lambda net: self.judge(net, self.x, self.y)[1], self.x, rng)


def gather(net: Network, x: Any, y: Any, *, loss: str | None, optimizer: str,
           numbers: dict[str, dict[str, float]]) -> Context:
    """Everything the rules look at, computed once."""
    data = None if x is None else _data(net, x)
    targets = None if y is None else _targets(net, data, y)
    c = Context(net, data, targets, loss, numbers)
    c.finite_weights = all(bool(np.isfinite(a).all()) for _, _, a in net.parameters())
    c.finite_data = data is None or bool(np.isfinite(data).all())
    if not c.finite_weights:
        symmetry.invariance(optimizer)
        return c
    c.symmetry = symmetry.analyze(net, optimizer=optimizer)
    usable = data if data is not None and c.finite_data and len(data) else None
    with np.errstate(over="ignore", invalid="ignore"):
        c.state, assumed = input_state(net, usable)
        c.steps = steps(net, c.state)
        if usable is not None:
            c.trace = net.trace(usable)
            c.overflow = next((i for i, z in enumerate(c.trace.z) if not np.isfinite(z).all()), None)
            if c.overflow is None:
                c.signal = saturation.measure(net, usable, trace=c.trace)
        c.predicted = from_steps(net, c.state, assumed, c.steps)
    c.signal = c.signal or c.predicted
    return c


def _data(net: Network, x: Any) -> np.ndarray:
    a = np.asarray(x)
    if a.dtype.kind in "iub":                # pixel arrays are integers; nothing is lost in checking them
        a = a.astype(net.dtype)
    a = float_array("x", a, ndim=2)
    if a.shape[1] != net.widths[0]:
        raise ShapeError(f"x has shape {a.shape}, but the network takes {net.widths[0]} features.")
    return a


def _targets(net: Network, x: np.ndarray | None, y: Any) -> np.ndarray:
    a = net.target(y)
    if x is not None and (a.ndim not in (1, 2) or len(a) != len(x)):
        raise ShapeError(f"y has shape {a.shape}, but x has {len(x)} rows.")
    return a
