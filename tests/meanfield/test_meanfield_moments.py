"""Moments of an activation under a Gaussian with a mean: quadrature elsewhere, shares, the lesson's law."""

import math
from itertools import pairwise

import numpy as np
import pytest
from scipy import integrate, special

from initcore import activations
from initcore import meanfield as mf


@pytest.mark.parametrize("name", [*activations.names, "sin_2.5", "elu_0.5"])
@pytest.mark.parametrize(("mean", "q"), [(0.5, 0.3), (-1.3, 4.0), (0.2, 25.0), (0.0, 1e-3), (3.0, 1.0)])
def test_gaussian_moments(name, mean, q):
    a, g = activations.get(name), mf.gaussian_moments(name, mean, q)
    s = math.sqrt(q)
    inner = sorted({*np.clip((np.array([*a.kinks, 0.0]) - mean) / s, -9, 9), -9.0, *range(-8, 9, 2), 9.0})

    def expect(f):
        t, w = np.polynomial.legendre.leggauss(60)
        total = 0.0
        for low, high in pairwise(inner):
            for u, v in pairwise(np.linspace(low, high, 9)):
                z = (u + v) / 2 + (v - u) / 2 * t
                total += (v - u) / 2 * (w * np.exp(-z * z / 2) / math.sqrt(2 * math.pi)) @ f(mean + s * z)
        return total

    assert g.mean == pytest.approx(expect(a.phi), rel=1e-10, abs=1e-13)
    assert g.second == pytest.approx(expect(lambda x: a.phi(x) ** 2), rel=1e-10)
    assert g.slope == pytest.approx(expect(a.dphi), rel=1e-10, abs=1e-12)
    assert g.slope2 == pytest.approx(expect(lambda x: a.dphi(x) ** 2), rel=1e-10)
    if name.startswith(("gelu", "sin")) and q > 10:
        pass                     # too steep for the rough integral; see test_log_slope
    elif math.isfinite(g.log_slope):
        with np.errstate(divide="ignore"):
            rough = expect(lambda x: np.maximum(2 * np.log(np.abs(a.dphi(x))), -1e4))
        assert g.log_slope == pytest.approx(rough, rel=1e-3, abs=2e-2 if name.startswith("sin") else 2e-3)
    else:
        assert name in ("relu", "hard_tanh", "hard_sigmoid")
    z = np.linspace(-9, 9, 200_001)
    density = np.exp(-z * z / 2) / np.exp(-z * z / 2).sum()
    relative = np.abs(a.dphi(mean + s * z)) / a.max_slope
    for share, r in ((g.share10, 0.1), (g.share1, 0.01)):
        assert share == pytest.approx(density @ (relative < r), abs=2e-4)
        assert share == mf.slope_share(name, q, r, mean)
    if math.isfinite(g.output):
        assert g.output == pytest.approx(expect(lambda x: np.abs((a.phi(x) - a.center) / a.half_range)), rel=1e-4)


def test_gaussian_moments_of_many_units():
    rng = np.random.default_rng(1)
    mean, q = rng.standard_normal((7, 90)), np.exp(2 * rng.standard_normal((1, 90)))
    many = mf.gaussian_moments("silu", mean, q)
    assert many.slope2.shape == (7, 90)
    for i, j in [(0, 0), (3, 50), (6, 89)]:
        one = mf.gaussian_moments("silu", mean[i, j], q[0, j])
        for field in one._fields:
            np.testing.assert_allclose(getattr(many, field)[i, j], getattr(one, field), rtol=1e-10)
    empty = mf.gaussian_moments("tanh", np.zeros(0), np.zeros(0))
    assert empty.second.shape == (0,)


def test_zero_variance_sits_at_the_mean():
    for name in activations.names:
        a, g = activations.get(name), mf.gaussian_moments(name, [0.7, -1.9], 0.0)
        x = np.array([0.7, -1.9])
        np.testing.assert_allclose(g.mean, a.phi(x), rtol=1e-12, atol=1e-15)
        np.testing.assert_allclose(g.slope2, a.dphi(x) ** 2, rtol=1e-12, atol=1e-15)
        np.testing.assert_array_equal(g.share10, np.abs(a.dphi(x)) < 0.1 * a.max_slope)
        with np.errstate(divide="ignore"):
            np.testing.assert_allclose(g.log_slope, np.log(a.dphi(x) ** 2), rtol=1e-6)


def test_far_means_keep_relative_accuracy():
    # E sigma'(x)^2 for a unit pushed far out: e^{-2x} dominates, E e^{-2x} = e^{-2 m + 2 q}, next term -4 e^{-3x}
    m, q = 40.0, 1.0
    got = mf.gaussian_moments("sigmoid", m, q).slope2
    assert got == pytest.approx(math.exp(-2 * m + 2 * q), rel=1e-10)
    assert mf.gaussian_moments("relu", -20.0, 1.0).slope == pytest.approx(special.ndtr(-20.0), rel=1e-12)


def test_log_slope():
    assert mf.log_slope("tanh", 100.0) == pytest.approx(-29.27, abs=0.005)
    assert mf.log_slope("tanh", 1.0) == pytest.approx(-1.498, abs=0.0005)
    assert mf.log_slope("erf", 3.0, 0.5) == pytest.approx(math.log(4 / math.pi) - 6.5, rel=1e-14)
    assert mf.log_slope("softsign", 1e4) == pytest.approx(
        -4 * integrate.quad(lambda x: math.log1p(100 * x) * math.sqrt(2 / math.pi) * math.exp(-x * x / 2), 0, 12,
                            epsabs=1e-12)[0], rel=1e-9)
    assert mf.log_slope("relu", 1.0) == -math.inf
    # ln|cos| over many periods averages to -ln 2, over a spike it is what it is at the spike
    assert mf.log_slope("sin", 25.0, 0.2) == pytest.approx(-2 * math.log(2), rel=1e-12)
    assert mf.log_slope("sin", 1e-8, 0.4) == pytest.approx(2 * math.log(math.cos(0.4)), abs=1e-7)
    for name in ("gelu", "gelu_tanh", "silu", "mish"):      # slopes underflow here, their logarithm does not
        assert -1e8 < mf.log_slope(name, 1e4) < -60


def test_the_lesson():
    """Fan-in n, weight std s, input second moment m: share beyond t = erfc(atanh t/(s sqrt(2 n m)))."""
    for n, s, share90, share99 in [
            (10, 1.0, 0.641532856862, 0.402623495603), (100, 0.1, 0.140961616075, 0.00812928629845),
            (784, 0.1, 0.599032264614, 0.344539933137), (1000, 10.0, 0.996285408545, 0.993322223184)]:
        q = n * s * s
        assert mf.output_share("tanh", q, 0.9) == pytest.approx(share90, rel=1e-11)
        assert mf.output_share("tanh", q, 0.99) == pytest.approx(share99, rel=1e-11)
        want = math.erfc(math.atanh(0.99) / (s * math.sqrt(2 * n)))
        assert mf.output_share("tanh", q, 0.99) == pytest.approx(want, rel=1e-12)
        assert mf.output_share("sigmoid", 4 * q, 0.9) == pytest.approx(share90, rel=1e-11)
    shares = [mf.output_share("tanh", n * 1.0, 0.9) for n in (1, 10, 100, 1000)]
    assert shares == sorted(shares)


def test_shares_with_a_mean():
    a, q, m = math.acosh(10.0), 2.3, 1.7
    want = (math.erfc((a - m) / math.sqrt(2 * q)) + math.erfc((a + m) / math.sqrt(2 * q))) / 2
    assert mf.slope_share("tanh", q, 0.01, m) == pytest.approx(want, rel=1e-13)
    many = mf.output_share("arctan", np.array([0.5, 2.3]), 0.9, np.array([[0.0], [m]]))
    assert many.shape == (2, 2)
    edge = math.tan(0.45 * math.pi)
    tails = special.ndtr((m - edge) / math.sqrt(q)) + special.ndtr((-edge - m) / math.sqrt(q))
    assert many[1, 1] == pytest.approx(tails)
    assert mf.output_share("erf", 1.0, 0.3) == pytest.approx(math.erfc(special.erfinv(0.3) / math.sqrt(2)), rel=1e-13)
    assert mf.output_share("tanh", 1.0, 1.0) == 0.0
    assert mf.output_share("sin", 50.0, 0.5) == pytest.approx(2 / 3, rel=1e-12)


def test_chi_is_not_the_share():
    """Saturated is not vanishing: 79% of tanh units beyond .99 at sigma_w2 = 100, and gradients explode."""
    f = mf.fixed_point("tanh", sigma_w2=100.0)
    assert mf.output_share("tanh", 100.0, 0.99) == pytest.approx(0.7913, abs=1e-4)
    assert f.chi == pytest.approx(5.5448544877525, rel=1e-12)
    assert mf.chi("tanh", 1e8, sigma_w2=1e8) == pytest.approx(4 / 3 / math.sqrt(2 * math.pi) * 1e4, rel=1e-3)
