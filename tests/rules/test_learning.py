"""SIG307: networks that get nowhere are called so, networks that learn are not, and unlearnable rows blame nobody."""

import itertools

import numpy as np
import pytest

import initcore as ic
from initcore import _rehearsal, rules
from initcore.data import split_digits
from initcore.rules import learning

DIGITS = split_digits()
X, Y = DIGITS.x_train, DIGITS.y_train


def chain(widths, activation, std=None, bias=0.0, seed=0):
    """Normal weights of one deviation, by default sqrt(2 / fan_in), and one bias in the hidden layers."""
    rng = np.random.default_rng(seed)
    layers = [ic.Dense(((std or np.sqrt(2 / n)) * rng.standard_normal((n, m))).astype(np.float32),
                       np.full(m, bias if i < len(widths) - 2 else 0, np.float32),
                       activation if i < len(widths) - 2 else "identity")
              for i, (n, m) in enumerate(itertools.pairwise(widths))]
    return ic.Network(layers)


def verdict(net, x=X, y=Y, **options):
    return {f.severity: f for f in ic.check(net, x, y, select="SIG307", **options).findings}


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
@pytest.mark.parametrize("activation", ["relu", "tanh", "gelu", "softsign"])
def test_sound_networks_learn_in_a_rehearsal(activation, optimizer):
    assert verdict(chain([64, 40, 24, 10], activation), optimizer=optimizer) == {}


@pytest.mark.parametrize(("net", "optimizer", "cause"), [
    (chain([64, 32, 32, 32, 32, 10], "sigmoid", 0.1), "sgd", "weight_scale"),
    (chain([64, 24, 24, 24, 24, 10], "tanh", 0.003), "momentum", "weight_scale"),
    (chain([64, 24, 24, 24, 24, 10], "silu", 8.0), "adam", "weight_scale"),
    (chain([64, 24, 24, 10], "hard_tanh", bias=-9.0), "adam", "bias")], ids=["sigmoids", "tiny", "huge", "off"])
def test_stuck_networks_fail_with_their_cause(net, optimizer, cause):
    found = verdict(net, optimizer=optimizer)
    assert set(found) == {"fail"} and found["fail"].cause == cause
    assert found["fail"].measured < 0.03 and "good start" in found["fail"].message
    assert not ic.check(net, X, Y, optimizer=optimizer).ok


def test_what_plain_steps_cannot_do_adam_can():
    net = chain([64, 24, 24, 24, 10], "tanh", 0.003)
    assert set(verdict(net, optimizer="sgd")) == {"fail"} and "fail" not in verdict(net, optimizer="adamw")


def test_unscaled_inputs_are_the_cause():
    for scale in (3000, 1e4, 1e5):
        assert verdict(chain([64, 32, 10], "relu"), X * np.float32(scale))["fail"].cause == "input_scale"


def test_what_a_rehearsal_learns_is_no_failure_by_estimate():
    """Large weights make the signal grow, and the network learns all the same: a warning; without targets a failure."""
    net = chain([64, 48, 48, 48, 48, 10], "relu", 0.8)
    blind, seen = ic.check(net, X, optimizer="adam"), ic.check(net, X, Y, optimizer="adam")
    assert "SIG302" in {f.rule for f in blind if f.severity == "fail"} and not blind.ok
    assert "SIG302" in {f.rule for f in seen if f.severity == "warn"} and seen.ok
    assert any("no targets" in words for words in blind.conditions)
    assert not any("no targets" in words for words in seen.conditions)


def test_a_late_start_must_be_made_twice(monkeypatch):
    """What gets loose late in one order of the rows and not in the other is stuck."""
    asked = []

    def told(net, data, family, limits):
        asked.append(family)
        share, steps = [(0.4, 300), (0.01, 480), (0.5, 40)][len(asked) - 1]
        return _rehearsal.Progress(share, share, steps, 0.1)
    data, limits = _rehearsal.rows(X, Y, "softmax_cross_entropy"), dict(rules.get("SIG307").thresholds)
    monkeypatch.setattr("initcore._rehearsal._chains.rehearse", told)
    net = chain([64, 16, 10], "tanh")
    outcome = _rehearsal.compare(net, data, "sgd", limits)
    assert outcome.own.seen == 0.01 and outcome.good.seen == 0.5 and asked == ["sgd", "sgd", "adam"]
    asked[:] = ["sgd", "sgd"]
    assert _rehearsal.compare(net, data, "sgd", limits).good is None and len(asked) == 3


def test_a_proof_is_not_overruled():
    """Tied units stay a failure although what is left of the network learns."""
    rng = np.random.default_rng(1)
    w, v = rng.standard_normal((64, 30)) / 8, rng.standard_normal((30, 10)) / 5
    w[:, 1:15], v[1:15] = w[:, :1], v[:1]
    report = ic.check(ic.Network([ic.Dense(w, np.zeros(30), "tanh"), ic.Dense(v, np.zeros(10))]), X, Y)
    assert "SYM101" in {f.rule for f in report if f.severity == "fail"}
    assert "SIG307" not in {f.rule for f in report}


def test_rows_that_hold_nothing_blame_nobody():
    """Equal targets, one-row inputs, and a good network on labels without meaning."""
    net = chain([64, 24, 10], "tanh", 0.001)
    assert verdict(net, X, np.zeros(len(X), np.int64)) == {}
    assert verdict(net, np.zeros_like(X), Y) == {}
    labels = np.random.default_rng(5).integers(0, 10, len(X))
    assert "fail" not in verdict(chain([64, 64, 10], "relu"), X, labels)


def test_without_targets_or_loss_nothing_is_rehearsed():
    net = chain([64, 32, 32, 32, 32, 10], "sigmoid", 0.1)
    assert verdict(net, X, None) == {} and verdict(net, None, None) == {}


@pytest.mark.parametrize("loss", ["mse", "binary_cross_entropy"])
def test_four_rows_of_xor(loss):
    x = np.array([[-1, -1], [-1, 1], [1, -1], [1, 1]], np.float32)
    y = np.array([[0], [1], [1], [0]], np.float32)
    assert "fail" not in verdict(chain([2, 16, 1], "tanh", 0.7, seed=2), x, y, loss=loss, optimizer="adam")
    assert "fail" in verdict(chain([2, 16, 1], "relu", 0.3, bias=-5.0), x, y, loss=loss, optimizer="adam")


def test_a_repaired_network_learns():
    for activation, std in (("sigmoid", 0.1), ("tanh", 0.01)):
        net = chain([64, 32, 32, 32, 32, 10], activation, std)
        mended = ic.check(net, X, Y).repair(rng=0)
        assert verdict(mended) == {}


def test_a_network_too_large_for_a_rehearsal_is_left_out():
    data = _rehearsal.rows(X, Y, "softmax_cross_entropy")
    limits = dict(rules.get("SIG307").thresholds)
    wide = ic.Network([ic.Dense(np.zeros((64, 30000), np.float32), None, "relu"),
                       ic.Dense(np.zeros((30000, 10), np.float32))])
    assert _rehearsal.rehearse(wide, data, "sgd", limits) is None


def test_nothing_given_is_changed_and_the_answer_is_the_same_twice():
    net = chain([64, 16, 10], "tanh", 0.001)
    before = [a.copy() for _, _, a in net.parameters()]
    first, second = verdict(net, optimizer="momentum"), verdict(net, optimizer="momentum")
    assert first == second and all((a == b).all() for a, (_, _, b) in zip(before, net.parameters()))


@pytest.mark.parametrize(("optimizer", "family"), [("sgd", "sgd"), ("nesterov", "momentum"), ("lion", "adam"),
                                                   ("muon", "adam"), ("sgld", "sgd")])
def test_families(optimizer, family):
    assert learning.family(optimizer) == family


def test_constant_losses():
    """Of two classes 3:1, of targets 0 and 2, of soft targets, and of probabilities."""
    half, quarter = np.log(2), -0.75 * np.log(0.75) - 0.25 * np.log(0.25)
    mean = lambda y, loss: _rehearsal.least(np.asarray(y), loss).mean()
    assert mean([0, 0, 0, 1], "softmax_cross_entropy") == pytest.approx(quarter)
    assert mean([[0.0], [2.0]], "mse") == pytest.approx(1)
    assert mean([[1.0, 0], [0, 1]], "softmax_cross_entropy") == pytest.approx(half)
    assert mean([[1.0], [0], [0], [0]], "binary_cross_entropy") == pytest.approx(quarter)


def test_the_page_tells_how_often_a_rule_was_right():
    assert "stayed stuck" in rules.get("SIG307").page() and "stayed stuck" in rules.get("SIG304").page()
