"""Print every case beside its rivals: `python -m benchmarks.compare [--only TEXT] [--json FILE|auto]`.

A ratio is the rival's time over ours (or ours over the base, where a case says "at most"): minima of interleaved
rounds in one process. Losses are marked as plainly as wins.
"""

from __future__ import annotations

import argparse
import datetime
import json
import sys
from pathlib import Path
from typing import Any

from . import harness

RESULTS = Path(__file__).parent / "results"


def _time(seconds: float) -> str:
    for unit, scale in (("s", 1.0), ("ms", 1e3), ("us", 1e6)):
        if seconds * scale >= 1:
            return f"{seconds * scale:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


def _line(result: dict[str, Any], row: dict[str, Any], first: bool) -> str:
    name = result["case"][:38] if first else ""
    ours = _time(result["seconds"]["initcore"]) if first else ""
    rival = row["rival"][:14]
    if row["ratio"] is None:
        return f"{name:38} {ours:>8} {rival:14} {row['why'][:17]:>17}"
    sign = "<=" if result["at_most"] else ">="
    wanted = f"{sign}{row['target']:g}" if row["target"] else ""
    verdict = ("ok" if row["met"] else "LOSS") if row["target"] else ""
    return f"{name:38} {ours:>8} {rival:14} {row['ratio']:6.2f} {wanted:>6} {verdict:4}"


def main(argv: list[str] | None = None) -> int:
    """Run the cases and print the table; exit 0 whatever the ratios are."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare", description=__doc__.split("\n")[0])
    parser.add_argument("--only", default="", help="run the cases whose group or name contains this")
    parser.add_argument("--json", metavar="FILE", help="save the results; 'auto' puts them under benchmarks/results/")
    parser.add_argument("--list", action="store_true", help="list the cases")
    args = parser.parse_args(argv)
    cases = [c for c in harness.load() if args.only.lower() in f"{c.group} {c.name}".lower()]
    if args.list:
        for c in cases:
            print(f"{c.group:14} {c.name}")
        return 0
    results: list[dict[str, Any]] = []
    group = None
    for number, c in enumerate(cases, 1):
        if sys.stderr.isatty():
            print(f"\r\033[K[{number}/{len(cases)}] {c.name}", end="", file=sys.stderr, flush=True)
        result = harness.measure(c)
        if sys.stderr.isatty():
            print("\r\033[K", end="", file=sys.stderr, flush=True)
        results.append(result)
        if c.group != group:
            group = c.group
            print(f"\n{group}\n{'case':38} {'ours':>8} {'against':14} {'ratio':>6} {'wanted':>6}")
        for i, row in enumerate(result["rows"]):
            print(_line(result, row, i == 0), flush=True)
    info = harness.machine()
    wanted = [row for r in results for row in r["rows"] if row["ratio"] is not None and row["target"]]
    print(f"\n{sum(r['met'] for r in wanted)} of {len(wanted)} wanted ratios met; "
          f"variant {info['initcore_isa']}, {info.get('cpu', '')}")
    print("BLAS: " + "; ".join(info.get("blas", ["unknown"])))
    if args.json:
        day = datetime.date.today().isoformat()
        path = RESULTS / f"v{info['initcore']}-{info['initcore_isa']}-{day}.json" if args.json == "auto" else Path(
            args.json)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"machine": info, "results": results}, indent=1) + "\n")
        print(f"saved {path}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
