"""Results on disk: one line a network, written an architecture at a time, so that a run may stop and go on."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

FOLDER = Path("build") / "calibration"           # of the results; ``calibrate.py --results`` names another
COUNTS = Path(__file__).parent / "counts.json"   # what they add up to, which is kept
TRAINED = ("arch", "start", "task", "activation", "widths", "fault", "sgd", "momentum", "adam")
JUDGED = ("arch", "start", "optimizer", "outcome", "verdict", "rules")


def rows(name: str) -> Iterator[dict[str, str]]:
    """The lines of one file."""
    path = FOLDER / f"{name}.csv"
    if path.exists():
        with open(path, newline="", encoding="utf-8") as file:
            yield from csv.DictReader(file)


def done(name: str) -> set[int]:
    """Architectures recorded."""
    return {int(row["arch"]) for row in rows(name)}


def append(name: str, fields: tuple[str, ...], lines: list[dict[str, object]]) -> None:
    """All lines of one architecture at once."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{name}.csv"
    new = not path.exists()
    with open(path, "a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fields, lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerows(lines)
