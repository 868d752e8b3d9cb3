"""What a check of a framework's network is asked for, refused here where it makes no sense."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .. import rules
from .._checks import number
from ..errors import ArgumentError, unknown_name

STAGES = ("start", "trained")


@dataclass(frozen=True)
class Options:
    """active, numbers : rules and thresholds. training : keywords of the proof. fail_level : what the report objects
    to. The others as they were given."""

    active: frozenset[str]
    numbers: dict[str, dict[str, float]]
    optimizer: str
    stage: str | None
    loss: Any
    y: Any
    training: dict[str, Any]
    fail_level: str


def asked(x: Any, y: Any, *, loss: Any, optimizer: str, l2: float, l1: float, clip_value: float | None,
          stage: str | None, select: Any, ignore: Any, fail_level: str, thresholds: Any) -> Options:
    """The arguments of a check, looked at.

    >>> asked(None, None, loss=None, optimizer="adam", l2=0.0, l1=0.0, clip_value=None, stage=None, select=["SYM"],
    ...       ignore=None, fail_level="fail", thresholds=None).training
    {'optimizer': 'adam', 'l2': 0.0}
    """
    if fail_level not in rules.SEVERITIES:
        raise unknown_name("fail_level", fail_level, rules.SEVERITIES)
    if stage not in (None, *STAGES):
        raise unknown_name("stage", stage, STAGES)
    if y is not None and x is None:
        raise ArgumentError("y was given without x; the loss needs both.")
    for name, value in (("l2", l2), ("l1", l1), ("clip_value", 0.0 if clip_value is None else clip_value)):
        number(name, value, low=0.0)
    return Options(rules.chosen(select, ignore), rules.thresholds(thresholds), optimizer, stage, loss, y,
                   {"optimizer": "sign_sgd" if l1 or clip_value else optimizer, "l2": l2 or float(bool(l1))},
                   fail_level)
