"""Threads: `python -m benchmarks.threads [--threads 1,2,4] [--size 2048] [--only product] [--json FILE]`.

Every library at every number of threads runs in a process of its own: the idle workers of one spin on the cores of
another otherwise. A row is a rate (least wall time of the rounds), its share of threads times the rate of one thread,
and the ratio to the rivals at that number. Beside it stands what the cut of a product costs: bytes packed a flop, when
each piece packs its own operands, for cuts by rows, by columns and on the squarest grid.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

LIBRARIES = ("initcore", "numpy", "torch")
WORK = ("product", "forward+backward", "normal", "uniform", "orthogonal")
Calls = dict[str, tuple[Callable[[], Any], float]]


def traffic(m: int, k: int, n: int, rows: int, cols: int, size: int = 4) -> float:
    """Bytes packed a flop of an m x k x n product cut in ``rows`` by ``cols`` pieces that pack both operands.

    >>> round(traffic(1024, 2048, 2048, 1, 1), 5), round(traffic(1024, 2048, 2048, 16, 1), 5)
    (0.00293, 0.03223)
    """
    return size * (rows * k * n + cols * m * k) / (2 * m * k * n)


def squarest(m: int, n: int, pieces: int) -> tuple[int, int]:
    """(rows, columns) of the grid of so many pieces that packs least.

    >>> squarest(1024, 2048, 8), squarest(1024, 2048, 1)
    ((2, 4), (1, 1))
    """
    grids = [(r, pieces // r) for r in range(1, pieces + 1) if pieces % r == 0]
    return min(grids, key=lambda grid: traffic(m, 1, n, *grid))


def _initcore(size: int, threads: int) -> Calls:
    import numpy as np

    import initcore as ic
    a, b, dy = (np.random.default_rng(i).standard_normal((size, size)).astype(np.float32) for i in range(3))
    z, c, out = np.empty_like(a), np.empty_like(a), np.empty(size * size * 4, np.float32)
    bias, grads = np.zeros(size, np.float32), (np.empty_like(a), np.empty_like(a), np.empty(size, np.float32))

    def both() -> None:
        ic.kernels.dense_forward(a, b, bias, "tanh", out=c, z_out=z, threads=threads)
        ic.kernels.dense_backward(a, b, bias, "tanh", dy, z=z, out=grads, threads=threads)
    return {"product": (lambda: ic.kernels.matmul(a, b, out=c, threads=threads), 2 * size**3),
            "forward+backward": (both, 6 * size**3),
            "normal": (lambda: ic.random.normal(out.size, rng=0, out=out, threads=threads), out.size),
            "uniform": (lambda: ic.random.uniform(out.size, rng=0, out=out, threads=threads), out.size),
            "orthogonal": (lambda: ic.init.orthogonal((size, size), rng=0, out=c, threads=threads), size**3)}


def _numpy(size: int, threads: int) -> Calls:
    import numpy as np
    a, b, dy = (np.random.default_rng(i).standard_normal((size, size)).astype(np.float32) for i in range(3))

    def both() -> Any:
        y = np.tanh(a @ b + 1)
        dz = dy * (1 - y * y)
        return dz @ b.T, a.T @ dz, dz.sum(0)
    return {"product": (lambda: a @ b, 2 * size**3), "forward+backward": (both, 6 * size**3)}


def _torch(size: int, threads: int) -> Calls:
    import torch
    torch.set_num_threads(threads)
    torch.set_grad_enabled(False)
    a, b, dy = (torch.randn(size, size) for _ in range(3))
    out, w = torch.empty(size * size * 4), torch.empty(size, size)

    def both() -> Any:
        y = torch.tanh(torch.addmm(b[0], a, b))
        dz = dy * (1 - y * y)
        return dz @ b.T, a.T @ dz, dz.sum(0)
    return {"product": (lambda: a @ b, 2 * size**3), "forward+backward": (both, 6 * size**3),
            "normal": (out.normal_, out.numel()), "uniform": (out.uniform_, out.numel()),
            "orthogonal": (lambda: torch.nn.init.orthogonal_(w), size**3)}


def worker(library: str, threads: int, size: int, rounds: int, only: str) -> dict[str, float]:
    """Rates (flops, values or entries cubed a second) of one library, in this process."""
    calls = {"initcore": _initcore, "numpy": _numpy, "torch": _torch}[library](size, threads)
    rates = {}
    for name, (call, amount) in calls.items():
        if only in name:
            call()
            best = float("inf")
            for _ in range(rounds):
                start = time.perf_counter()
                call()
                best = min(best, time.perf_counter() - start)
            rates[name] = amount / best
    return rates


def measure(libraries: list[str], counts: list[int], size: int, rounds: int, only: str) -> dict[str, Any]:
    """library -> threads -> what -> rate; each in a process of its own."""
    found: dict[str, Any] = {}
    for library in libraries:
        for count in counts:
            limits = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(count))
            done = subprocess.run([sys.executable, "-m", __spec__.name if __spec__ else __name__, "--worker", library,
                                   "--threads", str(count), "--size", str(size), "--rounds", str(rounds),
                                   "--only", only],
                                  env={**os.environ, **limits}, capture_output=True, text=True, check=True)
            found.setdefault(library, {})[str(count)] = json.loads(done.stdout)
    return found


def table(found: dict[str, Any], counts: list[int], size: int) -> list[str]:
    """The rows as printed."""
    lines = [f"{'what':18}{'threads':>8}{'rate':>12}{'efficiency':>12}" + "".join(
        f"{'over ' + name:>14}" for name in found if name != "initcore")]
    for what in WORK:
        for count in map(str, counts):
            ours = found["initcore"][count].get(what)
            if ours is None:
                continue
            share = ours / (found["initcore"][str(counts[0])][what] * int(count) / counts[0])
            ratios = [(rates[count].get(what), name) for name, rates in found.items() if name != "initcore"]
            lines.append(f"{what:18}{count:>8}{ours / 1e9:>10.3g} G{share:>12.2f}" + "".join(
                f"{ours / rival:>14.2f}" if rival else f"{'-':>14}" for rival, _ in ratios))
    lines.append(f"bytes packed a flop of {size}^3, pieces: by rows / by columns / squarest grid")
    for count in counts:
        cuts = [(count, 1), (1, count), squarest(size, size, count)]
        lines.append(f"{count:8} " + " / ".join(f"{traffic(size, size, size, *cut):.4f}" for cut in cuts))
    return lines


def main(argv: list[str] | None = None) -> int:
    """Measure, print the table; 0."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.threads", description=__doc__.split("\n")[0])
    parser.add_argument("--threads", default="1,2,4,8,16")
    parser.add_argument("--size", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--only", default="", help="what contains this")
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--worker", choices=LIBRARIES, help="one library, in this process")
    args = parser.parse_args(argv)
    counts = [int(n) for n in args.threads.split(",")]
    if args.worker:
        print(json.dumps(worker(args.worker, counts[0], args.size, args.rounds, args.only)))
        return 0
    libraries = [name for name in LIBRARIES if importlib.util.find_spec(name)]
    found = measure(libraries, counts, args.size, args.rounds, args.only)
    print("\n".join(table(found, counts, args.size)))
    if args.json:
        from . import harness
        with open(args.json, "w") as file:
            json.dump({"machine": harness.machine(), "size": args.size, "rates": found}, file, indent=1)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
