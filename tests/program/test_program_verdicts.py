"""What the proof says of programs understood in part, of a weight used at two places, of dead ends and maxima."""

import numpy as np
import pytest
from program_builder import Builder

import initcore as ic


def _partly(rng, known, unknown):
    """A network of which one parameter goes through an operation nobody knows."""
    b = Builder(rng)
    x = b.input(6, 4)
    h = b.act(b.dense("seen", x, known))
    odd = b.op("opaque", b.weight("unseen", (unknown,)), shape=(known,))
    return b.program(b.dense("head", b.add(h, odd), 3))


@pytest.mark.parametrize("known, unknown, ok, word", [(40, 8, True, "OK"), (8, 400, False, "UNDETERMINED")])
def test_ok_is_not_said_of_what_was_not_seen(known, unknown, ok, word):
    program = _partly(np.random.default_rng(3), known, unknown)
    report = ic.symmetry.analyze(program)
    assert 0 < report.coverage.share < 1
    assert report.ok is ok
    assert report.verdict.startswith(f"{word}: {report.coverage.percent} of the parameters understood")


def test_a_whole_program_needs_no_share():
    b = Builder(np.random.default_rng(4))
    x = b.input(6, 4)
    report = ic.symmetry.analyze(b.program(b.dense("head", b.act(b.dense("seen", x, 5)), 3)))
    assert report.ok and report.verdict == "OK: every hidden unit is free" and report.coverage.share == 1


def test_a_zero_row_of_a_weight_with_a_second_use_is_not_dead():
    rng = np.random.default_rng(5)
    b = Builder(rng)
    x = b.input(6, 4)
    rows = rng.normal(size=(4, 4))
    rows[2] = 0
    shared = b.weight("shared", rows)
    first = b.act(b.linear(x, shared, module="first"))
    second = b.act(b.linear(first, shared, module="second"))
    head = rng.normal(size=(3, 4))
    head[:, 2] = 0                      # the second use's unit 2 has nothing that reads it; the first use's has
    report = ic.symmetry.analyze(b.program(b.linear(second, b.weight("head", head))))
    assert all(layer.count("dead") == 0 for layer in report.layers), str(report)


def test_what_leads_nowhere_asks_nothing_of_those_it_reads():
    b = Builder(np.random.default_rng(6))
    x = b.input(6, 4)
    h = b.act(b.linear(x, b.weight("up", np.full((5, 4), 0.3))))
    b.act(b.dense("aside", h, 3))                   # with random columns, but nobody reads it
    report = ic.symmetry.analyze(b.program(b.linear(h, b.weight("head", np.full((2, 5), 0.7)))))
    assert [la.effective_width for la in report.layers] == [1]
    assert report.zero_flow["aside.weight"] is None and report.zero_flow["up"] == 0


@pytest.mark.parametrize("function", ["max", "amax", "min", "amin"])
def test_rounding_says_which_of_equal_units_a_maximum_takes(function):
    b = Builder(np.random.default_rng(7))
    x = b.input(6, 4)
    h = b.linear(x, b.weight("up", np.full((6, 4), 0.3)))
    pairs = b.reshape(h, 6, 2, 3)
    best = b.op("reduce", pairs, shape=(6, 2), function=function, dims=(2,))
    report = ic.symmetry.analyze(b.program(b.linear(best, b.weight("head", np.full((2, 2), 0.7)))))
    assert all(la.count("tied") == 0 for la in report.layers), str(report)
