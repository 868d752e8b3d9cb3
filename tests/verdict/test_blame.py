"""Whose fault it is: biases that hide a signal, layers that die by rounding, weights of few draws."""

import numpy as np
import pytest

import initcore as ic

X = np.random.default_rng(3).standard_normal((160, 24))


def layers(phi, depth=4, out=3, seed=8):
    rng = np.random.default_rng(seed)
    widths = [24, *[36] * depth, out]
    gain2 = ic.activations.get(phi).squared_gain
    return [ic.Dense(rng.normal(0, (gain2 / n) ** 0.5, (n, m)), np.zeros(m), phi if i < depth else "identity")
            for i, (n, m) in enumerate(zip(widths, widths[1:]))]


def blamed(report, *rules):
    return {(f.rule, f.layer, f.cause) for f in report.findings if f.severity != "info" and f.rule in rules}


@pytest.mark.parametrize("phi", ["silu", "elu", "gelu", "softplus", "tanh", "relu", "mish"])
@pytest.mark.parametrize("at", [0, 2])
def test_a_bias_that_hides_the_signal_is_the_cause(phi, at):
    """Every rule that sees the signal shrink names the bias of that layer, whatever the activation."""
    net = layers(phi)
    net[at] = net[at].replace(b=np.full(36, -25.0))
    report = ic.check(ic.Network(net), X)
    found = blamed(report, "SIG301", "SIG303", "SAT201", "SAT203")
    assert found and {(layer, cause) for _, layer, cause in found} == {(at, "bias")}
    assert "zero biases" in next(f.cure for f in report.findings if f.cause == "bias")


@pytest.mark.parametrize("phi", ["relu", "elu", "silu"])
def test_a_large_bias_below_a_sound_head_is_named(phi):
    net = layers(phi)
    net[3] = net[3].replace(b=np.full(36, 40.0))
    assert blamed(ic.check(ic.Network(net), X), "OUT601", "OUT602") == {("OUT601", 3, "bias"), ("OUT602", 3, "bias")}


@pytest.mark.parametrize(("phi", "bias"), [("gelu", -60.0), ("gelu_tanh", -60.0), ("silu", -900.0),
                                           ("softplus", -900.0), ("mish", -900.0), ("elu", -900.0), ("selu", -900.0)])
@pytest.mark.parametrize("x", [X, None], ids=["data", "no data"])
def test_units_whose_slope_rounds_to_zero_are_dead(phi, bias, x):
    net = layers(phi)
    net[1] = net[1].replace(b=np.full(36, bias))
    report = ic.check(ic.Network(net), x)
    assert ("SAT203", 1, "bias") in blamed(report, "SAT203") and report.verdict == "cannot learn"
    assert ic.check(report.repair(rng=0), x).ok


def test_no_bias_is_blamed_where_there_is_none():
    """Sigmoids far out lose their slopes by the weights, and all biases are 0."""
    net = layers("sigmoid", 6)
    net[0] = net[0].replace(w=90 * net[0].w)
    report = ic.check(ic.Network(net), X)
    assert not [f for f in report.findings if f.cause == "bias"]
    assert ("SAT201", 0, "weight_scale") in blamed(report, "SAT201")


def test_eight_small_weights_have_no_mean():
    """The mean of a few draws is large beside their deviation now and then; their size is the fault."""
    for seed in range(40):
        rng = np.random.default_rng(seed)
        net = ic.Network([ic.Dense(rng.normal(0, 0.004, (2, 4)), None, "tanh"), ic.Dense(rng.normal(0, 1, (4, 1)))])
        assert not [f for f in ic.check(net, X[:, :2]).findings if f.cause == "weight_mean"], seed


def test_equal_output_columns_trap_whatever_the_biases():
    """The errors of a softmax sum to 0: equal columns pass nothing down in the first step."""
    net = layers("tanh", 1, 5)
    net[-1] = net[-1].replace(w=net[-1].w[:, :1].repeat(5, 1), b=np.linspace(-1, 1, 5))
    net, y = ic.Network(net), np.arange(len(X)) % 5
    _, grads = net.gradients(X, y)
    assert np.abs(grads[0].w).max() < 1e-15
    [f] = [f for f in ic.check(net, X, y).findings if f.rule == "OUT602"]
    assert "errors cancel" in f.message


def test_a_constant_feature_has_no_deviation():
    x = X.copy()
    x[:, 6] = 4000
    [f] = [f for f in ic.check(ic.Network(layers("relu")), x).findings if f.rule == "INP701"]
    assert "feature 6" in f.message and "constant at 4e+03" in f.message and "deviation" not in f.message
    assert "feature 6" in f.cure and "x.std" not in f.cure


def test_large_inputs_not_the_weights_overflow_half_precision():
    [f] = [f for f in ic.check(ic.Network(layers("relu")), X * 1e6).findings if f.rule == "NUM403"]
    assert f.cause == "input_scale" and "divide the inputs" in f.cure


# --- layouts: what cannot be told apart ------------------------------------------------------------------------------

def fan_out(widths, head, phi="relu", right=()):
    rng = np.random.default_rng(6)
    drawn = [rng.normal(0, (2 / (n if i in right else m)) ** 0.5, (n, m))
             for i, (n, m) in enumerate(zip(widths, widths[1:]))]
    return ic.Network([*[ic.Dense(w, None, phi) for w in drawn], ic.Dense(head(rng, widths[-1]))])


def default(rng, n):
    return rng.uniform(-1, 1, (n, 7)) * n ** -0.5


@pytest.mark.parametrize("widths", [(64, 300), (500, 120, 30), (48, 400, 400, 40)])
def test_he_fan_out_below_a_default_head_may_be_meant(widths):
    found = [f for f in ic.check(fan_out(widths, default)).findings if f.cause == "layout"]
    assert {f.severity for f in found} == {"info"}


def test_a_layer_that_disagrees_with_the_others_is_a_wrong_layout():
    for right, wrong in (((1,), 0), ((0,), 1)):
        found = [f for f in ic.check(fan_out((500, 120, 24), default, right=right)).findings if f.cause == "layout"]
        assert [(f.layer, f.severity) for f in found] == [(wrong, "warn")]
    by_fan_in = fan_out((64, 600), lambda rng, n: rng.normal(0, (2 / n) ** 0.5, (n, 200)))
    assert [(f.layer, f.severity) for f in ic.check(by_fan_in).findings if f.cause == "layout"] == [(0, "warn")]


# --- trained and pruned networks -------------------------------------------------------------------------------------

def test_certain_units_of_a_trained_network_are_information():
    net = layers("tanh", 2)
    net[1] = net[1].replace(w=9 * net[1].w)
    net = ic.Network(net)
    assert {f.severity for f in ic.check(net, X, stage="start").findings if f.rule.startswith("SAT")} == {"warn"}
    assert {f.severity for f in ic.check(net, X, stage="trained").findings if f.rule.startswith("SAT")} == {"info"}
    dead = net.layers[1].replace(w=0.1 * net.layers[1].w, b=np.full(36, -400.0))
    assert not ic.check(ic.Network([net.layers[0], dead, net.layers[2]]), X, stage="trained").ok


def test_pruned_sigmoids_are_tied_and_seen_as_pruned():
    """phi(0) is not 0: units without weights are one constant, not dead, and still what pruning leaves."""
    net = layers("sigmoid", 2)
    w, v = net[0].w.copy(), net[1].w.copy()
    w[:, 10:20], v[10:20] = 0, 0
    report = ic.check(ic.Network([net[0].replace(w=w), net[1].replace(w=v), net[2]]))
    [f] = [f for f in report.findings if f.rule == "SYM101"]
    assert (f.severity, f.layer) == ("warn", 0) and "pruning" in f.message and "break_ties" in f.cure
    v[10:20] = v[:1]                                               # with readers they are a tie as any other
    report = ic.check(ic.Network([net[0].replace(w=w), net[1].replace(w=v), net[2]]))
    assert [f.severity for f in report.findings if f.rule == "SYM101"] == ["fail"]


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_mean_that_is_chance_shrinks_with_the_scale(sign):
    """Two units draw 72 weights of deviation 40 whose mean of 12 is sampling noise: the scale is the cause, alone."""
    rng = np.random.default_rng(4)
    w = rng.standard_normal((36, 2))
    w = 40 * (w - w.mean()) / w.std() + 12 * sign
    net = ic.Network([ic.Dense(rng.normal(0, 0.2, (24, 36)), np.zeros(36), "sigmoid"), ic.Dense(w, np.zeros(2), "tanh"),
                      ic.Dense(rng.normal(0, 0.7, (2, 3)), np.zeros(3))])
    assert blamed(ic.check(net, X), "SAT201") == {("SAT201", 1, "weight_scale")}
