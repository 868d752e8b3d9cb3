"""Mean field against the reference tables, closed forms and mpmath-free identities."""

import csv
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from initcore import activations
from initcore import meanfield as mf
from initcore._gaussian import pairs as _bivariate
from initcore._gaussian import profile as _profile
from initcore._gaussian import quadrature as _quadrature
from initcore.errors import ArgumentError, ArgumentTypeError, UnknownNameError

REFERENCE = Path(__file__).parents[1] / "data" / "reference"
TINY = 1e-200


def rows(name):
    with open(REFERENCE / f"{name}.csv", encoding="utf-8") as f:
        return list(csv.DictReader(line for line in f if not line.startswith("#")))


def label(row):
    return "-".join(list(row.values())[:3])


def close(got, text, rel=1e-10):
    want = float(text)
    if math.isinf(want):
        assert got == want
    elif abs(want) < TINY:
        assert abs(got) < TINY
    else:
        assert got == pytest.approx(want, rel=rel)


# --- reference tables ----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("row", rows("meanfield"), ids=label)
def test_fixed_points(row):
    f = mf.fixed_point(row["activation"], sigma_w2=float(row["sigma_w2"]), sigma_b2=float(row["sigma_b2"]))
    assert f.phase == row["phase"]
    for got, column in [(f.q, "q_star"), (f.v_prime, "V_prime"), (f.chi, "chi_1"), (f.chi_c, "chi_at_c_star"),
                        (f.xi_q, "xi_q"), (f.xi_c, "xi_c")]:
        close(got, row[column])
    assert f.c == pytest.approx(float(row["c_star"]), rel=1e-11, abs=1e-200)


# theory.md, table 1: act, sw2, sb2, q*, chi_1, c*, xi_q, xi_c, phase; the rows that are not in the CSV sample
TABLE = """
tanh 1.0 0.0 0.0 1.0 1.0 inf inf critical
tanh 2.0 0.0 0.6179647697685 1.1055288204394 0.0 1.68556498 21.7236659 chaotic
tanh 1.5 0.05 0.4180372005334 0.9386362681988 1.0 1.68282838 15.7909940 ordered
tanh 1.69 0.09 0.6070467919093 0.9398074286821 1.0 1.33766764 16.1081727 ordered
tanh 16.0 0.09 12.604149497844 2.3672610355458 0.02969592158 0.49029474 3.63935102 chaotic
tanh 100.0 0.0 91.705131195288 5.5448544877525 0.0 0.32206428 2.67454071 chaotic
erf 1.0 0.0 0.1419237653137 1.0169025199505 0.0 4.29000078 120.525820 chaotic
erf 1.0 0.05 0.2884266917232 0.8675945841763 1.0 1.67374640 7.04072923 ordered
erf 4.0 0.5 3.1517354749077 1.3806698614355 0.59166573040 0.60031903 4.77510755 chaotic
sigmoid 1.0 1.0 1.3021340363057 0.0419597346363 1.0 0.27670843 0.31535347 ordered
sigmoid 16.0 0.0 5.8554035644101 0.3988790065437 1.0 0.47967493 1.08802426 ordered
sigmoid 64.0 1.0 28.462169510670 0.7802606128064 1.0 0.37980302 4.03018940 ordered
hard_tanh 1.5 0.0 0.6314586067839 1.1876432011428 0.0 1.46515382 16.2539707 chaotic
softsign 1.0 0.05 0.0952371308961 0.4980894675607 1.0 0.91798124 1.43477053 ordered
softsign 4.0 0.1 0.7245852027879 1.0338458843532 0.94064285257 1.21393469 38.6358079 chaotic
relu 1.5 0.1 0.4 0.75 1.0 3.47605949 3.47605949 ordered
leaky_relu_0.2 1.5 0.2 0.9090909090909 0.78 1.0 4.02477070 4.02477070 ordered
gelu 1.5 0.1 0.1919254292240 0.5071098674647 1.0 1.71099511 1.47269419 ordered
silu 1.0 0.1 0.1375872217996 0.2803065958794 1.0 0.81703358 0.78624307 ordered
silu 1.9 0.1 0.2178452842842 0.5603883508069 1.0 1.94008101 1.72674217 ordered
selu 0.9 0.05 0.8215313440011 0.9993025479778 1.0 3.27407817 1433.29032 ordered
elu 1.2 0.1 0.5676684288317 0.8461940013773 1.0 3.21699834 5.98778624 ordered
linear 1.0 0.0 1.0 1.0 1.0 inf inf critical
sin 1.0 0.05 0.2415915841041 0.8084084158958 1.0 2.06960851 4.70172529 ordered
sin 2.0 0.1 0.9506153380973 1.1493846619026 0.54987324261 0.82775735 7.89553990 chaotic
hard_sigmoid 4.0 0.0 1.1237989502913 0.1105938110712 1.0 0.44560428 0.45415505 ordered
mish 1.5 0.1 0.2538064501486 0.6294980511217 1.0 2.33917695 2.16060875 ordered
"""


@pytest.mark.parametrize("line", TABLE.split("\n")[1:-1])
def test_fixed_points_of_the_theory_table(line):
    name, w, b, *numbers, phase = line.split()
    f = mf.fixed_point(name, sigma_w2=float(w), sigma_b2=float(b))
    assert f.phase == phase
    for got, text in zip((f.q, f.chi, f.c, f.xi_q, f.xi_c), numbers):
        if text == "inf":
            assert got == math.inf
        else:
            assert abs(got - float(text)) <= 1.01 * 10.0 ** -len(text.split(".")[1]) + 1e-12   # printed cut off


@pytest.mark.parametrize("row", rows("critical_lines"), ids=label)
def test_critical_lines(row):
    point = mf.critical_line(row["activation"], q=float(row["q_star"]))
    close(point.sigma_w2, row["sigma_w2"])
    close(point.sigma_b2, row["sigma_b2"])
    close(point.v_prime, row["V_prime"])
    assert (2 if point.half_stable else int(point.admissible)) == int(row["admissible"])
    if point.admissible and point.v_prime < 1 - 1e-12:      # the fixed point of these parameters is that q
        f = mf.fixed_point(row["activation"], sigma_w2=point.sigma_w2, sigma_b2=point.sigma_b2)
        assert f.phase == "critical"
        assert f.q == pytest.approx(point.q, rel=1e-10)
        assert f.xi_c == math.inf
        assert mf.critical_line(row["activation"], sigma_b2=point.sigma_b2).q == pytest.approx(point.q, rel=1e-9)


@pytest.mark.parametrize("row", rows("gains"), ids=label)
def test_critical_sigma_w2(row):
    got = mf.critical_sigma_w2(row["activation"])
    if row["sigma_w2_chi1_sigma_b0"]:
        close(got, row["sigma_w2_chi1_sigma_b0"], rel=1e-13)
    else:
        assert got is None


@pytest.mark.parametrize("row", rows("cmap"), ids=label)
@pytest.mark.parametrize("closed", [True, False])
def test_correlation_table(row, closed):
    p = _profile.profile(row["activation"])
    k, _ = _bivariate.covariance(p, float(row["q"]), float(row["c"]), closed=closed)
    close(k, row["E_phi_phi"], rel=1e-13)


@pytest.mark.parametrize("row", rows("finite_width"), ids=label)
def test_finite_width(row):
    f = mf.finite_width(row["activation"], int(row["n"]))
    for got, column in [(f.var, "var_F"), (f.log_mean, "E_lnF"), (f.log_var, "var_lnF"), (f.p_dead, "P_dead_layer")]:
        close(got, row[column], rel=1e-13)


@pytest.mark.parametrize("row", rows("jacobian"), ids=label)
def test_jacobian(row):
    q = 1.0 if row["q"] == "any" else float(row["q"])
    gauss = mf.jacobian_moments(row["activation"], q)
    ortho = mf.jacobian_moments(row["activation"], q, weights="orthogonal")
    for got, column in [(gauss.mu1, "mu1"), (gauss.mu2, "mu2"), (gauss.sigma_w2_crit, "sigma_w2_crit"),
                        (gauss.var_per_layer, "var_per_layer_gaussian"),
                        (ortho.var_per_layer, "var_per_layer_orthogonal")]:
        close(got, row[column])
    deep = mf.jacobian_moments(row["activation"], q, depth=7, sigma_w2=1.1 / gauss.mu1)
    assert deep.mean == pytest.approx(1.1 ** 7)
    assert deep.var == pytest.approx(1.1 ** 14 * 7 * gauss.var_per_layer)


@pytest.mark.parametrize("row", rows("saturation"), ids=label)
def test_saturation(row):
    name, q = row["activation"], float(row["q"])
    for t in (0.9, 0.95, 0.99):
        close(mf.output_share(name, q, t), row[f"P_abs_gt_{t}"])
    for r in (0.1, 0.01, 0.001):
        close(mf.slope_share(name, q, r), row[f"P_dphi_lt_{r}_max"])
    close(mf.mean_slope(name, q), row["Edphi"])
    close(mf.mean_square_slope(name, q), row["Edphi2"])
    close(mf.rakitianskaia(name, q), row["rakitianskaia_phi_B"])
    g = mf.gaussian_moments(name, 0.0, q)
    assert g.mean == pytest.approx(float(row["Ephi"]), abs=1e-13)
    close(g.second, row["Ephi2"])
    close(g.slope2, row["Edphi2"])
    close(g.share10, row["P_dphi_lt_0.1_max"])
    close(g.share1, row["P_dphi_lt_0.01_max"])


# --- identities ----------------------------------------------------------------------------------------------------

@given(q=st.floats(1e-3, 1e3), c=st.floats(-1, 1))
@settings(max_examples=30, deadline=None)
def test_sigmoid_covariance_is_tanh(q, c):
    want = 0.25 + mf.covariance("tanh", q / 4, c) / 4
    assert mf.covariance("sigmoid", q, c) == pytest.approx(want, rel=1e-12)
    assert mf.chi("sigmoid", q, sigma_w2=16.0) == pytest.approx(mf.chi("tanh", q / 4, sigma_w2=1.0), rel=1e-12)


@pytest.mark.parametrize("name", ["erf", "sin", "relu", "leaky_relu_0.2", "gelu"])
@given(q=st.floats(1e-2, 5.0), c=st.floats(-1, 1))
@settings(max_examples=20, deadline=None)
def test_closed_covariance_is_the_integral(name, q, c):
    p = _profile.profile(name)
    closed, slope = _bivariate.covariance(p, q, c)
    numeric, slope_n = _bivariate.covariance(p, q, c, closed=False)
    assert numeric == pytest.approx(closed, rel=1e-12, abs=1e-14 * q)
    assert slope_n == pytest.approx(slope, rel=1e-11, abs=1e-13 * q)


@pytest.mark.parametrize("name", ["erf", "sin", "gelu"])
@given(q=st.floats(1e-2, 5.0), delta=st.floats(1e-12, 0.9))
@settings(max_examples=15, deadline=None)
def test_closed_decorrelation_is_the_integral(name, q, delta):
    p = _profile.profile(name)
    np.testing.assert_allclose(_bivariate.decorrelation(p, q, delta),
                               _bivariate.decorrelation(p, q, delta, closed=False), rtol=1e-10)


@pytest.mark.parametrize("name", ["tanh", "hard_tanh", "softsign", "selu", "elu", "silu", "mish", "arctan",
                                  "hard_sigmoid", "softplus"])
@pytest.mark.parametrize(("q", "c"), [(0.8, 0.6), (0.8, 0.987999), (30.0, 0.9999), (3.0, -0.7), (900.0, 0.8)])
def test_series_and_plane_agree(name, q, c):
    """Two independent routes: Hermite coefficients of the kernel's own derivative, and nested integration."""
    p = _profile.profile(name)
    k, slope = _bivariate.covariance(p, q, c)
    # E phi(u1) E[phi(u2) | u1] by brute nested quadrature on a fine uniform grid of both variables
    z = np.linspace(-9, 9, 1801)
    w = np.exp(-z * z / 2) * (z[1] - z[0]) / math.sqrt(2 * math.pi)
    s = math.sqrt(q)
    inner = np.array([w @ p.phi(s * (c * a + math.sqrt(1 - c * c) * z)) for a in z])
    rough = w @ (p.phi(s * z) * inner)
    assert k == pytest.approx(rough, rel=2e-4, abs=1e-4 * q)
    # dK/dc by a difference
    h = 1e-3 * (1 - abs(c))
    up, down = (_bivariate.covariance(p, q, c + d)[0] for d in (h, -h))
    assert slope == pytest.approx((up - down) / (2 * h), rel=1e-5, abs=1e-7 * q)


def test_series_meets_plane():
    for name in ("tanh", "hard_tanh", "selu", "mish", "hard_sigmoid"):
        p = _profile.profile(name)
        for q in (0.3, 5.0, 200.0):
            below = _bivariate.covariance(p, q, 0.5)
            above = _bivariate.covariance(p, q, 0.5 + 1e-13)
            np.testing.assert_allclose(below, above, rtol=1e-11)


@pytest.mark.parametrize("name", ["tanh", "softplus", "arctan", "silu", "sigmoid"])
@given(q=st.floats(1e-2, 50.0))
@settings(max_examples=8, deadline=None)
def test_stein(name, q):
    """``V' = chi + sigma_w2 E[phi phi'']``, phi'' by differences of phi'."""
    p = _profile.profile(name)
    h = 1e-3
    second = lambda x: (8 * (p.dphi(x + h) - p.dphi(x - h)) - (p.dphi(x + 2 * h) - p.dphi(x - 2 * h))) / (12 * h)
    bend = _quadrature.expect(p, lambda x: p.phi(x) * second(x), 0.0, math.sqrt(q))[0]
    assert mf.v_prime(name, q, sigma_w2=1.3) == pytest.approx(mf.chi(name, q, sigma_w2=1.3) + 1.3 * bend, rel=1e-9)


def test_correlation_map():
    f = mf.fixed_point("tanh", sigma_w2=2.0, sigma_b2=0.1)
    c = mf.correlation_map("tanh", [0.0, f.c, 1.0], sigma_w2=2.0, sigma_b2=0.1)
    assert c.shape == (3,)
    assert c[1] == pytest.approx(f.c, rel=1e-13)
    assert c[2] == pytest.approx(1.0, rel=1e-13)
    # ReLU, sigma_w2 = 2: theory.md
    got = mf.correlation_map("relu", [0.0, 0.5], sigma_w2=2.0)
    np.testing.assert_allclose(got, [0.31830988618379067154, 0.60899778104422935809], rtol=1e-15)
    with pytest.raises(ArgumentError, match="give q"):
        mf.correlation_map("relu", 0.5, sigma_w2=2.0, sigma_b2=0.1)
    # and 1 - c_l ~ 9 pi^2/(2 l^2)
    x = 0.3
    for _ in range(3000):
        x = mf.correlation_map("relu", x, sigma_w2=2.0, q=1.0)
    assert (1 - x) * 3000 ** 2 == pytest.approx(9 * math.pi ** 2 / 2, rel=0.02)


def test_length_map_near_zero():
    """tanh at sigma_w2 = 1: V = q - 2 q^2 + ..., so that q_l ~ 1/(2 l)."""
    q = 1e-4
    assert (q - mf.length_map("tanh", q, sigma_w2=1.0)) / q ** 2 == pytest.approx(2.0, rel=1e-3)
    q = 1.0
    for _ in range(400):
        q = mf.length_map("tanh", q, sigma_w2=1.0)
    assert q == pytest.approx(1 / 800, rel=0.02)


@pytest.mark.parametrize(("function", "name", "w", "b"), [
    (math.tanh, "tanh", 2.0, 0.1), (np.tanh, "tanh", 1.5, 0.0), (lambda z: np.clip(z, -1, 1), "hard_tanh", 2.0, 0.1),
    (lambda z: z / (1 + abs(z)), "softsign", 4.0, 0.1), (lambda z: z if z > 0 else 0.2 * z, "leaky_relu_0.2", 1.5, 0.2),
    (lambda z: 1 / (1 + np.exp(-z)), "sigmoid", 16.0, 0.0), (lambda z: 1 / (1 + np.exp(-z)), "sigmoid", 1e5, 0.0),
    (np.sin, "sin", 2.0, 0.1),
    (lambda z: z if z > 0 else math.expm1(z), "elu", 1.2, 0.1)])
def test_callables(function, name, w, b):
    mine, named = (mf.fixed_point(a, sigma_w2=w, sigma_b2=b) for a in (function, name))
    assert mine.phase == named.phase
    for field in ("q", "v_prime", "chi", "c", "chi_c", "xi_q", "xi_c"):
        assert getattr(mine, field) == pytest.approx(getattr(named, field), rel=1e-10), field


def test_callables_elsewhere():
    assert mf.critical_sigma_w2(lambda z: np.maximum(z, 0)) == pytest.approx(2.0, rel=1e-12)
    assert mf.critical_line(np.tanh, q=1.0).sigma_w2 == pytest.approx(2.1533026489027900328, rel=1e-12)
    assert mf.covariance(lambda z: np.clip(z, -1, 1), 2.0, 0.9) == pytest.approx(mf.covariance("hard_tanh", 2.0, 0.9),
                                                                                rel=1e-11)
    assert mf.slope_share(np.tanh, 1.0, 0.1) == pytest.approx(mf.slope_share("tanh", 1.0, 0.1), rel=1e-5)
    assert mf.jacobian_moments(np.tanh, 1.0).var_per_layer == pytest.approx(1.5834799413674635, rel=1e-10)


# --- phase diagram -------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("name", "top"), [("tanh", 4.0), ("sigmoid", 150.0), ("relu", 3.0), ("gelu", 3.0),
                                           ("hard_tanh", 4.0), ("erf", 4.0), ("selu", 1.5), ("softplus", 3.0)])
def test_phase_diagram(name, top):
    w, b = np.linspace(0.0, top, 9), np.linspace(0.0, 0.5, 5)
    d = mf.phase_diagram(name, w, b)
    assert d.q.shape == d.phase.shape == (9, 5)
    for i in range(9):
        for j in range(5):
            f = mf.fixed_point(name, sigma_w2=w[i], sigma_b2=b[j])
            assert d.phase[i, j] == f.phase
            if f.q is None:
                assert math.isnan(d.q[i, j])
                continue
            assert d.q[i, j] == pytest.approx(f.q, rel=1e-12, abs=1e-15)
            assert d.v_prime[i, j] == pytest.approx(f.v_prime, rel=1e-11)
            assert d.chi[i, j] == pytest.approx(f.chi, rel=1e-11)
            assert d.c[i, j] == pytest.approx(f.c, abs=1e-5)
            assert d.chi_c[i, j] == pytest.approx(f.chi_c, abs=1e-4)


def test_phase_diagram_errors():
    with pytest.raises(ArgumentError, match="sigma_w2"):
        mf.phase_diagram("tanh", [[1.0]], [0.1])
    with pytest.raises(ArgumentError, match="sigma_b2"):
        mf.phase_diagram("tanh", [1.0], [-0.1])
    assert mf.phase_diagram("tanh", [], [0.1]).q.shape == (0, 1)


# --- bad input -----------------------------------------------------------------------------------------------------

def test_errors():
    with pytest.raises(UnknownNameError, match="did you mean 'tanh'"):
        mf.fixed_point("tanhh", sigma_w2=1.0)
    with pytest.raises(ArgumentError, match="sigma_w2 must lie"):
        mf.fixed_point("tanh", sigma_w2=-1.0)
    with pytest.raises(ArgumentError, match="sigma_b2 must be finite"):
        mf.fixed_point("tanh", sigma_w2=1.0, sigma_b2=math.nan)
    with pytest.raises(ArgumentTypeError):
        mf.fixed_point("tanh", sigma_w2="1")
    with pytest.raises(ArgumentError, match="either q or sigma_b2"):
        mf.critical_line("tanh")
    with pytest.raises(ArgumentError, match="either q or sigma_b2"):
        mf.critical_line("tanh", q=1.0, sigma_b2=0.1)
    with pytest.raises(ArgumentError, match="c must lie"):
        mf.covariance("tanh", 1.0, 1.5)
    with pytest.raises(ArgumentError, match="q must be finite"):
        mf.length_map("tanh", -1.0, sigma_w2=1.0)
    with pytest.raises(ArgumentError, match="'relu' and 'linear'"):
        mf.finite_width("tanh", 10)
    with pytest.raises(ArgumentError, match="n must be at least 1"):
        mf.finite_width("relu", 0)
    with pytest.raises(UnknownNameError, match="weights"):
        mf.jacobian_moments("tanh", weights="uniform")
    with pytest.raises(ArgumentError, match="no bounded output range"):
        mf.output_share("relu", 1.0, 0.9)
    with pytest.raises(ArgumentError, match="variance >= 0"):
        mf.gaussian_moments("tanh", 0.0, -1.0)
    with pytest.raises(ArgumentTypeError, match="elementwise"):
        mf.fixed_point(activations.Activation("sum", None, lambda z: np.sum(z), lambda z: z), sigma_w2=1.0)


def test_critical_line_without_a_solution():
    assert mf.critical_line("relu", sigma_b2=0.1) is None
    assert mf.critical_line("gelu", sigma_b2=0.0) is None
    assert mf.critical_line("relu", q=3.0).sigma_w2 == 2.0
    with pytest.raises(ArgumentError, match="slope 0"):
        mf.critical_line(lambda z: np.sign(z), q=1.0)
