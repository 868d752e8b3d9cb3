"""The dense kernels: values against NumPy, extended precision and central differences; guarantees; bad input."""

import itertools
import sys
from pathlib import Path

import numpy as np
import pytest
from dense_guarantees import (
    EDGES,
    ONCE,
    K,
    batch_rows,
    bits,
    layouts,
    nan_is_one_value,
    packed_once,
    same,
    sample,
    threads,
    ties,
    views,
)
from hypothesis import given, settings
from hypothesis import strategies as st

import initcore as ic
from initcore import errors, reference

DTYPES = [np.float32, np.float64]
both = pytest.mark.parametrize("dtype", DTYPES)
every_activation = pytest.mark.parametrize("activation", ic.activations.names)


def arrays(dtype, *shapes, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.standard_normal(s).astype(dtype) for s in shapes]


# --- values -------------------------------------------------------------------------------------------------------

def within_bound(c, a, b):
    """|c - a b| <= k eps |a| |b|, the product taken in extended precision (k/2 eps is the bound of any order)."""
    a, b = a.astype(np.longdouble), b.astype(np.longdouble)
    exact = np.einsum("ik,kj->ij", a, b)
    return (abs(c - exact) <= a.shape[1] / 2 * 1.01 * np.finfo(c.dtype).eps
            * np.einsum("ik,kj->ij", abs(a), abs(b))).all()


@both
@pytest.mark.parametrize("shape", [*itertools.product((1, 6, 7, 13), (1, 2, 383, 385), (1, 7, 8, 17, 33)),
                                   (97, 40, 260), (25, 769, 31), (191, 3, 15), (193, 17, 5)])
def test_matmul_error_bound(dtype, shape):
    m, k, n = shape
    a, b = arrays(dtype, (m, k), (k, n))
    assert within_bound(K.matmul(a, b), a, b)


@both
@settings(max_examples=60, deadline=None)
@given(m=st.integers(0, 70), k=st.integers(0, 400), n=st.integers(0, 70), seed=st.integers(0, 2**32 - 1))
def test_matmul_any_shape(dtype, m, k, n, seed):
    a, b = arrays(dtype, (m, k), (k, n), seed=seed)
    c = K.matmul(a, b)
    assert c.shape == (m, n) and c.dtype == dtype
    assert within_bound(c, a, b)


@both
def test_integers_are_exact(dtype):
    rng = np.random.default_rng(0)
    for shape in sample(100, 90, 1):
        a, b = (rng.integers(-9, 10, s).astype(dtype) for s in (shape[:2], shape[1:]))
        assert np.array_equal(K.matmul(a, b), a @ b)


@both
def test_nan_stays_in_its_row_and_column(dtype):
    # Vectors are read whole beyond narrow edges: what stands there must never reach a result.
    a, b = arrays(dtype, (13, 9), (9, 11))
    a[4, 3], b[5, 10] = np.nan, np.inf
    wide = np.full((9, 40), np.nan, dtype)
    wide[:, 3:14] = b
    for right in (b, wide[:, 3:14], np.asfortranarray(b)):
        c = K.matmul(a, right)
        assert np.isnan(c[4]).all() and np.isinf(np.delete(c[:, 10], 4)).all()
        assert np.isfinite(np.delete(c[:, :10], 4, axis=0)).all()


@both
@every_activation
@pytest.mark.parametrize("shape", [(1, 32, 32), (7, 13, 10), (33, 100, 270), (200, 20, 33)])
def test_layer_equals_reference(dtype, activation, shape):
    m, k, n = shape
    x, w, b, dy = arrays(dtype, (m, k), (k, n), (n,), (m, n))
    w /= dtype(k ** 0.5)
    z = np.empty((m, n), dtype)
    y = K.dense_forward(x, w, b, activation, z_out=z)
    eps, wide = np.finfo(dtype).eps, np.float64
    size = abs(x.astype(wide)) @ abs(w.astype(wide)) + abs(b)
    assert (abs(z - (x.astype(wide) @ w.astype(wide) + b)) <= (k / 2 + 1) * 1.01 * eps * size + 1e-300).all()
    same(y, K.activation_forward(activation, z), "phi of the stored z")
    same(y, K.dense_forward(x, w, b, activation), "with or without z_out")
    # The slope is taken from the z the layer stored; the products have the bound of their length.
    dz = K.activation_backward(activation, z, dy)
    wants = (dz.astype(wide) @ w.astype(wide).T, x.astype(wide).T @ dz.astype(wide), dz.astype(wide).sum(0))
    sizes = (abs(dz.astype(wide)) @ abs(w.astype(wide)).T, abs(x.astype(wide)).T @ abs(dz.astype(wide)),
             abs(dz.astype(wide)).sum(0))
    got = K.dense_backward(x, w, b, activation, dy, z=z)
    for g, want, size, terms in zip(got, wants, sizes, (n, m, 1)):
        assert (abs(g - want) <= (terms / 2 + 1) * 1.01 * eps * size + 1e-300).all()
    for g, again in zip(got, K.dense_backward(x, w, b, activation, dy)):
        same(g, again, "z made again")
    if dtype is np.float64:
        np.testing.assert_allclose(y, reference.dense_forward(x, w, b, activation), rtol=1e-12, atol=1e-13)
        for g, want in zip(got, reference.dense_backward(x, w, b, activation, dy)):
            np.testing.assert_allclose(g, want, rtol=1e-11, atol=1e-11)


@every_activation
def test_slope_from_y(activation):
    x, w, b, dy = arrays(np.float64, (9, 5), (5, 7), (7,), (9, 7))
    y = K.dense_forward(x, w, b, activation)
    for g, want in zip(K.dense_backward(x, w, b, activation, dy, y=y),
                       K.dense_backward(x, w, b, activation, dy)):
        np.testing.assert_allclose(g, want, rtol=1e-10, atol=1e-12)


@every_activation
def test_gradients_by_central_differences(activation):
    """Fourth order, step 2^-9: the difference quotient's own error is below 1e-9."""
    x, w, b, dy = arrays(np.float64, (3, 4), (4, 5), (5,), (3, 5))
    h = 2.0 ** -9
    kinks = ic.activations.get(activation).kinks
    z = x @ w + b
    assert all(abs(z - kink).min() > 8 * h for kink in kinks), "choose a seed away from the kinks"

    def f(**changed):
        p = {"x": x, "w": w, "b": b, **changed}
        return float((K.dense_forward(p["x"], p["w"], p["b"], activation) * dy).sum())

    for name, array, got in zip("xwb", (x, w, b), K.dense_backward(x, w, b, activation, dy)):
        for index in np.ndindex(array.shape):
            def at(t, name=name, array=array, index=index):
                moved = array.copy()
                moved[index] += t
                return f(**{name: moved})
            want = (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h)
            assert got[index] == pytest.approx(want, rel=1e-8, abs=1e-9), (name, index)


def test_bias_gradient_is_summed_in_float64():
    dy = np.full((100_000, 3), 0.1, np.float32)
    db = K.dense_backward(np.ones((100_000, 1), np.float32), np.ones((1, 3), np.float32), None, "identity", dy)[2]
    assert np.array_equal(db, np.float32([np.float64(np.float32(0.1)) * 100_000] * 3))


# --- guarantees ---------------------------------------------------------------------------------------------------

@both
def test_ties_at_every_shape(dtype):
    """All of 1 .. 40 in float32 and every eleventh triple of 1 .. 70, all pairs of sizes among them."""
    for shape in itertools.product(range(1, 71), repeat=3):
        if sum(shape) % 11 == 0 or (dtype is np.float32 and max(shape) <= 40):
            ties(*shape, dtype)


@both
@every_activation
def test_ties_for_every_activation(dtype, activation):
    for shape in [(5, 9, 13), (13, 33, 17), (33, 70, 40), (100, 50, 200)]:
        ties(*shape, dtype, activation)


@both
def test_ties_at_random_shapes_and_packing_edges(dtype):
    for shape in sample(250, 70, 11) + sample(40, 450, 12):
        ties(*shape, dtype)
    for m, k, n in itertools.product((1, 6, 25, 97, 193), (1, 384, 385), EDGES[2::4]):
        ties(m, k, n, dtype)
        ties(k, m, n, dtype)
        ties(n, m, k, dtype)


@both
def test_rows_do_not_know_their_batch(dtype):
    turned = [(9, 30, 60), (16, 40, 33), (24, 800, 64), (32, 200, 64), (48, 385, 700), (64, 50, 130)]
    edges = [(191, 10, 40), (193, 385, 33), (25, 769, 17), (300, 20, 700), (2, 900, 260)]
    for shape in sample(60, 70, 21) + turned + edges:
        batch_rows(*shape, dtype)


@both
def test_threads_change_no_bit(dtype):
    for shape in [(300, 400, 130), (40, 400, 700), (1001, 390, 33), (6, 1700, 1200), (3000, 3, 1500), (1700, 1000, 7)]:
        threads(*shape, dtype)


@both
def test_what_is_packed_once_changes_no_bit(dtype):
    for shape in ONCE:
        packed_once(*shape, dtype)


@both
def test_nan_counts_as_one_value(dtype):
    nan_is_one_value(dtype)


@both
def test_every_small_shape_in_threads(dtype):
    """The pieces of small results, asked for as a large one's are."""
    rng = np.random.default_rng(0)
    for m, n in itertools.product((1, 5, 23, 24, 25, 47, 70), (1, 63, 64, 65, 70, 129)):
        k = -(-11_000_000 // (m * n))
        a = np.lib.stride_tricks.as_strided(rng.standard_normal(m + k).astype(dtype), (m, k),
                                            (np.dtype(dtype).itemsize,) * 2)
        b = np.broadcast_to(rng.standard_normal(n).astype(dtype), (k, n))
        one = K.matmul(a, b)
        for count in (2, 3, 5, 16):
            same(K.matmul(a, b, threads=count), one, (m, k, n, count))


@both
def test_layouts_change_no_bit(dtype):
    for shape in sample(40, 70, 31) + [(1, 400, 300), (26, 385, 65), (130, 150, 80), (5, 3, 1), (3, 1, 5)]:
        layouts(*shape, dtype)


def test_guarantees_on_every_variant(run_on, isa):
    oracles = str(Path(__file__).parents[1] / "oracles")
    code = f"import sys; sys.path.insert(0, {oracles!r}); import dense_guarantees as g"
    assert run_on(isa, code + "; g.small_set()").strip() == "kept"


def test_constant_network_stays_tied_under_adam():
    rng = np.random.default_rng(5)
    x = rng.standard_normal((37, 13)).astype(np.float32)
    labels = rng.integers(0, 10, 37)
    shapes = [(13, 67), (67, 33), (33, 10)]
    params = [p for s in shapes for p in (np.full(s, 0.1, np.float32), np.full(s[1], 0.05, np.float32))]
    m, v = ([np.zeros_like(p) for p in params] for _ in range(2))
    first = None
    for t in range(1, 1001):
        net = ic.Network([ic.Dense(params[2 * i], params[2 * i + 1], "tanh" if i < 2 else "identity")
                          for i in range(3)])
        value, grads = net.gradients(x, labels)
        first = value if first is None else first
        for i, g in enumerate(q for grad in grads for q in grad):
            m[i] = np.float32(0.9) * m[i] + np.float32(0.1) * g
            v[i] = np.float32(0.999) * v[i] + np.float32(0.001) * g * g
            step = m[i] / np.float32(1 - 0.9 ** t) / (np.sqrt(v[i] / np.float32(1 - 0.999 ** t)) + np.float32(1e-8))
            params[i] = params[i] - np.float32(0.003) * step
    assert value < first - 0.1, "it does learn what one unit a layer can"
    for w, b in ((params[0], params[1]), (params[2], params[3])):
        assert (bits(w) == bits(w)[:, :1]).all() and (bits(b) == bits(b)[0]).all()
    assert (bits(params[2]) == bits(params[2])[:1]).all() and (bits(params[4]) == bits(params[4])[:1]).all()


def test_inputs_are_read_only_and_unmodified():
    x, w, b, dy = arrays(np.float32, (300, 250), (250, 150), (150,), (300, 150))
    z = x @ w + b
    given_arrays = (x, w, b, dy, z)
    for a in given_arrays:
        a.flags.writeable = False
    before = [a.tobytes() for a in given_arrays]
    for count in (1, 2):
        K.matmul(x, w, threads=count)
        K.dense_forward(x, w, b, "gelu", threads=count)
        K.dense_backward(x, w, b, "gelu", dy, z=z, threads=count)
        K.dense_backward(x, w, b, "tanh", dy, y=np.tanh(z), threads=count)
    assert [a.tobytes() for a in given_arrays] == before


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads the peak from /proc")
@pytest.mark.parametrize("threads", [1, 2, 16])
@pytest.mark.parametrize("shape", [(700, 1500, 1400), (20000, 40, 600), (40, 9000, 600), (200, 300, 17000)])
def test_workspace_is_bounded(run_on, shape, threads):
    """Forward and backward need the outputs plus 8 MB at most, whatever the layer's size and the number of threads."""
    code = f"""
import numpy as np, initcore as ic
m, k, n = {shape}
x, w, b, dy = (np.full(s, 0.5, np.float32) for s in ((m, k), (k, n), (n,), (m, n)))
z, y, dx, dw, db = (np.zeros(s, np.float32) + 1 for s in ((m, n), (m, n), (m, k), (k, n), (n,)))
turned = w.T.copy().T
K = ic.kernels
K.matmul(np.ones((480, 400), np.float32), np.ones((400, 480), np.float32), threads={threads})   # threads, their stacks
def peak():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM"))
open("/proc/self/clear_refs", "w").write("5")
before = peak()
K.dense_forward(x, w, b, "tanh", out=y, z_out=z, threads={threads})
K.dense_backward(x, w, b, "tanh", dy, z=z, out=(dx, dw, db), threads={threads})
K.dense_backward(x, turned, b, "tanh", dy, z=z, out=(dx, dw, db), threads={threads})
print(peak() - before)
"""
    assert int(run_on(ic.kernels.isa, code)) < 9 * 1024        # 8 MB, and what the interpreter adds


# --- strides, out=, sizes 0 and 1 ---------------------------------------------------------------------------------

@both
def test_any_strides_in_the_layer(dtype):
    x, w, b, dy = arrays(dtype, (9, 14), (14, 21), (21,), (9, 21))
    z = np.empty((9, 21), dtype)
    y = K.dense_forward(x, w, b, "tanh", z_out=z)
    grads = K.dense_backward(x, w, b, "tanh", dy, z=z)
    spread = np.repeat(b, 2)[::2]
    for p, q, r, s in zip(views(x), views(w), views(dy), views(z)):
        same(K.dense_forward(p, q, spread, "tanh"), y, "forward")
        for got, want in zip(K.dense_backward(p, q, spread, "tanh", r, z=s), grads):
            same(got, want, "backward")


@both
def test_broadcast_and_misaligned_operands(dtype):
    a, b = arrays(dtype, (1, 6), (6, 5))
    spread = np.broadcast_to(a, (9, 6))
    same(K.matmul(spread, b), np.repeat(K.matmul(a, b), 9, axis=0), "stride 0 rows of a")
    same(K.matmul(b.T, np.broadcast_to(b[:, :1], (6, 20))), np.repeat(K.matmul(b.T, b[:, :1]), 20, axis=1), "columns")
    same(K.matmul(a, np.broadcast_to(b[:1], (6, 5))), K.matmul(a, np.repeat(b[:1], 6, axis=0)), "stride 0 rows of b")
    raw = np.zeros(b.nbytes + 1, np.uint8)
    odd = raw[1:].view(dtype).reshape(b.shape)
    odd[...] = b
    same(K.matmul(a, odd), K.matmul(a, b), "misaligned")
    same(K.matmul(a, odd, out=raw[1:].view(dtype)[:5].reshape(1, 5)), K.matmul(a, b), "into misaligned memory")


@both
def test_out_in_every_layout(dtype):
    a, b = arrays(dtype, (10, 20), (20, 30))
    want = K.matmul(a, b)
    wide = np.zeros((20, 90), dtype)
    for out in (np.empty((10, 30), dtype), np.empty((30, 10), dtype).T, wide[::2, ::3], wide[5:15, 8:38],
                np.empty((10, 30), dtype)[::-1, ::-1]):
        assert K.matmul(a, b, out=out) is out
        same(out, want, out.strides)
    rest = wide[1::2].copy()
    K.matmul(a, b, out=wide[::2, 8:38])
    assert np.array_equal(wide[1::2], rest)


@both
def test_out_overlaps_inputs(dtype):
    a, b, c = arrays(dtype, (20, 20), (20, 20), (20,))
    want, layer = K.matmul(a, b), K.dense_forward(a, b, c, "tanh")
    grads = K.dense_backward(a, b, c, "tanh", a)
    for which in range(2):
        p, q = a.copy(), b.copy()
        out = (p, q)[which]
        same(K.matmul(p, q, out=out), want, "matmul")
        p, q = a.copy(), b.copy()
        out = (p, q)[which]
        same(K.dense_forward(p, q, c, "tanh", out=out), layer, "forward")
        p, q, r = a.copy(), b.copy(), c.copy()
        got = K.dense_backward(p, q, r, "tanh", p, out=(p, q, r))
        assert got[0] is p and got[1] is q and got[2] is r
        for g, w in zip(got, grads):
            same(g, w, "backward")


@both
def test_sizes_zero_and_one(dtype):
    for m, k, n in itertools.product((0, 1, 3), repeat=3):
        x, w, b, dy = arrays(dtype, (m, k), (k, n), (n,), (m, n))
        assert np.allclose(K.matmul(x, w), x @ w) and K.matmul(x, w).shape == (m, n)
        z = np.full((m, n), np.nan, dtype)
        y = K.dense_forward(x, w, b, "sigmoid", z_out=z)
        assert np.allclose(z, x @ w + b) and np.allclose(y, 1 / (1 + np.exp(-z))) and y.shape == (m, n)
        for count in (1, 2):
            got = K.dense_backward(x, w, b, "sigmoid", dy, z=z, threads=count)
            # Sums of at most three terms below 1 may cancel: the bound is on the terms.
            for g, want in zip(got, reference.dense_backward(x, w, b, "sigmoid", dy)):
                assert g.shape == want.shape and np.allclose(g, want, atol=8 * np.finfo(dtype).eps)


def test_what_is_not_wanted_is_not_made():
    x, w, b, dy = arrays(np.float32, (6, 5), (5, 4), (4,), (6, 4))
    full = K.dense_backward(x, w, b, "tanh", dy)
    dw, db = np.empty_like(w), np.empty_like(b)
    got = K.dense_backward(x, w, b, "tanh", dy, need_dx=False, out=(None, dw, db))
    assert got[0] is None and got[1] is dw and got[2] is db
    same(dw, full[1], "dw")
    same(db, full[2], "db")


def test_lists_and_half_precision():
    assert K.matmul([[1, 2]], [[3], [4]]).tolist() == [[11.0]]
    half = np.arange(6, dtype=np.float16).reshape(2, 3)
    c = K.matmul(half, half.T)
    assert c.dtype == np.float32 and np.array_equal(c, half.astype(np.float32) @ half.T.astype(np.float32))


# --- bad input ----------------------------------------------------------------------------------------------------

X, W, B, DY = arrays(np.float32, (4, 3), (3, 5), (5,), (4, 5))
F64 = W.astype(np.float64)
FROZEN = np.zeros((4, 5), np.float32)
FROZEN.flags.writeable = False
BAD = [
    (lambda o: K.matmul(X, X, out=o), errors.ShapeError, r"a\.shape\[1\] = 3 must equal b\.shape\[0\] = 4.*b\.T"),
    (lambda o: K.matmul(X, W[0], out=o), errors.ShapeError, r"b must have 2 dimension"),
    (lambda o: K.matmul(X, F64, out=o), errors.DTypeError, r"b has dtype float64, but float32"),
    (lambda o: K.matmul(X.astype(int), W, out=o), errors.DTypeError, r"a must hold float32 or float64.*astype"),
    (lambda o: K.matmul(X, W.astype(object), out=o), errors.DTypeError, "b must hold"),
    (lambda o: K.matmul(X, W, out=o, threads=0), errors.ArgumentError, "threads must be at least 1"),
    (lambda o: K.matmul(X, W, out=o, threads=True), errors.ArgumentTypeError, "threads must be an integer"),
    (lambda o: K.matmul(X, W, out=o, threads=2.0), errors.ArgumentTypeError, "threads must be an integer"),
    (lambda o: K.matmul(X, W, out=np.zeros((5, 4), np.float32)), errors.ShapeError, r"out has shape \(5, 4\)"),
    (lambda o: K.matmul(X, W, out=np.zeros((4, 5))), errors.DTypeError, "out has dtype float64"),
    (lambda o: K.matmul(X, W, out=FROZEN), errors.ArgumentError, "out is read-only"),
    (lambda o: K.matmul(X, W, out=[[0]]), errors.ArgumentTypeError, "out must be a NumPy array"),
    (lambda o: K.dense_forward(X, W.T, B, "tanh", out=o), errors.ShapeError, r"did you mean w\.T"),
    (lambda o: K.dense_forward(X, W, B[:4], "tanh", out=o), errors.ShapeError, r"b has shape \(4,\).*needs \(5,\)"),
    (lambda o: K.dense_forward(X, W, B.astype(np.float64), "tanh", out=o), errors.DTypeError, "b has dtype float64"),
    (lambda o: K.dense_forward(X, W, B, "tanhh", out=o), errors.UnknownNameError, "did you mean 'tanh'"),
    (lambda o: K.dense_forward(X, W, B, np.tanh, out=o), errors.ArgumentTypeError, "without a compiled kernel"),
    (lambda o: K.dense_forward(X, W, B, 3, out=o), errors.ArgumentTypeError, "activation must be"),
    (lambda o: K.dense_forward(X, W, B, "tanh", out=o, z_out=o), errors.ArgumentError, "out and z_out share"),
    (lambda o: K.dense_forward(X, W, B, "tanh", out=o, z_out=o[:2]), errors.ShapeError, "z_out has shape"),
    (lambda o: K.dense_forward(X, W, B, "tanh", out=o, threads=-1), errors.ArgumentError, "threads"),
    (lambda o: K.dense_backward(X, W, B, "tanh", DY[:3]), errors.ShapeError, r"dy has shape \(3, 5\)"),
    (lambda o: K.dense_backward(X, W, B, "tanh", DY, z=DY.T), errors.ShapeError, r"z has shape \(5, 4\)"),
    (lambda o: K.dense_backward(X, W, B, "tanh", DY, y=DY.astype(float)), errors.DTypeError, "y has dtype float64"),
    (lambda o: K.dense_backward(X, W, B, "tanh", DY, out=o), errors.ArgumentTypeError, r"tuple \(dx, dw, db\)"),
    (lambda o: K.dense_backward(X, W, B, "tanh", DY, out=(None, o, None)), errors.ShapeError, r"out\[1\] \(dw\)"),
    (lambda o: K.dense_backward(X, W, B, "tanh", DY, out=(X.copy(), F64, B)), errors.DTypeError, "dw"),
    (lambda o: K.dense_backward(DY[:, :5], np.eye(5, dtype="f4"), None, "tanh", DY[:, :5],
                                out=(o, None, o[0])), errors.ArgumentError, r"out\[0\] and out\[2\] share"),
]


@pytest.mark.parametrize("case", range(len(BAD)))
def test_bad_input_is_refused_and_out_untouched(case):
    call, error, message = BAD[case]
    out = np.full((4, 5), 7, np.float32)
    with pytest.raises(error, match=message):
        call(out)
    assert (out == 7).all()


def test_bad_input_speaks_the_same_with_two_threads():
    try:
        ic.kernels.matmul(X, W)
        from initcore import _threads
        _threads.set_num_threads(2)
        for case in range(len(BAD)):
            test_bad_input_is_refused_and_out_untouched(case)
    finally:
        _threads.set_num_threads(1)


def test_the_signature_is_keyword_only_where_it_says_so():
    with pytest.raises(TypeError):
        K.matmul(X, W, np.empty((4, 5), np.float32))
    assert sys.getrefcount(K.matmul(X, W)) <= 2


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs RLIMIT_AS to take the memory away")
def test_no_memory_is_a_memory_error(run_on):
    code = """
import resource, numpy as np, initcore as ic
a, b, c = (np.ones((500, 500), np.float32) for _ in range(3))
out = (c, np.empty_like(b), np.empty(500, np.float32))
size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size, size))
hoard = []
for piece in (1 << 20, 1 << 16, 1 << 12):
    try:
        while True:
            hoard.append(bytearray(piece))
    except MemoryError:
        pass
said = []
for call in (lambda: ic.kernels.matmul(a, b, out=c), lambda: ic.kernels.dense_forward(a, b, None, "tanh", out=c),
             lambda: ic.kernels.dense_backward(a, b, None, "tanh", b, y=a, out=out)):
    try:
        call()
    except MemoryError:
        said.append(bool(c.min() == 1 == c.max()))
del hoard
print(said)
"""
    assert run_on(ic.kernels.isa, code).strip() == "[True, True, True]"
