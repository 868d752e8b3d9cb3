"""Gains and one-dimensional Gaussian moments against tables, closed forms, mpmath and simple facts."""

import csv
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from initcore import activations, gains
from initcore._gaussian import moments as _moments
from initcore._gaussian import profile as _profile
from initcore.errors import ArgumentError, ArgumentTypeError, InitcoreWarning, NonFiniteError, UnknownNameError
from initcore.meanfield import gaussian_moments
from initcore.saturation._layer_moments import moments as layer_moments

REFERENCE = Path(__file__).parents[1] / "data" / "reference"
CLOSED = ["identity", "relu", "leaky_relu_0.2", "erf", "sin", "hard_tanh", "hard_sigmoid", "gelu"]


def rows(name):
    with open(REFERENCE / f"{name}.csv", encoding="utf-8") as f:
        return list(csv.DictReader(line for line in f if not line.startswith("#")))


@pytest.mark.parametrize("row", rows("gains"), ids=lambda r: r["activation"])
def test_table(row):
    name = row["activation"]
    p = _profile.profile(name)
    for key, column in [("mean", "Ephi_q1"), ("second", "Ephi2_q1"), ("slope", "Edphi_q1"), ("slope2", "Edphi2_q1"),
                        ("slope4", "Edphi4_q1")]:
        for closed in (True, False):
            got = _moments.one(p, 1.0, key, closed=closed)
            assert got == pytest.approx(float(row[column]), rel=1e-13, abs=1e-15), (key, closed)
    for criterion, column in [("second_moment", "gain_second_moment"), ("variance", "gain_variance"),
                              ("gradient", "gain_chi1_q1")]:
        assert gains.gain(name, criterion=criterion) == pytest.approx(float(row[column]), rel=1e-12)
    if row["kumar_N_times_var"]:
        assert gains.kumar_variance(name) == pytest.approx(float(row["kumar_N_times_var"]), rel=1e-14)
    if row["torch_calculate_gain"]:
        assert gains.torch_gain(name) == pytest.approx(float(row["torch_calculate_gain"]), rel=1e-15)


@pytest.mark.parametrize("name", CLOSED)
@given(q=st.floats(1e-3, 30.0))
@settings(max_examples=15, deadline=None)
def test_closed_forms_agree_with_quadrature(name, q):
    if name == "sin":
        q = min(q, 4.0)      # more periods under the Gaussian than the quadrature is meant for
    p = _profile.profile(name)
    keys = [k for k in _moments.KEYS if not (k == "excess" and p.activation.homogeneous)]
    closed = _moments.moments(p, q, keys)
    numeric = _moments.moments(p, q, keys, closed=False)
    for k in keys:
        assert numeric[k][0] == pytest.approx(closed[k][0], rel=2e-12, abs=1e-13), k


@pytest.mark.parametrize("name", activations.names)
@pytest.mark.parametrize("q", [1e-4, 0.3, 7.0, 400.0])
def test_stein_and_poincare(name, q):
    """``d E phi^2/dq`` is the finite difference of ``E phi^2``; ``excess`` is the difference it replaces."""
    p = _profile.profile(name)
    m = _moments.moments(p, q, _moments.KEYS)
    h = 1e-3 * q
    f = [_moments.one(p, q + k * h, "second") for k in (-2, -1, 1, 2)]
    slope = (8 * (f[2] - f[1]) - (f[3] - f[0])) / (12 * h)
    assert m["growth"][0] == pytest.approx(slope, rel=1e-8, abs=1e-9 * f[0] / q)
    assert m["excess"][0] == pytest.approx(q * m["slope2"][0] - m["second"][0], abs=1e-12 * q * m["slope2"][0] + 1e-15)
    assert m["spread"][0] == pytest.approx(m["slope4"][0] - m["slope2"][0] ** 2, abs=1e-13 * m["slope4"][0])


@pytest.mark.parametrize("name", ["tanh", "softsign", "arctan", "silu", "mish", "gelu_tanh", "selu", "softplus"])
@pytest.mark.parametrize("q", [0.01, 4.0, 1e4])
def test_against_mpmath(name, q):
    mp = pytest.importorskip("mpmath")
    mp.mp.dps = 20
    phi = {"tanh": mp.tanh, "softsign": lambda x: x / (1 + abs(x)), "arctan": mp.atan,
           "silu": lambda x: x / (1 + mp.exp(-x)), "mish": lambda x: x * mp.tanh(mp.log1p(mp.exp(x))),
           "gelu_tanh": lambda x: x * (1 + mp.tanh(mp.sqrt(2 / mp.pi) * (x + mp.mpf("0.044715") * x ** 3))) / 2,
           "selu": lambda x: activations.SELU_SCALE * (x if x > 0 else activations.SELU_ALPHA * mp.expm1(x)),
           "softplus": lambda x: mp.log1p(mp.exp(x)) if x < 40 else x + mp.log1p(mp.exp(-x))}[name]
    s = mp.sqrt(q)
    ends = sorted({*(mp.mpf(k) for k in range(-12, 13, 3)), *(x / s for x in (-30, -6, -2, 2, 6, 30) if x / s < 12)})
    want = mp.quad(lambda z: phi(s * z) ** 2 * mp.npdf(z), ends)
    got = _moments.one(_profile.profile(name), q, "second")
    assert got == pytest.approx(float(want), rel=1e-12)


def test_sigmoid_is_tanh():
    sigmoid, tanh = _profile.profile("sigmoid"), _profile.profile("tanh")
    q = np.array([0.01, 1.0, 40.0, 1e4])
    s = _moments.moments(sigmoid, q, ("second", "slope2"))
    t = _moments.moments(tanh, q / 4, ("second", "slope2"))
    np.testing.assert_allclose(s["slope2"], t["slope2"] / 16, rtol=1e-13)
    np.testing.assert_allclose(s["second"], 0.25 + t["second"] / 4, rtol=1e-13)


@pytest.mark.parametrize("criterion", gains.CRITERIA)
def test_gain_keeps_what_it_says(criterion):
    rng = np.random.default_rng(5)
    q, n = 2.5, 400_000
    x = rng.standard_normal(n) * math.sqrt(q)
    a = activations.get("silu")
    g = gains.gain("silu", criterion=criterion, q=q)
    sample = {"second_moment": a.phi(x) ** 2, "variance": (a.phi(x) - a.phi(x).mean()) ** 2,
              "gradient": a.dphi(x) ** 2}[criterion]
    target = 1.0 if criterion == "gradient" else q
    assert abs(g * g * sample.mean() - target) < 4 * g * g * sample.std() / math.sqrt(n)


@pytest.mark.parametrize(("function", "name"), [
    (math.tanh, "tanh"), (np.tanh, "tanh"), (lambda z: max(z, 0.0), "relu"), (lambda z: np.maximum(z, 0), "relu"),
    (lambda z: z if z > 0 else 0.2 * z, "leaky_relu_0.2"), (lambda z: z if z > 0 else math.expm1(z), "elu"),
    (lambda z: np.clip(z, -1, 1), "hard_tanh"), (lambda z: np.clip(z / 6 + 0.5, 0, 1), "hard_sigmoid"),
    (lambda z: z / (1 + abs(z)), "softsign"), (math.erf, "erf"), (lambda z: z, "linear")])
@pytest.mark.parametrize("criterion", gains.CRITERIA)
def test_callables(function, name, criterion):
    assert gains.gain(function, criterion=criterion) == pytest.approx(gains.gain(name, criterion=criterion), rel=1e-11)


@given(kink=st.floats(-3, 3), left=st.floats(-2, 2), right=st.floats(0.1, 2))
@settings(max_examples=25, deadline=None)
def test_callable_with_an_unknown_kink(kink, left, right):
    f = lambda z: np.where(z > kink, right * (z - kink), left * (z - kink))
    tail = math.erfc(kink / math.sqrt(2)) / 2
    want = 1 / math.sqrt(right ** 2 * tail + left ** 2 * (1 - tail))
    assert gains.gain(f, criterion="gradient") == pytest.approx(want, rel=1e-10)
    pdf = math.exp(-kink * kink / 2) / math.sqrt(2 * math.pi)
    above = (1 + kink * kink) * tail - kink * pdf
    below = (1 + kink * kink) * (1 - tail) + kink * pdf
    want = 1 / math.sqrt(right ** 2 * above + left ** 2 * below)
    assert gains.gain(f) == pytest.approx(want, rel=1e-10)


def test_kinks_are_found():
    p = _profile.profile(lambda z: np.abs(z - 0.3) + np.clip(z, -1.7, 2.2), 8.0)
    assert p.kinks == pytest.approx([-1.7, 0.3, 2.2], abs=1e-11)
    assert _profile.profile(np.tanh, 8.0).kinks == ()


def test_steep_and_oscillating_callables():
    assert gains.gain(lambda z: np.tanh(200 * z)) == pytest.approx(
        1 / math.sqrt(_moments.one(_profile.profile("tanh"), 4e4, "second")), rel=1e-11)
    assert gains.gain(lambda z: np.sin(20 * z), criterion="gradient") == pytest.approx(
        math.sqrt(2 / 400 / (1 + math.exp(-800))), rel=1e-10)


def test_hand_made_activation_uses_its_own_slope():
    a = activations.Activation("cube", None, lambda z: z ** 3, lambda z: 3 * z ** 2, odd=True)
    assert gains.gain(a) == pytest.approx(1 / math.sqrt(15), rel=1e-13)
    assert gains.gain(a, criterion="gradient") == pytest.approx(1 / math.sqrt(27), rel=1e-13)


@pytest.mark.parametrize("q", [1e-3, 1.0, 5e4])
def test_homogeneous_gain_does_not_depend_on_q(q):
    assert gains.gain("relu", q=q) == pytest.approx(math.sqrt(2), rel=1e-14)
    assert gains.gain("leaky_relu_0.2", q=q, criterion="gradient") == pytest.approx(math.sqrt(2 / 1.04), rel=1e-14)


def test_errors():
    with pytest.raises(UnknownNameError, match="criterion"):
        gains.gain("tanh", criterion="fan_in")
    with pytest.raises(UnknownNameError, match="tanh"):
        gains.gain("tahn")
    with pytest.raises(ArgumentError, match="q must lie"):
        gains.gain("tanh", q=0.0)
    with pytest.raises(ArgumentTypeError, match="q must be"):
        gains.gain("tanh", q="1")
    with pytest.raises(ArgumentTypeError):
        gains.gain(3)
    with pytest.raises(ArgumentError, match="constant"):
        gains.gain(lambda z: 0.3 + 0 * z, criterion="variance")
    with pytest.raises(ArgumentError, match="slope is zero"):
        gains.gain(np.sign, criterion="gradient")
    with pytest.raises(NonFiniteError, match="finite"):
        gains.gain(lambda z: np.where(z > 1, np.nan, z))
    with pytest.raises(UnknownNameError):
        gains.torch_gain("gelu")
    with pytest.raises(ArgumentError, match="slope 0"):
        gains.kumar_variance(lambda z: z * z)


def test_noise_is_admitted():
    rng = np.random.default_rng(0)
    with pytest.warns(InitcoreWarning, match="only known to about"):
        gains.gain(lambda z: np.tanh(z) + 0.3 * rng.standard_normal(np.shape(z)))


def test_torch_agrees():
    nn = pytest.importorskip("torch.nn")
    for name in ("linear", "sigmoid", "tanh", "relu", "selu"):
        assert gains.torch_gain(name) == nn.init.calculate_gain(name)
    assert gains.torch_gain("leaky_relu", 0.2) == nn.init.calculate_gain("leaky_relu", 0.2)


def test_a_row_that_is_nan_is_nan_alone():
    """Also of an activation whose narrow rows are integrated and whose wide ones are not (sin)."""
    m, s = np.array([0.0, np.nan, 0.3]), np.array([0.1, 0.1, 5.0])
    for name in ("sin", "tanh", "relu"):
        slope2 = layer_moments(activations.get(name), m, s).slope2
        assert np.isnan(slope2).tolist() == [False, True, False]
        assert np.allclose(slope2[[0, 2]], gaussian_moments(name, m[[0, 2]], s[[0, 2]] ** 2).slope2, rtol=1e-6)
