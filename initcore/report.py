"""What ``check`` hands back: findings, and a report that prints, serialises, raises and repairs."""

from __future__ import annotations

import json
import math
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from . import rules
from .errors import UntrainableError

if TYPE_CHECKING:
    from .network import Network
    from .saturation import SignalReport

SCHEMA = "initcore-report/1"
CAUSES = ("weight_scale", "weight_mean", "input_scale", "input_offset", "bias", "layout", "activation", "symmetry",
          "data")
_WEIGHT = {level: i for i, level in enumerate(rules.SEVERITIES)}
_LEVEL = {"fail": "error", "warn": "warning", "info": "note"}


@dataclass(frozen=True)
class Finding:
    """One thing found.

    ``layer`` is the index of the layer (None: the network or the data as a whole), ``tensor`` names the array
    ("layers[0].w") where one is meant; ``measured`` and ``expected`` are what the rule compared (a number where it
    has one, else words); ``cause`` is one of :data:`CAUSES`; ``cure`` a number or call that mends it.
    """

    rule: str
    severity: str
    layer: int | None
    message: str
    measured: Any = None
    expected: Any = None
    cause: str | None = None
    cure: str = ""
    tensor: str | None = None

    @property
    def title(self) -> str:
        """The rule's title."""
        return rules.get(self.rule).title

    @property
    def fingerprint(self) -> tuple[str, int | None, str | None]:
        """What a baseline compares: rule, layer and tensor."""
        return self.rule, self.layer, self.tensor

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {"rule": self.rule, "title": self.title, "severity": self.severity, "layer": self.layer,
                "tensor": self.tensor, "message": self.message, "measured": _plain(self.measured),
                "expected": _plain(self.expected), "cause": self.cause, "cure": self.cure}

    def __str__(self) -> str:
        where = self.tensor or ("network" if self.layer is None else f"layers[{self.layer}]")
        lines = textwrap.wrap(f"{self.severity.upper():<4} {self.rule} {where}: {self.title}", 80,
                              subsequent_indent="     ")
        rows = [("", self.message), ("measured", _words(self.measured)), ("expected", _words(self.expected)),
                ("cause", self.cause or ""), ("cure", self.cure)]
        for label, text in rows:
            if text:
                head = f"     {label:<9} " if label else "     "
                lines += textwrap.wrap(text, 80, initial_indent=head, subsequent_indent=" " * len(head),
                                       break_on_hyphens=False)
        return "\n".join(lines)


class Report:
    """The verdict on a network.

    Attributes
    ----------
    findings : tuple of :class:`Finding`, worst first.
    ok : no finding at or above ``fail_level``.
    layers : the signal at every layer (:class:`initcore.saturation.LayerSignal`), () when the weights are not finite.
    signal, symmetry : the reports behind it (None where not run). suppressed : findings a baseline holds.
    """

    def __init__(self, net: Network, findings: list[Finding], *, signal: SignalReport | None = None,
                 symmetry: Any = None, fail_level: str = "fail", suppressed: tuple[Finding, ...] = (),
                 how: dict[str, Any] | None = None) -> None:
        order = sorted(findings, key=lambda f: (-_WEIGHT[f.severity], -1 if f.layer is None else f.layer, f.rule))
        self.findings: tuple[Finding, ...] = tuple(order)
        self.net, self.signal, self.symmetry = net, signal, symmetry
        self.fail_level, self.suppressed = fail_level, tuple(suppressed)
        self._how = how or {}

    @property
    def ok(self) -> bool:
        """True when nothing at or above ``fail_level`` was found."""
        return not any(_WEIGHT[f.severity] >= _WEIGHT[self.fail_level] for f in self.findings)

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

    def __str__(self) -> str:
        count = {s: sum(f.severity == s for f in self.findings) for s in reversed(rules.SEVERITIES)}
        found = ", ".join(f"{n} {s}" for s, n in count.items() if n) or "no findings"
        head = f"{'ok' if self.ok else 'NOT OK'}: {' -> '.join(map(str, self.net.widths))}: {found}"
        if self.suppressed:
            head += f" ({len(self.suppressed)} in the baseline)"
        parts = ["\n".join(textwrap.wrap(head, 80)), *[str(f) for f in self.findings]]
        if self.signal is not None:
            parts.append(str(self.signal))
        return "\n\n".join(parts)

    def to_dict(self) -> dict[str, Any]:
        """Plain values of everything above; ``schema`` names the version."""
        return {"schema": SCHEMA, "ok": self.ok, "fail_level": self.fail_level, "widths": list(self.net.widths),
                "dtype": self.net.dtype.name, "activations": [la.activation.name for la in self.net.layers],
                "signal": None if self.signal is None else self.signal.kind,
                "assumed": "" if self.signal is None else self.signal.assumed,
                "findings": [f.to_dict() for f in self.findings],
                "suppressed": [f.to_dict() for f in self.suppressed],
                "layers": [{k: _plain(v) for k, v in la.to_dict().items()} for la in self.layers]}

    def to_json(self, *, indent: int | None = 2) -> str:
        """:meth:`to_dict` as JSON text (NaN and infinity as null)."""
        return json.dumps(self.to_dict(), indent=indent, allow_nan=False)

    def to_sarif(self, *, uri: str = "network", indent: int | None = 2) -> str:
        """SARIF 2.1.0 text (OASIS), for code-scanning pages; ``uri`` is the file the weights came from."""
        from . import __version__
        used = sorted({f.rule for f in self.findings})
        texts = [{"id": r.id, "name": r.title.title().replace(" ", ""), "shortDescription": {"text": r.title},
                  "fullDescription": {"text": r.why}, "help": {"text": r.cure},
                  "defaultConfiguration": {"level": _LEVEL[r.severity]}} for r in map(rules.get, used)]
        results = []
        for f in self.findings:
            name = f.tensor or ("network" if f.layer is None else f"layers[{f.layer}]")
            facts = f.to_dict()
            body = f.message + (f" Cause: {f.cause}." if f.cause else "") + (f" Cure: {f.cure}" if f.cure else "")
            results.append({
                "ruleId": f.rule, "ruleIndex": used.index(f.rule), "level": _LEVEL[f.severity],
                "message": {"text": body},
                "locations": [{"physicalLocation": {"artifactLocation": {"uri": uri}},
                               "logicalLocations": [{"fullyQualifiedName": name, "kind": "object"}]}],
                "properties": {k: facts[k] for k in ("measured", "expected", "cause", "layer")}})
        driver = {"name": "initcore", "version": __version__, "semanticVersion": __version__, "rules": texts}
        return json.dumps({"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0",
                           "runs": [{"tool": {"driver": driver}, "results": results,
                                     "columnKind": "unicodeCodePoints"}]}, indent=indent, allow_nan=False)

    def raise_for_findings(self) -> Report:
        """Raise UntrainableError (an AssertionError) unless :attr:`ok`; returns the report, for chaining."""
        __tracebackhide__ = True
        if not self.ok:
            raise UntrainableError(self)
        return self

    def repair(self, *, rng: Any = None) -> Network:
        """The network with what was found mended; its own check (same data, same options) is ok.

        Layers at fault are drawn again from ``rng`` (see :func:`initcore.check`): He for the ReLU family, LeCun for
        selu, Glorot elsewhere, zero biases. Unscaled or off-centre inputs are folded into the first layer, so that
        the same raw data can be fed. A deep sigmoid stack gets the weights that make it the equivalent tanh network
        (Glorot weights times 4, bias minus half their column sums; sigmoid(z) = (1 + tanh(z/2))/2).
        """
        from ._repair import repaired
        return repaired(self, rng)

    def with_baseline(self, known: set[tuple[Any, ...]]) -> Report:
        """The report without findings of a baseline; they are kept in :attr:`suppressed`."""
        keep = [f for f in self.findings if f.fingerprint not in known]
        return Report(self.net, keep, signal=self.signal, symmetry=self.symmetry, fail_level=self.fail_level,
                      suppressed=tuple(f for f in self.findings if f.fingerprint in known), how=self._how)


def at_severity(finding: Finding, severity: str) -> Finding:
    """The finding with another severity."""
    return replace(finding, severity=severity)


def _plain(value: Any) -> Any:
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _words(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
