"""Optimisers against hand-written NumPy, the training loop, and what is counted."""

import itertools
import zipfile

import numpy as np
import pytest

import initcore as ic
from initcore import errors, lab
from initcore.data import load_digits, split_digits
from initcore.network import LayerGradient
from initcore.random import Key


def network(dtype=np.float64, widths=(6, 5, 4, 3), activation="tanh", seed=0):
    rng = np.random.default_rng(seed)
    pairs = list(itertools.pairwise(widths))
    return ic.Network([ic.Dense(rng.normal(size=(a, b)).astype(dtype), rng.normal(size=b).astype(dtype),
                                activation if i < len(pairs) - 1 else "identity") for i, (a, b) in enumerate(pairs)])


def constant(value, dtype=np.float32, widths=(64, 40, 33, 10), activation="tanh"):
    pairs = list(itertools.pairwise(widths))
    return ic.Network([ic.Dense(np.full((a, b), value, dtype), np.full(b, value, dtype),
                                activation if i < len(pairs) - 1 else "identity") for i, (a, b) in enumerate(pairs)])


def arrays(net):
    return [a.copy() for _, _, a in net.parameters()]


def reference_sgd(w, gs, lr, mu=0.0, decay=0.0, nesterov=False):
    v = None
    for g in gs:
        g = g + decay * w
        v = g if v is None else mu * v + g
        w = w - lr * ((g + mu * v) if nesterov else v)
    return w


def reference_adam(w, gs, lr, b1, b2, eps, decay, decoupled):
    m = v = 0.0
    for t, g in enumerate(gs, 1):
        if decoupled:
            w = w - lr * decay * w
        else:
            g = g + decay * w
        m = b1 * m + (1 - b1) * g
        v = b2 * v + (1 - b2) * g * g
        w = w - lr * (m / (1 - b1 ** t)) / (np.sqrt(v / (1 - b2 ** t)) + eps)
    return w


CASES = [
    (lab.SGD, {"lr": 0.1}, lambda w, gs: reference_sgd(w, gs, 0.1)),
    (lab.SGD, {"lr": 0.1, "weight_decay": 0.2}, lambda w, gs: reference_sgd(w, gs, 0.1, decay=0.2)),
    (lab.Momentum, {"lr": 0.1}, lambda w, gs: reference_sgd(w, gs, 0.1, 0.9)),
    (lab.Momentum, {"lr": 0.1, "nesterov": True, "weight_decay": 0.1},
     lambda w, gs: reference_sgd(w, gs, 0.1, 0.9, 0.1, True)),
    (lab.Adam, {}, lambda w, gs: reference_adam(w, gs, 1e-3, 0.9, 0.999, 1e-8, 0, False)),
    (lab.Adam, {"lr": 0.1, "betas": (0.8, 0.95), "eps": 1e-3, "weight_decay": 0.3},
     lambda w, gs: reference_adam(w, gs, 0.1, 0.8, 0.95, 1e-3, 0.3, False)),
    (lab.AdamW, {"lr": 0.1}, lambda w, gs: reference_adam(w, gs, 0.1, 0.9, 0.999, 1e-8, 0.01, True)),
]


@pytest.mark.parametrize("make, options, expected", CASES, ids=lambda c: getattr(c, "__name__", None))
def test_steps_against_numpy(make, options, expected):
    net, rng = network(), np.random.default_rng(1)
    before = arrays(net)
    history = [[rng.normal(size=a.shape) for a in before] for _ in range(7)]
    opt, now = make(**options), net
    for gs in history:
        now = opt.step(now, [LayerGradient(gs[2 * i], gs[2 * i + 1]) for i in range(3)])
    for i, (a, b) in enumerate(zip(arrays(now), before)):
        np.testing.assert_allclose(a, expected(b, [gs[i] for gs in history]), rtol=1e-12, atol=1e-13)
    assert all(np.array_equal(a, b) for a, b in zip(arrays(net), before))


@pytest.mark.parametrize("name", ["sgd", "momentum", "adam", "adamw"])
def test_steps_agree_with_torch(name):
    torch = pytest.importorskip("torch")
    net, rng = network(), np.random.default_rng(2)
    options = {"sgd": {"lr": 0.05}, "momentum": {"lr": 0.05, "momentum": 0.9}, "adam": {"lr": 0.02},
               "adamw": {"lr": 0.02, "weight_decay": 0.1}}[name]
    theirs = [torch.tensor(a, requires_grad=True) for a in arrays(net)]
    cls = {"sgd": torch.optim.SGD, "momentum": torch.optim.SGD, "adam": torch.optim.Adam,
           "adamw": torch.optim.AdamW}[name]
    their_opt, opt = cls(theirs, **options), lab.optimizer(name, **options)
    for _ in range(5):
        gs = [rng.normal(size=tuple(t.shape)) for t in theirs]
        for t, g in zip(theirs, gs):
            t.grad = torch.tensor(g)
        their_opt.step()
        net = opt.step(net, [LayerGradient(gs[2 * i], gs[2 * i + 1]) for i in range(3)])
    for a, t in zip(arrays(net), theirs):
        np.testing.assert_allclose(a, t.detach().numpy(), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", sorted(lab.OPTIMIZERS))
def test_steps_keep_dtype_and_inputs(name, dtype):
    net = network(dtype)
    for layer in net.layers:
        layer.w.flags.writeable = layer.b.flags.writeable = False
    x = np.random.default_rng(0).normal(size=(9, 6)).astype(dtype)
    y = np.arange(9) % 3
    _, grads = net.gradients(x, y)
    kept = [g.w.copy() for g in grads]
    after = lab.optimizer(name).step(net, grads)
    assert after.dtype == dtype
    assert all(np.array_equal(g.w, k) for g, k in zip(grads, kept))
    assert not any(np.shares_memory(a.w, b.w) for a, b in zip(after.layers, net.layers))


def test_layers_without_bias_are_trained():
    net = ic.Network([ic.Dense(np.ones((3, 2))), ic.Dense(np.ones((2, 1)), np.zeros(1))])
    _, grads = net.gradients(np.ones((2, 3)), np.zeros((2, 1)), loss="mse")
    after = lab.Adam().step(net, grads)
    assert after.layers[0].b is None and after.layers[1].b is not None


def test_bad_arguments():
    net = network()
    x, y = np.zeros((4, 6)), np.zeros(4, int)
    _, grads = net.gradients(x, y)
    with pytest.raises(errors.UnknownNameError, match="did you mean 'adam'"):
        lab.optimizer("adm")
    with pytest.raises(errors.ArgumentError, match="lr"):
        lab.SGD(-1)
    with pytest.raises(errors.ArgumentTypeError, match="lr"):
        lab.SGD(True)
    with pytest.raises(errors.ArgumentError, match="betas"):
        lab.Adam(betas=(0.9, 1.5))
    for betas in ((1.0, 0.9), (0.9, 1.0)):
        with pytest.raises(errors.ArgumentError, match="must be below 1"):
            lab.AdamW(betas=betas)
    with pytest.raises(errors.ShapeError, match="grads has 2"):
        lab.SGD().step(net, grads[:2])
    with pytest.raises(errors.ShapeError, match=r"grads\[0\].w"):
        lab.SGD().step(net, grads[::-1])
    used = lab.Adam()
    used.step(net, grads)
    other = network(widths=(6, 7, 4, 3))
    with pytest.raises(errors.ShapeError, match="new optimizer"):
        used.step(other, other.gradients(x, y)[1])
    with pytest.raises(errors.ArgumentTypeError, match="optimizer"):
        lab.train(net, x, y, optimizer="adam", epochs=1)
    with pytest.raises(errors.ShapeError, match="rows"):
        lab.train(net, x, y[:3], optimizer=lab.SGD(), epochs=1)
    with pytest.raises(errors.ShapeError, match="rows"):
        lab.train(net, x[:0], y[:0], optimizer=lab.SGD(), epochs=1)
    for wrong in ({"epochs": -1}, {"epochs": 1, "batch_size": 0}):
        with pytest.raises(errors.ArgumentError):
            lab.train(net, x, y, optimizer=lab.SGD(), **wrong)


def test_training_against_a_loop_written_out():
    net, rng = network(), np.random.default_rng(3)
    x, y = rng.normal(size=(23, 6)), rng.integers(0, 3, 23)
    seen = []
    trained = lab.train(net, x, y, optimizer=lab.SGD(0.1), epochs=2, batch_size=10, rng=5, callback=seen.append)
    expected, losses = net, []
    for epoch in range(2):
        order = lab.permutation(23, rng=Key(5).child("epoch").child(epoch))
        total = 0.0
        for rows in (order[:10], order[10:20], order[20:]):
            loss, grads = expected.gradients(x[rows], y[rows])
            total += loss * len(rows)
            expected = ic.Network([layer.replace(w=layer.w - 0.1 * g.w, b=layer.b - 0.1 * g.b)
                                   for layer, g in zip(expected.layers, grads)])
        losses.append(total / 23)
    assert all(np.array_equal(a, b) for a, b in zip(arrays(trained), arrays(expected)))
    assert [e.number for e in seen] == [1, 2] and seen[-1].net is trained
    assert [e.loss for e in seen] == losses
    again = lab.train(net, x, y, optimizer=lab.SGD(0.1), epochs=2, batch_size=10, rng=5)
    assert all(np.array_equal(a, b) for a, b in zip(arrays(trained), arrays(again)))
    assert lab.train(net, x, y, optimizer=lab.SGD(), epochs=0) is net


def test_permutation():
    for n in (0, 1, 2, 100):
        assert sorted(lab.permutation(n, rng=1).tolist()) == list(range(n))
    a, b = lab.permutation(50, rng=1), lab.permutation(50, rng=2)
    assert not np.array_equal(a, b) and np.array_equal(a, lab.permutation(50, rng=1))
    # Every place is about equally likely: chi-square of the first entry over 2000 seeds, 9 degrees of freedom.
    first = np.bincount([lab.permutation(10, rng=s)[0] for s in range(2000)], minlength=10)
    assert np.sum((first - 200) ** 2 / 200) < 33


@pytest.mark.parametrize("name", sorted(lab.OPTIMIZERS))
@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "relu"])
def test_equal_units_stay_bitwise_equal(name, activation):
    s = split_digits()
    net = constant(0.03, activation=activation)
    counts = []
    trained = lab.train(net, s.x_train[:300], s.y_train[:300], optimizer=lab.optimizer(name), epochs=5, batch_size=37,
                        callback=lambda e: counts.append(lab.distinct_units(e.net)))
    assert counts == [[1, 1]] * 5
    assert not np.array_equal(trained.layers[0].w, net.layers[0].w)


def test_distinct_units_are_counted_bitwise_over_all_three_parts():
    net = constant(0.5, widths=(3, 4, 5, 2))
    assert lab.distinct_units(net) == [1, 1]
    for change, expected in [((0, "w", (1, 2)), [2, 1]), ((0, "b", (3,)), [2, 1]), ((1, "w", (2, 0)), [2, 2]),
                             ((2, "w", (4, 1)), [1, 2]), ((2, "b", (0,)), [1, 1])]:
        layer, name, at = change
        a = getattr(net.layers[layer], name).copy()
        a[at] = np.nextafter(a[at], np.float32(1))
        layers = list(net.layers)
        layers[layer] = layers[layer].replace(**{name: a})
        assert lab.distinct_units(ic.Network(layers)) == expected
    assert lab.distinct_units(network(widths=(6, 5, 4, 3))) == [5, 4]
    assert lab.distinct_units(ic.Network([ic.Dense(np.ones((2, 3)))])) == []


def test_accuracy():
    net = ic.Network([ic.Dense(np.eye(3))])
    assert lab.accuracy(net, np.eye(3), np.array([0, 1, 1])) == pytest.approx(2 / 3)
    broken = ic.Network([ic.Dense(np.full((3, 3), np.inf))], check_finite=False)
    with np.errstate(invalid="ignore"):
        assert lab.accuracy(broken, np.eye(3), np.zeros(3, int)) == 0.0


def test_gradient_norms():
    net, rng = network(), np.random.default_rng(0)
    x, y = rng.normal(size=(8, 6)), rng.integers(0, 3, 8)
    grads = net.gradients(x, y)[1]
    np.testing.assert_allclose(lab.gradient_norms(net, x, y), [np.linalg.norm(g.w) for g in grads], rtol=1e-12)


# ---- the bundled data

def test_digits_are_scikit_learns():
    sklearn = pytest.importorskip("sklearn.datasets")
    pixels, labels = sklearn.load_digits(return_X_y=True)
    x, y = load_digits()
    assert x.dtype == np.float32 and y.dtype == np.int64
    assert np.array_equal(x * 16, pixels) and np.array_equal(y, labels)


def test_digits_file_is_small_and_undated():
    from importlib import resources
    with resources.files("initcore.data").joinpath("digits.npz").open("rb") as file, zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        assert [m.filename for m in members] == ["images.npy", "labels.npy"]
        assert all(m.date_time == (1980, 1, 1, 0, 0, 0) for m in members)
        assert sum(m.compress_size for m in members) < 50_000
    licence = resources.files("initcore.data").joinpath("LICENSE-digits.txt").read_text()
    assert "CC BY 4.0" in licence and "10.24432/C50P49" in licence


def test_digits_shape_and_content():
    x, y = load_digits()
    assert x.shape == (1797, 64) and x.min() == 0 and x.max() == 1
    # The class counts of the UCI test set (optdigits.names).
    assert np.bincount(y).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    x[0] = -1
    assert load_digits()[0].min() == 0


def test_split():
    s = split_digits()
    assert s.x_train.shape == (1198, 64) and s.x_test.shape == (599, 64)
    assert np.bincount(s.y_test).min() >= 54
    x, y = load_digits()
    assert np.array_equal(y[2::3], s.y_test)
    np.testing.assert_allclose(s.x_train.mean(axis=0), 0, atol=1e-6)
    assert np.mean(np.square(s.x_train, dtype=np.float64)) == pytest.approx(1, abs=1e-6)
    raw = split_digits(center=False)
    assert np.array_equal(raw.x_test, x[2::3])
