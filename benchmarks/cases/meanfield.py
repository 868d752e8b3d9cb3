"""Mean field and gains against the same mathematics by SciPy's adaptive quadrature and by Gauss-Hermite in NumPy."""

import math
import time

import numpy as np

import initcore as ic

from .._case import Case, case

mf = ic.meanfield


def _quad_mean(f):
    """E f(Z) by scipy.integrate.quad."""
    from scipy import integrate

    return integrate.quad(lambda z: f(z) * math.exp(-z * z / 2) / math.sqrt(2 * math.pi), -12, 12, epsabs=1e-13,
                          limit=200)[0]


@case("mean field", "fixed point of tanh, ordered, to 1e-12", target={"scipy": 1.0})
def _(c: Case) -> None:
    w, b = 1.69, 0.09
    c.ours = lambda: mf.fixed_point("tanh", sigma_w2=w, sigma_b2=b)

    def rival() -> tuple[float, float]:
        from scipy import optimize
        q = optimize.brentq(lambda q: w * _quad_mean(lambda z: math.tanh(math.sqrt(q) * z) ** 2) + b - q, 1e-6, 10,
                            xtol=1e-14)
        return q, w * _quad_mean(lambda z: math.cosh(math.sqrt(q) * z) ** -4)

    with c.optional("scipy") as scipy:
        assert scipy.integrate is not None
        c.rival("scipy", rival)

    def check() -> None:
        f = mf.fixed_point("tanh", sigma_w2=w, sigma_b2=b)
        np.testing.assert_allclose((f.q, f.chi), (0.6070467919093, 0.9398074286821), rtol=1e-12)

    c.check = check


@case("mean field", "c* of tanh near the edge of chaos", target={"gauss-hermite, 1e-6": 1.0}, rounds=10)
def _(c: Case) -> None:
    w, b, q = 2.0, 0.1, 0.814644010066000713
    c.ours = lambda: mf.fixed_point("tanh", sigma_w2=w, sigma_b2=b).c
    x, weight = np.polynomial.hermite_e.hermegauss(60)
    weight = weight / weight.sum()

    def rival() -> float:
        # plain iteration of the correlation map, as published codes do
        at = 0.5
        z1, z2 = math.sqrt(q) * x[:, None], math.sqrt(q) * x
        for _ in range(3000):
            inner = np.tanh(z1) * np.tanh(at * z1 + math.sqrt(1 - at * at) * z2)
            new = (w * (weight @ inner @ weight) + b) / q
            if abs(new - at) < 3e-9:
                break
            at = new
        return at

    c.rival("gauss-hermite, 1e-6", rival)

    def check() -> None:
        assert abs(c.ours() - 0.98799915540832752) < 1e-11
        assert abs(rival() - 0.98799915540832752) < 2e-6

    c.check = check


@case("mean field", "phase diagram of tanh, 100 x 100", target={"the 2 s allowed": 1.0}, rounds=3)
def _(c: Case) -> None:
    w, b = np.linspace(0.1, 5, 100), np.linspace(0, 0.5, 100)
    c.ours = lambda: mf.phase_diagram("tanh", w, b)
    x, weight = np.polynomial.hermite_e.hermegauss(60)
    weight = weight / weight.sum()

    def rival() -> tuple[np.ndarray, np.ndarray]:
        # q and chi only: 40 iterations reach 1e-3 near the edge, where ours is exact and knows c* as well
        ww, bb = np.meshgrid(w, b, indexing="ij")
        q = np.ones_like(ww)
        for _ in range(40):
            q = ww * (np.tanh(np.sqrt(q)[..., None] * x) ** 2 @ weight) + bb
        return q, ww * ((1 - np.tanh(np.sqrt(q)[..., None] * x) ** 2) ** 2 @ weight)

    c.rival("gauss-hermite iteration", rival)
    c.rival("the 2 s allowed", lambda: time.sleep(2.0))

    def check() -> None:
        d = c.ours()
        q, chi = rival()
        inside = d.v_prime < 0.8
        np.testing.assert_allclose(d.q[inside], q[inside], rtol=1e-2, atol=1e-3)
        assert (np.sign(d.chi - 1) == np.sign(chi - 1))[np.abs(chi - 1) > 0.02].all()

    c.check = check


@case("mean field", "gain of a callable with unknown kinks, to 1e-12")
def _(c: Case) -> None:
    clip = lambda z: np.clip(z, -0.4, 0.9)
    c.ours = lambda: ic.gain(clip)
    with c.optional("scipy") as scipy:
        assert scipy.integrate is not None
        c.rival("scipy", lambda: 1 / math.sqrt(_quad_mean(lambda z: min(max(z, -0.4), 0.9) ** 2)))
    c.check = lambda: np.testing.assert_allclose(
        ic.gain(clip), 1 / math.sqrt(_quad_mean(lambda z: min(max(z, -0.4), 0.9) ** 2)), rtol=1e-11)


@case("mean field", "eight moments of 4096 tanh units")
def _(c: Case) -> None:
    rng = np.random.default_rng(0)
    mean, var = rng.standard_normal(4096), np.exp(rng.standard_normal(4096))
    c.ours = lambda: mf.gaussian_moments("tanh", mean, var)
    x, weight = np.polynomial.hermite_e.hermegauss(60)
    weight = weight / weight.sum()

    def rival() -> tuple[np.ndarray, ...]:
        t = np.tanh(mean[:, None] + np.sqrt(var)[:, None] * x)
        d = 1 - t * t
        return t @ weight, t * t @ weight, d @ weight, d * d @ weight

    c.rival("gauss-hermite, four moments to 1e-2", rival)

    def check() -> None:
        ours, theirs = c.ours(), rival()
        for a, b in zip(ours[:4], theirs):
            np.testing.assert_allclose(a, b, atol=5e-2)

    c.check = check
