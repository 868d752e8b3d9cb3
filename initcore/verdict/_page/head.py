"""The top of a page: the verdict, what was judged, what the answer rests on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from ..._page.html import Html, tag
from ...rules import SEVERITIES, VERDICTS

_FOLDED = 12                # layers that are told one by one


def head(report: Any, judged: str, lines: Iterable[str] = ()) -> Html:
    """The verdict as a heading, the counts, the share judged."""
    look = {VERDICTS["fail"]: "fail", VERDICTS["warn"]: "warn", VERDICTS["info"]: "ok"}.get(report.verdict, "warn")
    return tag("header", tag("p", "initcore: will it learn?", class_="soft"),
               tag("h1", report.verdict[:1].upper() + report.verdict[1:], class_="verdict"),
               tag("p", f"{'ok' if report.ok else 'NOT OK'} at fail level {report.fail_level}: "
                        f"{counts(report.findings, len(report.suppressed))}"),
               tag("p", tag("strong", "Judged: "), judged), *[tag("p", line) for line in lines],
               class_=f"head {look}")


def counts(findings: Sequence[Any], suppressed: int = 0) -> str:
    """How many findings of each severity, worst first."""
    seen = Counter(f.severity for f in findings)
    said = ", ".join(f"{seen[s]} {s}" for s in reversed(SEVERITIES) if seen[s]) or "no findings"
    return said + (f" ({suppressed} in the baseline)" if suppressed else "")


def network_line(net: Any) -> str:
    """Widths, dtype and activations, of long networks the ends and the commonest."""
    widths = list(map(str, net.widths))
    if len(widths) > _FOLDED:
        widths = [*widths[:4], "...", *widths[-2:]]
    phis = Counter(la.activation.name for la in net.layers).most_common(4)
    return (f"{' -> '.join(widths)}, {len(net.layers)} layer{'s' * (len(net.layers) != 1)}, {net.dtype.name}, "
            + ", ".join(f"{n} {name}" for name, n in phis))


def judged(report: Any) -> str:
    """The share that was judged, and how."""
    net: Any = getattr(report, "net", None)
    if net is None:                     # of a module: what was seen of it, by its title and coverage
        signal, said = report.signal, []
        if report.coverage:
            said.append(report.coverage)
        if signal is not None:
            said.append(f"the signal at {len(signal.layers)} activations, {signal.kind}")
        said.append("no proof of symmetry" if report.symmetry is None else "a proof of symmetry")
        return f"{report.title}: {'; '.join(said)}."
    n = sum(a.size for _, _, a in net.parameters())
    return f"100% of {n:,} parameters, as a network: {network_line(net)}."


def rests_on(conditions: Sequence[str]) -> Html:
    """The conditions of the answer."""
    if not conditions:
        return Html("")
    return tag("section", tag("h2", "What the answer rests on"), tag("ul", *[tag("li", c) for c in conditions]))
