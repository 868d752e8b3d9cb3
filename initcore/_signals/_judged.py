"""The life of a check of any framework's network: what is done in which order, what was found, and the report of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any, Protocol

from .. import symmetry
from .._rehearsal import Outcome, Trainee, beside_repaired
from ..errors import DTypeError, InitcoreError, ProgramError
from ..program import Program
from ..rules import Finding, learning, nodes
from ..verdict import ModuleReport
from ._asked import Options
from ._gathered import Gathered
from ._session import Said, Session

Again = Callable[[Any], tuple[list[Finding], "nodes.NodeContext | None"]]


class Subject(Protocol):
    """A framework's network with the batch that it is judged on.

    title : its name. reading : what must be done before it can be run, in words. given : the batch is the user's; said
    : what it is, in words.
    """

    title: str
    reading: str
    given: bool
    said: str

    def tensors(self, options: Options) -> list[Finding]:
        """What the rules for tensors find in its weights."""

    def session(self, options: Options) -> Session:
        """Ready to be run. Raises ProgramError or DTypeError with a sentence where it cannot be."""

    def trainee(self, options: Options) -> Trainee | None:
        """Ready to be trained for a few steps, once there is a session; None where it cannot be."""

    def mended(self, findings: Sequence[Finding], context: nodes.NodeContext) -> Subject:
        """It with what the findings name set right once."""

    def of(self, network: Any) -> Subject:
        """The same with another network's weights, as ``mend`` makes them."""

    def mend(self, again: Again, context: nodes.NodeContext | None) -> Any:
        """What a report repairs with. again : judges a network."""

    def rehearsing(self) -> AbstractContextManager[None]:
        """The framework's own state is afterwards as it was."""


@dataclass(frozen=True)
class Judged:
    """Findings, and what they rest on."""

    findings: list[Finding]
    context: nodes.NodeContext | None
    conditions: tuple[str, ...]
    notes: tuple[str, ...] = ()
    whole: bool = True


def checked(subject: Subject, options: Options) -> ModuleReport:
    """The verdict on a framework's network."""
    judged = judge(subject, options)

    def again(network: Any) -> tuple[list[Finding], nodes.NodeContext | None]:
        one = judge(subject.of(network), replace(options, tell=lambda what: None))
        return one.findings, one.context
    context = judged.context
    report = ModuleReport(subject.title, judged.findings, signal=None if context is None else context.signal,
                          symmetry=None if context is None else context.symmetry, fail_level=options.fail_level,
                          mend=subject.mend(again, context), conditions=judged.conditions, notes=judged.notes,
                          whole=judged.whole, way=() if context is None else context.steps)
    return report if options.baseline is None else report.setting_aside(options.baseline)


def judge(subject: Subject, options: Options) -> Judged:
    """All findings about a network: of its tensors, of its nodes."""
    family, said = learning.family(options.optimizer), (f"optimiser {options.optimizer}",)
    options.tell("reading the weights")
    found = subject.tensors(options)
    if any(f.rule == "NUM401" for f in found):
        return Judged(found, None, said, ("Weights that are not finite: nothing was measured.",))
    try:
        options.tell(subject.reading)
        session = subject.session(options)
    except (DTypeError, ProgramError) as error:
        return Judged(found, None, said, (f"Only its weights were judged, by themselves: {error}",), False)
    options.tell("one forward and one backward pass")
    gathered = Gathered(session)
    context = gathered.context(options.numbers, stage=options.stage, family=family)
    options.tell("proving")
    context.symmetry, notes = proved(session.program, options.training)
    if session.told.known:
        context.rehearse = lambda seen: rehearsed(subject, seen, context, options)
    options.tell("judging")
    seen = nodes.judge(context, options.active)
    return Judged(merged(found, seen, subject.given), context,
                  conditions(options.optimizer, gathered.said, subject.said, context), notes)


def rehearsed(subject: Subject, found: Sequence[Finding], context: nodes.NodeContext, options: Options
              ) -> Outcome | None:
    """The first steps of training beside those of a copy in which what was found is set right."""
    own = subject.trainee(options)
    if own is None:
        return None

    def repaired() -> Trainee | None:
        return subject.mended(found, context).trainee(options)
    with subject.rehearsing():
        return beside_repaired(own, repaired, context.family, options.numbers["SIG307"])


def proved(program: Program, training: dict[str, Any]) -> tuple[Any, tuple[str, ...]]:
    """(the proof or None, notes): which units stay tied, and how much of the network it covers."""
    try:
        found = symmetry.analyze(program, **training)
    except InitcoreError as error:
        return None, (f"Nothing was proved of ties: {error}",)
    return found, () if program.coverage.share == 1.0 else (f"The proof of ties: {program.coverage}.",)


def merged(tensors: Sequence[Finding], seen: Sequence[Finding], given: bool) -> list[Finding]:
    """Findings of tensors but for those that nodes know better (whether a spread or a zero tensor does harm), and those
    of nodes but for those of inputs that nobody gave."""
    return [*(f for f in tensors if not nodes.knows_better(f)),
            *(f for f in seen if given or not f.rule.startswith("INP"))]


def conditions(optimizer: str, loss: Said, data: str, context: nodes.NodeContext) -> tuple[str, ...]:
    """What an answer rests on, in words.

    >>> from initcore._signals import Said
    >>> from initcore.rules import nodes
    >>> conditions("sgd", Said("mse", 2.5, True), "a batch of 8", nodes.NodeContext({}))
    ('optimiser sgd', 'loss mse (2.5 on the data)', 'a batch of 8')
    """
    value = f" ({loss.value:.3g} on the data)" if loss.known and not math.isnan(loss.value) else ""
    return (f"optimiser {optimizer}", f"loss {loss.name}{value}", data, *["a trained network"] * context.trained,
            *(context.symmetry.conditions if context.symmetry is not None else ()))
