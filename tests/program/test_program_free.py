"""break_ties, explain and quotient on programs: noise on the right weights, evidence across layers, refusals."""

import numpy as np
import pytest
from program_builder import Builder

from initcore.errors import ArgumentError, ArgumentTypeError, UnknownNameError
from initcore.symmetry import analyze, break_ties, quotient


def _arrays(program):
    return {p.names[0]: p.read() for p in program.parameters}


def _constant():
    b = Builder(np.random.default_rng(0))
    x = b.input(6, 4)
    h = b.act(b.linear(x, b.weight("first", np.full((5, 4), 0.3)), b.weight("first.bias", np.zeros(5)), "first"))
    h = b.act(b.linear(h, b.weight("second", np.full((7, 5), 0.2)), b.weight("second.bias", np.zeros(7)), "second"))
    return b.program(b.linear(h, b.weight("head", np.full((2, 7), 0.5))))


def test_a_constant_program_is_set_free_by_its_upper_layer():
    program = _constant()
    before = {name: a.copy() for name, a in _arrays(program).items()}
    free, changes = break_ties(program, rng=3, optimizer="adam")
    assert analyze(free, optimizer="adam").ok
    assert (changes[0].layer, changes[0].parameter, changes[0].units) == (1, "second", (1, 2, 3, 4, 5, 6))
    after = _arrays(free)
    assert all((before[name] == a).all() for name, a in _arrays(program).items())
    assert (after["second"][0] == before["second"][0]).all() and (after["second"][1:] != before["second"][1:]).all()
    assert (after["head"] == before["head"]).all() and (after["first.bias"] == 0).all()
    assert str(changes[0]).startswith("second[:, (1, 2, 3, 4, 5, 6)] += normal(std=0.02)")
    again = _arrays(break_ties(program, rng=3, optimizer="adam").network)
    assert all((again[name] == a).all() for name, a in after.items())


def test_a_free_program_is_left_alone():
    b = Builder(np.random.default_rng(1))
    program = b.program(b.dense("head", b.act(b.dense("first", b.input(6, 4), 5)), 2))
    free, changes = break_ties(program, rng=0)
    assert free is program and not changes


def test_a_dead_attention_and_a_planted_channel_come_alive():
    rng = np.random.default_rng(2)
    b = Builder(rng)
    x = b.input(3, 4, 6)
    q, k, v = rng.normal(size=(3, 4, 6))
    q[1], k[1], q[3], k[3] = q[0], k[0], 0, 0
    made = [b.reshape(b.linear(x, b.weight(name, w)), 3, 1, 4, 4) for name, w in (("q", q), ("k", k), ("v", v))]
    y = b.reshape(b.op("attention", *made, None, shape=(3, 1, 4, 4)), 3, 4, 4)
    program = b.program(b.dense("out", y, 2))
    assert not analyze(program).ok
    free, changes = break_ties(program, rng=1)
    assert analyze(free).ok and {c.reason for c in changes} <= {"dead", "tied"}
    assert (_arrays(free)["v"] == v).all()


def test_of_two_critics_one_is_changed():
    rng = np.random.default_rng(3)
    b = Builder(rng)
    x = b.input(6, 4)
    w, v = rng.normal(size=(5, 4)), rng.normal(size=(1, 5))
    outs = [b.linear(b.act(b.linear(x, b.weight(f"{n}.w", w))), b.weight(f"{n}.v", v)) for n in ("one", "two")]
    program = b.program(*outs)
    free, changes = break_ties(program, rng=1, same_targets=True)
    assert analyze(free, same_targets=True).ok and {c.parameter for c in changes} == {"two.w"}
    report = analyze(program, same_targets=True)
    text = report.explain("one.w", 2, 2, other="two.w")
    assert "TIED (equal for ever)" in text and "one.w and two.w from" in text
    assert "parted at" in report.explain("one.w", 2, 3, other="two.w")
    assert report.explain(0, 1, 3) == report.explain("one.w", 1, 3)
    with pytest.raises(UnknownNameError):
        report.explain("three.w", 0, 1)
    with pytest.raises(ArgumentError, match="out of range; layer 1"):
        report.explain(0, 0, 5, other=1)


def test_layers_that_are_not_one_function_have_nothing_to_explain():
    report = analyze(_constant())
    assert "not one function of their weights" in report.explain("first", 0, 0, other="second")


def test_what_no_trained_weight_can_free_is_refused():
    b = Builder(np.random.default_rng(4))
    x = b.input(6, 4)
    h = b.act(b.linear(x, b.weight("frozen", np.ones((5, 4)), trainable=False)))
    program = b.program(b.linear(h, b.weight("head", np.ones((2, 5)))))
    with pytest.raises(ArgumentError, match=r"'frozen' first .*no trained weights"):
        break_ties(program, rng=0)


def test_quotients_are_of_chains():
    with pytest.raises(ArgumentTypeError, match="effective_width: build the module anew"):
        quotient(_constant())
    class Module:
        def named_parameters(self):
            return []
    for call in (quotient, break_ties, analyze):
        with pytest.raises(ArgumentTypeError, match=r"initcore.torch.program\(module, args\)"):
            call(Module())
