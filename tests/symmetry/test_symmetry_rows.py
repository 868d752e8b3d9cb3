"""The 22 verdicts of theory 4.4, each with the training run that bears it out (rows 18 to 21: test_symmetry_graph)."""

import itertools

import numpy as np
import pytest
from symmetry_lab import first_steps, spread, train

from initcore import symmetry

RNG = np.random.default_rng(7)


def random_net(*widths, phi="tanh", scale=0.7, bias=0.3, seed=1):
    rng = np.random.default_rng(seed)
    net = [(scale * rng.standard_normal((n, m)), bias * rng.standard_normal(m), phi)
           for n, m in itertools.pairwise(widths)]
    net[-1] = (*net[-1][:2], "identity")
    return net


def filled(value, *widths, phi="tanh", bias=0.0):
    net = [(np.full((n, m), value), np.full(m, bias), phi) for n, m in itertools.pairwise(widths)]
    net[-1] = (*net[-1][:2], "identity")
    return net


def words(report):
    return [sorted(set(la.status)) for la in report.layers]


def assert_kept(net, report, optimizer, tol=1e-9, groups=None, **kw):
    after = train(net, optimizer, groups=groups, **kw)
    for la in report.layers:
        assert spread(after, la.layer, la.labels, la.multipliers, groups=groups) < tol
    return after


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "nesterov", "adam", "adamw", "lion", "rmsprop", "adagrad",
                                       "sign_sgd", "muon", "shampoo", "lars", "lamb"])
@pytest.mark.parametrize("phi", ["tanh", "relu", "sigmoid"])
def test_row_1_one_constant(optimizer, phi):
    net = filled(0.25, 4, 5, 6, 3, phi=phi, bias=0.1)
    report = symmetry.analyze(net, optimizer=optimizer)
    assert words(report) == [["tied"], ["tied"]] and not report.ok
    assert [la.effective_width for la in report.layers] == [1, 1]
    assert [la.n_cells for la in report.layers] == [1, 1]
    assert {la.strength for la in report.layers} == {"elementwise"}
    assert "TIED" in report.verdict and "effective width 1" in str(report)
    # Matrix optimisers amplify rounding (theory 4.2: 2.8e-6 and 3.7e-4 after 200 steps).
    few = optimizer in ("muon", "shampoo")
    assert_kept(net, report, optimizer, tol=1e-6 if few else 1e-9, steps=5 if few else 40)


def test_row_2_constant_first_layer_is_free():
    net = random_net(4, 5, 3)
    net[0] = (np.full((4, 5), 0.3), np.zeros(5), "tanh")
    report = symmetry.analyze(net)
    la = report.layers[0]
    assert report.ok and set(la.status) == {"free"} and la.n_cells == la.effective_width == 5
    assert la.forward_duplicates == ((0, 1, 2, 3, 4),) and la.forward_width == 1 and la.update_rank_bound == 3
    assert "forward-degenerate" in la.verdict and "rank <= 3" in la.verdict and report.verdict.startswith("OK")
    after = train(net, steps=1)
    assert spread(after, 0, np.zeros(5)) > 1e-4
    assert np.linalg.matrix_rank(after[0][0] - net[0][0], tol=1e-9) <= 3


def test_row_3_zero_head_is_free():
    net = random_net(4, 5, 6, 3)
    net[2] = (np.zeros((6, 3)), np.zeros(3), "identity")
    report = symmetry.analyze(net)
    assert report.ok and words(report) == [["free"], ["free"]]
    assert dict(report.zero_flow) == first_steps(net)
    assert [report.zero_flow[f"layers[{i}].w"] for i in range(3)] == [1, 1, 0]


@pytest.mark.parametrize("phi", ["tanh", "relu", "gelu", "silu", "sin"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw", "lion"])
def test_row_4_all_zero_is_dead(phi, optimizer):
    net = filled(0.0, 4, 5, 6, 3, phi=phi)
    report = symmetry.analyze(net, optimizer=optimizer)
    assert words(report) == [["dead"], ["dead"]] and not report.ok
    assert [la.effective_width for la in report.layers] == [0, 0]
    assert {k for k, v in report.zero_flow.items() if v is not None} == {"layers[2].b"}
    if phi != "gelu":
        after = train(net, optimizer)
        assert not any(w.any() for w, _, _ in after) and not after[0][1].any()
        assert train(net, optimizer, steps=1)[2][1].all()


@pytest.mark.parametrize("phi", ["sigmoid", "softplus"])
def test_row_5_all_zero_with_phi0(phi):
    net = filled(0.0, 4, 5, 6, 7, 3, phi=phi)
    report = symmetry.analyze(net)
    assert words(report) == [["tied"]] * 3 and [la.effective_width for la in report.layers] == [1, 1, 1]
    assert [report.zero_flow[f"layers[{i}].w"] for i in range(4)] == [3, 2, 1, 0]
    assert dict(report.zero_flow) == first_steps(net)
    after = assert_kept(net, report, "sgd")
    assert np.linalg.matrix_rank(after[0][0]) == 1


def test_row_5_cosine():
    net = filled(0.0, 4, 5, 3, phi=np.cos)
    report = symmetry.analyze(net)
    assert words(report) == [["tied"]] and report.layers[0].effective_width == 1


@pytest.mark.parametrize("phi, bias, word", [("tanh", 0.2, "tied"), ("relu", 0.2, "tied"), ("tanh", -0.2, "tied"),
                                             ("relu", -0.2, "dead"), ("relu", 0.0, "dead")])
def test_row_6_zero_weights_equal_biases(phi, bias, word):
    net = filled(0.0, 4, 5, 6, 3, phi=phi, bias=bias)
    report = symmetry.analyze(net)
    assert words(report) == [[word], [word]]
    assert dict(report.zero_flow) == first_steps(net)
    assert_kept(net, report, "sgd")


def test_row_6_adam_with_l2_can_lift_a_negative_bias():
    net = filled(0.0, 4, 5, 3, phi="relu", bias=-0.01)
    assert words(symmetry.analyze(net, optimizer="adam", l2=0.1)) == [["tied"]]
    after = train(net, "adam", l2=0.1, lr=0.05, steps=10)
    assert after[0][1].max() > 0


def test_row_7_zero_weights_random_biases():
    net = random_net(4, 5, 6, 3)
    net = [(np.zeros_like(w), b, phi) for w, b, phi in net]
    report = symmetry.analyze(net)
    assert report.ok and words(report) == [["free"], ["free"]]
    assert [report.zero_flow[f"layers[{i}].w"] for i in range(3)] == [2, 1, 0]
    assert dict(report.zero_flow) == first_steps(net)
    assert np.linalg.matrix_rank(train(net, steps=60, lr=0.5)[1][0]) > 1


def test_row_8_two_zero_layers_in_a_row():
    net = random_net(4, 5, 6, 7, 3)
    for i in (1, 2):
        net[i] = (np.zeros_like(net[i][0]), np.zeros_like(net[i][1]), "tanh")
    net[2] = (net[2][0], RNG.standard_normal(7), "tanh")
    report = symmetry.analyze(net)
    assert words(report) == [["free"], ["dead"], ["free"]] and not report.ok
    assert {k for k, v in report.zero_flow.items() if v is None} == {
        "layers[0].w", "layers[0].b", "layers[1].w", "layers[1].b", "layers[2].w"}
    assert dict(report.zero_flow) == first_steps(net)
    after = train(net, "adam")
    assert all((after[i][0] == net[i][0]).all() for i in (0, 1, 2)) and (after[3][0] != net[3][0]).any()


def test_row_9_two_zero_layers_with_sigmoid():
    net = random_net(4, 5, 6, 7, 3, phi="sigmoid")
    net[1] = (np.zeros_like(net[1][0]), np.zeros(6), "sigmoid")
    net[2] = (np.zeros_like(net[2][0]), net[2][1], "sigmoid")
    report = symmetry.analyze(net)
    assert words(report) == [["free"], ["tied"], ["free"]] and report.layers[1].effective_width == 1
    assert_kept(net, report, "adam")


@pytest.mark.parametrize("phi", ["tanh", "relu", "sigmoid"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "lion", "muon"])
def test_row_10_copied_unit(phi, optimizer):
    net = random_net(4, 5, 6, 3, phi=phi)
    for a in (net[1][0].T, net[1][1], net[2][0]):
        a[4] = a[1]
    report = symmetry.analyze(net, optimizer=optimizer)
    la = report.layers[1]
    assert [la.status[i] for i in range(6)] == ["free", "tied", "free", "free", "tied", "free"]
    assert la.labels[1] == la.labels[4] and la.n_cells == 5 == la.effective_width and la.strength == "elementwise"
    assert set(report.layers[0].status) == {"free"}
    assert_kept(net, report, optimizer, tol=1e-6 if optimizer == "muon" else 1e-12)


def test_row_11_copied_row_other_column():
    net = random_net(4, 5, 6, 3)
    for a in (net[1][0].T, net[1][1]):
        a[4] = a[1]
    report = symmetry.analyze(net)
    assert report.ok and report.layers[1].forward_duplicates == ((1, 4),) and report.layers[1].forward_width == 5
    labels = np.arange(6)
    labels[4] = 1
    assert spread(train(net, steps=0), 1, labels) == 0 and spread(train(net, steps=1), 1, labels) > 1e-5


def test_row_12_equal_columns_other_rows():
    net = random_net(4, 5, 6, 3, phi="identity")
    net[2][0][4] = net[2][0][1]
    report = symmetry.analyze(net)
    assert report.ok and report.layers[1].backward_duplicates == ((1, 4),)
    assert "backward-degenerate" in report.layers[1].verdict
    assert np.abs(np.diff(train(net, steps=1)[2][0][[1, 4]], axis=0)).max() > 1e-5


def sum_tied():
    """Two hidden layers of two triples of units whose 3 x 3 blocks agree in row and column sums only."""
    rng = np.random.default_rng(3)

    def coarse(*shape):
        return rng.integers(-8, 9, shape) / 8.0

    uneven = np.array([[1, 1, -2], [2, -1, -1], [-3, 0, 3]]) / 4.0
    w2 = np.kron(coarse(2, 2), np.ones((3, 3))) + np.kron(np.array([[1, 0.5], [-0.5, 2]]), uneven)
    return [(np.repeat(coarse(4, 2), 3, axis=1), np.repeat([0.1, 0.2], 3), "tanh"),
            (w2, np.repeat([0.1, -0.2], 3), "tanh"), (np.repeat(coarse(2, 3), 3, axis=0), np.zeros(3), "identity")]


@pytest.mark.parametrize("optimizer, l2, tied", [
    ("sgd", 0.0, True), ("sgd", 0.1, True), ("momentum", 0.1, True), ("adam", 0.0, True), ("adamw", 0.1, True),
    ("lion", 0.0, True), ("adam", 0.1, False), ("sign_sgd", 0.1, False), ("rmsprop", 0.1, False), ("muon", 0.0, True)])
def test_row_13_sums_agree_entries_do_not(optimizer, l2, tied):
    net = sum_tied()
    report = symmetry.analyze(net, optimizer=optimizer, l2=l2)
    after = train(net, optimizer, l2=l2, steps=5 if optimizer == "muon" else 50)
    triples = np.repeat([0, 1], 3)
    if tied:
        assert words(report) == [["tied"], ["tied"]] and {la.strength for la in report.layers} == {"affine"}
        assert (report.layers[0].labels == triples).all()
        assert max(spread(after, i, triples) for i in (0, 1)) < (1e-6 if optimizer == "muon" else 1e-10)
    else:
        assert all("tied" not in la.status for la in report.layers)
        assert max(spread(after, i, triples) for i in (0, 1)) > 1e-4


@pytest.mark.parametrize("optimizer, l2", [("adam", 0.1), ("sign_sgd", 0.1), ("sgd", 0.1), ("lion", 0.0)])
def test_row_14_circulant_blocks(optimizer, l2):
    rng = np.random.default_rng(5)
    a, b, c = rng.standard_normal(3)
    circulant = np.array([[a, b, c], [c, a, b], [b, c, a]])
    net = [(np.repeat(rng.standard_normal((4, 1)), 3, axis=1), np.full(3, 0.1), "tanh"),
           (circulant, np.full(3, -0.2), "tanh"),
           (np.repeat(rng.standard_normal((1, 2)), 3, axis=0), np.zeros(2), "identity")]
    report = symmetry.analyze(net, optimizer=optimizer, l2=l2)
    assert words(report) == [["tied"], ["tied"]] and report.layers[1].effective_width == 1
    # The three entries of a row are summed in different orders: equal sums in F_p and in R, not always in float64.
    assert report.layers[0].strength == "elementwise"
    assert_kept(net, report, optimizer, l2=l2)


@pytest.mark.parametrize("phi, word", [("tanh", "sign-tied"), ("sin", "sign-tied"), ("sigmoid", "free")])
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw", "lion", "muon"])
def test_row_15_sign_pair(phi, word, optimizer):
    net = random_net(4, 5, 6, 3, phi=phi)
    for a in (net[1][0].T, net[1][1], net[2][0]):
        a[4] = -a[1]
    report = symmetry.analyze(net, optimizer=optimizer)
    la = report.layers[1]
    assert la.status[1] == la.status[4] == word and la.status[0] == "free"
    assert report.ok == (word == "free")
    if word == "sign-tied":
        assert la.labels[1] == la.labels[4] and la.multipliers[4] == -1 and la.effective_width == 5
        assert_kept(net, report, optimizer, tol=1e-6 if optimizer == "muon" else 1e-11)


@pytest.mark.parametrize("phi, word", [("tanh", "dead"), ("silu", "dead"), ("relu", "dead"), ("sigmoid", "free")])
def test_row_16_dead_unit(phi, word):
    net = random_net(4, 5, 6, 3, phi=phi)
    for a in (net[1][0].T, net[1][1], net[2][0]):
        a[4] = 0
    report = symmetry.analyze(net, optimizer="adam")
    la = report.layers[1]
    assert la.status[4] == word and set(la.status) - {word} <= {"free"}
    assert la.effective_width == (5 if word == "dead" else 6)
    after = train(net, "adam")
    assert (after[1][0][:, 4] != 0).any() == (word == "free")


@pytest.mark.parametrize("optimizer, word", [("sgd", "proportional"), ("momentum", "proportional"),
                                             ("muon", "proportional"), ("adam", "free"), ("lion", "free")])
@pytest.mark.parametrize("phi", ["relu", "leaky_relu"])
def test_row_17_multiples(optimizer, word, phi):
    net = random_net(4, 5, 6, 3, phi=phi)
    for a in (net[1][0].T, net[1][1], net[2][0]):
        a[1] = np.round(a[1] * 64) / 64
        a[4] = 0.75 * a[1]
    report = symmetry.analyze(net, optimizer=optimizer)
    la = report.layers[1]
    assert la.status[1] == la.status[4] == word and report.ok
    if word == "proportional":
        assert la.multipliers[4] == pytest.approx(0.75) and la.labels[1] == la.labels[4] and la.effective_width == 5
        assert_kept(net, report, optimizer, tol=1e-6 if optimizer == "muon" else 1e-11)
    else:
        after = train(net, optimizer)
        labels, m = np.arange(6), np.ones(6)
        labels[4], m[4] = 1, 0.75
        assert spread(after, 1, labels, m) > 1e-3


def test_row_17_opposite_multiples_of_relu_are_free():
    net = random_net(4, 5, 6, 3, phi="relu")
    for a in (net[1][0].T, net[1][1], net[2][0]):
        a[4] = -0.5 * a[1]
    assert set(symmetry.analyze(net).layers[1].status) == {"free"}


def test_row_17_rescaling_that_keeps_the_function_is_no_tie():
    net = random_net(4, 5, 6, 3, phi="relu")
    net[1][0][:, 4], net[1][1][4], net[2][0][4] = 2 * net[1][0][:, 1], 2 * net[1][1][1], net[2][0][1] / 2
    assert set(symmetry.analyze(net).layers[1].status) == {"free"}


@pytest.mark.parametrize("phi", ["tanh", "relu", "sigmoid", "identity", "gelu"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_row_22_random_is_free(phi, optimizer):
    net = random_net(10, 40, 30, 20, 5, phi=phi)
    report = symmetry.analyze(net, optimizer=optimizer)
    assert report.ok and report.certified and report.sweeps == 2
    assert words(report) == [["free"]] * 3 and report.verdict == "OK: every hidden unit is free"
    assert set(report.zero_flow.values()) == {0} and not report.near_ties


def test_path_graph_takes_half_its_length_in_sweeps():
    for k, want in ((4, 3), (8, 5), (16, 9), (32, 17)):
        w2 = np.eye(k) + np.eye(k, k=1)
        net = [(np.ones((1, k)), np.zeros(k), "tanh"), (w2, np.zeros(k), "tanh"), (np.ones((k, 1)), None, "identity")]
        report = symmetry.analyze(net, optimizer="adam")
        assert report.certified and report.sweeps == want, (k, report.sweeps)
        capped = symmetry.analyze(net, optimizer="adam", max_sweeps=2)
        assert not capped.certified and not capped.ok and "UNDETERMINED" in capped.verdict
        assert not any({"tied", "dead"} & set(la.status) for la in capped.layers)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_that_agree_modulo_one_prime_are_not_tied(dtype):
    """2^61 = 1 modulo 2^61 - 1, so 2^-63 beside 1e14 and 2^-2 beside it have one image there; the float filter cannot
    part them either."""
    big = np.float32(1e14)
    for shift in (61, 122, -61):
        w = np.array([[2.0 ** -63, 2.0 ** (shift - 63)], [big, big]], dtype)
        net = [(w, np.zeros(2, dtype), "tanh"), (np.ones((2, 1), dtype), np.zeros(1, dtype), "identity")]
        assert symmetry.analyze(net).layers[0].status == ("free", "free")
        w[:, 1] = w[:, 0]
        assert symmetry.analyze(net).layers[0].status == ("tied", "tied")


def test_ties_of_the_smallest_numbers():
    """Denormal weights: their projections underflow, exact sums do not."""
    rng = np.random.default_rng(3)
    for phi in ("tanh", "relu", "sigmoid"):
        for scale in (2.0 ** -1074, 2.0 ** -1060, 2.0 ** -1030):
            w = rng.integers(-9, 10, (3, 4)) * scale
            w[0] = scale
            w[:, 1] = w[:, 0]
            v = rng.integers(1, 9, (4, 2)) * 1.0
            v[1] = v[0]
            status = symmetry.analyze([(w, np.zeros(4), phi), (v, np.zeros(2), "identity")]).layers[0].status
            assert status == ("tied", "tied", "free", "free"), (phi, scale, status)


def test_a_thousand_layers():
    """Nothing recurses: one pair of units is found however deep it lies."""
    deep = random_net(*([2] * 1100), 2)
    deep[500] = deep[501] = (np.ones((2, 2)), np.zeros(2), "tanh")
    report = symmetry.analyze(deep)
    assert [la.layer for la in report.layers if not la.ok] == [500]
