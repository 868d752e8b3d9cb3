"""Deep and wide networks: no recursion, and memory that grows with the units."""

import itertools
import tracemalloc

import numpy as np
import pytest

import initcore as ic
from initcore import saturation
from initcore.rules._causes import _layer, _likeness
from initcore.saturation import _propagate, _walk
from initcore.saturation._input_moments import input_state


def network(widths, seed=0):
    rng = np.random.default_rng(seed)
    return ic.Network([ic.Dense((rng.standard_normal((n, m)) / np.sqrt(n)).astype(np.float32), np.zeros(m, np.float32),
                                "tanh") for n, m in itertools.pairwise(widths)])


def peak(call):
    """Bytes allocated at the most while a call runs."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_deeper_than_the_recursion_limit():
    report = ic.check(network([4] * 1300))
    assert len(report.layers) == 1299 and str(report)


@pytest.mark.parametrize("call", [ic.check, saturation.predict], ids=["check", "predict"])
def test_a_wide_layer_takes_a_kilobyte_a_unit(call):
    net = network([64, 60_000, 10])
    call(network([4, 3, 2]))                            # what is made once stays out of the count
    assert peak(lambda: call(net)) < 1000 * 60_074


@pytest.mark.parametrize("call, most", [(saturation.predict, 4.5), (ic.check, 5.75)], ids=["predict", "check"])
def test_covariances_that_live_at_once(call, most):
    """What enters a layer, what leaves it, and the back-signal's two; no float64 copy of the weights beside them."""
    net = network([700] * 5 + [10])
    call(network([4, 3, 2]))
    assert peak(lambda: call(net)) < most * 8 * 700 ** 2


@pytest.mark.parametrize("call", [saturation.predict, ic.check], ids=["predict", "check"])
@pytest.mark.parametrize("scale", [1.0, 0.3])
def test_beside_what_a_walk_keeps_two_covariances_live_at_once(call, scale, monkeypatch):
    """No loop holds the layer before while the next is made; small weights are computed on draws, large ones not."""
    monkeypatch.setattr(_walk, "KEPT", 0)
    net = network([700] * 6 + [10])
    net = ic.Network([layer.replace(w=layer.w * np.float32(scale)) for layer in net.layers])
    call(network([4, 3, 2]))
    assert peak(lambda: call(net)) < 3.6 * 8 * 700 ** 2


def test_narrow_and_deep_takes_a_kilobyte_a_unit_and_what_a_walk_keeps():
    net = network([16] * 301)
    ic.check(network([4, 3, 2]))
    assert peak(lambda: ic.check(net)) < 2 * _walk.KEPT + 1000 * 4800


def test_states_are_kept_within_a_bound():
    """Going back to any layer gives what going up gave, whatever is kept."""
    net = network([30] * 40)
    state, _ = input_state(net)
    whole = [step.mean for step in _walk.steps(net, state)]
    small = _walk.Walk(net, state)
    small._limit = 2 * state.nbytes + 300_000
    list(small)
    assert len(small._kept) < 40
    for i in (38, 3, 17, 16, 0, 25):
        np.testing.assert_array_equal(small[i].mean, whole[i])
        assert small.before(i).mean.shape == (30,)


FAULTS = {
    "one constant, tanh": (lambda r, s: np.full(s, 0.5), "tanh", None),
    "one constant, relu": (lambda r, s: np.full(s, 0.5), "relu", None),
    "too large": (lambda r, s: r.normal(0, 1.0, s), "tanh", None),
    "not centred": (lambda r, s: r.normal(0.5, 1.0, s), "sigmoid", None),
    "a bias": (lambda r, s: r.normal(0, s[0] ** -0.5, s), "tanh", 5.0),
    "dead by bias": (lambda r, s: r.normal(0, s[0] ** -0.5, s), "relu", -5.0),
    "dead by mean": (lambda r, s: r.normal(-0.5, s[0] ** -0.5, s), "relu", None),
    "overflowing": (lambda r, s: r.normal(0, 10.0, s), "relu", None),
    "all zero": (lambda r, s: np.zeros(s), "relu", None),
}


def faulty(fault, depth, width=24):
    make, activation, bias = FAULTS[fault]
    rng = np.random.default_rng(8)
    b = None if bias is None else np.full(width, bias, np.float32)
    return ic.Network([ic.Dense(make(rng, (width, width)).astype(np.float32), b, activation) for _ in range(depth)]
                      + [ic.Dense(make(rng, (width, 5)).astype(np.float32))])


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_every_layer_is_no_dearer_than_one(fault, monkeypatch):
    """Every layer is predicted once, and again for a bounded number of causes, however deep the network."""
    calls = dict.fromkeys(("step", "glance", "normal_draws"), 0)

    def count(place, name):
        inner = getattr(place, name)

        def counted(*args):
            calls[name] += 1
            return inner(*args)
        monkeypatch.setattr(place, name, counted)
    count(_walk, "step")
    count(_layer, "glance")
    count(_propagate._draws, "normal_draws")
    depth = 120
    report = ic.check(faulty(fault, depth))
    assert report.verdict != "fit to train"
    assert calls["glance"] <= 6 * _likeness.TRIALS
    assert calls["step"] <= depth + 1 + 8 * 65 + 2 * _likeness.TRIALS       # 8 gains of a network of 64 layers
    assert calls["normal_draws"] <= 40


@pytest.mark.parametrize("fault", ["one constant, tanh", "too large", "not centred", "a bias"])
def test_layers_alike_have_one_cause_and_their_own_numbers(fault):
    """The cause found for a few layers stands for all; the number in a cure is of the layer itself."""
    report = ic.check(faulty(fault, 40), select="SAT201")
    alone = {f.layer: f for f in report.findings}
    assert len(alone) >= 38
    assert len({f.cause for f in report.findings if f.layer}) == 1           # the first has inputs of mean 0
    if fault == "too large":
        for i, f in alone.items():
            assert f"instead of {report.net.layers[i].w.std():.3g}"[:-1] in f.cure


def test_a_prediction_on_draws_computes_equal_units_once(monkeypatch):
    """On draws a layer of one constant is one unit, and comes out as the layer of all its units."""
    seen = []
    inner = _propagate.layer_statistics

    def noted(phi, z, a):
        seen.append(z.shape[1])
        return inner(phi, z, a)
    monkeypatch.setattr(_propagate, "layer_statistics", noted)
    rng = np.random.default_rng(3)
    w = rng.normal(0, 0.2, (20, 7))[:, [0, 1, 2, 3, 4, 5, 6, 0, 1, 2]]
    net = ic.Network([ic.Dense(np.full((6, 20), 0.3), None, "tanh"), ic.Dense(w, None, "tanh"),
                      ic.Dense(rng.normal(0, 0.5, (10, 4)), None, "tanh")])
    merged = saturation.predict(net)
    assert seen == [7, 4]
    monkeypatch.setattr(_propagate, "equal_columns", lambda *a, **k: None)
    whole = saturation.predict(net)
    assert seen == [7, 4, 10, 4]
    for a, b in zip(merged.layers, whole.layers, strict=True):
        np.testing.assert_allclose(a.unit_q, b.unit_q, rtol=1e-12)
        assert a.mean_slope == pytest.approx(b.mean_slope, rel=1e-12)
        assert a.gradient == pytest.approx(b.gradient, rel=1e-12)
