"""Losses: values and gradients against NumPy, extended precision and central differences; extremes; ties; bad input."""

import math

import mpmath
import numpy as np
import pytest
from dense_guarantees import bits

import initcore as ic
from initcore import errors, reference

NAMES = ("mse", "softmax_cross_entropy", "binary_cross_entropy")
both = pytest.mark.parametrize("dtype", [np.float32, np.float64])
each = pytest.mark.parametrize("name", NAMES)
loss = ic.kernels.loss


def case(name, rows, cols, dtype, seed=0, scale=3.0):
    rng = np.random.default_rng(seed)
    p = (scale * rng.standard_normal((rows, cols))).astype(dtype)
    t = rng.random((rows, cols)).astype(dtype)
    return p, t if name != "softmax_cross_entropy" else (t / t.sum(1, keepdims=True)).astype(dtype)


@both
@each
@pytest.mark.parametrize("shape", [(1, 1), (1, 10), (7, 3), (64, 10), (33, 100)])
def test_equals_reference(name, dtype, shape):
    p, t = case(name, *shape, dtype)
    value, grad = loss(name, p, t)
    want, want_grad = getattr(reference, name)(p.astype(np.float64), t.astype(np.float64))
    eps = np.finfo(dtype).eps
    assert isinstance(value, float) and grad.dtype == dtype and grad.shape == p.shape
    assert value == pytest.approx(want, rel=1e-13)
    # Every gradient is float64 arithmetic rounded once; the reference's own cancellation is below 8 eps of a term.
    np.testing.assert_allclose(grad, want_grad, rtol=eps, atol=8 * np.finfo(np.float64).eps / p.shape[0] + 1e-300)


@both
def test_labels_are_one_hot_targets(dtype):
    p, _ = case("softmax_cross_entropy", 20, 7, dtype)
    labels = np.random.default_rng(1).integers(0, 7, 20)
    value, grad = loss("softmax_cross_entropy", p, labels)
    for target in (np.eye(7, dtype=dtype)[labels], np.eye(7, dtype=int)[labels], np.eye(7, dtype=bool)[labels]):
        v, g = loss("softmax_cross_entropy", p, target)
        assert v == value and np.array_equal(g, grad)
    for kind in (np.uint8, np.int32, np.uint64):
        assert loss("softmax_cross_entropy", p, labels.astype(kind))[0] == value
    assert loss("softmax_cross_entropy", p, labels.tolist())[0] == value


@each
def test_gradient_by_central_differences(name):
    p, t = case(name, 3, 4, np.float64, seed=2, scale=1.5)
    _, grad = loss(name, p, t)
    h = 2.0 ** -9
    for index in np.ndindex(p.shape):
        def at(d, index=index):
            moved = p.copy()
            moved[index] += d
            return loss(name, moved, t)[0]
        want = (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h)
        assert grad[index] == pytest.approx(want, rel=1e-9, abs=1e-10)


def exact(name, z, t):
    """Value and gradient of one row in 700 digits (1 + e^-1400 is not 1)."""
    with mpmath.workdps(700):
        z, t = [mpmath.mpf(float(v)) for v in z], [mpmath.mpf(float(v)) for v in t]
        if name == "softmax_cross_entropy":
            total = mpmath.fsum(mpmath.exp(v - max(z)) for v in z)
            log_p = [v - max(z) - mpmath.log(total) for v in z]
            return -mpmath.fsum(a * b for a, b in zip(t, log_p)), [mpmath.exp(a) * sum(t) - b
                                                                  for a, b in zip(log_p, t)]
        value = mpmath.fsum(mpmath.log1p(mpmath.exp(-abs(v))) + max(v, 0) - v * u for v, u in zip(z, t))
        grad = [(1 - u) / (1 + mpmath.exp(-v)) - u / (1 + mpmath.exp(v)) for v, u in zip(z, t)]
        return value / len(z), [g / len(z) for g in grad]


@both
@pytest.mark.parametrize("name", NAMES[1:])
@pytest.mark.parametrize("logits", [[1e4, -1e4, 0], [-1e4, -1e4, -1e4], [1e4, 1e4, 9999], [40, -40, 1e-3],
                                    [-700, 700, 30], [90, -90, 88], [1e38, -1e38, 3]])
@pytest.mark.parametrize("target", [[1, 0, 0], [0, 1, 0], [0.25, 0.25, 0.5]])
def test_extreme_logits(name, dtype, logits, target):
    p, t = np.array([logits], dtype), np.array([target], dtype)
    value, grad = loss(name, p, t)
    want, want_grad = exact(name, p[0], t[0])
    assert math.isfinite(value) and np.isfinite(grad).all()
    assert value == pytest.approx(float(want), rel=1e-14, abs=1e-300)
    tiny = float(np.finfo(dtype).tiny)
    # One rounding into the dtype, a few in float64, and that of z - max z, which exp turns into a relative error.
    relative = float(np.finfo(dtype).eps) + 2.0 ** -52 * (4 + min(float(p.max()) - float(p.min()), 745.0))
    for g, w in zip(grad[0], want_grad):
        # Where the target lies strictly between 0 and 1, the prediction may meet it: cancellation no formula avoids.
        slack = 2e-16 if 0 < min(t[0][t[0] > 0]) < 1 else 0.0
        assert abs(float(g) - float(w)) <= relative * abs(float(w)) + slack + tiny


@both
def test_infinite_logits_where_the_loss_is_finite(dtype):
    p = np.array([[0, 1, -np.inf]], dtype)
    value, grad = loss("softmax_cross_entropy", p, [1])
    want, want_grad = loss("softmax_cross_entropy", p[:, :2].copy(), [1])
    assert value == want and np.array_equal(grad[:, :2], want_grad) and grad[0, 2] == 0
    value, grad = loss("binary_cross_entropy", np.array([np.inf, -np.inf], dtype), [1, 0])
    assert value == 0 and (grad == 0).all()
    assert np.isnan(loss("softmax_cross_entropy", np.array([[0, np.nan]], dtype), [0])[0])


@both
@each
def test_equal_units_get_equal_gradients(name, dtype):
    for cols in range(1, 71):
        rng = np.random.default_rng(cols)
        p = np.repeat(rng.standard_normal((5, 1)).astype(dtype), cols, axis=1)
        t = np.full((5, cols), 1 / cols, dtype)
        grad = bits(loss(name, p, t)[1])
        assert (grad == grad[:, :1]).all()
        order = rng.permutation(cols)
        if name != "softmax_cross_entropy":         # its normaliser is summed in index order
            q = rng.standard_normal((5, cols)).astype(dtype)
            u = rng.random((5, cols)).astype(dtype)
            assert np.array_equal(bits(loss(name, q[:, order], u[:, order])[1]), bits(loss(name, q, u)[1])[:, order])


@both
@each
def test_any_strides_nothing_modified(name, dtype):
    p, t = case(name, 6, 5, dtype)
    value, grad = loss(name, p, t)
    for a in (p, t):
        a.flags.writeable = False
    wide = np.zeros((12, 10), dtype)
    wide[::2, ::2] = p
    for q in (p, np.asfortranarray(p), wide[::2, ::2], p[::-1].copy()[::-1]):
        v, g = loss(name, q, np.asfortranarray(t))
        assert v == value and np.array_equal(g, grad)


@each
def test_empty(name):
    value, grad = loss(name, np.zeros((0, 3), np.float32), np.zeros((0, 3), np.float32))
    assert math.isnan(value) and grad.shape == (0, 3)


def test_elementwise_losses_take_any_rank():
    p = np.arange(6.0).reshape(1, 2, 3)
    value, grad = loss("mse", p, np.zeros((1, 2, 3)))
    assert value == pytest.approx((p ** 2).mean()) and np.allclose(grad, p / 3)
    assert loss("mse", np.float64([3.0]), [1.0])[0] == 4


P, T = case("softmax_cross_entropy", 4, 3, np.float32)


@pytest.mark.parametrize(("args", "error", "message"), [
    (("msee", P, T), errors.UnknownNameError, "did you mean 'mse'"),
    ((["mse"], P, T), errors.UnknownNameError, "loss"),
    (("mse", P, T[:2]), errors.ShapeError, r"target has shape \(2, 3\), but prediction has shape \(4, 3\)"),
    (("mse", P, T.astype(np.float64)), errors.DTypeError, "target has dtype float64, but float32 is needed"),
    (("mse", P.astype(int), T), errors.DTypeError, "prediction must hold float32 or float64"),
    (("softmax_cross_entropy", P[0], [1]), errors.ShapeError, r"must be \(rows, classes\)"),
    (("softmax_cross_entropy", P, [0, 1, 2]), errors.ShapeError, r"class indices of shape \(4,\)"),
    (("softmax_cross_entropy", P, [0, 1, 2, 3]), errors.ArgumentError, r"target\[3\] = 3 .* allow 0 .. 2"),
    (("softmax_cross_entropy", P, [0, -1, 2, 1]), errors.ArgumentError, r"target\[1\] = -1"),
    (("mse", P, "a"), errors.DTypeError, "target must hold float32 or float64"),
    (("mse", P, None), errors.DTypeError, "target must hold float32 or float64"),
    ((np.zeros(3), P, T), errors.UnknownNameError, "loss"),
    (("softmax_cross_entropy", P, np.float32([0, 1, 2, 1])), errors.DTypeError, r"target.astype\(np.intp\)"),
    (("softmax_cross_entropy", P, [[0], [1], [2], [1]]), errors.ShapeError, r"pass target.ravel\(\)"),
    (("binary_cross_entropy", P, T * 2 - 1), errors.ArgumentError, r"target must lie in \[0, 1\]"),
    (("binary_cross_entropy", P, T * np.nan), errors.ArgumentError, r"target must lie in \[0, 1\]"),
])
def test_bad_input(args, error, message):
    with pytest.raises(error, match=message):
        loss(*args)


@pytest.mark.parametrize("bad", [[np.inf, 3, 3], [3, np.inf, np.inf], [np.nan, 3, 3], [3, 3, np.nan]])
def test_logits_without_a_softmax_make_their_row_nan(bad):
    logits = np.array([bad, [1, 2, 3]], float)
    value, grad = loss("softmax_cross_entropy", logits, [0, 1])
    assert np.isnan(value) and np.isnan(grad[0]).all() and np.isfinite(grad[1]).all()


def test_losses_on_every_variant(run_on, isa):
    code = """
import numpy as np, initcore as ic
rng = np.random.default_rng(0)
for dtype in (np.float32, np.float64):
    p, t = rng.standard_normal((9, 7)).astype(dtype), rng.random((9, 7)).astype(dtype)
    for name in ("mse", "softmax_cross_entropy", "binary_cross_entropy"):
        v, g = ic.kernels.loss(name, p, t)
        print(v.hex(), g.tobytes().hex())
"""
    assert run_on(isa, code) == run_on("base", code)


def test_a_loss_long_enough_for_interrupts_gives_the_bits_of_one_pass():
    """More than 2^20 elements are read in parts; a power of two of rows or elements only shifts the exponent."""
    rng = np.random.default_rng(6)
    p, t = rng.standard_normal((2, 4096, 300), dtype=np.float32)
    value, grad = loss("mse", p[:, :256], t[:, :256])
    d = p[:, :256].astype(np.float64) - t[:, :256]
    assert value == np.add.accumulate(np.square(d).ravel())[-1] / d.size
    assert grad.tobytes() == (2 * d / d.size).astype(np.float32).tobytes()
    for target in (rng.integers(0, 300, 4096), np.abs(t)):
        value, grad = loss("softmax_cross_entropy", p, target)
        total = 0.0
        for i in range(len(p)):
            one, its = loss("softmax_cross_entropy", p[i:i + 1], target[i:i + 1])
            total += one
            assert (its[0] / 4096 == grad[i]).all()
        assert value == total / 4096
    sure, ends = np.rint(p[:, :256] * 100).astype(np.float64) * 1000, rng.integers(0, 2, (4096, 256))
    value, grad = loss("binary_cross_entropy", sure, ends)       # exp(-1000) = 0: every term is a whole number, or ln 2
    terms = np.where(sure == 0, np.log(2.0), np.where((sure > 0) == (ends == 1), 0.0, np.abs(sure)))
    assert value == np.add.accumulate(terms.ravel())[-1] / terms.size
    assert np.array_equal(grad, (np.where(sure == 0, 0.5, sure > 0) - ends) / terms.size)
