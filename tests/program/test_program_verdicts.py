"""What the proof says of a program that is understood in part, and of a weight that is used at two places."""

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
