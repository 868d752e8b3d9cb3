"""SIG307 of JAX's models: the first steps of training beside a repaired copy, on the threads and rows of the others."""

import numpy as np
import pytest

pytest.importorskip("jax")

import jax
import jax.numpy as jnp

import initcore as ic
import initcore.jax as ij
from initcore import lab
from initcore.jax._signals._rehearse import Trainee

RNG = np.random.default_rng(31)
X = RNG.normal(size=(160, 9)).astype("float32")
Y = np.asarray((X[:, :3] @ RNG.normal(size=(3, 3))).argmax(1))
SIZES = (9, 20, 20, 20, 3)


def weights(std):
    return {f"w{k}": jnp.asarray(ic.init.normal((n, m), std=std, rng=ic.Key(6).child(k)))
            for k, (n, m) in enumerate(zip(SIZES, SIZES[1:]))}


def deep(p, x):
    for k in range(3):
        x = jnp.tanh(x @ p[f"w{k}"])
    return x @ p["w3"]


def stuck(report):
    return [f for f in report.findings if f.rule == "SIG307"]


@pytest.mark.parametrize("loss", [None, lambda out, y: -jax.nn.log_softmax(out)[jnp.arange(len(y)), y].mean()])
def test_a_model_that_learns_nothing_is_told_whatever_names_its_loss(loss):
    report = ic.check(ij.Model(deep, weights(1e5)), X, Y, loss=loss)
    assert [(f.severity, f.cause) for f in stuck(report)] == [("fail", "weight_scale")], report
    assert stuck(report)[0].measured < 0.1 and "repaired copy" in stuck(report)[0].message
    assert ic.check(report.repair(rng=1), X, Y, loss=loss).ok


def test_a_rehearsal_that_learns_overrules_an_estimate():
    p = weights(0.3)
    p["w3"] = 40 * p["w3"]
    model = ij.Model(deep, p)
    without = ic.check(model, X, Y, optimizer="adam", ignore=["SIG307"])
    report = ic.check(model, X, Y, optimizer="adam")
    assert without.findings and not stuck(report) and report.ok, report


def test_nothing_is_rehearsed_where_nothing_is_doubted_known_or_asked(monkeypatch):
    def never(*args):
        raise AssertionError("rehearsed")
    monkeypatch.setattr("initcore._signals._judged.beside_repaired", never)
    assert ic.check(ij.Model(deep, weights(0.25)), X, Y).ok
    assert not ic.check(ij.Model(deep, weights(1e5)), X).ok
    assert not ic.check(ij.Model(deep, weights(1e5)), X, Y, ignore=["SIG307"]).ok


def test_a_function_of_a_fixed_number_of_rows_is_not_rehearsed():
    model = ij.Model(lambda p, x: deep(p, x.reshape(160, 9)), weights(1e5))
    report = ic.check(model, X, Y)
    assert not report.ok and not stuck(report)


@pytest.mark.parametrize(("family", "optimizer"), [("sgd", lab.SGD(0.1)), ("momentum", lab.SGD(0.1, momentum=0.9)),
                                                   ("adam", lab.Adam(0.01))])
def test_its_steps_are_those_of_a_chain(family, optimizer):
    p = weights(0.3)
    trial = Trainee(deep, p, (0, 1, 2, 3), (jnp.asarray(X),), Y, None, 8).trial(np.arange(128), np.arange(128, 160))
    trial.begin(family, optimizer.lr)
    layers = [np.array(p[f"w{k}"]) for k in range(4)]
    for t in range(6):
        at = slice(32 * (t % 4), 32 * (t % 4) + 32)
        net = ic.Network([ic.Dense(w, None, "tanh" if k < 3 else "identity") for k, w in enumerate(layers)])
        loss, grads = net.gradients(X[at], Y[at], loss="softmax_cross_entropy")
        assert trial.step(at) == pytest.approx(loss, rel=2e-4)
        flat = optimizer.next_value("all", np.concatenate([w.ravel() for w in layers]),
                                    np.concatenate([g[0].ravel() for g in grads]))
        layers = [a.reshape(w.shape) for w, a in zip(layers, np.split(flat, np.cumsum([w.size for w in layers])[:-1]))]
    shares = np.bincount(Y[128:]) / 32
    assert trial.apart == pytest.approx(-(shares * np.log(shares)).sum(), rel=1e-5)
    assert trial.products == pytest.approx(32 * sum(a * b for a, b in zip(SIZES, SIZES[1:])), rel=0.5)
