"""SIG307 on any network: where the other rules only estimate, a rehearsal decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ...program import Place
from .._finding import Finding
from ..learning import ESTIMATES, stuck
from ._facts import NodeContext

_ORDER = ("fail", "warn", "info")
_FADING = ("SIG301", "SIG303")


def rehearsed(c: NodeContext, found: Sequence[Finding]) -> list[Finding]:
    """What was found, and what the first steps of training say of it.

    A rehearsal costs hundreds of passes: it is done only where a rule that estimates warns or fails, or tells of
    signals that fade at a library's own scale, which some depths bear and others do not. Where the network learns,
    failures become warnings; where it does not and its repaired copy does, that is a finding of its own, with the cause
    of the gravest estimate.
    """
    doubts = sorted((f for f in found if f.rule.startswith(ESTIMATES)
                     and (f.severity in ("fail", "warn") or f.rule in _FADING)), key=lambda f: _ORDER.index(f.severity))
    done = c.rehearse(found) if doubts and not c.trained and not c.bad else None
    if done is None:
        return list(found)
    if done.own.explained(c.limits) >= c.limits["enough"]:
        return [replace(f, severity="warn") if f in doubts and f.severity == "fail" else f for f in found]
    said, why = stuck(done, c.family, c.limits, "its repaired copy"), doubts[0]
    if said is None:
        return list(found)
    return [*found, c.finding(why.place or Place(), why.tensor or "", said.text, severity=said.severity,
                              measured=said.measured, expected=said.expected, cause=why.cause, cure=why.cure,
                              tensors=why.tensors)]
