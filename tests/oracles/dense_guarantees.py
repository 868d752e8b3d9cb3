"""The guarantees G1, G2, G3 of the dense kernels as plain functions, so that any variant's process can run them."""

import itertools

import numpy as np

import initcore as ic

K = ic.kernels
EDGES = (1, 2, 5, 6, 7, 8, 12, 13, 15, 16, 17, 31, 32, 33, 47, 48, 64, 65)
BITS = {np.dtype(np.float32): np.uint32, np.dtype(np.float64): np.uint64}


def bits(a):
    """The bit patterns: equality that tells -0 from 0 and knows NaN."""
    return np.ascontiguousarray(a).view(BITS[a.dtype])


def same(a, b, what):
    assert a.shape == b.shape, what
    assert np.array_equal(bits(a), bits(b)), what


def all_columns_equal(a, what):
    assert (bits(a) == bits(a)[:, :1]).all(), what


def ties(m, k, n, dtype, activation="tanh", seed=0):
    """G1 at one shape: tied units in, around and behind a layer stay bitwise tied, forward and backward."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((m, k)).astype(dtype)
    w = np.repeat((rng.standard_normal((k, 1)) / k ** 0.5).astype(dtype), n, axis=1)
    b = np.full(n, 0.3, dtype)
    what = (m, k, n, dtype, activation)
    z = np.empty((m, n), dtype)
    y = K.dense_forward(x, w, b, activation, z_out=z)
    all_columns_equal(z, what)
    all_columns_equal(y, what)
    dy = np.repeat(rng.standard_normal((m, 1)).astype(dtype), n, axis=1)
    _, dw, db = K.dense_backward(x, w, b, activation, dy, z=z)
    all_columns_equal(dw, what)
    all_columns_equal(db[np.newaxis], what)
    # Tied inputs of the next layer: equal rows of its weights, equal columns of its input.
    v = np.repeat(rng.standard_normal((1, k)).astype(dtype), n, axis=0)
    dv = rng.standard_normal((m, k)).astype(dtype)
    dx, dw, _ = K.dense_backward(y, v, None, "identity", dv)
    all_columns_equal(dx, what)
    all_columns_equal(dw.T, what)


def batch_rows(m, k, n, dtype, activation="sigmoid", seed=1):
    """G2 at one shape: a row's outputs and input gradients are the same alone, and in any batch."""
    rng = np.random.default_rng(seed)
    x, w, b = (rng.standard_normal(s).astype(dtype) for s in ((m, k), (k, n), (n,)))
    dy = rng.standard_normal((m, n)).astype(dtype)
    z = np.empty((m, n), dtype)
    y = K.dense_forward(x, w, b, activation, z_out=z)
    dx = K.dense_backward(x, w, b, activation, dy, z=z)[0]
    subsets = [[i] for i in {0, m // 2, m - 1}] + [sorted(rng.choice(m, size, replace=False)) for size in
                                                   {max(1, m // 3), max(1, m - 1)}] + [list(range(m))[::-1]]
    for rows in subsets:
        what = (m, k, n, dtype, rows)
        same(K.dense_forward(x[rows], w, b, activation), y[rows], what)
        same(K.dense_backward(x[rows], w, b, activation, dy[rows], z=z[rows])[0], dx[rows], what)
    repeated = np.repeat(x[:1], m, axis=0)
    all_columns_equal(K.dense_forward(repeated, w, b, activation).T, (m, k, n, dtype))


def threads(m, k, n, dtype, activation="tanh", seed=2):
    """G3 at one shape: one, two and five threads give the same bits."""
    rng = np.random.default_rng(seed)
    x, w, b = (rng.standard_normal(s).astype(dtype) for s in ((m, k), (k, n), (n,)))
    dy = rng.standard_normal((m, n)).astype(dtype)

    def everything(count):
        z = np.empty((m, n), dtype)
        y = K.dense_forward(x, w, b, activation, z_out=z, threads=count)
        return [K.matmul(x, w, threads=count), y, z, *K.dense_backward(x, w, b, activation, dy, z=z, threads=count),
                *K.dense_backward(x, w, b, activation, dy, y=y, threads=count)]

    one = everything(1)
    for count in (2, 5):
        for a, c in zip(everything(count), one):
            same(a, c, (m, k, n, dtype, count))


def layouts(m, k, n, dtype, seed=3):
    """The order of summation knows nothing of strides: any layout of the operands gives the same bits."""
    rng = np.random.default_rng(seed)
    a, b = rng.standard_normal((m, k)).astype(dtype), rng.standard_normal((k, n)).astype(dtype)
    c = K.matmul(a, b)
    for p, q in itertools.product(views(a), views(b)):
        same(K.matmul(p, q), c, (m, k, n, dtype, p.strides, q.strides))


def views(a):
    """The same matrix in other memory layouts."""
    wide = np.zeros((a.shape[0] * 2, a.shape[1] * 3), a.dtype)
    wide[::2, ::3] = a
    turned = np.ascontiguousarray(a[::-1, ::-1])
    return [a, np.asfortranarray(a), wide[::2, ::3], turned[::-1, ::-1], np.ascontiguousarray(a[::-1])[::-1]]


def sample(count, high, seed, low=1):
    """Random shapes, each size drawn evenly from low .. high."""
    rng = np.random.default_rng(seed)
    return [tuple(int(v) for v in row) for row in rng.integers(low, high + 1, (count, 3))]


def small_set():
    """What every variant must pass: shapes up to 70, the packing edges, both dtypes."""
    for dtype in (np.float32, np.float64):
        for shape in sample(150, 70, 4) + [(m, k, n) for m in (1, 2, 7) for k in (383, 384, 385) for n in EDGES[::3]]:
            ties(*shape, dtype)
        for shape in [(30, 385, 33), (7, 50, 17), (200, 20, 300), (193, 64, 257), (2, 3, 70)]:
            batch_rows(*shape, dtype)
            layouts(*shape, dtype)
            ties(*shape, dtype, "gelu")
        for shape in [(300, 400, 130), (40, 400, 700), (1001, 390, 33)]:
            threads(*shape, dtype)
    print("kept")
