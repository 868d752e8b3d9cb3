"""What ``check`` hands back: findings, and a report that prints, serialises, raises and repairs."""

from __future__ import annotations

import copy
import json
import textwrap
from collections.abc import Iterator
from typing import Any, Self

from .. import _checks, rules
from .._checks import quiet
from .._page.document import written
from ..errors import ArgumentError, UntrainableError
from ..network import Network
from ..rules import Finding
from ..rules._finding import plain
from ..saturation import SignalReport
from ..symmetry import Report as SymmetryReport
from ._sarif import sarif

SCHEMA = "initcore-report/1"
_WEIGHT = {level: i for i, level in enumerate(rules.SEVERITIES)}


class Report:
    """The verdict on a network.

    Attributes
    ----------
    findings : tuple of :class:`Finding`, worst first.
    ok : no finding at or above ``fail_level``.
    verdict : "cannot learn", "will learn badly or slowly" or "fit to train", after the worst finding.
    conditions : what the answer rests on: optimiser, loss, data, and the conditions of the proof.
    layers : the signal at every layer (:class:`initcore.saturation.LayerSignal`), () when the weights are not finite.
    signal, symmetry : the reports behind it (None where not run). predicted : the forecast beside a measured signal.
    suppressed : findings a baseline holds.

    >>> import numpy as np
    >>> from initcore import Dense, Network, check
    >>> report = check(Network([Dense(np.zeros((2, 3)), None, "tanh"), Dense(np.zeros((3, 1)))]))
    >>> report.ok, report.verdict, report.findings[0].rule
    (False, 'cannot learn', 'SYM104')
    """

    def __init__(self, net: Network | None, findings: list[Finding], *, signal: SignalReport | None = None,
                 symmetry: SymmetryReport | None = None, fail_level: str = "fail", suppressed: tuple[Finding, ...] = (),
                 mend: Any = None, conditions: tuple[str, ...] = (), predicted: SignalReport | None = None) -> None:
        order = sorted(findings, key=lambda f: (-_WEIGHT[f.severity], -1 if f.layer is None else f.layer, f.rule))
        self.findings: tuple[Finding, ...] = tuple(order)
        self.net, self.signal, self.symmetry = net, signal, symmetry
        self.fail_level, self.suppressed = fail_level, tuple(suppressed)
        self.conditions = tuple(conditions)
        self.predicted = predicted
        self._mend = mend

    @property
    def ok(self) -> bool:
        """True when nothing at or above ``fail_level`` was found."""
        return not any(_WEIGHT[f.severity] >= _WEIGHT[self.fail_level] for f in self.findings)

    @property
    def head(self) -> str:
        """What was judged: the widths."""
        return " -> ".join(map(str, self.net.widths)) if self.net is not None else ""

    @property
    def verdict(self) -> str:
        """The worst finding in words: "cannot learn", "will learn badly or slowly", "fit to train"."""
        return rules.in_words(self.findings)

    @property
    def layers(self) -> tuple[Any, ...]:
        """The signal at every layer."""
        return () if self.signal is None else self.signal.layers

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def __len__(self) -> int:
        return len(self.findings)

    def __repr__(self) -> str:
        return f"<Report ok={self.ok} findings={len(self.findings)}>"

    @property
    def line(self) -> str:
        """One line: ok or not, the verdict, what was judged, and how many findings."""
        count = {s: sum(f.severity == s for f in self.findings) for s in reversed(rules.SEVERITIES)}
        found = ", ".join(f"{n} {s}" for s, n in count.items() if n) or "no findings"
        but = "but " * (self.ok and self.verdict != rules.VERDICTS["info"])
        line = f"{'ok' if self.ok else 'NOT OK'}, {but}{self.verdict}: {self.head}: {found}"
        return line + (f" ({len(self.suppressed)} in the baseline)" if self.suppressed else "")

    @quiet
    def __str__(self) -> str:
        parts = ["\n".join(textwrap.wrap(self.line, 80)), *[str(f) for f in self.findings]]
        if self.signal is not None:
            parts.append(str(self.signal))
        if self.conditions:
            parts.append("\n".join(textwrap.wrap("Rests on: " + "; ".join(self.conditions), 80,
                                                 subsequent_indent="    ", break_long_words=False)))
        return "\n\n".join(parts)

    @quiet
    def to_dict(self) -> dict[str, Any]:
        """Plain values of everything above; ``schema`` names the version."""
        assert self.net is not None
        return {"schema": SCHEMA, "ok": self.ok, "verdict": self.verdict, "fail_level": self.fail_level,
                "widths": list(self.net.widths),
                "dtype": self.net.dtype.name, "activations": [la.activation.name for la in self.net.layers],
                "signal": None if self.signal is None else self.signal.kind,
                "assumed": "" if self.signal is None else self.signal.assumed,
                "conditions": list(self.conditions),
                "findings": [f.to_dict() for f in self.findings],
                "suppressed": [f.to_dict() for f in self.suppressed],
                "layers": [{k: plain(v) for k, v in la.to_dict().items()} for la in self.layers]}

    @quiet
    def to_json(self, *, indent: int | None = 2) -> str:
        """:meth:`to_dict` as JSON text (NaN and infinity as null)."""
        return json.dumps(self.to_dict(), indent=_checks.indent(indent), allow_nan=False)

    @quiet
    def to_sarif(self, *, uri: str = "network", indent: int | None = 2) -> str:
        """SARIF 2.1.0 text (OASIS), for code-scanning pages; ``uri`` is the file the weights came from."""
        return sarif(self.findings, uri, indent)

    @quiet
    def to_html(self, path: Any = None) -> str:
        """One page with everything above, figures and data inside; written to ``path`` where one is given.

        It needs no matplotlib, no network and no script, and at most 300 kB for 100 layers. The text is returned.
        """
        from ._page.page import page
        return written(page(self), path)

    def _repr_html_(self) -> str:
        from ._page.notebook import fragment
        return fragment(self)

    @quiet
    def plot(self) -> Any:
        """One figure of panels (a matplotlib Figure, never shown): signal, saturation, histograms, ties, phases.

        Raises MissingExtraError without matplotlib (extra ``plots``).
        """
        from ..plots import panels
        return panels(self)

    def raise_for_findings(self) -> Report:
        """Raise UntrainableError (an AssertionError) unless :attr:`ok`; returns the report, for chaining."""
        __tracebackhide__ = True
        if not self.ok:
            raise UntrainableError(self)
        return self

    @quiet
    def repair(self, *, rng: Any = None, fold: bool = True) -> Network:
        """The network with what was found mended; its own check (same data, same options) is ok, or a warning says so.

        Layers at fault are drawn again from ``rng`` (see :func:`initcore.check`) by the calls that the cures name, with
        zero biases. Given targets, what is mended must also get about as far in a rehearsal (SIG307) as a good start:
        where it does not, every layer is drawn again, and then fitted to the data (orthogonal weights, every layer's
        sums centred and scaled). A few tied units are set free by :func:`initcore.symmetry.break_ties`. A deep sigmoid
        stack gets the weights that make it the equivalent tanh network (Glorot weights times 4, bias minus half their
        column sums; sigmoid(z) = (1 + tanh(z/2))/2). Constant inputs no weights can mend.

        fold : unscaled or off-centre inputs are undone in the first layer, feature by feature, so that the same raw
            data can be fed. Its gradients keep the scale of the raw data, though: to train, ``fold=False`` and
            feed ``report.standardise(x)``.

        Warns (InitcoreWarning) where the best of all this is still judged unfit, or gets not half as far as a good
        start in a rehearsal.
        """
        mended: Network = self._mender()(self.findings, rng, fold)
        return mended

    @quiet
    def standardise(self, x: Any) -> Any:
        """Inputs with the mean and scale of the data checked taken out: ``(x - mean) / scale``, ``(batch, features)``.

        Feature by feature where their sizes differ much, else by one number for all (constant features become 0).
        """
        mender = self._mender()
        return mender.standard(x).astype(mender.net.dtype)

    def _mender(self) -> Any:
        if self._mend is None:
            raise ArgumentError("this report was made without its network; check the network again to repair it.")
        return self._mend

    def with_baseline(self, known: set[tuple[Any, ...]]) -> Self:
        """The report without findings of a baseline; they are kept in :attr:`suppressed`."""
        other = copy.copy(self)
        other.findings = tuple(f for f in self.findings if f.fingerprint not in known)
        other.suppressed = tuple(f for f in self.findings if f.fingerprint in known)
        return other
