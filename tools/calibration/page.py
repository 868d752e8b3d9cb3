"""What is written from the counts: the file behind ``initcore rule``, the page's tables and its figure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from . import judging

TOP = Path(__file__).resolve().parents[2]
DATA = TOP / "initcore" / "rules" / "calibration.json"
PAGE = TOP / "docs" / "explanation" / "calibration.md"
FIGURE = PAGE.with_suffix(".svg")
BEGIN, END = "<!-- written by tools/calibrate.py -->", "<!-- to here -->"
COLOURS = {"stuck": "#b2182b", "slow": "#f4a582", "well": "#4393c3"}


def write(counts: dict[str, Any]) -> None:
    """All three, from what ``calibrate.py judge`` and ``repair`` counted."""
    rules = counts["heldout"]["rules"]
    DATA.write_text(json.dumps({"networks": counts["heldout"]["networks"], "rules": rules}, indent=None,
                               separators=(",", ":"), sort_keys=True) + "\n", encoding="utf-8")
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    PAGE.write_text(f"{before}{BEGIN}\n\n{_tables(counts)}\n\n{END}{after}", encoding="utf-8")
    _figure(counts["heldout"]["confusion"])


def _tables(counts: dict[str, Any]) -> str:
    lines = ["| set | optimiser | networks | stuck that are NOT OK | NOT OK that train well | no finding, yet stuck |",
             "|---|---|---|---|---|---|"]
    for name in (n for n in ("calibration", "heldout") if n in counts):
        for optimizer, row in counts[name]["shares"].items():
            total = sum(sum(r.values()) for r in counts[name]["confusion"][optimizer].values())
            lines.append(f"| {name.replace('heldout', 'held out')} | {optimizer} | {total} | "
                         + " | ".join(f"{100 * v:.1f}%" for v in row.values()) + " |")
    lines += ["", "Held-out networks by verdict and outcome (stuck / slow / well):", "",
              "| optimiser | " + " | ".join(judging.VERDICTS) + " |", "|---|---|---|---|"]
    for optimizer, table in counts["heldout"]["confusion"].items():
        lines.append(f"| {optimizer} | " + " | ".join(" / ".join(str(n) for n in table[v].values())
                                                      for v in judging.VERDICTS) + " |")
    if "repaired" in counts:
        lines += ["", "Repaired held-out networks, each under one optimiser (stuck / slow / well): " + "; ".join(
            f"{optimizer} {' / '.join(map(str, row))}" for optimizer, row in counts["repaired"].items()) + "."]
    lines += ["", "Rules on held-out networks, all optimisers together:", "",
              "| rule | severity | fired | stuck | slow | well |", "|---|---|---|---|---|---|"]
    lines += [f"| {rule} | {severity} | {sum(row)} | {row[0]} | {row[1]} | {row[2]} |"
              for rule, found in counts["heldout"]["rules"].items() for severity, row in sorted(found.items())]
    return "\n".join(lines)


def _figure(tables: dict[str, dict[str, dict[str, int]]]) -> None:
    """Bars: how networks ended, by verdict and optimiser."""
    import matplotlib
    matplotlib.use("svg")
    import matplotlib.pyplot as plt
    plt.rcParams.update({"svg.hashsalt": "calibration", "svg.fonttype": "none", "font.size": 9})
    figure, axes = plt.subplots(1, len(tables), figsize=(8, 2.6), sharey=True)
    for ax, (optimizer, table) in zip(axes, tables.items()):
        at = [0.0] * len(judging.VERDICTS)
        for outcome in judging.OUTCOMES:
            share = [table[v][outcome] / max(sum(table[v].values()), 1) for v in judging.VERDICTS]
            ax.bar(judging.VERDICTS, share, bottom=at, color=COLOURS[outcome], label=outcome, width=0.7)
            at = [a + s for a, s in zip(at, share)]
        for i, verdict in enumerate(judging.VERDICTS):
            ax.text(i, 1.02, str(sum(table[verdict].values())), ha="center")
        ax.set_title(optimizer, pad=16)
        ax.spines[["top", "right"]].set_visible(False)
    axes[0].set_ylabel("share of networks")
    axes[-1].legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    figure.savefig(FIGURE, bbox_inches="tight", metadata={"Date": None})
