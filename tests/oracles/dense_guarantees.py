"""The guarantees G1, G2, G3 of the dense kernels as plain functions, so that any variant's process can run them."""

import itertools

import numpy as np

import initcore as ic

K = ic.kernels
EDGES = (1, 2, 5, 6, 7, 8, 12, 13, 15, 16, 17, 31, 32, 33, 47, 48, 64, 65)
# Around a panel's 128, 256 or 512 columns, 2048 and 4096 rows packed at once, the 16384 columns they are used for.
ONCE = [(30, 385, 513), (101, 390, 257), (65, 200, 130), (4099, 3, 530), (2050, 7, 300), (2100, 4, 16400)]
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
    """G3 at one shape: any number of threads gives the same bits."""
    rng = np.random.default_rng(seed)
    x, w, b = (rng.standard_normal(s).astype(dtype) for s in ((m, k), (k, n), (n,)))
    dy = rng.standard_normal((m, n)).astype(dtype)

    def everything(count):
        z = np.empty((m, n), dtype)
        y = K.dense_forward(x, w, b, activation, z_out=z, threads=count)
        return [K.matmul(x, w, threads=count), y, z, *K.dense_backward(x, w, b, activation, dy, z=z, threads=count),
                *K.dense_backward(x, w, b, activation, dy, y=y, threads=count)]

    one = everything(1)
    for count in (2, 3, 5, 16):
        for a, c in zip(everything(count), one):
            same(a, c, (m, k, n, dtype, count))


def layouts(m, k, n, dtype, seed=3):
    """The order of summation knows nothing of strides: any layout of the operands gives the same bits."""
    rng = np.random.default_rng(seed)
    a, b = rng.standard_normal((m, k)).astype(dtype), rng.standard_normal((k, n)).astype(dtype)
    c = K.matmul(a, b)
    for p, q in itertools.product(views(a), views(b)):
        same(K.matmul(p, q), c, (m, k, n, dtype, p.strides, q.strides))


def packed_once(m, k, n, dtype, seed=5):
    """A transposed operand packed for many panels at once: the bits, and db, are those of a row or a column alone."""
    rng = np.random.default_rng(seed)
    a, b = rng.standard_normal((k, m)).astype(dtype), rng.standard_normal((k, n)).astype(dtype)
    c = K.matmul(a.T, b)
    what = (m, k, n, dtype)
    same(c, K.matmul(np.ascontiguousarray(a.T), b), what)
    for i in {0, m // 2, m - 1}:
        same(K.matmul(a[:, i:i + 1].T, b), c[i:i + 1], what)
    _, dw, db = K.dense_backward(a, rng.standard_normal((m, n)).astype(dtype), None, "identity", b)
    same(dw, c, what)
    for j in {0, n // 2, n - 1}:
        parts = K.dense_backward(a, np.zeros((m, 1), dtype), None, "identity", np.ascontiguousarray(b[:, j:j + 1]))
        same(parts[1], dw[:, j:j + 1], what)
        same(parts[2], db[j:j + 1], what)


def nan_is_one_value(dtype, seed=6):
    """G1 to G3 where sums are NaN: in tied units, alone or in a batch, in any thread, but for the sign of a NaN."""
    rng = np.random.default_rng(seed)
    x, w = rng.standard_normal((40, 31)).astype(dtype), rng.standard_normal((31, 50)).astype(dtype)
    x[3, 4], x[9, 0], w[11] = np.nan, np.inf, 0
    w[0, 5], w[2, 5], x[9, 2] = 1, -np.inf, np.inf
    w[:, 7:49:3] = w[:, 5:6]
    y = K.dense_forward(x, w, None, "tanh")
    assert np.isnan(y[3]).all() and np.isnan(y[9, 5]) and not np.isnan(np.delete(y, (3, 9), 0)).any()
    for other in (K.dense_forward(x, w, None, "tanh", threads=3),
                  np.concatenate([K.dense_forward(x[i:i + 1], w, None, "tanh") for i in range(40)])):
        assert np.array_equal(other, y, equal_nan=True)
    assert np.array_equal(y[:, 7:49:3], np.repeat(y[:, 5:6], 14, axis=1), equal_nan=True)
    for got in K.dense_backward(x, w, None, "tanh", y)[1:]:
        tied = got[..., 7:49:3]
        assert np.array_equal(tied, np.repeat(got[..., 5:6], 14, axis=-1), equal_nan=True)


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
        for shape in ONCE:
            packed_once(*shape, dtype)
        nan_is_one_value(dtype)
    print("kept")
