"""What a check of a framework's network is asked for, refused here where it makes no sense."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypedDict, TypeVar

from .. import rules
from .._checks import describe, number
from ..errors import ArgumentError, ArgumentTypeError, unknown_name
from ..rules import nodes
from ..verdict._check import STAGES

F = TypeVar("F", bound=Callable[..., Any])


class Asking(TypedDict, total=False):
    """The keyword arguments of every framework's ``check``, each with the default that DEFAULTS has."""

    loss: Any
    optimizer: str
    l2: float
    l1: float
    clip_value: float | None
    stage: str | None
    select: Any
    ignore: Any
    fail_level: str
    thresholds: Any
    baseline: Any
    progress: Callable[[str], None] | None
    words: nodes.Words | None


DEFAULTS: Asking = {"loss": None, "optimizer": "sgd", "l2": 0.0, "l1": 0.0, "clip_value": None, "stage": None,
                    "select": None, "ignore": None, "fail_level": "fail", "thresholds": None, "baseline": None,
                    "progress": None, "words": None}


@dataclass(frozen=True)
class Options:
    """active, numbers : rules and thresholds. training : keywords of the proof. fail_level : what the report objects
    to. words : how cures are written (None: as the framework's users do). The others as they were given."""

    active: frozenset[str]
    numbers: dict[str, dict[str, float]]
    optimizer: str
    stage: str | None
    loss: Any
    y: Any
    training: dict[str, Any]
    fail_level: str
    baseline: Any
    tell: Callable[[str], None]
    words: nodes.Words | None


def takes_options(check: F) -> F:
    """A ``check`` of ``**options``, which shows their names and defaults to whoever asks for its signature."""
    shown = inspect.signature(check)
    own = [p for p in shown.parameters.values() if p.kind is not p.VAR_KEYWORD]
    kinds = Asking.__annotations__
    more = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default,
                              annotation=kinds[name].__forward_arg__) for name, default in DEFAULTS.items()]
    check.__signature__ = shown.replace(parameters=[*own, *more])      # type: ignore[attr-defined]
    return check


def asked(x: Any, y: Any, given: Asking) -> Options:
    """The arguments of a check, looked at.

    >>> asked(None, None, {"optimizer": "adam", "select": ["SYM"]}).training
    {'optimizer': 'adam', 'l2': 0.0}
    """
    strange = next((name for name in given if name not in DEFAULTS), None)
    if strange is not None:
        raise ArgumentTypeError(f"check() got an unexpected keyword argument {strange!r}; it takes "
                                f"{', '.join(DEFAULTS)}.")
    a: Asking = {**DEFAULTS, **given}
    if a["fail_level"] not in rules.SEVERITIES:
        raise unknown_name("fail_level", a["fail_level"], rules.SEVERITIES)
    if a["stage"] not in (None, *STAGES):
        raise unknown_name("stage", a["stage"], STAGES)
    if y is not None and x is None:
        raise ArgumentError("y was given without x; the loss needs both.")
    for name, value in (("l2", a["l2"]), ("l1", a["l1"]), ("clip_value", a["clip_value"])):
        number(name, 0.0 if value is None else value, low=0.0)
    if not isinstance(a["words"], nodes.Words | None):
        raise ArgumentTypeError(f"words must be an initcore.rules.nodes.Words or None, got {describe(a['words'])}.")
    odd = a["l1"] or a["clip_value"]
    return Options(rules.chosen(a["select"], a["ignore"]), rules.thresholds(a["thresholds"]), a["optimizer"],
                   a["stage"], a["loss"], y,
                   {"optimizer": "sign_sgd" if odd else a["optimizer"], "l2": a["l2"] or float(bool(a["l1"]))},
                   a["fail_level"], a["baseline"], a["progress"] or (lambda what: None), a["words"])
