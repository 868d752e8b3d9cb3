"""The compiled activations: accuracy against mpmath, specials, oddness, lane-uniformity, strides, errors, variants."""

import json
import runpy
from pathlib import Path

import numpy as np
import pytest
from activation_oracle import exact, ulp_errors
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import initcore as ic
from initcore import activations
from initcore.errors import ArgumentError, ArgumentTypeError, DTypeError, ShapeError, UnknownNameError

forward, backward = ic.kernels.activation_forward, ic.kernels.activation_backward
CASES = [*activations.names, "leaky_relu_0.2", "elu_0.5", "sin_30"]
DTYPES = [np.float32, np.float64]
each = pytest.mark.parametrize("name", CASES)
dtypes = pytest.mark.parametrize("dtype", DTYPES)

# Largest error allowed, in units in the last place: (phi, slope); measured figures: docs/explanation/accuracy.md.
LIMITS = {"identity": (0, 0), "sigmoid": (2, 4), "tanh": (2, 4), "relu": (0, 0), "hard_tanh": (0, 0)}
ulp_sweep = runpy.run_path(str(Path(__file__).resolve().parents[2] / "tools" / "ulp_sweep.py"))
ZERO_OF_SLOPE = ulp_sweep["ZERO_OF_SLOPE"]          # nearby, the slope is held to an absolute bound, 4 units of 1/2


def base(name):
    return activations.names[activations.get(name).code]


def sample(dtype, rng, n=120):
    """Points everywhere: centre, tails, powers of two down to denormals, and edges."""
    info = np.finfo(dtype)
    far = 105 if dtype == np.float32 else 750
    sign = rng.choice([-1, 1], n)
    return np.concatenate([
        rng.standard_normal(n), rng.uniform(-12, 12, n), rng.uniform(-far, far, n // 2),
        np.exp(rng.uniform(-12, 3.2, n)) * sign,
        np.exp2(rng.uniform(info.minexp - info.nmant + 1, info.maxexp - 1, n)) * sign,
        [0.0, -0.0, 0.625, -0.625, 1, -1, 3, -3, 20, -20, 40, -40, 0.6021, 0.34657, info.tiny, info.smallest_subnormal],
    ]).astype(dtype)


def worst(name, dtype, slope, z):
    """Errors at z, in units in the last place; near a zero of the slope in units of 1/2."""
    f = activations.get(name)
    got = backward(f, z, None) if slope else forward(f, z)
    want = exact(base(name), slope, z, f.alpha)
    error = ulp_errors(got, want)
    if slope and name in ZERO_OF_SLOPE:
        near = np.abs(z - ZERO_OF_SLOPE[name]) < 0.6
        absolute = np.abs(np.array([float(g - w) for g, w in zip(got, want)])) / np.spacing(dtype(0.5))
        error = np.where(near, np.minimum(error, absolute), error)
    return error


@pytest.mark.parametrize("name", activations.names)
@pytest.mark.parametrize("slope", [False, True], ids=["phi", "slope"])
def test_dense_sample_of_all_floats(name, slope):
    """A million float32 of all sizes against the float64 kernel: a few points an octave miss what a million find."""
    error, where = ulp_sweep["sweep"](name, slope, 4093)
    assert error <= LIMITS.get(name, (4, 4))[slope], where


@each
@dtypes
@pytest.mark.parametrize("slope", [False, True], ids=["phi", "slope"])
def test_error_in_units_in_the_last_place(name, dtype, slope):
    z = sample(dtype, np.random.default_rng(20))
    if base(name) == "sin":
        z = z[np.abs(z) < 1e5]
        if name == "sin_30" and dtype == np.float64:
            z = z.astype(np.float32).astype(np.float64)         # 30 z exact: else sin amplifies its rounding
    error = worst(name, dtype, slope, z)
    limit = LIMITS.get(name, (4, 4))[slope]
    assert error.max() <= limit, f"{error.max()} at {z[error.argmax()]!r}"


def test_tanh_around_the_edges_of_its_intervals():
    """Where tables are one instruction, float64's tanh is pieced together of sixteen intervals; the last ends at 1."""
    places = np.concatenate([(np.arange(16) + 0.5) / 0.811, np.arange(1, 16) * 1.231])
    z = np.concatenate([places + k * np.spacing(places) for k in (-2, -1, 0, 1, 2, 1e12, -1e12)])
    assert worst("tanh", np.float64, False, z).max() <= LIMITS["tanh"][0]
    assert (forward("tanh", np.array([19.07, 19.2, 25.0, 1e300, np.inf])) == 1).all()


@each
@dtypes
def test_against_numpy_twin(name, dtype):
    rng = np.random.default_rng(1)
    z, dy = rng.normal(0, 3, (2, 999)).astype(dtype)
    f, eps = activations.get(name), np.finfo(dtype).eps
    slack = 300 * eps if name == "sin_30" else eps
    np.testing.assert_allclose(forward(name, z), f.phi(z), rtol=20 * eps, atol=slack)
    np.testing.assert_allclose(backward(name, z, dy), dy * f.dphi(z), rtol=30 * eps, atol=100 * slack)


@each
def test_slope_is_the_derivative(name):
    """4th-order central differences of the kernel itself, away from kinks."""
    f = activations.get(name)
    z = np.linspace(-4, 4, 161) + 0.0123
    z = z[np.all([np.abs(z - k) > 0.01 for k in f.kinks], axis=0)] if f.kinks else z
    h = 2.0 ** -10 / max(1.0, f.max_slope)
    phi = lambda x: forward(name, x)
    difference = (8 * (phi(z + h) - phi(z - h)) - (phi(z + 2 * h) - phi(z - 2 * h))) / (12 * h)
    np.testing.assert_allclose(backward(name, z, np.ones_like(z)), difference, rtol=0, atol=2e-9 * f.max_slope)


@each
@dtypes
def test_specials(name, dtype):
    f = activations.get(name)
    z = np.array([np.nan, np.inf, -np.inf, 0.0, -0.0], dtype)
    y, s = forward(name, z), backward(name, z, None)
    assert np.isnan(y[0]) and np.isnan(s[0])
    if base(name) == "sin":
        assert np.isnan(y[1:3]).all() and np.isnan(s[1:3]).all()
    else:
        with np.errstate(all="ignore"):
            np.testing.assert_array_equal(y[1:3], f.phi(z[1:3]))
            np.testing.assert_array_equal(s[1:3], f.dphi(z[1:3]))
    assert float(y[3]) == pytest.approx(f.phi0, rel=2 * float(np.finfo(dtype).eps)) and y[3] == y[4]
    assert s[3] == s[4] and float(s[3]) == pytest.approx(f.dphi0, rel=2 * float(np.finfo(dtype).eps))
    if f.phi0 == 0:
        assert not np.signbit(y[3]) and np.signbit(y[4])


@dtypes
def test_negative_tails_end_in_minus_zero(dtype):
    for name in ("silu", "gelu", "gelu_tanh", "mish"):
        y = forward(name, np.array([-np.inf, -1e4], dtype))
        assert (y == 0).all() and np.signbit(y).all()


@pytest.mark.parametrize("name", [n for n in CASES if activations.get(n).odd])
@dtypes
def test_odd_bit_for_bit(name, dtype):
    z = sample(dtype, np.random.default_rng(2), 500)
    y = forward(name, z)
    real = ~np.isnan(y)                             # sin of an overflowed product; the sign of NaN is nothing
    assert forward(name, -z)[real].tobytes() == (-y)[real].tobytes() and real.mean() > 0.9


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "erf", "softsign", "arctan", "softplus", "selu"])
@dtypes
def test_monotone(name, dtype):
    """No visible step back: neighbours differ by no more than the error bound allows."""
    z = np.sort(np.random.default_rng(3).normal(0, 4, 20_000).astype(dtype))
    y = forward(name, z)
    assert (np.diff(y) >= -4 * np.spacing(np.abs(y[1:]))).all()
    if np.isfinite(activations.get(name).high):
        assert np.abs(y).max() <= np.array(activations.get(name).high, dtype)


@each
@dtypes
def test_lane_uniform(name, dtype):
    """The same input gives the same bits at every position and for every length and offset."""
    rng = np.random.default_rng(4)
    z, dy = rng.normal(0, 3, (2, 90)).astype(dtype)
    y, dz = forward(name, z), backward(name, z, dy)
    for n in range(1, 71):
        for start in (0, 1, 2, 3, 5, 7, 11, 19):
            part = slice(start, start + n)
            assert forward(name, z[part]).tobytes() == y[part].tobytes()
            assert backward(name, z[part], dy[part]).tobytes() == dz[part].tobytes()
    same = np.full(71, 0.7, dtype)
    assert len(set(forward(name, same).tolist())) == 1


@each
@dtypes
def test_in_place_overlap_and_threads(name, dtype):
    rng = np.random.default_rng(5)
    z, dy = rng.normal(0, 2, (2, 300_001)).astype(dtype)
    y, dz = forward(name, z), backward(name, z, dy)
    for threads in (2, 5):
        assert forward(name, z, threads=threads).tobytes() == y.tobytes()
        assert backward(name, z, dy, threads=threads).tobytes() == dz.tobytes()
    a = z.copy()
    assert forward(name, a, out=a) is a and a.tobytes() == y.tobytes()
    for target in (0, 1):
        pair = [z.copy(), dy.copy()]
        backward(name, *pair, out=pair[target])
        assert pair[target].tobytes() == dz.tobytes()
    a = z.copy()
    forward(name, a[:-1], out=a[1:])                # overlaps, shifted by one
    assert a[1:].tobytes() == y[:-1].tobytes()
    a = z[:1000].copy()
    forward(name, a, out=a[::-1])
    assert a[::-1].tobytes() == y[:1000].tobytes()


@dtypes
def test_shapes_and_strides(dtype):
    z = np.random.default_rng(6).standard_normal((6, 5, 4)).astype(dtype)
    y = forward("tanh", z)
    views = [lambda a: a.T, lambda a: a[::2], lambda a: a[:, ::-1], lambda a: a[..., 1], lambda a: a[2:2],
             lambda a: np.asfortranarray(a), lambda a: a.transpose(1, 0, 2), lambda a: a[1, 1, 1, ...],
             lambda a: np.broadcast_to(a[:1], a.shape), lambda a: a.reshape(-1)]
    for view in views:
        want = forward("tanh", np.ascontiguousarray(view(z)))
        for out in (None, np.empty(view(z).shape, dtype), np.empty(view(z).shape[::-1], dtype).T):
            got = forward("tanh", view(z), out=out)
            np.testing.assert_array_equal(got, want)
            got = backward("tanh", view(z), view(z), out=out)
            np.testing.assert_array_equal(got, view(z) * backward("tanh", view(z), None))
    assert forward("tanh", z[0, 0, 0]) == y[0, 0, 0]
    assert forward("tanh", [0.5, 1.0]).dtype == np.float64
    assert forward("tanh", np.zeros((0, 3), dtype)).shape == (0, 3)
    np.testing.assert_array_equal(z, np.random.default_rng(6).standard_normal((6, 5, 4)).astype(dtype))


@each
def test_half_precisions_round_the_float32_result_once(name):
    bfloat16 = pytest.importorskip("ml_dtypes").bfloat16
    z = np.random.default_rng(7).normal(0, 2, (3, 50)).astype(np.float32)
    for dtype in (np.float16, bfloat16):
        h = z.astype(dtype)
        wide = h.astype(np.float32)
        assert forward(name, h).tobytes() == forward(name, wide).astype(dtype).tobytes()
        assert backward(name, h, h).tobytes() == backward(name, wide, wide).astype(dtype).tobytes()
        out = np.empty_like(h)
        assert forward(name, h, out=out) is out and out.tobytes() == forward(name, h).tobytes()


def test_other_byte_order_is_read():
    z = np.linspace(-2, 2, 9)
    np.testing.assert_array_equal(forward("tanh", z.astype(">f8")), forward("tanh", z))


def test_errors_name_the_argument_and_leave_out_untouched():
    z, out = np.ones(3), np.full(3, 7.0)
    with pytest.raises(UnknownNameError, match="tanh"):
        forward("tahn", z, out=out)
    with pytest.raises(DTypeError, match="z must hold float32 or float64"):
        forward("tanh", np.ones(3, int), out=out)
    with pytest.raises(DTypeError, match="out has dtype"):
        forward("tanh", z.astype(np.float32), out=out)
    with pytest.raises(ShapeError, match="out has shape"):
        forward("tanh", np.ones(4), out=out)
    with pytest.raises(ShapeError, match="dy has shape"):
        backward("tanh", z, np.ones(4), out=out)
    with pytest.raises(ShapeError, match="dy has shape"):
        backward("tanh", z, 1.0, out=out)
    with pytest.raises(DTypeError, match="dy"):
        backward("tanh", z, np.ones(3, np.float32), out=out)
    with pytest.raises(ArgumentTypeError, match="without a compiled kernel"):
        forward(lambda v: v * v, z, out=out)
    with pytest.raises(ArgumentError, match="threads"):
        forward("tanh", z, out=out, threads=0)
    assert (out == 7.0).all()
    frozen = z.copy()
    frozen.flags.writeable = False
    with pytest.raises(ArgumentError, match="read-only"):
        forward("tanh", z, out=frozen)
    assert forward("tanh", frozen) is not frozen


@given(hnp.arrays(np.float32, st.integers(0, 40), elements=st.floats(width=32)))
@settings(max_examples=60, deadline=None)
def test_any_float_gives_nan_only_for_nan(z):
    for name in ("tanh", "sigmoid", "softsign", "erf", "gelu", "silu", "mish", "softplus", "elu", "selu", "arctan"):
        np.testing.assert_array_equal(np.isnan(forward(name, z)), np.isnan(z))
        np.testing.assert_array_equal(np.isnan(backward(name, z, None)), np.isnan(z))


def test_every_variant(isa, run_on):
    """On each instruction set: within the bounds, exactly odd, lane-uniform."""
    printed = run_on(isa, """
import json, numpy as np, initcore as ic
z32 = np.random.default_rng(8).normal(0, 4, 67).astype(np.float32)
result = {}
for name in ic.activations.names:
    for z in (z32, z32.astype(np.float64)):
        y, s = ic.kernels.activation_forward(name, z), ic.kernels.activation_backward(name, z, None)
        assert all(ic.kernels.activation_forward(name, z[i:i + 1]) == y[i] for i in range(67)), name
        assert all(ic.kernels.activation_backward(name, z[i:i + 1], None) == s[i] for i in range(67)), name
        if ic.activations.get(name).odd:
            assert (ic.kernels.activation_forward(name, -z) == -y).all(), name
        result[f"{name} {z.dtype}"] = [y.astype(float).tolist(), s.astype(float).tolist()]
print(json.dumps(result))
""")
    z = np.random.default_rng(8).normal(0, 4, 67).astype(np.float32)
    for key, values in json.loads(printed).items():
        name, dtype = key.split()
        for slope in (False, True):
            want = exact(name, slope, z, activations.get(name).alpha)
            got = np.array(values[slope], dtype)
            error = ulp_errors(got, want)
            if slope and name in ZERO_OF_SLOPE:
                error = error[np.abs(z - ZERO_OF_SLOPE[name]) >= 0.6]
            assert error.max() <= LIMITS.get(name, (4, 4))[slope], (isa, key, slope)


def test_completeness():
    """Every activation has a kernel that is not the identity's, an oracle and benchmark cases."""
    from benchmarks._case import CASES as benchmarks
    from benchmarks.cases import elementwise
    z = np.linspace(-5, 5, 41)
    for name in activations.names:
        assert name == "identity" or not np.array_equal(forward(name, z), z)
        for way in ("forward", "backward"):
            assert any(c.group == elementwise.GROUP and c.name.startswith(f"{name} {way}") for c in benchmarks)
