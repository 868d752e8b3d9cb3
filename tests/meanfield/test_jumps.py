"""Callables that jump: the slope of the correlation map at c = 1 is infinite, and inputs always part."""

import math

import numpy as np
import pytest

from initcore import gains
from initcore import meanfield as mf
from initcore.errors import ArgumentError, NonFiniteError


def heaviside(x):
    return np.where(x > 0, 1.0, 0.0)


def shifted_step(x):
    return np.where(x > 0.7, 1.0, -0.25) + 0.3 * np.tanh(x)


def broken_leak(x):
    return np.where(x >= 0, x + 0.5, 0.1 * x)


def quarter(q, c, w, b):
    """1/4 + asin(c)/(2 pi): two half planes."""
    return (w * (0.25 + math.asin(c) / (2 * math.pi)) + b) / q, w / (2 * math.pi * q * math.sqrt(1 - c * c))


def arcsine(q, c, w, b):
    """2 asin(c)/pi: signs."""
    return (w * 2 / math.pi * math.asin(c) + b) / q, 2 * w / (math.pi * q * math.sqrt(1 - c * c))


@pytest.mark.parametrize(("function", "law"), [(np.sign, arcsine), (heaviside, quarter)])
@pytest.mark.parametrize(("w", "b"), [(1.0, 0.0), (2.0, 0.3), (0.3, 1.0), (0.05, 3.0)])
def test_closed_laws(function, law, w, b):
    p = mf.fixed_point(function, sigma_w2=w, sigma_b2=b)
    assert p.phase == "chaotic" and p.chi == math.inf and p.v_prime == pytest.approx(0, abs=1e-12)
    assert p.q == pytest.approx((w if function is np.sign else w / 2) + b, rel=1e-12)
    value, slope = law(p.q, p.c, w, b)
    assert value == pytest.approx(p.c, abs=1e-9) and slope == pytest.approx(p.chi_c, rel=1e-6)
    assert 0 <= p.c < 1 and p.xi_c == pytest.approx(-1 / math.log(p.chi_c))


@pytest.mark.parametrize("function", [shifted_step, broken_leak])
@pytest.mark.parametrize(("w", "b"), [(1.0, 0.1), (0.4, 1.0)])
def test_slopes_are_those_of_the_maps(function, w, b):
    """V' and C' by differences of the maps themselves."""
    p = mf.fixed_point(function, sigma_w2=w, sigma_b2=b)
    assert p.phase == "chaotic" and p.chi == math.inf and 0 < p.c < 1
    h = min(1e-4, (1 - p.c) / 20)
    low, at, high = mf.correlation_map(function, [p.c - h, p.c, p.c + h], sigma_w2=w, sigma_b2=b, q=p.q)
    assert at == pytest.approx(p.c, abs=1e-10) and (high - low) / (2 * h) == pytest.approx(p.chi_c, rel=2e-3)
    low, at, high = mf.length_map(function, [p.q * 0.999, p.q, p.q * 1.001], sigma_w2=w, sigma_b2=b)
    assert at == pytest.approx(p.q) and (high - low) / (0.002 * p.q) == pytest.approx(p.v_prime, rel=1e-4)


def test_close_inputs_part_like_a_root():
    drop = 1 - mf.correlation_map(np.sign, [1 - 1e-4, 1 - 1e-6, 1 - 1e-8], sigma_w2=1.0, q=1.0)
    np.testing.assert_allclose(drop[:-1] / drop[1:], 10, rtol=1e-3)


def test_slopes_count_the_jump():
    """E sign'(x) = 2 density(0)/sqrt(q)."""
    assert mf.mean_slope(np.sign, 4.0) == pytest.approx(2 / math.sqrt(2 * math.pi * 4.0), rel=1e-10)
    assert mf.chi(np.sign, 1.0, sigma_w2=1.0) == math.inf and mf.chi(np.sign, 1.0, sigma_w2=0.0) == 0


def test_a_grid_says_the_same():
    d = mf.phase_diagram(shifted_step, [0.0, 1.0], [0.1, 1.0])
    assert d.phase.tolist() == [["ordered"] * 2, ["chaotic"] * 2]
    for j, b in enumerate((0.1, 1.0)):
        p = mf.fixed_point(shifted_step, sigma_w2=1.0, sigma_b2=b)
        assert (d.q[1, j], d.c[1, j]) == pytest.approx((p.q, p.c), rel=1e-9)


def test_what_has_no_answer_is_said():
    assert mf.critical_sigma_w2(np.sign, 0.5) is None
    with pytest.raises(ArgumentError, match=r"jumps at 0\.7"):
        mf.critical_line(shifted_step, q=1.0)
    with pytest.raises(ArgumentError, match="jumps"):
        mf.jacobian_moments(np.sign)
    with pytest.raises(NonFiniteError):
        gains.gain(np.sign, criterion="gradient")
    assert gains.gain(np.sign) == pytest.approx(1.0)


@pytest.mark.parametrize("function", [lambda x: np.maximum(x, 0), lambda x: np.abs(np.abs(x) - 1), np.tanh,
                                      lambda x: x / np.sqrt(1 + x * x), lambda x: np.tanh(50 * x)])
def test_corners_and_steep_places_are_no_jumps(function):
    assert math.isfinite(mf.chi(function, 1.0, sigma_w2=1.0))


def test_a_relu_written_by_hand_is_critical_without_bias():
    """The rounding of E phi'^2 makes no negative bias variance."""
    point = mf.critical_line(lambda z: np.maximum(z, 0), q=1.0)
    assert point.sigma_b2 == 0 and point.admissible and point.sigma_w2 == pytest.approx(2, rel=1e-12)


ROOTS = {"sign-sqrt": lambda x: np.sign(x) * np.sqrt(np.abs(x)), "even": lambda x: np.abs(x + 0.3) ** 0.5,
         "cube root": np.cbrt, "half": lambda x: np.sqrt(np.maximum(x - 0.2, 0)), "added": lambda x:
         np.tanh(x) - np.log1p(np.sqrt(np.abs(x))), "circle": lambda x: np.sqrt(np.maximum(1 - x * x, 0))}


@pytest.mark.parametrize("name", ROOTS)
def test_as_steep_as_a_root_chi_is_infinite(name):
    f = ROOTS[name]
    assert mf.chi(f, 1.3, sigma_w2=0.4) == np.inf
    point = mf.fixed_point(f, sigma_w2=1.0, sigma_b2=0.2)
    assert point.chi == np.inf and point.phase == "chaotic" and point.c < 1 and point.chi_c < 1
    with pytest.raises(ArgumentError, match=r"is infinitely steep at .* like a root"):
        mf.jacobian_moments(f, q=1.0, depth=3)
    with pytest.raises(NonFiniteError, match="is infinitely steep at"):
        gains.gain(f, criterion="gradient")


def test_a_root_far_out_parts_no_inputs_that_differ_in_double_precision():
    """C'(c) grows like a logarithm times the density at the root: beyond 1 only for 1 - c below 1e-300."""
    point = mf.fixed_point(lambda x: np.sqrt(np.maximum(x - 1.7, 0)), sigma_w2=1.0, sigma_b2=0.2)
    assert point.chi == np.inf and point.c == 1.0 and 0 < point.chi_c < 1


@pytest.mark.parametrize("p", [0.55, 0.6, 0.7, 0.8, 1.0, 1.5])
def test_less_steep_than_a_square_root_chi_is_finite(p):
    def f(x):
        return np.sign(x) * np.abs(x) ** p
    # E (p |z|^(p-1))^2 = p^2 2^(p-1) Gamma(p - 1/2)/sqrt(pi); the panels end at 1e-14 of the point
    exact = p * p * 2 ** (p - 1) * math.gamma(p - 0.5) / math.sqrt(math.pi)
    assert 0.9 * exact < mf.chi(f, 1.0, sigma_w2=1.0) < 1.01 * exact
