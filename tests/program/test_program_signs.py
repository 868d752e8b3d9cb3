"""Units that are products of several factors, two of which are negated (theory 4.9, Lemma 6); experts behind a bar."""

import numpy as np
import pytest
from program_builder import Builder

import initcore as ic
from initcore.program import Op, Value

WAYS = [(1, -1, -1), (-1, 1, -1), (-1, -1, 1)]


def gated(phi, signs, change=False, bias=False):
    """``phi(gate x) (up x)``: unit 3 is unit 1 up to signs of gate, up and column; units 0 and 2 are equal."""
    rng = np.random.default_rng(31)
    b = Builder(rng)
    x = b.input(9, 5)
    gate, up, down = rng.normal(size=(4, 5)), rng.normal(size=(4, 5)), rng.normal(size=(3, 4))
    shifts = [rng.normal(size=4) for _ in range(2)]
    for a, s in zip((gate, up, down.T, *shifts), (*signs, *signs)):
        a[3], a[2] = s * a[1], a[0]
    if change:
        gate[3, 1] += 0.5
    g, u = b.linear(x, b.weight("gate", gate)), b.linear(x, b.weight("up", up))
    if bias:
        g, u = (b.add(y, b.weight(k, a)) for y, k, a in ((g, "gate_bias", shifts[0]), (u, "up_bias", shifts[1])))
    h = b.mul(b.act(g, phi) if phi else g, u)
    return b.program(b.linear(h, b.weight("down", down)))


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("signs", WAYS)
@pytest.mark.parametrize("phi", ["tanh", "sin", "", "silu", "gelu", "sigmoid"])
def test_two_factors_of_a_unit_are_negated(phi, signs, bias):
    odd = phi in ("tanh", "sin", "")
    related = odd or signs[0] == 1
    for optimizer in ("sgd", "adam", "adamw"):
        report = ic.symmetry.analyze(gated(phi, signs, bias=bias), optimizer=optimizer)
        (la,) = report.layers
        word = "free" if not related else "tied" if signs[2] == 1 else "sign-tied"
        assert la.status == ("tied", word, "tied", word), (phi, signs, str(report))
        assert la.effective_width == 2 + (not related) and la.labels[0] == la.labels[2]
        if related:
            assert la.multipliers[3] == signs[2] and la.labels[1] == la.labels[3]
            assert "by induction" in report.explain(0, 1, 3).lower()
    (la,) = ic.symmetry.analyze(gated(phi, signs, change=True, bias=bias)).layers
    assert la.status == ("tied", "free", "tied", "free") and la.effective_width == 3


def test_units_that_are_one_by_two_ways_are_one_cell():
    """Unit 1 by (+, -, -) of unit 0, unit 2 by (-, +, -) of unit 0; units of other weights beside them."""
    rng = np.random.default_rng(32)
    b = Builder(rng)
    x = b.input(9, 5)
    gate, up, down = rng.normal(size=(5, 5)), rng.normal(size=(5, 5)), rng.normal(size=(3, 5))
    for unit, signs in ((1, WAYS[0]), (2, WAYS[1])):
        for a, s in zip((gate, up, down.T), signs):
            a[unit] = s * a[0]
    h = b.mul(b.act(b.linear(x, b.weight("gate", gate))), b.linear(x, b.weight("up", up)))
    (la,) = ic.symmetry.analyze(b.program(b.linear(h, b.weight("down", down)))).layers
    assert la.labels.tolist() == [0, 0, 0, 1, 2] and la.effective_width == 3
    assert la.multipliers.tolist() == [1, -1, -1, 1, 1] and la.status[3:] == ("free", "free")


def routed(by, change=None, k=2):
    """Two of three experts: 2 is 0 with its units in another order, units 1 and 3 of 1 are one."""
    rng = np.random.default_rng(33)
    b = Builder(rng)
    x = b.dense("first", b.input(9, 4), 5)
    router, up, down = rng.normal(size=(3, 5)), rng.normal(size=(3, 5, 4)), rng.normal(size=(3, 4, 5))
    order = np.array([3, 1, 0, 2])
    router[2], up[2], down[2] = router[0], up[0][:, order], down[0][order]
    up[1, :, 3], down[1, 3] = up[1, :, 1], down[1, 1]
    if change == "router":
        router[2, 0] += 0.5
    if change == "unit":
        down[1, 3, 2] += 0.5
    p = b.op("softmax", b.linear(x, b.weight("router", router)), shape=(9, 3), dims=(1,))
    top, index = Value((9, k), "float64"), Value((9, k), "int64")
    b.ops.append(Op("topk", (p,), (top, index), {"dim": 1, "k": k}))
    if by == "bar":
        p = b.mul(p, b.op("compare", p, b.slice(top, 1, k - 1, k), shape=p.shape, function="ge"))
    elif by == "index":
        hot = b.op("one_hot", index, shape=(9, k, 3), classes=3)
        p = b.op("reduce", b.mul(hot, b.reshape(top, 9, k, 1)), shape=p.shape, function="sum", dims=(1,))
    wide = b.op("broadcast", x, shape=(3, 9, 5), dims=(1, 2))
    h = b.act(b.op("contract", wide, b.weight("up", up), shape=(3, 9, 4), contracting=((2,), (1,)), batch=((0,), (0,))))
    y = b.op("contract", h, b.weight("down", down), shape=(3, 9, 5), contracting=((2,), (1,)), batch=((0,), (0,)))
    y = b.op("reduce", b.mul(y, b.reshape(b.permute(p, 1, 0), 3, 9, 1)), shape=(9, 5), function="sum", dims=(0,))
    return ic.symmetry.analyze(b.program(b.dense("head", b.add(x, y), 2)), optimizer="adam")


@pytest.mark.parametrize("by", ["bar", "index"])
def test_units_of_one_expert_behind_a_choice_and_no_two_experts(by):
    """Which of two equal experts is taken is for an index rule to say, or for the last bit of a comparison."""
    (la,) = (la for la in routed(by).layers if la.n_units == 12)
    assert la.status == ("free",) * 5 + ("tied", "free", "tied") + ("free",) * 4 and la.labels[5] == la.labels[7]
    assert routed(by, change="unit").ok


def test_experts_that_are_all_taken_are_one():
    (la,) = (la for la in routed("all").layers if la.n_units == 12)
    assert la.count("tied") == 10 and (la.labels[[3, 1, 0, 2]] == la.labels[8:]).all()
    assert next(la for la in routed("all").layers if la.n_units == 3).labels.tolist() == [0, 1, 0]
    for change, tied in (("router", 2), ("unit", 8)):
        (la,) = (la for la in routed("all", change).layers if la.n_units == 12)
        assert la.count("tied") == tied
