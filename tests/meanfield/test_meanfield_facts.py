"""What is known of single activations: where their lines of criticality end, what zero and none answer."""

import math

import numpy as np
import pytest
from scipy import integrate

from initcore import meanfield as mf
from initcore._gaussian import moments as _moments
from initcore._gaussian import profile as _profile


def test_half_stable_points():
    (gelu,), (silu,) = mf.half_stable_points("gelu"), mf.half_stable_points("silu")
    assert gelu.q == pytest.approx(3.5615528128088302749, rel=1e-12)
    assert gelu.sigma_w2 == pytest.approx(1.9830582574375471252, rel=1e-13)
    assert gelu.sigma_b2 == pytest.approx(0.17292239075606735175, rel=1e-12)
    assert silu.q == pytest.approx(14.320173618025798817, rel=1e-11)
    assert silu.sigma_w2 == pytest.approx(1.9880046782694720053, rel=1e-13)
    assert silu.sigma_b2 == pytest.approx(0.55514317072153039620, rel=1e-12)
    assert gelu.half_stable and silu.half_stable
    for name in ("tanh", "erf", "sin", "hard_tanh", "softsign", "sigmoid", "relu", "linear", "selu", "elu"):
        assert mf.half_stable_points(name) == []
    # at the parameters themselves: answers, and the half-stable point is among the fixed points
    for name, h in (("gelu", gelu), ("silu", silu)):
        f = mf.fixed_point(name, sigma_w2=h.sigma_w2, sigma_b2=h.sigma_b2)
        assert f.q == pytest.approx(h.q, rel=1e-3) if name == "silu" else f.q < h.q
        every = mf.fixed_points(name, sigma_w2=h.sigma_w2, sigma_b2=h.sigma_b2)
        assert min(abs(q / h.q - 1) for q, _ in every) < 1e-5


def test_gelu_below_its_half_stable_point_repels():
    point = mf.critical_line("gelu", q=1.0)
    assert point.v_prime > 1 and not point.stable and point.admissible
    (low, v_low), (high, v_high) = mf.fixed_points("gelu", sigma_w2=point.sigma_w2, sigma_b2=point.sigma_b2)
    assert high == pytest.approx(1.0, rel=1e-10) and v_high > 1 > v_low
    assert mf.fixed_point("gelu", sigma_w2=point.sigma_w2, sigma_b2=point.sigma_b2).q == pytest.approx(low, rel=1e-10)


def test_tanh_line():
    for w, q, b in [(1.05, 0.0259209482112542, 2.01052133882671e-5), (1.76, None, 0.049830723519411),
                    (2.0, 0.821354426503858, 0.103779805213043)]:
        point = mf.critical_line("tanh", sigma_b2=b)
        assert point.sigma_w2 == pytest.approx(w, rel=1e-12)
        if q is not None:
            assert point.q == pytest.approx(q, rel=1e-10)


def test_sigmoid_is_ordered_up_to_103():
    edge = 103.007553855519322
    assert mf.critical_sigma_w2("sigmoid") == pytest.approx(edge, rel=1e-14)
    assert mf.fixed_point("sigmoid", sigma_w2=edge * 0.999).phase == "ordered"
    assert mf.fixed_point("sigmoid", sigma_w2=edge * 1.001).phase == "chaotic"
    assert mf.fixed_point("sigmoid", sigma_w2=edge).q == pytest.approx(45.6242777973797, rel=1e-10)
    assert not mf.critical_line("sigmoid", q=45.0).admissible and mf.critical_line("sigmoid", q=46.0).admissible


def test_selu_normalises_itself():
    f = mf.fixed_point("selu", sigma_w2=1.0)
    assert f.q == pytest.approx(1.0, rel=1e-13)
    assert f.chi == pytest.approx(1.071574992455799257575, rel=1e-13)
    assert f.c == pytest.approx(0.0, abs=1e-15)
    # Jacobian of (mean, variance) -> (mean, variance) at (0, 1), Klambauer et al. 2017
    h = 1e-5
    up, down = mf.gaussian_moments("selu", 0.0, [1 + h, 1 - h]).mean
    assert (up - down) / (2 * h) == pytest.approx(0.08883475510689012, rel=1e-8)
    m = mf.gaussian_moments("selu", 0.0, [1 + h, 1 - h])
    var = m.second - m.mean ** 2
    assert (var[0] - var[1]) / (2 * h) == pytest.approx(0.7826478831968128, rel=1e-8)


def test_none_is_an_answer():
    for name, w, b in [("relu", 2.0, 0.1), ("relu", 3.0, 0.0), ("linear", 1.0, 0.5), ("gelu", 5.0, 0.0),
                       ("softplus", 4.0, 0.0), ("elu", 2.0, 0.1), (lambda z: max(z, 0.0), 2.0, 0.1)]:
        f = mf.fixed_point(name, sigma_w2=w, sigma_b2=b)
        assert (f.phase, f.q, f.c, f.xi_q, f.xi_c) == ("none", None, 1.0, math.inf, math.inf)
    # without a limit of its own a callable is described by its slopes far out
    f = mf.fixed_point(lambda z: z + np.sin(z), sigma_w2=2.0)
    assert f.phase == "none" and f.chi == pytest.approx(3.0, rel=1e-2)
    f = mf.fixed_point("relu", sigma_w2=2.0, sigma_b2=0.1)
    assert f.chi == 1.0 and f.v_prime == 1.0


def test_zero_is_an_answer():
    assert mf.fixed_point("tanh", sigma_w2=0.0).q == 0.0
    assert mf.fixed_point("tanh", sigma_w2=0.0, sigma_b2=2.0).q == 2.0
    assert mf.fixed_point("tanh", sigma_w2=0.5, sigma_b2=1e-20).q == pytest.approx(2e-20, rel=1e-12)
    for name in ("tanh", "hard_tanh", "softsign", "sin", "arctan"):
        f = mf.fixed_point(name, sigma_w2=1.0)
        assert (f.q, f.phase, f.xi_q, f.xi_c) == (0.0, "critical", math.inf, math.inf)
    f = mf.fixed_point("gelu", sigma_w2=3.0)
    assert (f.q, f.phase, f.chi) == (0.0, "ordered", 0.75)


@pytest.mark.parametrize("delta", [1e-2, 1e-3, 1e-4])
def test_just_beyond_the_edge_of_chaos(delta):
    """Where chi = 1 + eps, ``1 - c* = 2 eps/C''(1)`` with ``C''(1) = sigma_w2 q E phi''^2`` to first order (tanh)."""
    q = 1.0
    p = mf.critical_line("tanh", q=q)
    w = p.sigma_w2 * (1 + delta)
    f = mf.fixed_point("tanh", sigma_w2=w, sigma_b2=q - w * _moments.one(_profile.profile("tanh"), q, "second"))
    bend, _ = integrate.quad(lambda z: (2 * np.tanh(z) / np.cosh(z) ** 2) ** 2 * np.exp(-z * z / 2), -12, 12,
                             epsabs=1e-13)
    expected = 2 * (f.chi - 1) / (w * q * bend / math.sqrt(2 * math.pi))
    assert f.phase == "chaotic"
    assert (1 - f.c) == pytest.approx(expected, rel=5 * delta)
