"""Units that different operations make can be one: critics, ensembles, experts, halves of a layer (theory 4.9.8)."""

import numpy as np
import pytest
from program_builder import Builder

import initcore as ic
from initcore.errors import ArgumentError


def _numbers(rng, *sizes):
    return [(rng.normal(size=(b, a)), rng.normal(size=b)) for a, b in zip(sizes, sizes[1:])]


def _mixed(rng, layers):
    """The same tower with the units of its hidden layers in another order."""
    out, before = [], np.arange(layers[0][0].shape[1])
    for k, (w, b) in enumerate(layers):
        order = rng.permutation(len(w)) if k < len(layers) - 1 else np.arange(len(w))
        out.append((w[order][:, before].copy(), b[order].copy()))
        before = order
    return out


def _tower(b, name, x, layers, phi="relu"):
    for k, (w, bias) in enumerate(layers):
        x = b.linear(x, b.weight(f"{name}.{k}.weight", w), b.weight(f"{name}.{k}.bias", bias), f"{name}.{k}")
        x = b.act(x, phi) if k < len(layers) - 1 else x
    return x


def _twins(seed, change=None, phi="relu", hidden=(7, 6)):
    rng = np.random.default_rng(seed)
    b = Builder(rng)
    x = b.input(9, 5)
    first = _numbers(rng, 5, *hidden, 1)
    second = _mixed(rng, first)
    if change is not None:
        layer, kind, by = change
        second[layer][kind].flat[0] += by
    return b, _tower(b, "one", x, first, phi), _tower(b, "two", x, second, phi)


@pytest.mark.parametrize("phi", ["relu", "tanh", "sigmoid"])
def test_equal_critics_with_one_target_are_one(phi):
    b, one, two = _twins(11, phi=phi)
    report = ic.symmetry.analyze(b.program(one, two), same_targets=True, optimizer="adam")
    assert not report.ok
    for layer in ("one.0", "one.1", "two.0", "two.1"):
        la = report.axes[layer]
        assert set(la.status) == {"tied"} and la.effective_width == la.n_units and la.strength == "elementwise"
        assert la.twins == (("two" if layer.startswith("one") else "one") + layer[3:],)
    assert "with units of two.0" in report.axes["one.0"].verdict
    assert [la.name for la in report.layers] == ["one.0", "one.1", "two.0", "two.1"]


@pytest.mark.parametrize("change", [(0, 0, 0.25), (1, 0, 0.5), (1, 1, 0.125), (2, 0, 1.0), (2, 1, 0.5)])
def test_one_number_makes_critics_two(change):
    b, one, two = _twins(12, change)
    assert ic.symmetry.analyze(b.program(one, two), same_targets=True).ok


def test_critics_with_targets_of_their_own_are_two():
    b, one, two = _twins(13)
    assert ic.symmetry.analyze(b.program(one, two)).ok


def test_one_frozen_critic_is_another():
    rng = np.random.default_rng(14)
    b = Builder(rng)
    x = b.input(9, 5)
    layers = _numbers(rng, 5, 7, 1)
    one = _tower(b, "one", x, layers)
    weights = [b.weight(f"two.{k}", w, trainable=False) for k, (w, _) in enumerate(layers)]
    two = b.linear(b.act(b.linear(x, weights[0]), "relu"), weights[1])
    assert ic.symmetry.analyze(b.program(one, two), same_targets=True).ok


def test_towers_of_other_data_are_two():
    rng = np.random.default_rng(15)
    b = Builder(rng)
    x, z = b.input(9, 5), b.input(9, 5)
    layers = _numbers(rng, 5, 7, 1)
    program = b.program(_tower(b, "one", x, layers), _tower(b, "two", z, layers))
    assert ic.symmetry.analyze(program, same_targets=True).ok


def test_an_average_ties_single_units():
    b, one, two = _twins(16, change=(2, 1, 0.5))                # biases of one sum need no equal values
    report = ic.symmetry.analyze(b.program(b.add(one, two)))
    assert all(set(la.status) == {"tied"} for la in report.layers)
    b, one, two = _twins(17, change=(1, 0, 0.5), hidden=(7,))   # one column: all but that unit
    report = ic.symmetry.analyze(b.program(b.add(one, two)))
    assert report.axes["one.0"].count("tied") == report.axes["two.0"].count("tied") == 6
    b, one, two = _twins(17, change=(2, 0, 0.5))                # what is below that unit is parted by it, then all
    assert ic.symmetry.analyze(b.program(b.add(one, two))).ok


def test_a_tower_times_another_number_is_another():
    b, one, two = _twins(18)
    report = ic.symmetry.analyze(b.program(b.add(one, b.mul(two, b.constant(2.0)))))
    assert report.ok


def test_dropout_parts_the_towers_it_stands_in():
    rng = np.random.default_rng(19)
    b = Builder(rng)
    x = b.input(9, 5)
    layers = _numbers(rng, 5, 7, 1)
    outs = []
    for name in ("one", "two"):
        (w, bias), (v, c) = layers
        h = b.act(b.linear(x, b.weight(f"{name}.w", w), b.weight(f"{name}.b", bias)), "relu")
        h = b.op("dropout", h, shape=h.shape, rate=0.5)
        outs.append(b.linear(h, b.weight(f"{name}.v", v), b.weight(f"{name}.c", c)))
    assert ic.symmetry.analyze(b.program(*outs), same_targets=True).ok


@pytest.mark.parametrize("equal", [True, False])
def test_halves_of_a_layer_that_change_places(equal):
    rng = np.random.default_rng(20)
    b = Builder(rng)
    x = b.input(9, 5)
    w, head = rng.normal(size=(4, 5)), rng.normal(size=(2, 4))
    order = np.array([2, 0, 3, 1])
    h = b.act(b.linear(x, b.weight("wide", np.concatenate([w, w[order]]))))
    right = head[:, order] + (0 if equal else 0.5)
    y = b.add(b.linear(b.slice(h, 1, 0, 4), b.weight("left", head)),
              b.linear(b.slice(h, 1, 4, 8), b.weight("right", right)))
    report = ic.symmetry.analyze(b.program(y))
    assert report.axes["wide"].effective_width == (4 if equal else 8)


def test_a_stacked_ensemble():
    rng = np.random.default_rng(21)
    b = Builder(rng)
    x = b.input(9, 5)
    w, v = rng.normal(size=(3, 6, 5)), rng.normal(size=(3, 2, 6))
    w[2], v[2] = w[0][::-1], v[0][:, ::-1]
    wide = b.op("broadcast", x, shape=(3, 9, 5), dims=(1, 2))
    h = b.act(b.op("contract", wide, b.weight("w", w), shape=(3, 9, 6), contracting=((2,), (2,)), batch=((0,), (0,))))
    y = b.op("contract", h, b.weight("v", v), shape=(3, 9, 2), contracting=((2,), (2,)), batch=((0,), (0,)))
    program = b.program(y)
    report = ic.symmetry.analyze(program, same_targets=True)
    (la,) = report.layers
    assert la.count("tied") == 12 and la.effective_width == 12 and la.labels[0] == la.labels[17]
    assert ic.symmetry.analyze(program).ok


def test_heads_that_are_modules_of_their_own():
    rng = np.random.default_rng(22)
    ws = [rng.normal(size=(2, 5)) for _ in range(3)]
    for equal in (True, False):
        b = Builder(rng)
        x = b.input(3, 4, 5)
        made = []
        for e in range(2):
            q, k, v = (b.reshape(b.linear(x, b.weight(f"h{e}{i}", w + (e and i == 2 and not equal))), 3, 1, 4, 2)
                       for i, w in enumerate(ws))
            made.append(b.reshape(b.op("attention", q, k, v, None, shape=q.shape), 3, 4, 2))
        head = rng.normal(size=(2, 2))
        y = b.linear(b.concat(2, *made), b.weight("out", np.concatenate([head, head], axis=1)))
        report = ic.symmetry.analyze(b.program(y))
        assert report.ok is not equal
        assert len({la.count("tied") for la in report.layers}) == 1


def _mixture(change, stacked, stream=False, e=3):
    """A list of experts, weighed by a softmax router; the last is another."""
    rng = np.random.default_rng(24)
    b = Builder(rng)
    x = b.input(9, 5)
    first = _numbers(rng, 5, 6, 5)
    towers = [first, _mixed(rng, first), _numbers(rng, 5, 6, 5)]
    router = rng.normal(size=(e, 5))
    router[1] = router[0] + (change == "router")
    if change in (0, 1):
        towers[1][change][0].flat[3] += 0.5
    if change == "bias":
        towers[1][1][1][2] += 0.5
    p = b.op("softmax", b.linear(x, b.weight("router", router)), shape=(9, e), dims=(1,))
    outs = [_tower(b, f"e{k}", x, t, "tanh") for k, t in enumerate(towers)]
    if stacked:
        y = b.concat(1, *(b.reshape(o, 9, 1, 5) for o in outs))
        y = b.op("reduce", b.mul(y, b.reshape(p, 9, e, 1)), shape=(9, 5), function="sum", dims=(1,))
    else:
        y = x if stream else None
        for k, o in enumerate(outs):
            o = b.mul(o, b.slice(p, 1, k, k + 1))
            y = o if y is None else b.add(y, o)
    return ic.symmetry.analyze(b.program(b.dense("head", y, 3)), optimizer="adamw")


@pytest.mark.parametrize("stacked, stream", [(True, False), (False, False), (False, True)])
@pytest.mark.parametrize("change", [None, "router", "bias", 0, 1])
def test_experts_of_a_list(change, stacked, stream):
    report = _mixture(change, stacked, stream)
    if change is None:
        assert report.axes["router"].labels.tolist() == [0, 0, 1]
        for k in (0, 1):
            assert report.axes["e0." + str(k)].twins == (f"e1.{k}",)
            assert set(report.axes[f"e1.{k}"].status) == {"tied"} and report.axes[f"e2.{k}"].ok
    else:
        assert report.ok


def test_two_gates_that_are_added():
    rng = np.random.default_rng(25)
    for equal in (True, False):
        b = Builder(rng)
        x = b.input(9, 5)
        w, v = rng.normal(size=(4, 5)), rng.normal(size=(4, 5))
        parts = []
        for k in range(2):
            gate = b.act(b.linear(x, b.weight(f"gate{k}", w)), "sigmoid")
            parts.append(b.mul(gate, b.linear(x, b.weight(f"up{k}", v + k * (not equal)))))
        report = ic.symmetry.analyze(b.program(b.dense("head", b.add(*parts), 2)))
        assert report.ok is not equal
        if equal:
            assert report.axes["gate0"].twins == ("gate1",)


def test_what_has_no_common_target_is_refused():
    b, one, two = _twins(23)
    wide = b.linear(one, b.weight("wide", np.ones((3, 1))))
    with pytest.raises(ArgumentError, match="outputs of one shape"):
        ic.symmetry.analyze(b.program(two, wide), same_targets=True)
    with pytest.raises(ArgumentError, match="counts no networks"):
        ic.symmetry.analyze(b.program(wide), same_targets=True)
