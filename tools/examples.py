"""Many examples for every hypothesis test: ``python tools/examples.py --minutes 60 [PATH ...]``.

The test that can be done soonest comes first, in rounds of a few minutes with a seed of their own (so a round is made
again by the command that is printed when it fails), until each has had 10^5 examples or the time is over. ``--record
FILE`` holds what every test has had, over all runs that named it; a test has no more to give when its own strategies
run dry.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROUND = 240.0                                    # seconds that one turn of a test should take


def pytest(*arguments: str, limit: float | None = None, **environment: str) -> tuple[int, str]:
    """Exit code and output of pytest; -1 where it was stopped."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", *arguments]
    try:
        done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True,
                              timeout=limit, check=False)
    except subprocess.TimeoutExpired:
        return -1, ""
    return done.returncode, done.stdout


def functions(paths: list[str]) -> list[str]:
    """Every hypothesis test, without its parameters."""
    _, said = pytest("--collect-only", "-m", "hypothesis", *paths)
    return sorted({line.partition("[")[0] for line in said.splitlines() if "::" in line})


def turn(test: str, row: dict[str, Any]) -> str:
    """One round of a test, noted in its row; what it said where it failed."""
    begin, examples, seed = time.monotonic(), row.setdefault("round", 20), row.setdefault("rounds", 0)
    code, said = pytest(test, f"--hypothesis-seed={seed}", "--hypothesis-show-statistics", limit=30 * ROUND,
                        INITCORE_EXAMPLES=str(examples))
    took = time.monotonic() - begin
    row["rounds"] += 1
    row["examples"] = row.get("examples", 0) + sum(map(int, re.findall(r"(\d+) passing\b", said)))
    row["seconds"] = round(row.get("seconds", 0.0) + took, 1)
    row["exhausted"] = "nothing left to do" in said
    row["round"] = max(1, min(round(examples * min(8.0, ROUND / took)), 20_000))
    if code in (0, -1):
        return ""
    row["failures"] = [*(row.get("failures") or []), {"seed": seed, "examples": examples}]
    return f"INITCORE_EXAMPLES={examples} pytest {test} --hypothesis-seed={seed}\n{said}"


def needed(row: dict[str, Any], aim: int) -> float:
    """Seconds until a test has had all its examples, by what it took so far; a new one comes first."""
    had = row.get("examples", 0)
    return (aim - had) * float(row.get("seconds", 0.0)) / (had or 1)


def main() -> int:
    """Run until the time is over or all is done; exit 1 where a test failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--examples", type=int, default=100_000)
    parser.add_argument("--record", type=Path, default=Path("examples.json"))
    parser.add_argument("paths", nargs="*", default=["tests"])
    given = parser.parse_args()
    rows = json.loads(given.record.read_text()) if given.record.exists() else {}
    for test in functions(given.paths):
        rows.setdefault(test, {})
    end, failed = time.monotonic() + 60 * given.minutes, False
    while time.monotonic() < end:
        open_ = [t for t in rows if rows[t].get("examples", 0) < given.examples and not rows[t].get("exhausted")]
        if not open_:
            break
        wrong = turn(test := min(open_, key=lambda t: needed(rows[t], given.examples)), rows[test])
        failed = failed or bool(wrong)
        print(wrong or f"{test}: {rows[test]['examples']}", flush=True)
        given.record.write_text(json.dumps(rows, indent=1) + "\n")
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
