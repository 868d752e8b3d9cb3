"""Will this network, with these weights, learn at all? One call, one verdict, causes and cures.

``check`` runs the rules of :mod:`initcore.rules` over what :mod:`initcore.symmetry` proves and
:mod:`initcore.saturation` predicts (or, given data, measures).
"""

from __future__ import annotations

import os
from typing import Any

from .. import rules, symmetry
from .._checks import flag, number, one_of, quiet
from .._doors import JUDGES
from ..errors import ArgumentError
from ..network import Network, require_network
from ._baseline import fingerprints
from ._judging import Judge, Mend, Training, conditions
from ._report import Report
from ._targets import LOSSES

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
    hidden_dropout : hidden units are dropped at random, which separates equal ones. Of a module its own layers of
        dropout say so, and True is an error.
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
    judge = None if isinstance(net, Network) else next((told for ask in JUDGES if (told := ask(net)) is not None), None)
    if judge is not None:
        more = _besides(isinstance(net, (str, os.PathLike)), x, y, flag("hidden_dropout", hidden_dropout))
        report: Report = judge(net, loss=loss, optimizer=optimizer, l2=l2, l1=l1, clip_value=clip_value, stage=stage,
                               select=select, ignore=ignore, fail_level=fail_level, thresholds=thresholds,
                               baseline=baseline, **more)
        return report
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
    judged = Judge(loss, training, stage, active, numbers)
    context, found = judged(net, x, y)
    usable = context.x if context.x is not None and context.finite_data and context.x.size else None
    mend = Mend(net, judged, usable, None if usable is None or context.trained else context.y, context.taken,
                context.family)
    report = Report(net, found, signal=context.signal, symmetry=context.symmetry, fail_level=fail_level, mend=mend,
                    conditions=conditions(context, training), predicted=context.predicted)
    return report.with_baseline(known) if known else report


def _besides(of_file: bool, x: Any, y: Any, hidden_dropout: bool) -> dict[str, Any]:
    """What goes with a file and not with a module, and the other way; the data of a file come from a file."""
    if of_file and (x is not None or y is not None):
        raise ArgumentError("x and y go with a network; with a file use initcore.files.check_file(path, data=FILE).")
    if not of_file and hidden_dropout:
        raise ArgumentError("hidden_dropout=True goes with a chain or a file; of a module its own layers of dropout "
                            "are read: put them where units are dropped.")
    return {"hidden_dropout": hidden_dropout} if of_file else {"x": x, "y": y}
