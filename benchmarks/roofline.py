"""The roofline of this machine: `python -m benchmarks.roofline [--json FILE]`.

One core: what its multiply-adds reach from registers and what a copy reaches at sizes from the first-level cache to
memory (in C, where there is a compiler called cc), and where each kernel stands under both. Time is the least
thread CPU time of rounds in which everything has its turn. Prints the dictionary docs/development/kernels.md draws.
"""

from __future__ import annotations

import argparse
import json
import pprint
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import initcore as ic

from .harness import machine, threads

FLAGS = {"x86_v4": ["-mavx512f", "-mfma"], "x86_v3": ["-mavx2", "-mfma"], "base": [], "neon": []}
BYTES = {"x86_v4": 64, "x86_v3": 32, "base": 16, "neon": 16}
MACHINE = r"""
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
typedef float v __attribute__((vector_size(BYTES)));
static double now(void) {
    struct timespec s;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &s);
    return s.tv_sec + 1e-9 * s.tv_nsec;
}
#define STEP(i) c##i = c##i * x + y;
#define HOLD __asm__ volatile("" : "+" REG(c0), "+" REG(c1), "+" REG(c2), "+" REG(c3), "+" REG(c4), "+" REG(c5), \
                              "+" REG(c6), "+" REG(c7), "+" REG(c8), "+" REG(c9));
int main(int argc, char **argv) {
    v x = {0}, y = {0};
    x += 0.999f; y += 1e-3f;
    v c0 = x, c1 = x, c2 = x, c3 = x, c4 = x, c5 = x, c6 = x, c7 = x, c8 = x, c9 = x;
    double best = 1e9, t;
    for (int round = 0; round < 60; round++) {
        t = now();
        for (int n = 0; n < 200000; n++) {
            STEP(0) STEP(1) STEP(2) STEP(3) STEP(4) STEP(5) STEP(6) STEP(7) STEP(8) STEP(9)
            HOLD
        }
        t = now() - t;
        if (t < best) best = t;
    }
    printf("%.1f\n", 200000.0 * 10 * 2 * (BYTES / 4) / best * 1e-9);
    for (int k = 1; k < argc; k++) {
        size_t n = strtoul(argv[k], NULL, 10) / 2, many = 1 + (size_t)(4 << 20) / n;
        char *a = malloc(n), *b = malloc(n);
        memset(a, 1, n); memset(b, 2, n);
        best = 1e9;
        for (int round = 0; round < 30; round++) {
            t = now();
            for (size_t i = 0; i < many; i++) {
                memcpy(b, a, n);
                __asm__ volatile("" : : "r"(a), "r"(b) : "memory");
            }
            t = (now() - t) / many;
            if (t < best) best = t;
        }
        printf("%.1f\n", 2.0 * n / best * 1e-9);
        free(a); free(b);
    }
    return 0;
}
"""
SIZES = (16 << 10, 512 << 10, 8 << 20, 256 << 20)         # bytes of a copy, read and written: one for each level
# Floating-point operations a value, counted in src/variant: a fused multiply-add is two, an integer operation none.
OPERATIONS = {"tanh": 11, "sigmoid": 24, "relu": 1, "normal": 20, "uniform": 1}
Work = dict[str, tuple[Callable[[], Any], float, float]]        # call, operations, bytes it has to move


def hardware() -> tuple[float | None, dict[str, float]]:
    """GF/s of float32 multiply-adds from registers and GB/s of copies by size; nothing where no compiler is."""
    isa = ic.kernels.isa
    with tempfile.TemporaryDirectory() as folder:
        text, program = Path(folder) / "peak.c", Path(folder) / "peak"
        text.write_text(MACHINE)
        register = '-DREG="v"' if isa == "x86_v4" else '-DREG="w"' if isa == "neon" else '-DREG="x"'
        try:
            subprocess.run(["cc", "-O3", "-ffp-contract=fast", f"-DBYTES={BYTES[isa]}", register, *FLAGS[isa],
                            str(text), "-o",
                            str(program)], check=True, capture_output=True)
            with threads(1):
                done = subprocess.run([program, *map(str, SIZES)], check=True, capture_output=True, text=True)
        except (OSError, subprocess.CalledProcessError):
            return None, {}
    first, *rest = map(float, done.stdout.split())
    return first, {f"{size >> 10} kB": rate for size, rate in zip(SIZES, rest)}


def _layer(m: int, k: int, n: int) -> tuple[Callable[[], Any], float, float]:
    x, w, b, dy = (np.random.default_rng(0).standard_normal(s).astype(np.float32) for s in ((m, k), (k, n), n, (m, n)))
    z, y, out = np.empty_like(dy), np.empty_like(dy), (np.empty_like(x), np.empty_like(w), np.empty_like(b))

    def both() -> None:
        ic.kernels.dense_forward(x, w, b, "tanh", out=y, z_out=z, threads=1)
        ic.kernels.dense_backward(x, w, b, "tanh", dy, z=z, out=out, threads=1)
    return both, 6 * m * k * n, 4 * (2 * m * k + 2 * k * n + 4 * m * n)


def _product(m: int, k: int, n: int) -> tuple[Callable[[], Any], float, float]:
    a, b = (np.random.default_rng(0).standard_normal(s).astype(np.float32) for s in ((m, k), (k, n)))
    c = np.empty((m, n), np.float32)
    return lambda: ic.kernels.matmul(a, b, out=c, threads=1), 2 * m * k * n, 4 * (m * k + k * n + m * n)


def kernels(size: int) -> Work:
    """Every kernel that is drawn; elementwise ones and fills on so many values, in memory."""
    z, out = np.random.default_rng(0).standard_normal(size).astype(np.float32), np.empty(size, np.float32)
    work: Work = {f"product {m}x{k}x{n}": _product(m, k, n)
                  for m, k, n in ((1, 512, 512), (32, 64, 64), (32, 128, 128), (256, 1024, 1024), (1024, 1024, 1024))}
    work |= {f"layer {m}x{k}x{n}": _layer(m, k, n) for m, k, n in ((32, 64, 64), (64, 784, 256), (256, 1024, 1024))}
    for name in ("tanh", "sigmoid", "relu"):
        def forward(name: str = name) -> None:
            ic.kernels.activation_forward(name, z, out=out, threads=1)
        work[name] = (forward, OPERATIONS[name] * size, 8 * size)
    for name in ("normal", "uniform"):
        def fill(name: str = name) -> None:
            getattr(ic.random, name)(size, rng=0, out=out, threads=1)
        work[name] = (fill, OPERATIONS[name] * size, 4 * size)
    return work


def measure(work: Work, rounds: int) -> dict[str, float]:
    """Least seconds a call."""
    repeats, best = {}, dict.fromkeys(work, float("inf"))
    with threads(1):
        for name, (call, _, _) in work.items():
            start = time.thread_time()
            call()
            call()
            repeats[name] = max(1, int(2e-3 / max(1e-7, time.thread_time() - start)))
        for _ in range(rounds):
            for name, (call, _, _) in work.items():
                start = time.thread_time()
                for _ in range(repeats[name]):
                    call()
                best[name] = min(best[name], (time.thread_time() - start) / repeats[name])
    return best


def table(rounds: int = 30, size: int = 1 << 24) -> dict[str, Any]:
    """{"peak": GF/s, "copies": {size: GB/s}, "kernels": {name: (operations a byte, GF/s)}}."""
    work = kernels(size)
    took = measure(work, rounds)
    peak, copies = hardware()
    return {"peak": peak, "copies": copies,
            "kernels": {k: (round(v[1] / v[2], 3), round(v[1] / took[k] * 1e-9, 1)) for k, v in work.items()}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    found = table(given.rounds)
    sys.stdout.write(pprint.pformat(found, sort_dicts=False, width=120) + "\n")
    if given.json:
        given.json.write_text(json.dumps({"machine": machine(), **found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
