"""The activation objects: every fact against mpmath or the definition, every NumPy formula in every dtype."""

import math
import pickle

import mpmath as mp
import numpy as np
import pytest
from activation_oracle import EXACT, exact, ulp_errors

from initcore import activations
from initcore.activations._functions import erf
from initcore.errors import ArgumentError, ArgumentTypeError, UnknownNameError

ALL = [activations.get(n) for n in activations.names]
PARAMETRIC = [activations.get(n) for n in ("leaky_relu_0.2", "elu_0.5", "elu_2", "sin_30")]
ids = [f.name for f in ALL + PARAMETRIC]
every = pytest.mark.parametrize("f", ALL + PARAMETRIC, ids=ids)
GRID = np.concatenate([np.linspace(-9, 9, 181), [-30.5, 30.5, 1e-8, -1e-8]])


def base(f):
    return activations.names[f.code]


def test_oracle_covers_every_activation():
    assert set(EXACT) == set(activations.names)
    assert [activations.get(n).code for n in activations.names] == list(range(len(activations.names)))


@every
def test_formulas_against_mpmath(f):
    phi, slope = f.phi(GRID), f.dphi(GRID)
    want, want_slope = exact(base(f), False, GRID, f.alpha), exact(base(f), True, GRID, f.alpha)
    argument = 0.5 * np.spacing(f.alpha * np.abs(GRID).max()) if base(f) == "sin" else 0.0   # alpha z is rounded
    np.testing.assert_allclose(phi, np.array(want, dtype=np.float64), rtol=2e-13, atol=argument)
    np.testing.assert_allclose(slope, np.array(want_slope, dtype=np.float64), rtol=2e-13,
                               atol=1e-16 + f.alpha * argument)


@every
def test_formulas_in_float32(f):
    z = GRID.astype(np.float32)
    for numpy_way, is_slope in ((f.phi, False), (f.dphi, True)):
        got = numpy_way(z)
        assert got.dtype == np.float32
        want = np.array(exact(base(f), is_slope, z, f.alpha), dtype=np.float64)
        # the argument of sin is rounded to float32, which at 900 is 3e-5
        np.testing.assert_allclose(got, want, rtol=2e-6, atol=2e-3 if f.name == "sin_30" else 1e-7)


@every
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_dtype_and_shape_are_kept(f, dtype):
    z = np.linspace(-3, 3, 12, dtype=dtype).reshape(3, 4)
    for g in (f.phi, f.dphi):
        assert g(z).dtype == dtype and g(z).shape == (3, 4)
        assert g(z[:0]).shape == (0, 4)
        assert np.ndim(g(0.5)) == 0 and np.asarray(g(0.5)).dtype == np.float64
        assert np.asarray(g(np.float32(0.5))).dtype == np.float32
        assert np.asarray(g(1)).dtype == np.float64


@every
def test_limits_and_nan(f):
    if base(f) == "sin":
        return
    for dtype in ("float32", "float64"):
        with np.errstate(all="raise", under="ignore"):
            y = f.phi(np.array([-np.inf, np.inf, np.nan], dtype=dtype))
            s = f.dphi(np.array([-np.inf, np.inf, np.nan], dtype=dtype))
        assert not np.isnan(y[:2]).any() and np.isnan(y[2])
        assert np.isfinite(s[:2]).all() and np.isnan(s[2])
        for at, z in ((0, -1000), (1, 1000)):           # the limit continues what the function does far out
            far = float(exact(base(f), False, [z], f.alpha)[0])
            limit = far if abs(far) < 3 else math.copysign(math.inf, far)
            if base(f) in ("softsign", "arctan"):
                limit = f.low if at == 0 else f.high
            assert y[at] == pytest.approx(limit, rel=1e-6, abs=1e-30)


@every
def test_facts(f):
    name, grid = base(f), np.linspace(-40, 40, 16001)
    y, s = f.phi(grid), f.dphi(grid)
    assert f.phi(0.0) == f.phi0 and f.dphi(0.0) == pytest.approx(f.dphi0, rel=1e-15)
    assert f.odd == bool(np.all(f.phi(-grid) == -f.phi(grid)))
    assert (y >= f.low - 1e-15).all() and (y <= f.high + 1e-15).all()
    assert (np.abs(s) <= f.max_slope * (1 + 1e-15)).all() and np.abs(s).max() > 0.9999 * f.max_slope
    assert f.homogeneous == bool(np.allclose(f.phi(3 * grid), 3 * f.phi(grid), rtol=1e-12, atol=0))
    if math.isfinite(f.low) and name != "sin":
        # the infimum is approached inside the grid or at its ends
        assert min(y.min(), float(f.phi(-1e9))) == pytest.approx(f.low, rel=1e-5, abs=1e-8)
    assert f.saturating == bool(abs(f.dphi(1e6)) < 1e-9 and abs(f.dphi(-1e6)) < 1e-9 and abs(f.phi(1e6)) < 2)


@every
def test_max_slope_to_16_digits(f):
    name = base(f)
    if name not in ("gelu", "gelu_tanh", "silu", "mish"):
        return
    slope = lambda z: EXACT[name][1](z, 0)
    value = lambda z: EXACT[name][0](z, 0)
    grid = [mp.mpf(k) / 50 for k in range(20, 160)]
    top = mp.findroot(lambda z: mp.diff(slope, z), max(grid, key=slope))
    assert float(slope(top)) == f.max_slope
    bottom = mp.findroot(slope, min([-g for g in grid], key=value))
    assert float(value(bottom)) == f.low


@every
def test_cutoff(f):
    if not f.saturating:
        assert f.cutoff is None
        return
    for r in (0.5, 0.1, 0.01, 1e-6):
        z = f.cutoff(r)
        for sign in (1, -1):
            inside, outside = exact(base(f), True, [sign * z * (1 - 1e-9), sign * z * (1 + 1e-9)])
            assert inside / f.max_slope >= r and outside / f.max_slope <= r


@every
def test_kinks(f):
    """phi' or phi'' jumps at every kink, and nowhere else."""
    h = 1e-6
    jump = lambda z: abs(f.dphi(z + h) - f.dphi(z - h)) + abs(
        (f.dphi(z + 2 * h) - f.dphi(z + h)) - (f.dphi(z - h) - f.dphi(z - 2 * h))) / h
    for z in f.kinks:
        assert jump(z) > 0.05
    if base(f) != "sin":
        for z in np.linspace(-5, 5, 41) + 0.0123:
            assert jump(z) < 0.02


def test_names_aliases_and_parameters():
    assert activations.get("Leaky-ReLU_0.2").alpha == 0.2
    assert activations.get("swish") is activations.get("silu")
    assert activations.get("leaky_relu", 1.0).odd
    assert activations.get("leaky_relu", -0.5).low == 0.0
    assert activations.get("elu", -1.0).low == 0.0 and activations.get("elu", -3.0).max_slope == 3.0
    for f in ALL + PARAMETRIC:
        assert pickle.loads(pickle.dumps(f)).name == f.name
    with pytest.raises(UnknownNameError, match="sigmoid"):
        activations.get("sigmod")
    with pytest.raises(ArgumentTypeError):
        activations.get(3)
    with pytest.raises(ArgumentError):
        activations.get("elu", math.nan)


def test_erf_is_correct_to_a_unit():
    z = np.linspace(-5, 5, 301)
    assert ulp_errors(erf(z), exact("erf", False, z)).max() <= 1
    assert erf(np.float32(0.5)).dtype == np.float32


def test_slope_of_a_callable():
    f = activations.from_callable(lambda z: np.sin(3 * z))
    z = np.linspace(-2, 2, 41)
    np.testing.assert_allclose(f.dphi(z), 3 * np.cos(3 * z), rtol=0, atol=1e-10)
    assert f.odd and f.code is None and f.dphi0 == pytest.approx(3, rel=1e-10)


def test_a_jump_has_no_slope():
    """What is flat beside a jump has slope 0 next to it too; a steep slope stays what it is."""
    near = np.concatenate([np.linspace(-1, 1, 401) * 2.0 ** -12, [-3.0, 0.7]])
    for jump in (np.sign, lambda z: (z > 0) * 1.0, lambda z: np.where(z >= 0, 5.0, -2.0)):
        f = activations.from_callable(jump)
        assert not f.dphi(near).any() and not f.dphi(near.reshape(13, 31)).any()
    bent = activations.from_callable(lambda z: np.where(z > 0, z + 1, z / 2))
    np.testing.assert_allclose(bent.dphi(np.array([-1e-4, 1e-4, 2.0])), [0.5, 1, 1], rtol=1e-9)
    steep = activations.from_callable(lambda z: np.tanh(200 * z))
    np.testing.assert_allclose(steep.dphi(np.array([0.0, 0.01])), 200 / np.cosh([0.0, 2.0]) ** 2, rtol=1e-4)


# --- facts the other modules reason with ---------------------------------------------------------------------------

@every
def test_logarithm_of_the_slope(f):
    """Against mpmath, out to where the slope itself is 0 in float64; the slope 0 itself is minus infinity."""
    z = np.array([-60.0, -26.0, -9.5, -8.5, -3.7, -1.25, -0.3, 0.4, 1.7, 6.3, 8.5, 26.0, 60.0])
    got = f.log_dphi(z)
    with mp.workdps(2000):
        slopes = [EXACT[base(f)][1](mp.mpf(float(v)), mp.mpf(f.alpha)) for v in z]
        want = [float(mp.log(abs(s))) if s else -math.inf for s in slopes]
    np.testing.assert_allclose(got, want, rtol=5e-13, atol=5e-13)


@every
def test_inverse_of_the_output(f):
    if not f.saturating:
        assert f.output_inverse is None
        return
    for t in (0.05, 0.5, 0.9, 1 - 1e-6):
        z = f.output_inverse(t)
        assert (f.phi(np.array([z, -z])) - f.center) / f.half_range == pytest.approx([t, -t], rel=1e-9)
    assert f.symmetric


@every
def test_flat_pieces_knots_and_sides(f):
    grid = np.linspace(-40, 40, 16001) + 1e-3
    flat = np.zeros(grid.shape, bool)
    for low, high in f.flat_pieces:
        flat |= (grid > low) & (grid < high)
    assert (f.dphi(grid[flat]) == 0).all()
    near = np.abs(grid) < 4                         # further out a slope may underflow
    assert not f.monotone or (f.dphi(grid[near]) > 0).all()
    if f.knots is not None:
        assert not (f.dphi(grid[~flat]) == 0).any()
        for low, high in zip((-40, *f.knots), (*f.knots, 40)):
            inside = grid[(grid > low) & (grid < high)]
            assert np.ptp(f.dphi(inside)) == 0
    if f.homogeneous:
        assert np.array_equal(f.phi(np.array([-2.0, 3.0])), [-2 * f.sides[0], 3 * f.sides[1]])
    assert f.linear == (base(f) == "identity") and f.dies == (base(f) == "relu")
    assert f.symmetric == bool(np.allclose(f.phi(-grid) - f.phi0, f.phi0 - f.phi(grid), rtol=1e-12, atol=1e-15))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_where_a_slope_from_the_output_is_zero(dtype):
    bits = np.finfo(dtype).nmant + 1
    for name, slope in (("tanh", lambda y: 1 - y * y), ("sigmoid", lambda y: y * (1 - y))):
        f = activations.get(name)
        for low, high in f.flat_from_output(bits):
            for end, inwards in ((low, 1), (high, -1)):
                if math.isfinite(end):
                    y = np.array([exact(name, False, [end * k])[0] for k in (0.999, 1.001)], dtype=dtype)
                    zero = slope(y) == 0
                    assert zero.tolist() == [False, True], (name, inwards)


SUITS = {"identity": 1, "relu": 2, "leaky_relu": 2 / 1.0001, "leaky_relu_0.2": 2 / 1.04, "selu": 1, "gelu": 2,
         "sin": 2, "sin_30": 2 / 900, "tanh": 1}


@pytest.mark.parametrize("name", SUITS)
def test_squared_gain(name):
    assert activations.get(name).squared_gain == pytest.approx(SUITS[name], rel=1e-12)


@pytest.mark.parametrize("name", ["leaky_relu", "elu", "sin"])
@pytest.mark.parametrize("alpha", [1e15, -1e15, 1e-200, 5e-324, 0.0])
def test_parameters_out_of_all_proportion(name, alpha):
    f = activations.get(name, alpha)
    assert f.squared_gain >= 0 and f.start(10, 10).std >= 0 and np.isfinite(f.phi(1e-3))


def test_what_follows_from_phi_alone():
    """A new member of the ReLU family that says nothing of itself but phi and phi'."""
    f = activations.Activation("twice", None, lambda z: np.where(z > 0, 2.0 * z, 0.0),
                               lambda z: np.where(z > 0, 2.0, 0.0), homogeneous=True)
    assert f.squared_gain == 0.5 and f.initializer == "he_normal"
    assert f.start(100, 7) == ("he_normal", {"gain": 0.707107}, pytest.approx(math.sqrt(0.5 / 100), rel=1e-5))
    assert f.start(100, 7).call((100, 7)) == "ic.init.he_normal((100, 7), gain=0.707107, rng=key)"
    np.testing.assert_array_equal(f.log_dphi(np.array([-1.0, 1.0])), [-math.inf, math.log(2)])
    smooth = activations.from_callable(lambda z: z / (1 + np.exp(-z)))
    assert smooth.squared_gain == pytest.approx(1 / activations_second_moment(smooth), rel=1e-12)


def activations_second_moment(f):
    x, w = np.polynomial.hermite_e.hermegauss(120)
    return float(np.square(f.phi(x)) @ w / w.sum())


@pytest.mark.parametrize("f, like", [
    (np.tanh, "tanh"), (math.tanh, "tanh"), (lambda z: np.maximum(z, 0), "relu"), (lambda z: max(z, 0.0), "relu"),
    (lambda z: np.clip(z, -1, 1), "hard_tanh"), (lambda z: z / (1 + abs(z)), "softsign"), (np.arctan, "arctan"),
    (lambda z: z, "identity"), (np.sin, "sin"), (lambda z: np.log1p(np.exp(np.minimum(z, 30))), None)],
    ids=["np.tanh", "math.tanh", "np.maximum", "max", "clip", "softsign", "arctan", "identity", "sin", "softplus"])
def test_facts_of_a_callable_are_found(f, like):
    got = activations.get(f)
    if like is None:
        assert not got.homogeneous and not got.odd
        return
    want = activations.get(like)
    for fact in ("odd", "saturating", "homogeneous", "dies"):
        assert getattr(got, fact) == getattr(want, fact), fact
    if want.saturating:
        assert (got.low, got.high) == pytest.approx((want.low, want.high), abs=1e-8)


def test_callables_that_are_none():
    for bad in (lambda z: None, lambda z: "high", lambda z: 1j * z):
        with pytest.raises(ArgumentTypeError, match=r"activation <lambda> must give a real number"):
            activations.get(bad)
    with pytest.raises(ArgumentError, match=r"activation inverse raised ZeroDivisionError for z=0\.0"):
        activations.from_callable(lambda z: 1 / z if isinstance(z, float) else None, name="inverse")
    with np.errstate(all="ignore"), pytest.raises(ArgumentError, match="gives nan for z=-8"):
        activations.get(np.log)
    with pytest.raises(ArgumentTypeError, match=r"Relu is a class; give one of its kind: Relu\(\)"):
        activations.get(type("Relu", (), {"__call__": lambda self, z: np.maximum(z, 0)}))
    with pytest.raises(ArgumentError, match="slope= is no fact"):
        activations.from_callable(np.tanh, slope=1.0)


def test_registered_names():
    f = activations.from_callable(lambda z: np.clip(z, 0, 4), name="clip_for_a_test")
    with pytest.raises(UnknownNameError):
        activations.get("clip_for_a_test")
    assert activations.register(f) is f and activations.get("Clip-for-a-test") is f
    assert pickle.loads(pickle.dumps(f)) is f
    for name in ("tanh", "swish", "leaky_relu_0.3", "Upper", ""):
        with pytest.raises(ArgumentError):
            activations.register(activations.Activation(name, None, np.tanh, np.tanh))
    with pytest.raises(ArgumentError, match="another activation"):
        activations.register(activations.from_callable(np.tanh, name="clip_for_a_test"))
    with pytest.raises(ArgumentTypeError, match="from_callable"):
        activations.register(np.tanh)


def test_nothing_is_raised_or_warned_whatever_the_floating_point_settings():
    z = np.array([-np.inf, -1e300, -800, -1e-320, 0, 1e-310, 40, 1e300, np.inf, np.nan])
    z32 = np.array([-np.inf, -1e38, -800, -1e-44, 0, 40, 1e38, np.inf, np.nan], dtype=np.float32)
    with np.errstate(all="raise"):
        for name in (*activations.names, "leaky_relu_0.2", "elu_0.5", "sin_30"):
            f = activations.get(name)
            for g in (f, f.dphi, f.log_dphi):
                g(z), g(z32)
        activations.get(lambda z: np.exp(z * z) - 1)
