"""Units of several tensors, randomness by axis, even activations, normalised weights (theory 4.9.6 to 4.9.10)."""

import numpy as np
import pytest
from symmetry_cells import RUNS, relu, train
from symmetry_lab import updater
from symmetry_tape import Tape

from initcore.errors import ArgumentError, ShapeError
from initcore.network import Dense, Network
from initcore.symmetry import Graph, analyze

X, Y = np.random.default_rng(0).standard_normal((12, 3)), np.random.default_rng(1).standard_normal((12, 2))


def normal(*shape, seed=0, scale=0.6):
    return scale * np.random.default_rng([seed, *shape]).standard_normal(shape)


# --- concatenation -------------------------------------------------------------------------------------------

def two_branches(p, x):
    return (x @ p["a"]).tanh() @ p["v"][:4] + (x @ p["b"]).tanh() @ p["v"][4:]


def branches_graph(p, phi="tanh"):
    g = Graph()
    g.inputs("x", 3)
    g.axis("a", 4, phi)
    g.axis("b", 4, phi)
    g.axis("both", 8)
    g.outputs("y", 2)
    g.linear("x", "a", p["a"])
    g.linear("x", "b", p["b"])
    g.concat("both", "a", "b")
    g.linear("both", "y", p["v"])
    return g


def branch_params(whole=False, sign=1.0):
    p = {"a": normal(3, 4), "b": normal(3, 4, seed=1), "v": normal(8, 2, seed=2)}
    p["b"][:, 1], p["v"][5] = sign * p["a"][:, 2], sign * p["v"][2]
    if whole:
        p["b"], p["v"][4:] = p["a"].copy(), p["v"][:4]
    return p


def test_draws_of_two_branches_have_nothing_in_common():
    p = branch_params(whole=True)
    for dropped, width in ((False, 4), (True, 8)):
        g = Graph()
        g.inputs("x", 3)
        g.axis("a", 4, "relu", dropout=dropped)
        g.axis("b", 4, "relu", dropout=dropped)
        g.axis("both", 8)
        g.outputs("y", 2)
        g.linear("x", "a", p["a"])
        g.linear("x", "b", p["b"])
        g.concat("both", "a", "b")
        g.linear("both", "y", p["v"])
        assert analyze(g).axes["both"].effective_width == width


@pytest.mark.parametrize("sign, word", [(1.0, "tied"), (-1.0, "sign-tied")])
def test_units_of_two_branches(sign, word):
    p = branch_params(sign=sign)
    for run, (name, _, l2) in RUNS.items():
        report = analyze(branches_graph(p), optimizer=name, l2=l2)
        assert report.axes["a"].status == ("free", "free", word, "free")
        assert report.axes["b"].status == ("free", word, "free", "free")
        after = train(two_branches, p, X, Y, run)
        assert np.abs(after["b"][:, 1] - sign * after["a"][:, 2]).max() < 1e-12
    p["v"][5, 0] += 0.5
    assert analyze(branches_graph(p)).ok
    after = train(two_branches, p, X, Y)
    assert np.abs(after["b"][:, 1] - sign * after["a"][:, 2]).max() > 1e-6


@pytest.mark.parametrize("optimizer", ["lars", "muon", "shampoo", "lamb", "adafactor"])
def test_tensor_by_tensor_only_wholes_stay(optimizer):
    single, whole = branch_params(), branch_params(whole=True)
    assert analyze(branches_graph(single), optimizer=optimizer).ok
    assert set(analyze(branches_graph(whole), optimizer=optimizer).axes["a"].status) == {"tied"}
    if optimizer == "adafactor":
        return
    for p, holds in ((single, False), (whole, True)):
        step, q = updater(optimizer, 0.02), {k: v.copy() for k, v in p.items()}
        for t in range(1, 15):
            tapes = {k: Tape(v) for k, v in q.items()}
            (two_branches(tapes, Tape(X)) - Y).power(2).mean(None).backward()
            q = {k: step(k, v, tapes[k].grad, t) for k, v in q.items()}
        gap = np.abs(q["b"] - q["a"]).max() if holds else np.abs(q["b"][:, 1] - q["a"][:, 2]).max()
        assert (gap < 1e-9) == holds, gap


def test_branches_of_different_functions_have_nothing_in_common():
    p = branch_params()
    g = Graph()
    g.inputs("x", 3)
    g.axis("a", 4, "tanh")
    g.axis("b", 4, "relu")
    g.axis("both", 8)
    g.outputs("y", 2)
    g.linear("x", "a", p["a"], np.zeros(4))
    g.linear("x", "b", p["b"])
    g.concat("both", "a", "b")
    g.linear("both", "y", p["v"])
    assert analyze(g).ok
    for call, error in ((lambda: g.concat("y", "a"), ShapeError), (lambda: g.concat("both", "a", "a"), ArgumentError),
                        (lambda: g.concat("both", "a", "b"), ArgumentError)):
        with pytest.raises(error):
            call()


# --- networks judged together --------------------------------------------------------------------------------

def chain(seed=0):
    return [(normal(3, 4, seed=seed), normal(4, seed=seed), "tanh"), (normal(4, 2, seed=seed), normal(2, seed=seed),
                                                                      "identity")]


def permuted(net):
    order = [2, 0, 3, 1]
    return [(net[0][0][:, order], net[0][1][order], "tanh"), (net[1][0][order], net[1][1], "identity")], order


def towers(p, x):
    return [(x @ p[f"w{k}"] + p[f"b{k}"]).tanh() @ p[f"v{k}"] + p[f"c{k}"] for k in "01"]


def train_towers(nets, target, run="adam"):
    name, lr, l2 = RUNS[run]
    step = updater(name, lr, l2)
    p = {f"{n}{k}": a for k, net in enumerate(nets) for n, a in zip("wbvc", (*net[0][:2], *net[1][:2]))}
    for t in range(1, 16):
        tapes = {k: Tape(v) for k, v in p.items()}
        one, two = towers(tapes, Tape(X))
        ((one - target[0]).power(2).mean(None) + (two - target[1]).power(2).mean(None)).backward()
        p = {k: step(k, v, tapes[k].grad, t) for k, v in p.items()}
    return p


@pytest.mark.parametrize("run", RUNS)
def test_equal_networks_of_one_target_are_one(run):
    net = chain()
    other, order = permuted(net)
    name, _, l2 = RUNS[run]
    report = analyze([net, other], same_targets=True, optimizer=name, l2=l2)
    assert report.groups["networks"].tolist() == [0, 0] and not report.ok
    assert [la.name for la in report.layers] == ["nets[0].layers[0]", "nets[1].layers[0]"]
    assert (report.layers[0].labels[order] == report.layers[1].labels).all()
    assert set(report.layers[0].status) == {"tied"} and report.explain(0, 1, 2)
    after = train_towers([net, other], (Y, Y), run)
    assert np.abs(after["w1"] - after["w0"][:, order]).max() < 1e-12
    # Targets of their own, or one bias, or one unit: two networks.
    assert analyze([net, other], optimizer=name, l2=l2).ok
    after = train_towers([net, other], (Y, -Y), run)
    assert np.abs(after["w1"] - after["w0"][:, order]).max() > 1e-6
    biased = [other[0], (other[1][0], other[1][1] + np.array([0.5, 0.0]), "identity")]
    single = chain(5)
    single[0][0][:, 0], single[0][1][0], single[1][0][0] = net[0][0][:, 0], net[0][1][0], net[1][0][0]
    for q in (biased, single):
        report = analyze([net, q], same_targets=True, optimizer=name, l2=l2)
        assert report.ok and report.groups["networks"].tolist() == [0, 1]
    after = train_towers([net, biased], (Y, Y), run)
    assert np.abs(after["w1"] - after["w0"][:, order]).max() > 1e-6


def test_networks_that_cannot_be_judged_together():
    net = Network([Dense(*la) for la in chain()])
    with pytest.raises(ShapeError, match="equal inputs, outputs and depth"):
        analyze([net, Network([Dense(normal(3, 2))])], same_targets=True)
    with pytest.raises(ArgumentError, match="needs a list of networks"):
        analyze(net, same_targets=True)
    with pytest.raises(ArgumentError, match="for one network"):
        analyze([net, net], same_targets=True, input_groups=[0, 0, 1])


# --- randomness, even activations, normalised weights -----------------------------------------------------------

def dropped(p, x):
    rng = np.random.default_rng(int(abs(float(p["w"].value.sum())) * 1e9) % 2**32)
    h = (x @ p["w"]).tanh() * Tape((rng.random((12, p["w"].value.shape[1])) < 0.5) * 2.0)
    return h @ p["v"]


def test_dropout_parts_units_and_leaves_the_dead():
    zero = [(np.zeros((3, 4)), None, "tanh"), (np.zeros((4, 2)), None, "identity")]
    report = analyze(zero, hidden_dropout=True)
    assert set(report.layers[0].status) == {"dead"} and not report.ok and not analyze(zero).ok
    after = train(dropped, {"w": zero[0][0], "v": zero[1][0]}, X, Y)
    assert not after["w"].any() and not after["v"].any()
    w, v = normal(3, 4), normal(4, 2)
    w[:, 1], v[1] = w[:, 0], v[0]
    w[:, 3], v[3] = 0, 0
    net = [(w, None, "tanh"), (v, None, "identity")]
    assert analyze(net).layers[0].status == ("tied", "tied", "free", "dead")
    assert analyze(net, hidden_dropout=True).layers[0].status == ("free", "free", "free", "dead")
    after = train(dropped, {"w": w, "v": v}, X, Y)
    assert np.abs(after["w"][:, 1] - after["w"][:, 0]).max() > 1e-6 and not after["w"][:, 3].any()
    g = Graph()                                              # dropout on one axis leaves the ties of another
    g.inputs("x", 3)
    g.axis("a", 4, "tanh")
    g.axis("b", 3, "tanh", dropout=True)
    g.outputs("y", 2)
    g.linear("x", "a", w)
    g.linear("a", "b", np.repeat(normal(1, 3), 4, axis=0))
    g.linear("b", "y", np.ones((3, 2)))
    report = analyze(g)
    assert report.axes["a"].status[:2] == ("tied", "tied") and set(report.axes["b"].status) == {"free"}


def cosine(z):
    return np.cos(z)


def square(z):
    return z * z


EVEN = {"cos": (cosine, lambda t: t.apply(np.cos, lambda z: -np.sin(z))),
        "square": (square, lambda t: t.power(2)),
        "abs": ("leaky_relu_-1", lambda t: t.apply(np.abs, np.sign))}


@pytest.mark.parametrize("phi", EVEN)
def test_rows_that_an_even_activation_cannot_tell_apart(phi):
    ours, theirs = EVEN[phi]
    p = {"w": normal(3, 4), "b": normal(4), "v": normal(4, 2)}
    p["w"][:, 1], p["b"][1], p["v"][1] = -p["w"][:, 0], -p["b"][0], p["v"][0]

    def model(p, x):
        return theirs(x @ p["w"] + p["b"]) @ p["v"]

    def report(p, **how):
        return analyze([(p["w"], p["b"], ours), (p["v"], None, "identity")], **how).layers[0]
    for run, (name, _, l2) in RUNS.items():
        la = report(p, optimizer=name, l2=l2)
        assert la.status == ("tied", "tied", "free", "free") and (la.multipliers == 1).all()
        after = train(model, p, X, Y, run, steps=8)
        assert np.abs(after["w"][:, 1] + after["w"][:, 0]).max() < 1e-10
    for key, index in (("v", (1, 0)), ("b", 1)):
        q = {k: v.copy() for k, v in p.items()}
        q[key][index] *= -1.5
        assert report(q).status[:2] == ("free", "free")
        after = train(model, q, X, Y, "sgd", steps=8)
        assert np.abs(after["w"][:, 1] + after["w"][:, 0]).max() > 1e-6
    # Two layers: the sign must be carried back to the units below.
    net = [(normal(3, 4, seed=5), None, "tanh"), (normal(4, 3, seed=6), None, ours), (normal(3, 2), None, "identity")]
    net[1][0][:, 1], net[2][0][1] = -net[1][0][:, 0], net[2][0][0]
    assert analyze(net).layers[1].status[:2] == ("tied", "tied") and set(analyze(net).layers[0].status) == {"free"}


def weight_normed(p, x):
    w = p["w"] * p["w"].power(2).sum(0).power(-0.5) * p["g"]
    return (x @ w + p["b"]).tanh() @ p["v"]


def normed_report(p, **how):
    g = Graph()
    g.inputs("x", 3)
    g.axis("h", 4, "tanh")
    g.outputs("y", 2)
    g.linear("x", "h", p["w"], p["b"], weight_norm=p["g"], name="l")
    g.linear("h", "y", p["v"])
    return analyze(g, **how)


def test_normalised_weights():
    p = {"w": normal(3, 4), "g": 1 + normal(4, scale=0.2), "b": normal(4, seed=2), "v": normal(4, 2)}
    p["w"][:, 1], p["g"][1], p["b"][1], p["v"][1] = -p["w"][:, 0], p["g"][0], -p["b"][0], -p["v"][0]
    for run, (name, _, l2) in RUNS.items():
        assert normed_report(p, optimizer=name, l2=l2).axes["h"].status[:2] == ("sign-tied", "sign-tied")
        after = train(weight_normed, p, X, Y, run)
        assert np.abs(after["w"][:, 1] + after["w"][:, 0]).max() < 1e-12
    q = p | {"w": p["w"] * np.array([1.0, 2.0, 1.0, 1.0])}   # the same weights, but they part
    assert normed_report(q).axes["h"].status[:2] == ("free", "free")
    after = train(weight_normed, q, X, Y)
    assert np.abs(after["w"][:, 1] / 2 + after["w"][:, 0]).max() > 1e-6
    assert normed_report(p, optimizer="muon").axes["h"].status[:2] == ("free", "free")
    with pytest.raises(ArgumentError, match="column of zeros"):
        normed_report(p | {"w": np.zeros((3, 4))})


def test_sums_under_weight_norm_hold_for_linear_updates_only():
    """A magic square: equal row and column sums and norms, unequal multisets by cell."""
    magic = np.array([[0.5, 1.0, 0.0], [0.0, 0.5, 1.0], [1.0, 0.0, 0.5]])
    p = {"a": np.repeat(normal(3, 1), 3, axis=1), "w": magic, "g": np.ones(3), "v": np.repeat(normal(1, 2), 3, axis=0)}

    def report(how):
        g = Graph()
        g.inputs("x", 3)
        g.axis("a", 3, "tanh")
        g.axis("h", 3, "tanh")
        g.outputs("y", 2)
        g.linear("x", "a", p["a"])
        g.linear("a", "h", p["w"], weight_norm=p["g"], name="l")
        g.linear("h", "y", p["v"])
        return analyze(g, **how)
    for how in ({"optimizer": "sgd"}, {"optimizer": "adam"}):
        assert set(report(how).axes["h"].status) == {"tied"}
    p["w"] = np.array([[2.0, -1.0, 2.0], [2.0, 3.0, -2.0], [-1.0, 1.0, 3.0]])      # equal sums, unequal norms
    assert set(report({"optimizer": "adam"}).axes["h"].status) != {"tied"}


def test_relu_duplicates_across_branches_stay_multiples_under_sgd():
    p = branch_params()
    p["b"][:, 1] *= 2
    p["v"][5] *= 2
    g = branches_graph(p, "relu")
    assert analyze(g).axes["b"].status[1] == "proportional"
    assert analyze(g, optimizer="adam").axes["b"].status[1] == "free"
    after = train(lambda p, x: relu(x @ p["a"]) @ p["v"][:4] + relu(x @ p["b"]) @ p["v"][4:], p, X, Y)
    assert np.abs(after["b"][:, 1] - 2 * after["a"][:, 2]).max() < 1e-12


# --- what must not be called tied, or dead ---------------------------------------------------------------------

def test_convolutions_and_cells_of_two_branches_are_not_compared():
    """Their dilations and directions are not declared, so equal weights need not be equal functions."""
    w, v = normal(3, 3, 4), normal(8, 2)
    v[4:] = v[:4]
    for branch in ("conv", "rnn"):
        g = Graph()
        g.inputs("x", 3)
        for k in "ab":
            g.axis(k, 4, "tanh")
            if branch == "conv":
                g.conv("x", k, w.copy(), name=k)
            else:
                g.rnn("x", k, normal(4, 3), normal(4, 4), name=k)
        g.axis("both", 8)
        g.outputs("y", 2)
        g.concat("both", "a", "b")
        g.linear("both", "y", v)
        assert analyze(g).ok


def test_branches_with_norms_of_their_own_are_compared_as_wholes():
    p = branch_params()
    for whole in (False, True):
        g = Graph()
        g.inputs("x", 3)
        a, b = p["a"], p["a"].copy() if whole else p["b"]
        v = np.concatenate([p["v"][:4], p["v"][:4]]) if whole else p["v"]
        for k, w in (("a", a), ("b", b)):
            g.axis(k, 4, "tanh")
            g.linear("x", k, w)
            g.norm(k, "layer", name=f"n{k}")
        g.axis("both", 8)
        g.outputs("y", 2)
        g.concat("both", "a", "b")
        g.linear("both", "y", v)
        assert set(analyze(g).axes["a"].status) == ({"tied"} if whole else {"free"})


def test_a_bias_keeps_a_unit_of_zero_gain_alive():
    for bias, word in ((0.0, "dead"), (0.5, "free")):
        p = {"w": normal(3, 4), "g": np.array([0.0, 1.0, 1.0, 1.0]), "b": np.array([bias, 0, 0, 0]), "v": normal(4, 2)}
        p["v"][0] = 0
        assert normed_report(p).axes["h"].status[0] == word
        after = train(weight_normed, p, X, Y)
        assert bool(after["v"][0].any()) == (word == "free")


def test_a_norm_after_the_activation():
    """relu, then batch norm: a bias below is a parameter, and a shift lives where the unit is dead."""
    p = {"w": normal(3, 4), "b": normal(4), "g": np.ones(4), "s": np.zeros(4), "v": normal(4, 2)}
    p["w"][:, 0], p["b"][0] = 0, 0

    def model(p, x):
        return (relu(x @ p["w"] + p["b"]).normalise(0) * p["g"] + p["s"]) @ p["v"]

    def report(p, after):
        g = Graph()
        g.inputs("x", 3)
        g.axis("h", 4, "relu")
        g.outputs("y", 2)
        g.linear("x", "h", p["w"], p["b"])
        g.norm("h", "batch", gamma=p["g"], beta=p["s"], after=after, name="n")
        g.linear("h", "y", p["v"])
        return analyze(g)
    assert report(p, True).axes["h"].status[0] == "free" and train(model, p, X, Y)["s"][0] != 0
    assert report(p, False).axes["h"].status[0] == "dead" and not report(p, True).zero_flow.null


def test_towers_of_one_outputs_axis_are_equal_as_wholes():
    g = Graph()
    g.inputs("x", 3)
    g.axis("h", 4, "tanh")
    g.outputs("y", 4, groups=[0, 1, 0, 1], same_targets=True)
    w, v = np.ones((3, 4)), normal(4, 4)
    v[:, 2] = v[:, 0]
    v[1] = v[0]
    g.linear("x", "h", w)
    g.linear("h", "y", v)
    assert analyze(g).axes["h"].status == ("tied", "tied", "free", "free")
    with pytest.raises(ArgumentError, match="made by a cell"):
        g.gated("x", "gate", normal(3, 4), normal(3, 4))
        g.linear("x", "gate", w)


def test_an_even_unit_that_is_still_at_first_counts_once_it_moves():
    """h = 0 while units 0 and 1 are equal; another reader parts them, and then h tells 2 and 3 apart."""
    p = {"w": np.repeat(normal(3, 2), 2, axis=1), "m": np.array([[0.5], [-0.5], [0.25], [-0.25]]), "k": normal(4, 2),
         "v": normal(1, 2), "u": normal(2, 2, seed=3)}
    p["k"][3] = p["k"][2]

    def model(p, x):
        a = (x @ p["w"]).tanh()
        return (a @ p["m"]).apply(np.cos, lambda z: -np.sin(z)) @ p["v"] + (a @ p["k"]).tanh() @ p["u"]

    def status(p):
        g = Graph()
        g.inputs("x", 3)
        g.axis("a", 4, "tanh")
        g.axis("h", 1, cosine)
        g.axis("k", 2, "tanh")
        g.outputs("y", 2)
        for name, ends in {"w": ("x", "a"), "m": ("a", "h"), "k": ("a", "k"), "v": ("h", "y"), "u": ("k", "y")}.items():
            g.linear(*ends, p[name])
        return analyze(g).axes["a"].status
    assert status(p) == ("free",) * 4
    after = train(model, p, X, Y)
    assert np.abs(after["w"][:, 3] - after["w"][:, 2]).max() > 1e-9
    p["k"][1] = p["k"][0]                                    # nothing parts them now
    assert status(p) == ("tied",) * 4


def test_parameters_used_twice():
    """One bias, one convolution in PyTorch's layout, one grouped projection for two layers: one gradient for both."""
    w, k = normal(3, 4), normal(4, 4)
    w[:, 1], k[1] = w[:, 0], k[0]
    k[:, 3], v = k[:, 2], normal(4, 2)
    v[3] = v[2]
    for shared in (False, True):
        b = np.zeros(4)
        g = Graph()
        g.inputs("x", 3)
        g.axis("a", 4, "tanh")
        g.axis("h", 4, "tanh")
        g.outputs("y", 2)
        g.linear("x", "a", w, b)
        g.linear("a", "h", k, b if shared else b.copy())
        g.linear("h", "y", v)
        report = analyze(g)
        assert report.axes["a"].status[:2] == (("free", "free") if shared else ("tied", "tied"))
    taps = normal(4, 4, 3)
    taps[1], taps[:, 1] = taps[0], taps[:, 0]
    for shared in (False, True):
        g = Graph()
        g.inputs("x", 4)
        for name in "abc":
            g.axis(name, 4, "tanh")
        g.outputs("y", 2)
        g.linear("x", "a", np.repeat(normal(4, 1), 4, axis=1))
        g.conv("a", "b", taps, layout="oihw", name="1")
        g.conv("b", "c", taps if shared else taps.copy(), layout="oihw", name="2")
        g.linear("c", "y", normal(4, 2))
        status = [analyze(g).axes[k].status[:2] for k in "ab"]
        assert (("tied", "tied") in status) == (not shared), status
