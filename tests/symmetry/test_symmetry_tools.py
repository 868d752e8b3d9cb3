"""Quotient, break_ties, explain, near ties, tolerance, conditions, optimisers, errors."""

import itertools
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
from symmetry_lab import forward, gradients, train
from test_symmetry_properties import expanded, quotient_net
from test_symmetry_rows import filled, random_net, sum_tied

import initcore as ic
from initcore import symmetry
from initcore.errors import ArgumentError, ArgumentTypeError, DTypeError, NonFiniteError, ShapeError, UnknownNameError


def as_layers(network):
    return [(la.w.astype(np.float64), None if la.b is None else la.b.astype(np.float64), la.activation.name)
            for la in network.layers]


# --- quotient ----------------------------------------------------------------------------------------------

def sgd(layers, factors, steps, lr, momentum=0.0, l2=0.0, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((24, layers[0][0].shape[0]))
    y = rng.standard_normal((24, layers[-1][0].shape[1]))
    velocity = [[0.0, 0.0] for _ in layers]
    for _ in range(steps):
        new = []
        for i, ((w, b, phi), g) in enumerate(zip(layers, gradients(layers, x, y))):
            fw, fb = factors[i] if factors else (1.0, 1.0)
            step = [fw * g[0] + l2 * w, fb * g[1] + (0 if b is None else l2 * b)]
            velocity[i] = [momentum * v + s for v, s in zip(velocity[i], step)]
            new.append((w - lr * velocity[i][0], None if b is None else b - lr * velocity[i][1], phi))
        layers = new
    return forward(layers, x)[1][-1]


@pytest.mark.parametrize("momentum, l2", [(0.0, 0.0), (0.9, 0.0), (0.5, 0.01)])
def test_quotient_trains_as_the_tied_network(momentum, l2):
    nets = [filled(0.3, 3, 6, 2), filled(0.2, 3, 4, 5, 2, bias=0.1), sum_tied()]
    sign = random_net(4, 5, 6, 3)
    relu = random_net(4, 5, 6, 3, phi="relu")
    dead = random_net(4, 5, 6, 3)
    for a, b, c in zip((sign[1][0].T, sign[1][1], sign[2][0]), (relu[1][0].T, relu[1][1], relu[2][0]),
                       (dead[1][0].T, dead[1][1], dead[2][0])):
        a[4] = -a[1]
        b[1] = np.round(b[1] * 64) / 64
        b[4] = 0.75 * b[1]
        c[2] = 0
    shapes = [(3, 1, 2), (3, 1, 1, 2), (4, 2, 2, 3), (4, 5, 5, 3), (4, 5, 5, 3), (4, 5, 5, 3)]
    for net, widths in zip([*nets, sign, relu, dead], shapes):
        q = symmetry.quotient(net)
        assert q.network.widths == widths
        small = as_layers(q.network)
        x = np.random.default_rng(4).standard_normal((9, widths[0]))
        np.testing.assert_allclose(forward(small, x)[1][-1], forward(net, x)[1][-1], rtol=0, atol=1e-13)
        wide = sgd(net, None, 300, 0.05, momentum, l2)
        narrow = sgd(small, [(f.w, f.b) for f in q.lr_factors], 300, 0.05, momentum, l2)
        np.testing.assert_allclose(narrow, wide, rtol=0, atol=1e-12)


def test_quotient_of_random_expansions():
    rng = np.random.default_rng(8)
    for phi in ("tanh", "sigmoid", "relu"):
        for _ in range(10):
            net, cells = expanded(rng, quotient_net(rng, phi, 2))
            q = symmetry.quotient(net)
            assert all(w <= len(set(c.tolist())) for w, c in zip(q.network.widths[1:-1], cells))
            wide = sgd(net, None, 20, 0.05)
            narrow = sgd(as_layers(q.network), [(f.w, f.b) for f in q.lr_factors], 20, 0.05)
            np.testing.assert_allclose(narrow, wide, rtol=1e-9, atol=1e-11)


def test_quotient_of_a_free_network_is_itself_and_of_a_dead_one_has_a_unit_left():
    net = random_net(4, 5, 6, 3)
    q = symmetry.quotient(net)
    assert all((la.w == w).all() for la, (w, _, _) in zip(q.network.layers, net))
    assert all((f.w == 1).all() and (f.b == 1).all() for f in q.lr_factors)
    dead = symmetry.quotient(filled(0.0, 4, 5, 6, 3))
    assert dead.network.widths == (4, 1, 1, 3) and not any(la.w.any() for la in dead.network.layers)
    assert dead.network.dtype == np.float64
    single = [(np.ones((2, 3), np.float32),), (np.ones((3, 1), np.float32),)]
    assert symmetry.quotient(single).network.dtype == np.float32


# --- break_ties --------------------------------------------------------------------------------------------

@pytest.mark.parametrize("net", [filled(0.3, 4, 5, 6, 3), filled(0.0, 4, 5, 6, 3),
                                 filled(0.0, 4, 5, 6, 3, phi="sigmoid"),
                                 filled(0.0, 4, 5, 6, 3, phi="relu", bias=-0.5), sum_tied()])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_break_ties(net, dtype):
    net = [(w.astype(dtype), b.astype(dtype), f) for w, b, f in net]
    before = [w.copy() for w, _, _ in net]
    free, changes = symmetry.break_ties(net, rng=3)
    report = symmetry.analyze(free)
    assert report.ok and not report.near_ties and free.dtype == dtype
    assert all((a == w).all() for a, (w, _, _) in zip(before, net))
    touched = {(c.layer, u) for c in changes for u in c.units}
    for i, (la, w) in enumerate(zip(free.layers, before)):
        moved = set(np.flatnonzero((la.w != w).any(axis=0)).tolist())
        assert moved == {u for layer, u in touched if layer == i}
    again, _ = symmetry.break_ties(net, rng=ic.Key(3))
    assert all((a.w == b.w).all() for a, b in zip(free.layers, again.layers))
    assert "normal(std=" in str(changes[0])


def test_break_ties_changes_least():
    net = random_net(4, 5, 6, 3)
    same, changes = symmetry.break_ties(net, rng=0)
    assert changes == [] and all((la.w == w).all() for la, (w, _, _) in zip(same.layers, net))
    for a in (net[1][0].T, net[1][1], net[2][0]):
        a[4] = a[1]
    _, changes = symmetry.break_ties(net, rng=0, scale=0.01)
    assert [(c.layer, c.units) for c in changes] == [(1, (4,))]
    # Two tied layers: noise between them frees both.
    _, changes = symmetry.break_ties(filled(0.3, 4, 5, 6, 3), rng=0)
    assert [c.layer for c in changes] == [1]
    with pytest.raises(ArgumentError, match="scale"):
        symmetry.break_ties(net, rng=0, scale=0.0)


# --- evidence ----------------------------------------------------------------------------------------------

def test_explain():
    report = symmetry.analyze(filled(0.3, 4, 5, 6, 3))
    text = report.explain(1, 0, 3)
    assert "TIED" in text and "cell {0, 1, 2, 3, ... 5 units}" in text and text.count("layers[2].w") == 3
    free = symmetry.analyze(random_net(4, 5, 6, 3)).explain(1, 0, 3)
    assert "parted at sweep 1, forward pass" in free and "layers[1].w from layers[0] unit 0" in free
    net = random_net(4, 5, 6, 3)
    for a in (net[1][0].T, net[1][1]):
        a[4] = a[1]
    text = symmetry.analyze(net).explain(1, 1, 4)
    assert "backward pass" in text and "layers[2].w to layers[2] unit 0" in text
    assert "DEAD" in symmetry.analyze(filled(0.0, 4, 5, 3)).explain(0, 0, 1)
    entries = symmetry.analyze(sum_tied(), optimizer="adam", l2=0.1).explain(1, 0, 1)
    assert "equal sums" in entries and "unequal entries" in entries
    for a in (net[1][0].T, net[1][1], net[2][0]):
        a[4] = -a[1]
    assert "ratio -1" in symmetry.analyze(net).explain(1, 1, 4)
    assert "same unit" in report.explain(0, 2, 2)
    for bad in ((2, 0, 1), (0, 9, 1), (0, 1, -1)):
        with pytest.raises(ArgumentError):
            report.explain(*bad)


def test_report_reads_in_80_columns_and_as_json():
    import json
    for net in (filled(0.3, 4, 5, 6, 3), filled(0.0, *[4] * 60), random_net(4, 5, 6, 3)):
        report = symmetry.analyze(net)
        assert max(map(len, str(report).splitlines())) <= 80
        assert json.loads(json.dumps(report.to_dict()))["ok"] == report.ok
    report = symmetry.analyze(filled(0.0, 4, 5, 3))
    assert "never gets a gradient: layers[0].w" in str(report) and "layers[0].w: never" in str(report.zero_flow)
    assert report.frozen == ("layers[0].w", "layers[0].b", "layers[1].w")
    assert "holds given" in str(report) and "optimiser state" in " ".join(report.conditions)


# --- near ties ---------------------------------------------------------------------------------------------

def noisy(eps, n=20):
    rng = np.random.default_rng(2)
    return [(0.1 + eps * rng.uniform(-1, 1, (a, b)), np.zeros(b), "tanh") for a, b in ((6, n), (n, n), (n, 3))]


@pytest.mark.parametrize("eps", [1e-12, 1e-8, 1e-5])
def test_near_ties_are_reported_apart(eps):
    report = symmetry.analyze(noisy(eps))
    assert report.ok and all(set(la.status) == {"free"} for la in report.layers)
    assert [len(t.units) for t in report.near_ties] == [20, 20]
    for t in report.near_ties:
        assert eps < t.distance <= 2.01 * eps and t.relative == pytest.approx(t.distance / 0.1, rel=0.05)
    assert max(map(len, str(report).splitlines())) <= 80 and "near tie" in str(report)


def test_near_tie_of_one_pair_in_a_large_layer_and_none_by_chance():
    rng = np.random.default_rng(0)
    net = [(rng.standard_normal((50, 800)), np.zeros(800), "tanh"),
           (rng.standard_normal((800, 10)), np.zeros(10), "identity")]
    assert symmetry.analyze(net).near_ties == ()
    net[0][0][:, 700] = net[0][0][:, 31] * (1 + 1e-7)
    net[1][0][700] = net[1][0][31]
    [t] = symmetry.analyze(net).near_ties
    assert t.units == (31, 700) and 1e-8 < t.relative < 1e-6
    net[1][0][700] = rng.standard_normal(10)
    assert symmetry.analyze(net).near_ties == ()
    for n in (10, 1000):                                     # few weights a unit: close by chance, no alarm
        one = [(rng.standard_normal((1, n)), np.zeros(n), "tanh"), (rng.standard_normal((n, 1)), None, "identity")]
        assert symmetry.analyze(one).near_ties == ()


def test_growth_of_a_near_tie():
    t = symmetry.NearTie(0, (0, 1), 1e-8, 1e-8)
    assert t.steps(gamma=0.094, lr=0.05) == pytest.approx(np.log(1e8) / np.log1p(0.05 * 0.094))
    assert t.steps(gamma=0.0, lr=0.05) == np.inf
    # A pair d apart in a linear-in-residual direction grows by the rate the Hessian across the tie gives.
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((60, 3)), rng.standard_normal((60, 2))
    w, v = rng.standard_normal((3, 1)) * 0.7, rng.standard_normal((1, 2)) * 0.5
    tied = [(np.repeat(w, 2, 1), np.zeros(2), "tanh"), (np.repeat(v, 2, 0), np.zeros(2), "identity")]
    h = np.tanh(x @ w)[:, 0]
    d = 2 * (forward(tied, x)[1][-1] - y) / y.size
    one = np.c_[x, np.ones(len(x))]
    second = (d @ v[0]) * (-2 * h * (1 - h * h))
    a, b = (one * second[:, None]).T @ one, (d * (1 - h * h)[:, None]).T @ one
    hessian = np.block([[a, b.T], [b, np.zeros((2, 2))]])
    values, vectors = np.linalg.eigh(hessian)
    gamma, u = -values[0], vectors[:, 0] * 1e-9
    layers = [(tied[0][0] + np.c_[u[:3], -u[:3]], np.array([u[3], -u[3]]), "tanh"),
              (tied[1][0] + np.r_[[u[4:]], [-u[4:]]], np.zeros(2), "identity")]
    (dw, db), (dv, _) = gradients(layers, x, y)
    step = np.r_[dw[:, 0] - dw[:, 1], db[0] - db[1], dv[0] - dv[1]] / 2
    np.testing.assert_allclose(step, -gamma * u, atol=1e-3 * gamma * 1e-9)


def test_sums_of_decimal_fractions_exactly_and_with_tolerance():
    net = [(np.array([[0.1, 0.3], [0.2, 0.0]]), None, "tanh"), (np.ones((2, 1)), None, "identity")]
    report = symmetry.analyze(net, input_groups=[0, 0], tolerance=1e-12)
    la = report.layers[0]
    assert la.n_cells == 2 and set(la.status) == {"free"}              # 0.1 + 0.2 is not 0.3 in binary
    assert la.tolerance_cells == 1 and la.tolerance_labels.tolist() == [0, 0]
    assert symmetry.analyze(net, input_groups=[0, 0]).layers[0].tolerance_labels is None
    exact = [(np.array([[0.125, 0.375], [0.25, 0.0]]), None, "tanh"), (np.ones((2, 1)), None, "identity")]
    assert symmetry.analyze(exact, input_groups=[0, 0]).layers[0].n_cells == 1
    assert symmetry.analyze(exact).layers[0].n_cells == 2


def test_sums_that_floating_point_gets_wrong():
    # Rounded sums agree (1e16 swallows 1), exact ones do not; and the other way round.
    swallowed = np.array([[1e16, 1e16], [1.0, 0.0], [-1e16, -1e16]])
    net = [(swallowed, None, "tanh"), (np.ones((2, 1)), None, "identity")]
    assert symmetry.analyze(net, input_groups=[0, 0, 0]).layers[0].n_cells == 2
    order = np.array([[0.1, 0.3], [0.2, 0.1], [0.3, 0.2]])
    net = [(order, None, "tanh"), (np.ones((2, 1)), None, "identity")]
    assert 0.1 + 0.2 + 0.3 != 0.3 + 0.2 + 0.1
    assert symmetry.analyze(net, input_groups=[0, 0, 0]).layers[0].n_cells == 1
    tiny = np.array([[5e-324, 0.0], [1e300, 1e300]])
    assert symmetry.analyze([(tiny, None, "tanh"), (np.ones((2, 1)), None, "identity")]).layers[0].n_cells == 2
    huge = np.array([[1.7e308, 1.7e308], [1.7e308, 1.7e308], [1.0, 2.0]])
    assert symmetry.analyze([(huge, None, "tanh"), (np.ones((2, 1)), None, "identity")]).layers[0].n_cells == 2


def test_minus_zero_is_zero():
    net = filled(0.0, 3, 4, 2, phi="sigmoid")
    net[0][0][1, 2] = -0.0
    for l2 in (0.0, 0.1):
        assert symmetry.analyze(net, optimizer="adam", l2=l2).layers[0].n_cells == 1


# --- optimisers and promises ---------------------------------------------------------------------------------

def test_noise_breaks_every_tie():
    net = filled(0.3, 4, 5, 3)
    for options in ({"hidden_dropout": True}, {"optimizer": "sgld"}, {"optimizer": "muon_svd"}):
        report = symmetry.analyze(net, **options)
        assert report.ok and "free" in report.layers[0].status
    assert any("dropout" in c for c in symmetry.analyze(net).conditions)


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW", "sign-sgd", "signSGD", "NAdam", "lbfgs", "kfac", "adafactor"])
def test_optimiser_spellings(name):
    assert not symmetry.analyze(filled(0.3, 4, 5, 3), optimizer=name).ok


def test_input_groups_tie_what_only_differs_within_them():
    net = random_net(4, 5, 3)
    net[0][0][:, 1] = net[0][0][[1, 0, 2, 3], 0]
    net[0][1][1], net[1][0][1] = net[0][1][0], net[1][0][0]
    assert symmetry.analyze(net).ok
    report = symmetry.analyze(net, optimizer="adam", l2=0.1, input_groups=["a", "a", "b", "c"])
    assert report.layers[0].status[:2] == ("tied", "tied")
    after = train(net, "adam", l2=0.1, groups=[0, 0, 1, 2])
    assert np.abs(after[1][0][0] - after[1][0][1]).max() < 1e-12


def test_sign_ties_under_adam_with_l2_need_mirrored_entries():
    net = random_net(4, 5, 6, 3)
    for a in (net[1][0].T, net[1][1], net[2][0]):
        a[4] = -a[1]
    report = symmetry.analyze(net, optimizer="adam", l2=0.1)
    assert report.layers[1].status[4] == "sign-tied"
    after = train(net, "adam", l2=0.1)
    assert np.abs(after[1][0][:, 1] + after[1][0][:, 4]).max() < 1e-12


# --- what is refused -----------------------------------------------------------------------------------------

@pytest.mark.parametrize("net, options, error, match", [
    (filled(0.3, 4, 5, 3), {"optimizer": "adamm"}, UnknownNameError, "did you mean 'adam'"),
    (filled(0.3, 4, 5, 3), {"optimizer": 3}, ArgumentTypeError, "optimizer"),
    (filled(0.3, 4, 5, 3), {"l2": -1}, ArgumentError, "l2"),
    (filled(0.3, 4, 5, 3), {"max_sweeps": 0}, ArgumentError, "max_sweeps"),
    (filled(0.3, 4, 5, 3), {"tolerance": float("nan")}, ArgumentError, "tolerance"),
    (filled(0.3, 4, 5, 3), {"input_groups": [0, 1]}, ShapeError, "input_groups"),
    ("weights", {}, ArgumentTypeError, "net must be"),
    ([np.ones((2, 2))], {}, ArgumentTypeError, r"net\[0\]"),
    ([(np.ones((2, 2), int),)], {}, DTypeError, r"net\[0\]"),
    ([(np.ones((2, 2), complex),)], {}, DTypeError, "complex128"),
    ([(np.ones((2, 3)),), (np.ones((4, 1)),)], {}, ShapeError, "4"),
    ([(np.ones((2, 3)),), (np.array([[1.0], [np.inf], [0]]),)], {}, NonFiniteError,
     r"layers\[1\].w holds inf at index \(1, 0\)"),
    ([], {}, ShapeError, "empty"),
])
def test_bad_input(net, options, error, match):
    with pytest.raises(error, match=match):
        symmetry.analyze(net, **options)


def test_non_finite_weights_that_came_in_later():
    net = ic.Network([ic.Dense(np.ones((3, 3)), np.zeros(3), "tanh"), ic.Dense(np.ones((3, 1)))])
    net.layers[0].b[1] = np.nan
    with pytest.raises(NonFiniteError, match=r"layers\[0\].b holds nan at index \(1,\)"):
        symmetry.analyze(net)


@pytest.mark.parametrize("widths", [(0, 3, 2), (3, 0, 2), (3, 2, 0), (1, 1, 1), (4, 3)])
def test_degenerate_shapes(widths):
    net = [(np.ones((a, b)), np.zeros(b), "tanh") for a, b in itertools.pairwise(widths)]
    report = symmetry.analyze(net)
    assert report.certified and [la.n_units for la in report.layers] == list(widths[1:-1])


def test_strides_and_half_precision():
    net = filled(0.3, 4, 6, 3)
    wide = [(np.repeat(np.repeat(w, 2, 0), 2, 1)[::2, ::-2], b[::-1], f) for w, b, f in net]
    assert symmetry.analyze(wide).layers[0].effective_width == 1
    half = [(w.astype(np.float16), b.astype(np.float16), f) for w, b, f in random_net(4, 6, 3)]
    assert symmetry.analyze(half).ok


def test_the_page_about_it_runs(capsys):
    page = Path(__file__).resolve().parents[2] / "docs" / "explanation" / "symmetry.md"
    names = {}
    for code in re.findall(r"```python\n(.*?)```", page.read_text(), re.S):
        exec(code, names)
    assert names["small"].widths == (784, 1, 10) and names["report"].ok
    assert "TIED: 256 units; effective width 1 under adam" in capsys.readouterr().out


def test_reports_are_values():
    """A report goes through a process pool and still explains itself."""
    net = ic.Network([ic.Dense(np.ones((4, 5)), np.zeros(5), "sigmoid"), ic.Dense(np.ones((5, 3)))])
    report = symmetry.analyze(net)
    again = pickle.loads(pickle.dumps(report))
    assert (str(again), again.explain(0, 0, 1)) == (str(report), report.explain(0, 0, 1))
    verdict = ic.check(net)
    assert str(pickle.loads(pickle.dumps(verdict))) == str(verdict)
