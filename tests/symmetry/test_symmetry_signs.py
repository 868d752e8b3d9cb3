"""Gates of a graph: which two of gate, feature and column may be negated (theory 4.9.5), proved and trained."""

import numpy as np
import pytest
from symmetry_cells import RUNS, train

from initcore.symmetry import Graph, analyze

X, Y = np.random.default_rng(0).standard_normal((12, 3)), np.random.default_rng(1).standard_normal((12, 2))
WAYS = [(1, -1, -1), (-1, 1, -1), (-1, -1, 1)]
PHI = {"tanh": lambda t: t.tanh(), "identity": lambda t: t, "silu": lambda t: t.silu()}


def params(signs, change=None):
    rng = np.random.default_rng(3)
    p = {k: rng.normal(size=s) * 0.7 for k, s in (("g", (3, 4)), ("u", (3, 4)), ("b", 4), ("v", (4, 2)))}
    for a, s in ((p["g"], signs[0]), (p["u"], signs[1]), (p["b"], signs[0]), (p["v"].T, signs[2])):
        a[..., 2] = s * a[..., 0]
    if change:
        (p[change].T if change == "v" else p[change])[0, 2] += 0.3
    return p


def report(p, phi, **how):
    g = Graph()
    g.inputs("x", 3)
    g.gated("x", "h", p["g"], p["u"], activation=phi, gate_bias=p["b"])
    g.outputs("y", 2)
    g.linear("h", "y", p["v"])
    return analyze(g, **how)


def gap(p, signs):
    return max(float(np.abs(a[..., 2] - s * a[..., 0]).max()) for a, s in
               ((p["g"], signs[0]), (p["u"], signs[1]), (p["b"], signs[0]), (p["v"].T, signs[2])))


@pytest.mark.parametrize("signs", WAYS)
@pytest.mark.parametrize("phi", PHI)
def test_which_two_factors_may_be_negated(phi, signs):
    related = phi != "silu" or signs[0] == 1
    word = "free" if not related else "tied" if signs[2] == 1 else "sign-tied"

    def model(p, x):
        return (PHI[phi](x @ p["g"] + p["b"]) * (x @ p["u"])) @ p["v"]
    for run, (name, _, l2) in RUNS.items():
        p = params(signs)
        la = report(p, phi, optimizer=name, l2=l2).axes["h"]
        assert la.status == (word, "free", word, "free") and la.effective_width == 4 - related
        after = gap(train(model, p, X, Y, run), signs)
        assert after < 1e-12 if related else after > 1e-6, (run, after)
    for change in "guv":
        p = params(signs, change)
        assert report(p, phi).axes["h"].ok
        assert np.abs(gap(train(model, p, X, Y, "sgd"), signs) - gap(p, signs)) > 1e-7


def test_other_ways_hold_in_networks_of_gates_one_upon_the_other():
    """The column of one gate is the row of the next, whose units are one by another way."""
    p, q = params(WAYS[1]), params(WAYS[2])
    q["g"], q["u"] = (np.random.default_rng(5 + k).normal(size=(4, 4)) for k in (0, 1))
    for a, s in ((q["g"], -1), (q["u"], -1)):
        a[:, 2] = s * a[:, 0]
        a[2] = -a[0]                                         # unit 2 below is unit 0 negated
    mine = {f"{k}{n}": a for n, r in enumerate((p, q)) for k, a in r.items() if k != "v" or n}

    def graph(p):
        g = Graph()
        g.inputs("x", 3)
        g.gated("x", "h", p["g0"], p["u0"], activation="tanh", gate_bias=p["b0"])
        g.gated("h", "k", p["g1"], p["u1"], activation="tanh", gate_bias=p["b1"])
        g.outputs("y", 2)
        g.linear("k", "y", p["v1"])
        return analyze(g, optimizer="adam")

    def model(p, x):
        h = (x @ p["g0"] + p["b0"]).tanh() * (x @ p["u0"])
        return ((h @ p["g1"] + p["b1"]).tanh() * (h @ p["u1"])) @ p["v1"]
    made = graph(mine)
    assert made.axes["h"].status[:3] == ("sign-tied", "free", "sign-tied")
    assert made.axes["k"].status[:3] == ("tied", "free", "tied")
    for run in RUNS:
        after = train(model, mine, X, Y, run)
        assert np.abs(after["g0"][:, 2] + after["g0"][:, 0]).max() < 1e-12
        assert np.abs(after["u0"][:, 2] - after["u0"][:, 0]).max() < 1e-12
        assert np.abs(after["g1"][:, 2] + after["g1"][:, 0]).max() < 1e-12
