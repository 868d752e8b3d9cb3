"""The verdict on a module of a framework: what a report of a network says, by module path and line."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from .. import rules
from .._checks import quiet
from ..errors import ArgumentError
from ..rules import Finding
from ..rules._finding import plain
from ..saturation import SignalReport
from ._baseline import fingerprints
from ._report import SCHEMA, Report

_SIZES = ("before", "after", "gradient_before", "gradient_after")


class ModuleReport(Report):
    """The verdict on a module.

    All of :class:`Report`, and besides: ``title`` names the module, ``coverage`` says in words how much of it was
    judged and how, ``notes`` what was assumed. ``layers`` holds the signal at the input of every activation.
    ``symmetry`` is the proof, where there is one. ``way`` : the steps of the main way through the module, from input to
    output: ``name``, ``place``, root mean squares ``before`` and ``after``, norms of the back-signal there
    (``gradient_before``, ``gradient_after``; NaN: none was sent). ``findings`` carry ``place`` (module path, file
    and line).
    """

    def __init__(self, title: str, findings: list[Finding], *, signal: SignalReport | None = None, symmetry: Any = None,
                 fail_level: str = "fail", suppressed: tuple[Finding, ...] = (), mend: Any = None,
                 conditions: tuple[str, ...] = (), coverage: str = "", notes: tuple[str, ...] = (),
                 whole: bool = True, way: tuple[Any, ...] = ()) -> None:
        super().__init__(None, findings, signal=signal, symmetry=symmetry, fail_level=fail_level,
                         suppressed=suppressed, mend=mend, conditions=conditions)
        self.title, self.coverage, self.notes, self.whole = title, coverage, tuple(notes), whole
        self.way = tuple(way)

    @property
    def head(self) -> str:
        """What was judged, in a few words."""
        return self.title + (f" ({self.coverage})" if self.coverage else "")

    @property
    def verdict(self) -> str:
        """As :attr:`Report.verdict`; "no verdict on learning" where only tensors were looked at, and found sound."""
        found = rules.in_words(self.findings)
        return "no verdict on learning" if not self.whole and found == rules.VERDICTS["info"] else found

    @quiet
    def __str__(self) -> str:
        return super().__str__() + "".join(f"\n\nnote: {note}" for note in self.notes)

    @quiet
    def to_dict(self) -> dict[str, Any]:
        """Plain values of everything above; ``schema`` names the version."""
        return {"schema": SCHEMA, "ok": self.ok, "verdict": self.verdict, "fail_level": self.fail_level,
                "module": self.title, "coverage": self.coverage, "notes": list(self.notes),
                "signal": None if self.signal is None else self.signal.kind,
                "assumed": "" if self.signal is None else self.signal.assumed, "conditions": list(self.conditions),
                "findings": [f.to_dict() for f in self.findings],
                "suppressed": [f.to_dict() for f in self.suppressed],
                "layers": [{k: plain(v) for k, v in la.to_dict().items()} for la in self.layers],
                "way": [{"name": s.name, "place": str(s.place), **{k: plain(getattr(s, k)) for k in _SIZES}}
                        for s in self.way]}

    @quiet
    def repair(self, *, rng: Any = None, fold: bool = True) -> Any:
        """A copy of the module in which what was found is drawn again from ``rng``; its own check is ok.

        Weights at fault get normal values of the deviation that their cure names, their biases and a norm's gains what
        they start from. ``fold``: an input's wrong scale is undone in the weights that read it.
        """
        return self._mender()(self.findings, rng, fold)

    def repairing(self, build: Callable[[Any], Any] = lambda mended: mended,
                  told: Callable[[Finding], Finding] = lambda finding: finding) -> ModuleReport:
        """The report of which :meth:`repair` gives ``build`` of what it gave, with every finding as ``told`` makes
        it: a framework's own form of a module, and its words."""
        mender = self._mend

        def mend(findings: Any, rng: Any, fold: bool) -> Any:
            return build(mender(findings, rng, fold))
        other = copy.copy(self)
        other.findings = tuple(told(f) for f in self.findings)
        other.suppressed = tuple(told(f) for f in self.suppressed)
        other._mend = None if mender is None else mend
        return other

    def standardise(self, x: Any) -> Any:
        """Not for modules: their inputs may be anything. Raises ArgumentError."""
        raise ArgumentError("a module's report standardises no inputs; the finding names the number to divide by.")

    def setting_aside(self, baseline: Any) -> ModuleReport:
        """The report without the findings of an earlier one (a report, its dictionary, or the path of its JSON); they
        are kept in :attr:`suppressed`."""
        return self.with_baseline(fingerprints(baseline))
