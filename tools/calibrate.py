"""Calibrate the rules: draw random networks, train them, and compare what became of them with the verdicts.

``python tools/calibrate.py train [--set calibration|heldout] [--count N]`` trains (hours of one core; it resumes where
it stopped), ``judge`` runs :func:`initcore.check` over the same networks and prints the table, ``repair`` trains what
``Report.repair`` makes of them, ``write`` writes the shares the rules print, the page's table and its figure.
The page docs/explanation/calibration.md says what everything means and what budget the recorded run had.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from calibration import judging, page, starts, store, training

SEEDS = {"calibration": 1, "trial": 6, "heldout": 7}
STARTS = 5             # of every architecture, beside the good ones


def networks(which: str, index: int) -> tuple[starts.Architecture, list[starts.Start], list[starts.Start]]:
    """Architecture number ``index`` of a set, its good starts and the starts to judge: the same on every call."""
    seed = SEEDS[which]
    arch = starts.architecture(np.random.default_rng([seed, index]))
    good = starts.good(arch, np.random.default_rng([seed, index, 0]))
    return arch, good, [starts.start(arch, np.random.default_rng([seed, index, k])) for k in range(1, STARTS + 1)]


def train(which: str, count: int, first: int, step: int) -> None:
    """Train architectures first, first + step, ... below ``count`` that are not recorded yet."""
    done = store.done(which)
    began = time.process_time()
    for index in range(first, count, step):
        if index in done:
            continue
        arch, good, judged = networks(which, index)
        lines = []
        goal = {}
        for name in training.OPTIMIZERS:
            goal[name] = training.reach(good[0].net, good[0].task, name)
            if goal[name] < training.ENOUGH:
                goal[name] = max(goal[name], training.reach(good[1].net, good[1].task, name))
        for k, one in enumerate([good[0], *judged]):
            found = {name: goal[name] if k == 0 else training.reach(one.net, one.task, name, 0.9 * goal[name])
                     for name in training.OPTIMIZERS}
            lines.append({"arch": index, "start": k, "task": arch.task.name, "activation": arch.activation,
                          "widths": "-".join(map(str, arch.widths)), "fault": one.fault,
                          **{name: f"{value:.3f}" for name, value in found.items()}})
        store.append(which, store.TRAINED, lines)
    print(f"{time.process_time() - began:.0f} s of processor time")


def recorded(which: str) -> Iterator[tuple[starts.Start, dict[str, str], dict[str, float]]]:
    """Every start to judge that was trained: the network, its line, and what a good start reached."""
    lines: dict[int, list[dict[str, str]]] = {}
    for row in store.rows(which):
        lines.setdefault(int(row["arch"]), []).append(row)
    for index, rows in sorted(lines.items()):
        goal = {name: float(rows[0][name]) for name in training.OPTIMIZERS}
        if max(goal.values()) >= judging.LEAST:
            for one, row in zip(networks(which, index)[2], rows[1:]):
                yield one, row, goal


def judge(which: str, first: int, step: int, turn: bool = False) -> dict[str, object]:
    """Verdicts beside outcomes; those not yet recorded of architectures first, first + step, ... are added.

    Each network is judged under every optimiser, or, with ``turn``, under one of them in turn.
    """
    name = f"{which}-judged"
    done = store.done(name)
    todo = (r for r in recorded(which) if int(r[1]["arch"]) % step == first and int(r[1]["arch"]) not in done)
    for _, group in itertools.groupby(todo, key=lambda r: r[1]["arch"]):
        lines: list[dict[str, object]] = []
        for one, row, goal in group:
            for optimizer in training.OPTIMIZERS:
                ended = judging.outcome(float(row[optimizer]), goal[optimizer])
                due = training.OPTIMIZERS[(int(row["arch"]) + int(row["start"])) % len(training.OPTIMIZERS)]
                if ended is not None and (not turn or optimizer == due):
                    case = judging.judge(one, optimizer, ended)
                    lines.append({"arch": row["arch"], "start": row["start"], "optimizer": optimizer,
                                  "outcome": case.outcome, "verdict": case.verdict,
                                  "rules": " ".join(":".join(r) for r in case.rules)})
        store.append(name, store.JUDGED, lines)
    return counted(which)


def counted(which: str) -> dict[str, object]:
    """What the recorded verdicts add up to."""
    cases = [judging.Case(r["optimizer"], r["outcome"], r["verdict"],
                          tuple((k[:6], k[7:]) for k in r["rules"].split())) for r in store.rows(f"{which}-judged")]
    split = {name: [c for c in cases if c.optimizer == name] for name in training.OPTIMIZERS}
    return {"networks": len(list(store.rows(which))), "rules": judging.by_rule(cases),
            "confusion": {name: judging.confusion(found) for name, found in split.items()},
            "shares": {name: judging.shares(found) for name, found in split.items()}}


def repair(which: str, first: int, step: int) -> dict[str, list[int]]:
    """Outcomes of repaired networks by optimiser; each network with one optimiser, in turn."""
    count = {name: [0] * len(judging.OUTCOMES) for name in training.OPTIMIZERS}
    for k, (one, row, goal) in enumerate(recorded(which)):
        name = training.OPTIMIZERS[k % len(training.OPTIMIZERS)]
        if goal[name] >= judging.LEAST and int(row["arch"]) % step == first:
            ended = judging.repaired(one, name, goal[name])
            if ended is not None:
                count[name][judging.OUTCOMES.index(ended)] += 1
                if ended != "well":
                    print("repaired", ended, name, row["arch"], row["start"], row["task"], row["activation"],
                          row["widths"], row["fault"])
    return count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["train", "judge", "repair", "write"])
    parser.add_argument("--set", default="calibration", choices=list(SEEDS))
    parser.add_argument("--count", type=int, default=300, help="architectures to train, five starts each")
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--step", type=int, default=1)
    parser.add_argument("--turn", action="store_true", help="judge each network under one optimiser, in turn")
    parser.add_argument("--results", type=Path, default=store.FOLDER, help="where every network's line is kept")
    given = parser.parse_args()
    store.FOLDER = given.results
    counts = json.loads(store.COUNTS.read_text()) if store.COUNTS.exists() else {}
    if given.command == "train":
        train(given.set, given.count, given.first, given.step)
    elif given.command == "write":
        page.write(counts)
    else:
        key = given.set if given.command == "judge" else "repaired"
        counts[key] = (judge(given.set, given.first, given.step, given.turn) if given.command == "judge"
                       else repair(given.set, given.first, given.step))
        store.COUNTS.write_text(json.dumps(counts, indent=1) + "\n")
        print(json.dumps(counts[key] if key == "repaired" else counts[key]["shares"], indent=1))


if __name__ == "__main__":
    main()
