"""The verdict on a file: findings, the share that was judged and how, and the network's own report inside."""

from __future__ import annotations

import itertools
import json
import textwrap
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from .. import _checks, rules
from .._page.document import written
from ..errors import UntrainableError
from ..program import LEAST
from ..rules import Finding
from ..rules._finding import plain
from ..rules._tensor_facts import TensorFacts
from ..verdict import ModuleReport, Report
from ..verdict._report import SCHEMA
from ..verdict._sarif import sarif
from ._chains import Loaded

_FOLDED = 12                # layers that are told one by one
_WEIGHT = {level: i for i, level in enumerate(rules.SEVERITIES)}


class Coverage(NamedTuple):
    """Number of parameters, and the shares of them judged as a network, tensor by tensor, and not at all."""

    parameters: int
    network: float
    tensors: float
    nothing: float

    def __str__(self) -> str:
        return (f"judged as a network: {percent(self.network)} of {counted(self.parameters)} parameters; tensor by "
                f"tensor: {percent(self.tensors)}; not judged: {percent(self.nothing)}")


def percent(share: float) -> str:
    """A share in percent; 0% and 100% only where they are exact.

    >>> percent(0.9999), percent(1.0), percent(0.0004), percent(0.0)
    ('99.9%', '100%', '<0.1%', '0%')
    """
    if share in (0.0, 1.0):
        return f"{100 * share:.0f}%"
    return "<0.1%" if share < 0.001 else f"{min(100 * share, 99.9):.3g}%"


def counted(n: int) -> str:
    """A number of parameters in three digits.

    >>> counted(950), counted(1234567), counted(7_000_000_000)
    ('950', '1.23 M', '7 G')
    """
    for size, letter in ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k")):
        if n >= size:
            return f"{n / size:.3g} {letter}"
    return str(n)


def chain(widths: Sequence[int]) -> str:
    """The widths of a network, of a long one the first and last.

    >>> chain([3, 5, 2]), chain([8, *[50] * 30, 4])
    ('3 -> 5 -> 2', '8 -> 50 -> 50 -> 50 -> ... -> 50 -> 4 (31 layers)')
    """
    if len(widths) - 1 <= _FOLDED:
        return " -> ".join(map(str, widths))
    return " -> ".join([*map(str, widths[:4]), "...", *map(str, widths[-2:])]) + f" ({len(widths) - 1} layers)"


def runs(names: Sequence[str]) -> str:
    """Names with repetitions counted.

    >>> runs(["tanh", "tanh", "relu", "identity"])
    '2 tanh, relu, identity'
    """
    counted_runs = [(len(list(group)), name) for name, group in itertools.groupby(names)]
    return ", ".join(f"{n} {name}" if n > 1 else name for n, name in counted_runs)


class FileReport:
    """The verdict on a file of weights.

    Attributes
    ----------
    findings : tuple of :class:`initcore.rules.Finding`, worst first. suppressed : those a baseline holds.
    ok : no finding at or above ``fail_level``, and enough of the parameters was judged (``enough``).
    coverage : :class:`Coverage`. notes : what was assumed, left out or widened, one sentence each.
    network : the :class:`initcore.verdict.Report` of the network in the file, or None. tensors : facts of the others.
    """

    def __init__(self, source: str, kind: str, network: Report | None, loaded: Loaded | None,
                 findings: Sequence[Finding], tensors: tuple[TensorFacts, ...], coverage: Coverage,
                 notes: Sequence[str], *, fail_level: str = "fail", known: set[tuple[Any, ...]] | None = None,
                 partial: bool = False, told: Callable[[Finding], Finding] = lambda finding: finding) -> None:
        self.source, self.kind, self.network, self.loaded = source, kind, network, loaded
        self.tensors, self.coverage, self.notes = tensors, coverage, tuple(notes)
        self.fail_level, self.partial = fail_level, partial
        every = [*map(told, network.findings if network is not None else ()), *findings]
        every.sort(key=lambda f: (-_WEIGHT[f.severity], -1 if f.layer is None else f.layer, f.rule))
        self.findings = tuple(f for f in every if f.fingerprint not in (known or ()))
        self.suppressed = tuple(f for f in every if f.fingerprint in (known or ()))

    @property
    def judged(self) -> float:
        """The share of the parameters that was judged, in either way."""
        return 1.0 - self.coverage.nothing

    @property
    def enough(self) -> bool:
        """Was a large enough share judged to say "ok"?"""
        return self.partial or self.judged >= LEAST

    @property
    def failed(self) -> bool:
        """Is there a finding at or above the fail level?"""
        return any(_WEIGHT[f.severity] >= _WEIGHT[self.fail_level] for f in self.findings)

    @property
    def ok(self) -> bool:
        """Nothing found at or above ``fail_level`` in a large enough share of the parameters."""
        return self.enough and not self.failed

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def __len__(self) -> int:
        return len(self.findings)

    def __repr__(self) -> str:
        return f"<FileReport ok={self.ok} findings={len(self.findings)}>"

    @property
    def head(self) -> list[str]:
        """What was judged, how, and the notes, a sentence a line."""
        out = [f"{self.source}: {self.coverage}"]
        if self.loaded is not None:
            net = self.loaded.network
            names = [la.activation.name for la in net.layers]
            if len(names) > _FOLDED:
                out.append(f"Network({chain(net.widths)}, {net.dtype}), {runs(names)}")
            else:
                out.append(f"{net!r}, {', '.join(names)}")
        elif self.network is not None:
            out.append(self.network.head)
        return out + [f"note: {note}" for note in self.notes]

    @property
    def verdict(self) -> str:
        """The worst finding in words, as :attr:`initcore.verdict.Report.verdict`; without one "no verdict on learning"
        where no signal was looked at: of tensors by themselves, and of networks that are no chain."""
        worst = max((f.severity for f in self.findings), key=_WEIGHT.__getitem__, default="info")
        if worst == "info" and (self.network is None or self.network.signal is None or not self.enough):
            return "no verdict on learning"
        return rules.VERDICTS[worst]

    @property
    def line(self) -> str:
        """One line: ok or not, and how many findings."""
        count = {s: sum(f.severity == s for f in self.findings) for s in reversed(rules.SEVERITIES)}
        found = ", ".join(f"{n} {s}" for s, n in count.items() if n) or "no findings"
        word = "NOT OK" if self.failed else "ok" if self.enough else "NO VERDICT"
        what = chain(self.loaded.network.widths) if self.loaded is not None else (
            self.network.title if isinstance(self.network, ModuleReport) else f"{len(self.tensors)} tensors by "
            "themselves")
        but = "but " * (self.ok and bool(self.findings) and self.verdict != rules.VERDICTS["info"])
        line = f"{word}, {but}{self.verdict}: {what}: {found}" if self.enough or self.failed else (
            f"{word}: {what}: {found}")
        if not self.failed and not self.enough:
            line += (f"; only {percent(self.judged)} of the parameters could be judged, {percent(LEAST)} are needed "
                     "(--partial is content with less)")
        return line + (f" ({len(self.suppressed)} in the baseline)" if self.suppressed else "")

    def __str__(self) -> str:
        lines = [*map(_wrapped, self.head), _wrapped(self.line)]
        parts = ["\n".join(lines), *map(str, self.findings)]
        if self.network is not None and self.network.signal is not None:
            parts.append(str(self.network.signal))
        if self.network is not None and self.network.conditions:
            parts.append("\n".join(textwrap.wrap("Rests on: " + "; ".join(self.network.conditions), 80,
                                                 subsequent_indent="    ", break_long_words=False)))
        return "\n\n".join(parts)

    def to_dict(self) -> dict[str, Any]:
        """Plain values of everything above; ``schema`` names the version."""
        base = {"schema": SCHEMA, "conditions": [], "widths": [], "dtype": None, "activations": [],
                "signal": None, "assumed": "", "layers": [], **(
                    self.network.to_dict() if self.network is not None else {})}
        return {**base, "ok": self.ok, "verdict": self.verdict, "fail_level": self.fail_level,
                "file": self.source, "format": self.kind,
                "coverage": self.coverage._asdict(), "enough": self.enough, "notes": list(self.notes),
                "findings": [f.to_dict() for f in self.findings],
                "suppressed": [f.to_dict() for f in self.suppressed],
                "tensors": [{k: plain(v) for k, v in t.to_dict().items()} for t in self.tensors]}

    def to_json(self, *, indent: int | None = 2) -> str:
        """:meth:`to_dict` as JSON text."""
        return json.dumps(self.to_dict(), indent=_checks.indent(indent), allow_nan=False)

    def to_sarif(self, *, uri: str = "network", indent: int | None = 2) -> str:
        """SARIF 2.1.0 text (OASIS), for code-scanning pages."""
        return sarif(self.findings, uri, indent)

    def to_html(self, path: Any = None) -> str:
        """One page as :meth:`initcore.verdict.Report.to_html`; written to ``path`` where one is given."""
        from ._page import report_page
        return written(report_page(self), path)

    def raise_for_findings(self) -> FileReport:
        """Raise UntrainableError unless :attr:`ok`; returns the report, for chaining."""
        __tracebackhide__ = True
        if not self.ok:
            raise UntrainableError(self)
        return self


def _wrapped(line: str) -> str:
    return "\n".join(textwrap.wrap(line, 80, break_on_hyphens=False, break_long_words=False))
