"""Finite width: exact laws, and what simulated networks do."""

import math

import numpy as np
import pytest
from scipy import special

from initcore import meanfield as mf
from initcore._gaussian import special as _special
from initcore.errors import ArgumentError


def test_digamma_and_trigamma():
    x = np.array([0.5, 1.0, 1.5, 3.25, 9.99, 10.0, 77.0, 5e4])
    got = _special.digamma_less_log(x) + np.log(x)
    np.testing.assert_allclose(got, special.digamma(x), rtol=1e-14, atol=1e-15)
    np.testing.assert_allclose(_special.trigamma(x), special.polygamma(1, x), rtol=1e-14)


@pytest.mark.parametrize("n", [1, 2, 3, 17, 1000, 100_000])
def test_finite_width_against_the_binomial(n):
    k = np.arange(1, n + 1)
    w = np.exp(special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(n - k + 1) - n * math.log(2))
    w /= w.sum()
    mean_k = special.digamma(k / 2) + math.log(4 / n)
    f = mf.finite_width("relu", n)
    assert f.log_mean == pytest.approx(w @ mean_k, rel=1e-7)
    assert f.log_var == pytest.approx(w @ (special.polygamma(1, k / 2) + (mean_k - w @ mean_k) ** 2), rel=1e-9)
    # expansion for large n: E ln F = -5/(2 n) + O(n^-2), Var ln F = 5/n + ...
    if n >= 1000:
        assert f.log_mean * n == pytest.approx(-2.5, rel=5 / n)


def test_log_norms_of_simulated_relu_networks():
    rng = np.random.default_rng(11)
    n, depth, nets = 30, 6, 1500
    logs = np.empty(nets)
    for i in range(nets):
        x = rng.standard_normal(n)
        start = x @ x
        for _ in range(depth):
            x = np.maximum(rng.standard_normal((n, n)) @ x * math.sqrt(2 / n), 0)
        logs[i] = math.log(x @ x / start)
    f = mf.finite_width("relu", n)
    assert abs(logs.mean() - depth * f.log_mean) < 4 * math.sqrt(depth * f.log_var / nets)
    assert abs(logs.var() / (depth * f.log_var) - 1) < 4 * math.sqrt(2.5 / nets)


def test_simulated_networks_follow_the_maps():
    """200-wide tanh networks: q_l and the saturated share layer by layer, and the gradient's factor chi."""
    rng = np.random.default_rng(12)
    n, depth, nets, w, b = 200, 6, 60, 4.0, 0.1
    z = np.empty((nets, depth, n))
    ratios = np.empty((nets, depth - 1))
    for i in range(nets):
        weights = [rng.standard_normal((n, n)) * math.sqrt(w / n) for _ in range(depth)]
        x = rng.standard_normal(n)
        x *= math.sqrt(n / (x @ x))
        for layer in range(depth):
            z[i, layer] = weights[layer] @ x + math.sqrt(b) * rng.standard_normal(n)
            x = np.tanh(z[i, layer])
        delta = rng.standard_normal(n)
        for layer in range(depth - 2, -1, -1):
            after = weights[layer + 1].T @ delta / np.cosh(z[i, layer]) ** 2
            ratios[i, layer] = (after @ after) / (delta @ delta)
            delta = after
    q = w + b
    for layer in range(depth):
        got = (z[:, layer] ** 2).mean(axis=1)
        assert abs(got.mean() - q) < 4 * got.std() / math.sqrt(nets) + 2e-3 * q
        share = (np.abs(np.tanh(z[:, layer])) > 0.9).mean(axis=1)
        assert abs(share.mean() - mf.output_share("tanh", q, 0.9)) < 4 * share.std() / math.sqrt(nets) + 2e-3
        if layer < depth - 1:
            r = ratios[:, layer]
            assert abs(r.mean() - mf.chi("tanh", q, sigma_w2=w)) < 4 * r.std() / math.sqrt(nets) + 0.01
        q = mf.length_map("tanh", q, sigma_w2=w, sigma_b2=b)


def test_variance_of_q_at_finite_width():
    assert mf.q_variance("tanh", sigma_w2=2.0, sigma_b2=0.1, n=100) == pytest.approx(0.0043802, abs=6e-8)
    assert mf.q_variance("tanh", sigma_w2=1.5, sigma_b2=0.05, n=50) == pytest.approx(0.0036419, abs=6e-8)
    assert mf.q_variance("sigmoid", sigma_w2=1.0, sigma_b2=1.0, n=100) == pytest.approx(5.498e-4, abs=6e-8)
    rng = np.random.default_rng(13)
    n, w, b = 100, 2.0, 0.1
    q = np.full(4000, mf.fixed_point("tanh", sigma_w2=w, sigma_b2=b).q)
    for _ in range(12):
        q = w * np.mean(np.tanh(np.sqrt(q)[:, None] * rng.standard_normal((q.size, n))) ** 2, axis=1) + b
    assert q.var() == pytest.approx(mf.q_variance("tanh", sigma_w2=w, sigma_b2=b, n=n), rel=4 * math.sqrt(2 / q.size))
    assert mf.q_variance("tanh", sigma_w2=0.5, n=10) == 0.0
    with pytest.raises(ArgumentError, match="attracting fixed point"):
        mf.q_variance("relu", sigma_w2=2.0, n=10)


def test_jacobian_of_simulated_networks():
    rng = np.random.default_rng(14)
    n, depth, draws = 200, 4, 4
    got = []
    for _ in range(draws):
        j = np.eye(n)
        for _ in range(depth):
            j = (1 / np.cosh(rng.standard_normal(n)) ** 2)[:, None] * (np.linalg.qr(rng.standard_normal((n, n)))[0] @ j)
        s2 = np.linalg.svd(j, compute_uv=False) ** 2 * mf.jacobian_moments("tanh", 1.0).sigma_w2_crit ** depth
        got.append(s2.var() / s2.mean() ** 2)
    want = mf.jacobian_moments("tanh", 1.0, depth=depth, weights="orthogonal").var
    assert np.mean(got) == pytest.approx(want, rel=0.1)
