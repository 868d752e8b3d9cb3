"""The activation objects: every fact against mpmath or the definition, every NumPy formula in every dtype."""

import math
import pickle

import mpmath as mp
import numpy as np
import pytest
from activation_oracle import EXACT, exact, ulp_errors

from initcore import activations
from initcore.activations._table import erf
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
