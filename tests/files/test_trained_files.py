"""Checkpoints of trained networks: nothing about their start is held against them."""

import numpy as np
import pytest
from program_builder import Builder

import initcore as ic
from initcore import data
from initcore.files import check_file
from initcore.files._signals._check import moved


def trained(activation, seed, steps=600, rate=0.3):
    """A network of two hidden layers that has learnt digits, and how many of them it gets right."""
    images, y = data.load_digits()
    x = 2 * images - 1
    key, widths = ic.Key(seed), (64, 96, 48, 10)
    layers = [ic.Dense(ic.init.torch_default((n, m), rng=key.child(str(i))), np.zeros(m, "float32"),
                       activation if i < 2 else "identity") for i, (n, m) in enumerate(zip(widths, widths[1:]))]
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        rows = rng.integers(0, len(x), 64)
        net = ic.Network(layers)
        _, grads = net.gradients(x[rows], y[rows])
        layers = [la.replace(w=la.w - rate * g.w, b=la.b - rate * g.b) for la, g in zip(layers, grads)]
    net = ic.Network(layers)
    return net, float((net.forward(x).argmax(1) == y).mean())


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_a_trained_chain_is_no_fault(tmp_path, activation):
    net, right = trained(activation, 3)
    assert right > 0.97
    np.savez(tmp_path / "net.npz", **{f"fc{i}.{k}": a for i, la in enumerate(net.layers) for k, a in (
        ("weight", la.w.T), ("bias", la.b))})
    report = check_file(tmp_path / "net.npz", activation=activation, optimizer="adam")
    assert not any(f.severity == "fail" or f.cause == "layout" for f in report.findings), report


def normed(gamma, beta, mean, var, method="batch"):
    b = Builder(np.random.default_rng(0))
    x = b.input(4, 6)
    for k in range(2):
        h = b.dense(f"fc{k}", x, 6)
        own = [b.weight(f"n{k}.{name}", a) for name, a in (("gamma", gamma), ("beta", beta))]
        kept = [b.weight(f"n{k}.{name}", a, trainable=False, buffer=True) for name, a in (
            ("mean", mean), ("var", var)) if method == "batch"]
        x = b.op("normalize", h, *own, *kept, shape=h.shape, method=method,
                 **({"channel": 1} if kept else {"dims": (1,)}))
    return b.program(x)


def test_norms_that_have_moved_tell_a_trained_network():
    rng, one, zero = np.random.default_rng(5), np.ones(6), np.zeros(6)
    assert moved(normed(one, zero, zero, one)) is None
    assert moved(normed(one, zero, rng.normal(size=6), one)) == "trained"
    assert moved(normed(one, zero, zero, one, "layer")) is None
    assert moved(normed(1 + 0.1 * rng.normal(size=6), 0.1 * rng.normal(size=6), zero, one, "layer")) == "trained"
    drawn = 0.02 * rng.normal(size=6)                   # gains drawn as weights are: a fault, no training
    assert moved(normed(drawn - drawn.mean(), drawn, zero, one, "layer")) is None


def test_a_layout_is_blamed_for_a_draw_only(tmp_path):
    """The spread of fan_out, as a normal draw has it, and as a sum of a draw and of what training added."""
    rng = np.random.default_rng(8)
    draw = rng.normal(size=(400, 100))
    learnt = (rng.uniform(-1, 1, (400, 100)) * np.sqrt(3) + draw) / np.sqrt(2)
    for w, blamed in ((draw, True), (learnt, False)):
        np.savez(tmp_path / "net.npz", **{"W1": (0.1 * np.sqrt(2) * w).astype("f4"),
                                          "W2": (rng.normal(size=(100, 10)) / 10).astype("f4")})
        report = check_file(tmp_path / "net.npz", activation="relu")
        assert any(f.cause == "layout" for f in report.findings) == blamed
