"""A report for people: wrapped to the terminal's width, the layers of long networks folded, colours on terminals only.

Everything is rendered to text first and written once, so that a reader who leaves is met in one place.
"""

from __future__ import annotations

import io
import math
import sys
import textwrap
import threading
from collections.abc import Callable, Sequence
from typing import Any

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from .._page.html import shown, shown_name
from ..files import Comparison, FileReport
from ..files._compare import SHOWN
from ..rules import Finding
from ..verdict import ModuleReport

WIDTH, WIDEST = 80, 100
_ENDS, _WORST, _ALL = 3, 6, 16         # rows at either end, rows of the worst, rows that are shown unfolded
_SAME = 4                              # findings of one rule that are told in full
_STYLES = {"fail": "bold red", "warn": "yellow", "info": "cyan"}
# Heading, what a layer says under it, and the columns a terminal needs for it to be shown.
_Column = tuple[str, Callable[[Any], str], int]
_COLUMNS: tuple[_Column, ...] = (
    ("layer", lambda la: str(la.index), 0), ("activation", lambda la: la.activation[:12], 34),
    ("units", lambda la: str(la.units), 0), ("q", lambda la: f"{la.q:.3g}", 62),
    ("<10%", lambda la: _percent(la.slope_below_10pct), 76), ("<1%", lambda la: _percent(la.slope_below_1pct), 0),
    ("zero", lambda la: _percent(la.slope_zero), 76), ("mean r", lambda la: f"{la.mean_slope:.3f}", 76),
    ("chi", lambda la: f"{la.chi:.3g}", 0), ("typical", lambda la: f"{la.typical_factor:.2g}", 62))
# Of a module: where an activation stands, and no chi, which needs the weights of a layer.
_MODULE: tuple[_Column, ...] = (("module", lambda la: _ending(shown_name(la.name), 24), 0), *(
    column for column in _COLUMNS if column[0] not in ("layer", "chi")))


class Working:
    """What is being done, on a terminal's stderr, once it has taken a second; nothing elsewhere."""

    def __init__(self, what: str, quiet: bool = False, *, console: Console | None = None, delay: float = 1.0) -> None:
        here = console or Console(file=sys.stderr if sys.stderr is not None else io.StringIO())
        self._status = here.status(Text(shown(what))) if here.is_terminal and not quiet else None
        self._timer, self._lock, self._over = threading.Timer(delay, self._begin), threading.Lock(), False
        self._timer.daemon = True

    def __enter__(self) -> Working:
        if self._status is not None:
            self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        with self._lock:
            self._over = True
            if self._status is not None:
                self._status.stop()

    def _begin(self) -> None:
        with self._lock:
            if self._status is not None and not self._over:
                self._status.start()

    def tell(self, what: str) -> None:
        """Say what is being read now."""
        if self._status is not None:
            self._status.update(Text(shown(what)))


def text_of(report: FileReport | ModuleReport) -> str:
    """The report as it is printed on stdout: its width, and escape codes where stdout is a terminal that wants them."""
    here = Console(file=sys.stdout if sys.stdout is not None else io.StringIO())
    return rendered(report, min(here.width, WIDEST) if here.is_terminal else min(here.width, WIDTH),
                    colour=here.is_terminal and not here.no_color)


def rendered(report: FileReport | ModuleReport, width: int = WIDTH, colour: bool = False) -> str:
    """The report at a width."""
    network = report if isinstance(report, ModuleReport) else report.network
    failed = not report.ok if isinstance(report, ModuleReport) else report.failed
    enough = report.whole if isinstance(report, ModuleReport) else report.enough
    out = io.StringIO()
    console = Console(file=out, width=width, force_terminal=colour, no_color=not colour, highlight=False, markup=False,
                      emoji=False, color_system="standard" if colour else None, legacy_windows=False)
    style = "bold red" if failed else "bold green" if enough else "bold yellow"
    head = [] if isinstance(report, ModuleReport) else report.head
    for line, look in (*((line, "") for line in head), (report.line, style)):
        # A path is never broken where there is room for most paths: it is there to be copied.
        for piece in textwrap.wrap(shown(line), width, break_on_hyphens=False, break_long_words=width < WIDTH):
            console.print(Text(piece, style=look), no_wrap=True, overflow="ignore", crop=False)
    for finding in _folded(report.findings):
        console.print()
        _finding(console, finding) if isinstance(finding, Finding) else console.print(Text(finding))
    if network is not None and network.signal is not None:
        console.print()
        _layers(console, network.signal, width)
    if network is not None and network.conditions:
        console.print()
        console.print(Text(shown("Rests on: " + "; ".join(network.conditions))))
    for note in report.notes if isinstance(report, ModuleReport) else ():
        console.print()
        console.print(Text(shown(f"note: {note}")))
    return "\n".join(line.rstrip() for line in out.getvalue().rstrip("\n").split("\n"))


def compared(found: Comparison) -> str:
    """A comparison as it is printed on stdout: in the terminal's width, the table with the columns it has room for."""
    here = Console(file=sys.stdout if sys.stdout is not None else io.StringIO())
    width = min(here.width, WIDEST)
    if width >= WIDTH:
        return shown(str(found))
    out = io.StringIO()
    console = Console(file=out, width=width, highlight=False, markup=False, emoji=False, color_system=None)
    for line in str(found).split("\n\n")[0].split("\n"):
        console.print(Text(shown(line)), overflow="fold")
    if found.changed:
        table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)
        table.add_column("changed", justify="right", no_wrap=True)
        for heading in ("ties", "dead") if width >= 60 else ():
            table.add_column(heading, justify="right", no_wrap=True)
        table.add_column("tensor", overflow="fold")
        for c in found.changed[:SHOWN]:
            cells = [f"{c.change:.3g}" if c.change is not None else "-"]
            table.add_row(*cells, *([str(c.ties), str(c.dead)] if width >= 60 else []), Text(shown_name(c.name)))
        console.print(table)
    rest = len(found.changed) - SHOWN
    if rest > 0:
        console.print(f"... and {rest} more")
    return "\n".join(line.rstrip() for line in out.getvalue().rstrip("\n").split("\n"))


def _finding(console: Console, f: Finding) -> None:
    where = f.tensor or ("network" if f.layer is None else f"layers[{f.layer}]")
    head = Text.assemble((f"{f.severity.upper():<4} {f.rule}", _STYLES[f.severity]), shown(f" {where}: {f.title}"))
    console.print(head)
    console.print(Padding(Text(shown(f.message)), (0, 0, 0, 5)))
    rows = [(label, _words(value)) for label, value in (("at", f.place), ("measured", f.measured), (
        "expected", f.expected), ("cause", f.cause), ("cure", f.cure)) if _words(value)]
    if console.width >= 60:
        grid = Table.grid(padding=(0, 1))
        grid.add_column(width=9)
        grid.add_column()
        for label, value in rows:
            grid.add_row(label, Text(shown(value)))
        console.print(Padding(grid, (0, 0, 0, 5)))
    else:
        for label, value in rows:
            console.print(Padding(Text(shown(f"{label}: {value}")), (0, 0, 0, 5)))


def _words(value: Any) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)


def _folded(findings: Sequence[Finding]) -> list[Finding | str]:
    """Findings in order; of one rule only the first few in full, the others by their places."""
    count: dict[tuple[str, str], list[Finding]] = {}
    out: list[Finding | str] = []
    for f in findings:
        alike = count.setdefault((f.severity, f.rule), [])
        alike.append(f)
        if len(alike) <= _SAME:
            out.append(f)
    for (severity, rule), alike in count.items():
        rest = alike[_SAME:]
        if rest:
            places = [shown(f.tensor or f"layers[{f.layer}]") for f in rest]
            more = f" and {len(places) - 6} more" if len(places) > 6 else ""
            out.append(f"{severity.upper():<4} {rule} also: {', '.join(places[:6])}{more} (all in --format json)")
    return out


def _layers(console: Console, signal: Any, width: int) -> None:
    """The table of layers; of many the first, the last and the worst."""
    console.print(Text(shown(f"Signal, {signal.kind}" + (f" ({signal.assumed})" if signal.assumed else ""))))
    columns = [column for column in (_MODULE if signal.placed else _COLUMNS) if width >= column[2]]
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    for heading, _, _ in columns:
        table.add_column(heading, justify="left" if heading in ("activation", "module") else "right", no_wrap=True)
    last = -1
    for i in signal.excerpt(_ALL, _ENDS, _WORST):
        if i > last + 1:
            table.add_row("...")
        last = i
        table.add_row(*[say(signal.layers[i]) for _, say, _ in columns])
    console.print(table)


def _ending(text: str, most: int) -> str:
    """The end of a long path, which tells more than its beginning."""
    return text if len(text) <= most else "..." + text[3 - most:]


def _percent(share: float) -> str:
    return "n/a" if math.isnan(share) else f"{100 * share:.0f}%"
