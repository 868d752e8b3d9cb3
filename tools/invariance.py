"""G1 to G3 of the products and dense layers at every shape, on the variant in use.

    INITCORE_ISA=base python tools/invariance.py --most 70          # some minutes

For every k the product of the largest shape is made once; every m x n corner of it, made alone, must have its bits (G2,
and G3: a thread's piece is such a corner), of plain and transposed operands, and equal columns must be equal (G1). The
same for the layer: y, dx, dw and db. Beyond that, shapes around the edges of packing are made by 1, 2, 3, 5 and 16
threads. NaN and infinity stand among the values; NaN counts as one value. The result is recorded in
docs/development/kernels.md; tests/kernels/test_dense.py tries a sample.
"""

import argparse
import itertools
import sys
import time

import numpy as np

import initcore as ic

K = ic.kernels
THREADS = (1, 2, 3, 5, 16)
EDGES = (1, 7, 8, 9, 24, 25, 64, 65, 96, 97, 383, 385, 513, 769)
LARGE = ((97, 385, 513), (4097, 33, 129), (65, 769, 1025), (33, 1025, 577), (769, 97, 385), (24, 700, 900))
SPECIAL = (np.nan, np.inf, -np.inf)


def same(a: np.ndarray, b: np.ndarray) -> bool:
    """Bitwise equality, NaN as one value and -0 apart from 0."""
    word = f"u{a.itemsize}"
    equal = a.view(word) == b.view(word)
    return bool(equal.all()) or bool((equal | (np.isnan(a) & np.isnan(b))).all())


def values(shape: tuple[int, ...], dtype: type, seed: int, special: bool = False) -> np.ndarray:
    """Normal values; their last axis repeats itself after seven; with NaN and infinities here and there on request."""
    rng = np.random.default_rng(seed)
    a = rng.standard_normal(shape).astype(dtype)
    if special:
        a[rng.random(shape) < 0.002] = rng.choice(SPECIAL)
    return np.ascontiguousarray(a[..., np.arange(shape[-1]) % 7])


def ties(a: np.ndarray) -> bool:
    """Whether columns seven apart are equal."""
    return same(np.ascontiguousarray(a[:, 7:]), np.ascontiguousarray(a[:, :-7])) if a.shape[1] > 7 else True


def corners(a: np.ndarray, b: np.ndarray, whole: np.ndarray, sizes: list[int]) -> tuple[int, int]:
    """(tried, failed): a[:m] b[:, :n] against the corner of the whole product, plain and transposed."""
    tried = failed = 0
    at, bt = np.ascontiguousarray(a.T), np.ascontiguousarray(b.T)
    for m, n in itertools.product(sizes, sizes):
        want = np.ascontiguousarray(whole[:m, :n])
        plain, across = np.ascontiguousarray(b[:, :n]), np.ascontiguousarray(at[:, :m])
        for x, y in ((a[:m], plain), (a[:m], bt[:n].T), (across.T, plain)):
            tried += 1
            failed += not same(K.matmul(x, y, threads=1), want)
    return tried, failed


def layers(dtype: type, sizes: list[int]) -> tuple[int, int]:
    """(tried, failed): y and dx do not know other rows nor units beside, dw not other inputs."""
    tried = failed = 0
    most = max(sizes)
    x, w, b, dy = (values(s, dtype, i) for i, s in enumerate(((most, most), (most, most), (most,), (most, most))))
    for k in sizes:
        wk, xk = np.ascontiguousarray(w[:k]), np.ascontiguousarray(x[:, :k])
        y = K.dense_forward(xk, wk, b, "tanh", threads=1)
        failed += not ties(y)
        for m, n in itertools.product(sizes, sizes):
            wn = np.ascontiguousarray(wk[:, :n])
            z = np.empty((m, n), dtype)
            got = K.dense_forward(xk[:m], wn, b[:n], "tanh", z_out=z, threads=1)
            g = np.ascontiguousarray(dy[:m, :n])
            dz = K.activation_backward("tanh", z, g)
            dx, dw, db = K.dense_backward(xk[:m], wn, b[:n], "tanh", g, z=z, threads=1)
            row = K.dense_backward(xk[m - 1:m], wn, b[:n], "tanh", g[m - 1:], z=z[m - 1:], threads=1)[0]
            tried += 5
            failed += not same(got, np.ascontiguousarray(y[:m, :n]))
            failed += not same(dx[m - 1:], row)
            failed += not same(dx, K.matmul(dz, wn.T, threads=1))
            failed += not same(dw, K.matmul(np.ascontiguousarray(xk[:m]).T, dz, threads=1))
            failed += not same(db, dz.astype(float).cumsum(axis=0)[-1].astype(dtype))
    return tried, failed


def in_threads(dtype: type) -> tuple[int, int]:
    """(tried, failed): large shapes and NaN by several threads."""
    tried = failed = 0
    for m, k, n in LARGE:
        x, w, b, dy = (values(s, dtype, i, i < 2) for i, s in enumerate(((m, k), (k, n), (n,), (m, n))))
        first = None
        with np.errstate(all="ignore"):
            for t in THREADS:
                z = np.empty((m, n), dtype)
                y = K.dense_forward(x, w, b, "tanh", z_out=z, threads=t)
                made = (K.matmul(x, w, threads=t), z, y, *K.dense_backward(x, w, b, "tanh", dy, z=z, threads=t))
                first = made if first is None else first
                tried += len(made)
                failed += sum(not same(one, other) for one, other in zip(made, first)) + (not ties(y))
    return tried, failed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--most", type=int, default=70)
    most = parser.parse_args().most
    sizes, bad = list(range(1, most + 1)), 0
    for dtype in (np.float32, np.float64):
        start, total = time.time(), np.zeros(2, int)
        for k in [*sizes, *EDGES]:
            a, b = values((most, k), dtype, 1, k % 2 == 0), values((k, most), dtype, 2)
            with np.errstate(all="ignore"):
                whole = K.matmul(a, b, threads=1)
                total += corners(a, b, whole, sizes) + np.array([0, not ties(whole)])
        total += layers(dtype, sizes)
        total += in_threads(dtype)
        bad += int(total[1])
        sys.stdout.write(f"{K.isa} {np.dtype(dtype).name}: {total[0]} results, {total[1]} differ "
                         f"({time.time() - start:.0f} s)\n")
    sys.exit(bad > 0)


if __name__ == "__main__":
    main()
