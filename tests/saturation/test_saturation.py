"""Prediction against closed forms, theory's tables and measurement; measurement against direct counting."""

import csv
import itertools
import math
import pathlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mpmath import mp

import initcore as ic
from initcore import activations, saturation
from initcore._gaussian import shares as _shares
from initcore.data import load_digits
from initcore.saturation import _layer_moments as _gauss
from initcore.saturation import _propagate

SHARES = ("slope_below_10pct", "slope_below_1pct", "slope_zero", "mean_slope", "rakitianskaia")


def random_net(widths, activation, sigma_w, seed, sigma_b=0.1, dtype="float32"):
    rng = np.random.default_rng(seed)
    return ic.Network([ic.Dense((rng.standard_normal((n, m)) * sigma_w / math.sqrt(n)).astype(dtype),
                                (sigma_b * rng.standard_normal(m)).astype(dtype), activation)
                       for n, m in itertools.pairwise(widths)])


# --- the lesson -------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("n", "s", "shares"), [
    (10, 1, (0.641532856862, 0.402623495603, 0.351794928166, 0.0941522278248)),
    (100, 0.1, (0.140961616075, 0.00812928629845, 0.00323540739495, 1.2012543828390374e-7)),
    (784, 0.1, (0.599032264614, 0.344539933137, 0.292989832213, 0.0586956624842)),
    (784, 1, (0.958067136267, 0.924693474231, 0.916250012535, 0.850056293022)),
    (1000, 10, (0.996285408545, 0.993322223184, 0.9925708976, 0.986644914113))])
def test_the_lesson_in_numbers(n, s, shares):
    """Theory section 3: the share grows with the weights and with the number of inputs."""
    got = [saturation.lesson(n, s, activation=a, t=t) for a in ("tanh", "sigmoid") for t in (0.9, 0.99)]
    np.testing.assert_allclose(got, shares, rtol=1e-9)


@settings(max_examples=60, deadline=None)
@given(n=st.integers(1, 100_000), s=st.floats(0.01, 20), m=st.floats(0.01, 10), t=st.floats(0.05, 0.999))
def test_the_lesson_is_the_closed_form(n, s, m, t):
    """erfc(atanh t/(s sqrt(2 n m))) in 40 digits."""
    with mp.workdps(40):
        want = float(mp.erfc(mp.atanh(mp.mpf(t)) / (mp.mpf(s) * mp.sqrt(2 * n * mp.mpf(m)))))
        erf_want = float(mp.erfc(mp.erfinv(mp.mpf(t)) / (mp.mpf(s) * mp.sqrt(2 * n * mp.mpf(m)))))
    assert saturation.lesson(n, s, m, t=t) == pytest.approx(want, rel=1e-12, abs=1e-300)
    assert saturation.lesson(n, s, m, t=t, activation="erf") == pytest.approx(erf_want, rel=1e-11, abs=1e-300)


def test_predict_gives_the_lesson():
    """A layer whose every unit has q = n s^2 m: weights of one size, signs at random."""
    n, s, m = 784, 0.1, 0.7
    w = s * np.sign(np.random.default_rng(0).standard_normal((n, 50)))
    la = saturation.predict(ic.Network([ic.Dense(w, None, "tanh")]), second_moment=m).layers[0]
    cut = activations.get("tanh").cutoff(0.01)
    assert la.q == pytest.approx(n * s * s * m, rel=1e-12)
    assert la.slope_below_1pct == pytest.approx(math.erfc(cut / (s * math.sqrt(2 * n * m))), rel=1e-12)


def test_lesson_edges_and_errors():
    assert saturation.lesson(0, 1.0) == 0 and saturation.lesson(10, 0.0) == 0 and saturation.lesson(10, 1.0, t=1.0) == 0
    with pytest.raises(ValueError, match="saturate"):
        saturation.lesson(10, 1.0, activation="relu")
    with pytest.raises(ValueError, match="std"):
        saturation.lesson(10, -1.0)


# --- expectations ----------------------------------------------------------------------------------------------

def test_gaussian_expectations_against_the_table():
    """Every row of saturation.csv that a closed form of this test rebuilds: sigmoid is tanh at a quarter of q."""
    for q in (0.01, 0.1, 1.0, 4.0, 25.0, 100.0, 1e4):
        s = np.array([math.sqrt(q)])
        erf = _gauss.moments(activations.get("erf"), np.zeros(1), s)
        assert erf.variance[0] == pytest.approx(2 / math.pi * math.asin(2 * q / (1 + 2 * q)), rel=1e-9)
        assert erf.slope2[0] == pytest.approx(4 / math.pi / math.sqrt(1 + 4 * q), rel=1e-9)
        sigmoid = _gauss.moments(activations.get("sigmoid"), np.zeros(1), s)
        tanh = _gauss.moments(activations.get("tanh"), np.zeros(1), s / 2)
        assert sigmoid.slope2[0] == pytest.approx(tanh.slope2[0] / 16, rel=1e-9)
        assert sigmoid.distance[0] == pytest.approx(tanh.distance[0], rel=1e-9)
        relu = _gauss.moments(activations.get("relu"), np.zeros(1), s)
        assert relu.variance[0] + relu.mean[0] ** 2 == pytest.approx(q / 2, rel=1e-9)


@pytest.mark.parametrize(("name", "m", "s"), [("tanh", 0.7, 1.3), ("tanh", -3.0, 0.2), ("softsign", 1.0, 9.0),
                                              ("gelu", -0.4, 2.0), ("hard_tanh", 0.3, 0.9), ("elu", 0.5, 1.5)])
def test_gaussian_expectations_with_a_mean(name, m, s):
    """Against adaptive quadrature."""
    from scipy.integrate import quad
    phi = activations.get(name)
    points = sorted({(k - m) / s for k in (*phi.kinks, 0.0)})
    mean = lambda f: quad(lambda u: f(m + s * u) * math.exp(-u * u / 2) / math.sqrt(2 * math.pi), -9, 9,
                          points=[p for p in points if abs(p) < 9], limit=400, epsabs=1e-12)[0]
    got = _gauss.moments(phi, np.array([m]), np.array([s]))
    first = mean(lambda z: float(phi.phi(np.float64(z))))
    assert got.mean[0] == pytest.approx(first, abs=1e-9)
    assert got.variance[0] == pytest.approx(mean(lambda z: (float(phi.phi(np.float64(z))) - first) ** 2), abs=1e-9)
    assert got.slope2[0] == pytest.approx(mean(lambda z: float(phi.dphi(np.float64(z))) ** 2), abs=1e-9)


def test_log_slope_of_theory():
    """E ln tanh'^2 = -29.27 at q = 100, -1.498 at q = 1; typical factor its half, exponentiated."""
    got = _gauss.moments(activations.get("tanh"), np.zeros(2), np.array([10.0, 1.0]))
    assert got.log_slope2 == pytest.approx([-29.27, -1.498], abs=5e-3)


def test_hard_zero_shares_of_theory():
    """f32 0.367539760183 and f64 0.0566301315281 of tanh at q = 100."""
    for dtype, want in (("float32", 0.367539760183), ("float64", 0.0566301315281)):
        cuts = list(_shares.zero_intervals(activations.get("tanh"), dtype))
        assert _shares.mass(cuts, np.zeros(1), np.array([10.0]))[0] == pytest.approx(want, rel=1e-9)


def test_covariance_of_outputs():
    """Exact at correlation 1, and the arcsine law of erf in between."""
    q = 2.0
    for rho in (-1.0, -0.5, 0.0, 0.3, 0.8, 1.0):
        cov = q * np.array([[1, rho], [rho, 1]])
        found = _gauss.moments(activations.get("erf"), np.zeros(2), np.full(2, math.sqrt(q)))
        got = _gauss.output_covariance(cov, found)[0, 1]
        assert got == pytest.approx(2 / math.pi * math.asin(2 * q * rho / (1 + 2 * q)), abs=2e-3)


# --- prediction against measurement ----------------------------------------------------------------------------

@pytest.mark.parametrize("sigma_w", [0.7, 1.5, 4.0, 20.0])
@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "softsign", "erf", "hard_tanh"])
def test_predicted_is_measured(activation, sigma_w):
    """Within 0.03 of the measured shares: width 100, ten layers, Gaussian inputs and three scalings of digits."""
    digits, _ = load_digits()
    digits = digits[::2]
    centred = digits - digits.mean(axis=0)
    data = {"gauss": np.random.default_rng(1).standard_normal((900, 64)).astype(np.float32), "digits": digits,
            "standardised": (centred / centred.std()).astype(np.float32), "raw": digits * np.float32(16)}
    net = random_net([64] + [100] * 10, activation, sigma_w, seed=int(10 * sigma_w))
    for name, x in data.items():
        predicted = saturation.predict(net, second_moment=1.0) if name == "gauss" else saturation.predict(net, x)
        measured = saturation.measure(net, x)
        for p, m in zip(predicted.layers, measured.layers, strict=True):
            for f in SHARES:
                assert abs(getattr(p, f) - getattr(m, f)) <= 0.03, (name, p.index, f, getattr(p, f), getattr(m, f))
            assert p.chi == pytest.approx(m.chi, rel=0.25), (name, p.index)


def test_tied_units_are_predicted_as_one():
    """A constant layer of 100 units is perfectly correlated: the next q is 100 times the independent sum."""
    rng = np.random.default_rng(0)
    net = ic.Network([ic.Dense(np.full((64, 100), 0.1), None, "tanh"),
                      ic.Dense(0.05 * rng.standard_normal((100, 50)), None, "tanh")])
    x = rng.standard_normal((2000, 64))
    p, m = saturation.predict(net, second_moment=1.0), saturation.measure(net, x)
    assert p.layers[1].variance == pytest.approx(m.layers[1].variance, rel=0.1)
    wide = _propagate.FULL
    try:                                    # the same on the variances-only path
        _propagate.FULL = 8
        q = saturation.predict(net, second_moment=1.0)
    finally:
        _propagate.FULL = wide
    assert q.layers[1].variance == pytest.approx(p.layers[1].variance, rel=1e-6)


@pytest.mark.parametrize("mean", [0.02, 0.05, 0.2])
@pytest.mark.parametrize("activation", ["tanh", "softsign", "hard_tanh"])
def test_weights_with_a_mean_are_predicted(activation, mean):
    """A common mode makes sums over units bimodal, not normal: still within 0.03 (and the sampling error of 4000)."""
    rng = np.random.default_rng(3)
    widths = [64] + [100] * 6
    net = ic.Network([ic.Dense((rng.standard_normal((n, m)) / math.sqrt(n) + mean).astype(np.float32), None, activation)
                      for n, m in itertools.pairwise(widths)])
    x = rng.standard_normal((4000, 64)).astype(np.float32)
    for p, m in zip(saturation.predict(net, second_moment=1.0).layers, saturation.measure(net, x).layers, strict=True):
        for f in SHARES:
            assert abs(getattr(p, f) - getattr(m, f)) <= 0.03, (p.index, f, getattr(p, f), getattr(m, f))


@pytest.mark.parametrize("full", [1600, 8])
@pytest.mark.parametrize("constant", [0.05, 0.3, 1.0, -0.05])
@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "softsign", "erf"])
def test_constant_weights_are_predicted(activation, constant, full, monkeypatch):
    """One unit a layer in truth: every layer a function of one normal number, to 1e-3 of its exact law."""
    monkeypatch.setattr(_propagate, "FULL", full)
    net = ic.Network([ic.Dense(np.full((n, m), constant), None, activation)
                      for n, m in itertools.pairwise([64, 100, 120, 90, 100])])
    # the exact law: a fine grid of the one number, weighted by its density
    u = np.linspace(-9, 9, 200_001)
    weight = np.exp(-u * u / 2) / np.exp(-u * u / 2).sum()
    phi, z = activations.get(activation), constant * 8 * u
    for p in saturation.predict(net, second_moment=1.0).layers:
        r = np.abs(phi.dphi(z)) / phi.max_slope
        for got, want in ((p.slope_below_10pct, r < 0.1), (p.slope_below_1pct, r < 0.01), (p.mean_slope, r)):
            assert got == pytest.approx(float(weight @ want), abs=1.5e-3), p.index
        z = constant * p.units * phi.phi(z)


def test_expected_loss_of_tied_layers():
    """ln 3: three equal logits, whatever the law of their common value."""
    net = ic.Network([ic.Dense(np.full((8, 5), 0.4), None, "sigmoid"), ic.Dense(np.ones((5, 3)))])
    assert saturation.predict(net, second_moment=1.0).expected_loss == pytest.approx(math.log(3), rel=1e-9)


def test_layers_without_units():
    net = ic.Network([ic.Dense(np.zeros((4, 0)), None, "tanh"), ic.Dense(np.zeros((0, 3)))])
    for report in (saturation.predict(net), saturation.measure(net, np.ones((5, 4)))):
        assert math.isnan(report.layers[0].q)
        assert report.layers[1].q == 0


def test_moments_in_every_form():
    rng = np.random.default_rng(3)
    net = random_net([20, 100, 30], "tanh", 1.0, 0)
    mix = rng.standard_normal((20, 20)) / 4
    x = rng.standard_normal((20000, 20)) @ mix + 0.5
    whole = saturation.predict(net, x)
    same = saturation.predict(net, mean=x.mean(axis=0), covariance=np.cov(x.T, bias=True))
    for a, b in zip(whole.layers, same.layers, strict=True):
        assert a.q == pytest.approx(b.q, rel=1e-9)
        assert a.slope_below_10pct == pytest.approx(b.slope_below_10pct, rel=1e-9)
    v = saturation.predict(net, mean=0.5, variance=2.0)
    w = saturation.predict(net, mean=0.5, second_moment=2.25)
    assert v.layers[1].q == pytest.approx(w.layers[1].q, rel=1e-12)
    assert "variance 1" in saturation.predict(net).assumed and saturation.predict(net, x).assumed == ""


def test_theory_of_chi():
    """n = 100, s = 1, tanh: 79% of the units beyond 0.99, and yet chi_1 = 5.54 > 1; Xavier sigmoid: 0.0557."""
    net = random_net([100] + [400] * 4, "tanh", 10.0, 0, sigma_b=0.0, dtype="float64")
    for la in saturation.predict(net).layers[1:]:
        assert la.chi == pytest.approx(5.54, rel=0.1) and la.typical_factor < 1e-5
    net = random_net([400] * 5, "sigmoid", 1.0, 0, sigma_b=0.0, dtype="float64")
    assert [la.chi for la in saturation.predict(net).layers[2:]] == pytest.approx([0.0557] * 2, rel=0.06)


def test_gradient_norms_against_backpropagation():
    """The predicted norm of the back-signal against the real one, random directions at the last hidden output."""
    for activation, sigma_w in (("tanh", 1.5), ("sigmoid", 1.0), ("relu", 1.4)):
        net = random_net([64] + [120] * 5 + [10], activation, sigma_w, 2, dtype="float64")
        rng = np.random.default_rng(0)
        x = rng.standard_normal((400, 64))
        hidden = ic.Network(net.layers[:-1])
        trace = hidden.trace(x)
        dy = rng.standard_normal((400, 120))
        norm = [0.0] * 5
        back = dy
        for i in range(4, -1, -1):
            delta = back * hidden.layers[i].activation.dphi(trace.z[i])
            norm[i] = math.sqrt(np.square(delta).sum() / np.square(dy).sum())
            back = delta @ hidden.layers[i].w.T
        for report in (saturation.predict(net), saturation.measure(net, x)):
            assert [la.gradient for la in report.layers[:-1]] == pytest.approx(norm, rel=0.12)


def test_expected_loss():
    """Zero logits cost ln C; the measured loss on random labels agrees."""
    rng = np.random.default_rng(0)
    zero = ic.Network([ic.Dense(np.zeros((5, 10)))])
    assert saturation.predict(zero).expected_loss == pytest.approx(math.log(10), rel=1e-12)
    net = random_net([30, 200, 27], "tanh", 1.0, 0, dtype="float64")
    net = net.scaled(math.sqrt(200), layers=[1])
    net = ic.Network([net.layers[0], net.layers[1].replace(activation="identity")])
    x, y = rng.standard_normal((4000, 30)), rng.integers(0, 27, 4000)
    assert saturation.predict(net).expected_loss == pytest.approx(net.gradients(x, y)[0], rel=0.06)


# --- measurement -------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_measure_by_hand(dtype):
    rng = np.random.default_rng(0)
    net = random_net([10, 30, 20], "tanh", 8.0, 0, dtype=dtype)
    x = rng.standard_normal((77, 10)).astype(dtype)
    trace = net.trace(x)
    report = saturation.measure(net, x)
    for i, la in enumerate(report.layers):
        z, a = trace.z[i].astype(np.float64), trace.a[i].astype(np.float64)
        r = 1 / np.cosh(z) ** 2
        assert la.q == pytest.approx(np.mean(z * z), rel=1e-5)
        assert la.slope_below_10pct == pytest.approx(np.mean(r < 0.1), abs=1e-12)
        assert la.slope_below_1pct == pytest.approx(np.mean(r < 0.01), abs=1e-12)
        cut = 9.01091333983 if dtype == "float32" else 19.0615474654
        assert la.slope_zero == pytest.approx(np.mean(np.abs(z) > cut))
        assert la.mean_slope == pytest.approx(r.mean(), rel=1e-4)
        assert la.rakitianskaia == pytest.approx(np.abs(a).mean(), rel=1e-5)
        w = net.layers[i].w.astype(np.float64)
        assert la.chi == pytest.approx(np.sum(w * w * np.mean(r * r, axis=0)) / la.units, rel=1e-4)
        assert la.typical_factor == pytest.approx(math.exp(np.mean(np.log(r))), rel=1e-4)
        assert la.variance == pytest.approx(z.var(axis=0).mean(), rel=1e-4)
        assert la.histogram.sum() == z.size


def test_dead_and_one_sided_units():
    w = np.zeros((4, 6))
    relu = ic.Network([ic.Dense(w, np.array([-1.0, -1, 1, 1, 1, 1]), "relu")])
    x = np.random.default_rng(0).standard_normal((40, 4))
    assert saturation.measure(relu, x).layers[0].dead_units == pytest.approx(2 / 6)
    assert saturation.predict(relu, x).layers[0].dead_units == pytest.approx(2 / 6)
    tanh = ic.Network([ic.Dense(w, np.array([-9.0, 9, 0, 0, 0, 0]), "tanh")])
    assert saturation.measure(tanh, x).layers[0].one_sided == pytest.approx(2 / 6)
    assert saturation.predict(tanh, x).layers[0].one_sided == pytest.approx(2 / 6)


def test_callables_single_rows_and_repr():
    net = ic.Network([ic.Dense(np.ones((3, 2)) / 3, None, lambda z: z / (1 + z * z) ** 0.5), ic.Dense(np.ones((2, 1)))])
    x = np.array([[1.0, 2.0, 3.0]])
    p, m = saturation.predict(net, x), saturation.measure(net, x)
    assert p.layers[0].q == pytest.approx(4) and m.layers[0].q == pytest.approx(4)
    assert p.layers[1].q == pytest.approx(m.layers[1].q, rel=1e-6)
    for report in (p, m):
        assert max(map(len, str(report).splitlines())) <= 80
    assert p.layers[0].name == "layers[0]" and p.layers[0].chi_per_unit == pytest.approx(p.layers[0].chi * 2 / 3)


def test_bad_input():
    net = random_net([4, 3], "tanh", 1.0, 0)
    x = np.zeros((2, 4), np.float32)
    for bad, message in (({"x": x, "second_moment": 1.0}, "one of"), ({"x": x, "mean": 0.0}, "one of"),
                         ({"second_moment": -1.0}, "at least 0"), ({"variance": np.ones(3)}, "one for each of the 4"),
                         ({"covariance": np.eye(3)}, "covariance"),
                         ({"covariance": np.triu(np.ones((4, 4)))}, "symmetric"),
                         ({"x": np.zeros((2, 5))}, "4 features"), ({"x": x[:0]}, "no rows"),
                         ({"mean": 2.0, "second_moment": 1.0}, "below mean")):
        with pytest.raises(ValueError, match=message):
            saturation.predict(net, **bad)
    with pytest.raises(ValueError, match="no rows"):
        saturation.measure(net, x[:0])


REFERENCE = pathlib.Path(__file__).parents[1] / "data" / "reference" / "saturation.csv"


def test_reference_table():
    """Every row of theory's saturation table."""
    with REFERENCE.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    for row in rows:
        phi, s = activations.get(row["activation"]), np.array([math.sqrt(float(row["q"]))])
        got = _gauss.moments(phi, np.zeros(1), s)
        assert got.variance[0] + got.mean[0] ** 2 == pytest.approx(float(row["Ephi2"]), rel=1e-9)
        assert got.slope2[0] == pytest.approx(float(row["Edphi2"]), rel=1e-9)
        assert got.distance[0] == pytest.approx(float(row["rakitianskaia_phi_B"]), rel=1e-9)
        for r, column in ((0.1, "P_dphi_lt_0.1_max"), (0.01, "P_dphi_lt_0.01_max")):
            want = float(row[column])
            assert _shares.share(phi, r, np.zeros(1), s)[0] == pytest.approx(want, rel=1e-9, abs=1e-300)


def test_a_covariance_is_one():
    """Negative variances are refused; singular covariances, and float32 ones off by rounding, are not."""
    net = ic.Network([ic.Dense(np.ones((4, 2)), None, "tanh")])
    with pytest.raises(ic.errors.ArgumentError, match="no negative eigenvalue"):
        saturation.predict(net, covariance=-np.eye(4))
    with pytest.raises(ic.errors.ArgumentError, match="no negative eigenvalue"):
        saturation.predict(net, covariance=2 * np.ones((4, 4)) - np.eye(4))
    assert saturation.predict(net, covariance=np.zeros((4, 4))).layers[0].q == 0
    x = np.random.default_rng(0).standard_normal((3, 4)).astype(np.float32)
    assert saturation.predict(net, covariance=np.cov(x.T).astype(np.float32)).layers[0].q > 0
