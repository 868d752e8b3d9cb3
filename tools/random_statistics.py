"""Statistics of 10^8 values of stream v1; its output is recorded in docs/explanation/randomness.md.

``python tools/random_statistics.py [values]``. Every line is a z score (or a p value) of one statistic: values
beyond 5 (below 1e-6) would be a defect. Works through the stream in pieces, so memory stays small.
"""

import math
import sys

import numpy as np
from scipy import special, stats

from initcore import random as icr

PIECE = 1 << 22
LAGS = (1, 2, 3, 4, 8, 16, 64, 256, 1024, 65536)
CELLS = 4096


def report(name: str, value: float, kind: str = "z") -> None:
    print(f"| {name} | {kind} = {value:+.3g} |", flush=True)


def normals(n: int) -> None:
    """Moments, cells of equal probability, lags, correlation with a child's and a neighbour's stream."""
    key = icr.Key(20240101)
    others = {"child 0": key.child(0), "child 'a'": key.child("a"), "seed + 1": icr.Key(20240102)}
    powers = np.zeros(6)
    cells = np.zeros(CELLS, np.int64)
    lags = dict.fromkeys(LAGS, 0.0)
    cross = dict.fromkeys(others, 0.0)
    worst = 0.0
    for start in range(0, n, PIECE):
        m = min(PIECE, n - start)
        block = {"global_shape": (n,), "start": (start,), "dtype": "float32"}
        z = icr.normal(m, rng=key, **block).astype(np.float64)
        powers += [(z**k).sum() for k in range(1, 7)]
        u = special.ndtr(z)
        cells += np.bincount((u * CELLS).astype(np.intp), minlength=CELLS)[:CELLS]
        for lag in LAGS:
            lags[lag] += float(z[lag:] @ z[:-lag])
        for name, other in others.items():
            cross[name] += float(z @ icr.normal(m, rng=other, **block).astype(np.float64))
        worst = max(worst, float(abs(z).max()))
    for k in range(1, 7):
        mean = 0 if k % 2 else special.factorial2(k - 1)
        error = math.sqrt((special.factorial2(2 * k - 1) - mean**2) / n)
        report(f"normal, moment {k}", (powers[k - 1] / n - mean) / error)
    edges = np.cumsum(cells) / n
    distance = float(abs(edges - np.arange(1, CELLS + 1) / CELLS).max())
    report(f"normal, Kolmogorov-Smirnov on {CELLS} edges", float(stats.kstwobign.sf(distance * math.sqrt(n))), "p")
    report(f"normal, chi squared of {CELLS} cells", float(stats.chisquare(cells).pvalue), "p")
    for lag in LAGS:
        report(f"normal, lag {lag}", lags[lag] / math.sqrt(n))
    for name in others:
        report(f"normal, against {name}", cross[name] / math.sqrt(n))
    print(f"| normal, largest | {worst:.4f} (expected about {-special.ndtri(0.5 / n):.2f}) |")


def truncated_and_uniform(n: int) -> None:
    """Cells of equal probability."""
    for name, draw, cdf in (
            ("uniform", lambda m, **kw: icr.uniform(m, **kw), lambda x: x),
            ("truncated +-2", lambda m, **kw: icr.truncated_normal(m, **kw),
             lambda x: (special.ndtr(x) - special.ndtr(-2)) / (special.ndtr(2) - special.ndtr(-2)))):
        cells = np.zeros(CELLS, np.int64)
        for start in range(0, n, PIECE):
            m = min(PIECE, n - start)
            x = draw(m, rng=icr.Key(3), global_shape=(n,), start=(start,)).astype(np.float64)
            cells += np.bincount(np.minimum((cdf(x) * CELLS).astype(np.intp), CELLS - 1), minlength=CELLS)
        report(f"{name}, chi squared of {CELLS} cells", float(stats.chisquare(cells).pvalue), "p")


def main() -> None:
    n = int(float(sys.argv[1])) if len(sys.argv) > 1 else 10**8
    print(f"| {n:.0e} values | result |\n|---|---|")
    normals(n)
    truncated_and_uniform(n)


if __name__ == "__main__":
    main()
