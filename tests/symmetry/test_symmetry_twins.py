"""Equal units of several axes of a graph: towers, ensembles, averages (theory 4.9.8), proved and trained."""

import numpy as np
import pytest
from symmetry_cells import RUNS
from symmetry_towers import (
    KINDS,
    ORDER,
    Attention,
    Cell,
    Conv,
    Dense,
    Y,
    gap,
    learn,
    mean_loss,
    normal,
    own_losses,
    settings,
    towers,
)

from initcore.errors import ArgumentError, ShapeError
from initcore.symmetry import Graph, analyze


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("kind", KINDS)
def test_equal_towers_of_one_target_are_one_network(kind, run):
    p = kind.draw()
    q = kind.turn(p)
    report = analyze(towers(kind, p, q), **settings(run))
    one, two = (la for la in report.layers if la.name in ("h0", "h1", "s0", "s1"))
    assert set(one.status) == set(two.status) == {"tied"} and one.twins == (two.name,)
    assert (one.labels[ORDER] == two.labels).all()
    assert gap(kind, learn(own_losses(kind, (Y, Y)), [p, q], run)) < 1e-12
    assert analyze(towers(kind, p, q, targets=(0, 1)), **settings(run)).ok
    assert gap(kind, learn(own_losses(kind, (Y, -Y)), [p, q], run)) > 1e-6


@pytest.mark.parametrize("kind", KINDS)
def test_one_number_makes_towers_two(kind):
    p = kind.draw()
    for key in p:
        q = kind.turn(p)
        q[key] = q[key].copy()
        q[key].flat[1] += 0.25
        if (kind, key) == (Cell, "b"):
            continue                                         # of r's biases only the sum counts; c is changed below
        assert analyze(towers(kind, p, q)).ok, key
        after = learn(own_losses(kind, (Y, Y)), [p, q], "sgd")
        start = gap(kind, [p, q])
        assert abs(gap(kind, after) - start) > 1e-9, key


@pytest.mark.parametrize("kind", KINDS)
def test_averaged_towers_tie_unit_by_unit(kind):
    p = kind.draw()
    q = kind.turn(p)
    if "c" in p and kind is not Cell:
        q["c"] = q["c"] + 0.5                                # the output's biases enter as one sum
    report = analyze(towers(kind, p, q, average=True), optimizer="adam")
    assert {w for la in report.layers for w in la.status} == {"tied"}
    after = learn(mean_loss(kind), [p, q], "adam")
    assert max(float(np.abs(v - kind.turn(after[0])[k]).max()) for k, v in after[1].items() if k != "c") < 1e-12
    q["v"] = q["v"] + 0.5
    assert analyze(towers(kind, p, q, average=True), optimizer="adam").ok
    after = learn(mean_loss(kind), [p, q], "adam")
    assert max(float(np.abs(v - kind.turn(after[0])[k]).max()) for k, v in after[1].items() if k == "w") > 1e-6


def test_single_units_tie_in_an_average_and_not_in_an_ensemble():
    p, q = Dense.draw(), Dense.draw(7)
    for k, at in (("w", np.s_[:, 2]), ("b", 2), ("v", 2)):
        q[k][at] = p[k][at]
    report = analyze(towers(Dense, p, q, average=True))
    assert report.axes["h0"].status == report.axes["h1"].status == ("free", "free", "tied", "free")
    after = learn(mean_loss(Dense), [p, q], "adam")
    assert np.abs(after[0]["w"][:, 2] - after[1]["w"][:, 2]).max() < 1e-13
    assert analyze(towers(Dense, p, q)).ok
    after = learn(own_losses(Dense, (Y, Y)), [p, q], "sgd")
    assert np.abs(after[0]["w"][:, 2] - after[1]["w"][:, 2]).max() > 1e-6


def test_three_towers_of_which_two_are_one():
    p = Dense.draw()
    report = analyze(towers(Dense, p, Dense.draw(3), Dense.turn(p), targets=(0, 0, 0)))
    assert report.axes["h0"].twins == ("h2",) and report.axes["h1"].ok and not report.axes["h2"].ok
    assert "with units of h2" in report.axes["h0"].verdict
    assert "differ" in report.explain(0, 0, 0, other=1) and "TIED" in report.explain(0, 2, 0, other=2)


def test_what_was_not_promised_is_not_compared():
    """Strides, directions, masks and the moment at which a stream is read are not in a graph."""
    for kind in (Cell, Conv, Attention):
        p = kind.draw()
        assert analyze(towers(kind, p, kind.turn(p), promise=False)).ok
    w = normal(3, 4)
    for dropped in (False, True):
        g = Graph()
        g.inputs("x", 3)
        g.outputs("y", 2)
        for k in "ab":
            g.axis(k, 4, "tanh", dropout=dropped)
            g.linear("x", k, w.copy())
            g.linear(k, "y", np.ones((4, 2)))
        assert analyze(g).ok is dropped


def test_what_cannot_be_called_alike():
    g = towers(Dense, Dense.draw(), Dense.draw(1), targets=(0, 1))
    g.outputs("z", 3)
    g.axis("w", 4)
    g.experts("x", "w", normal(3, 2), normal(2, 3, 4), normal(2, 4, 4), name="e")
    for axes, error in ((("h0",), ArgumentError), (("h0", "h0"), ArgumentError), (("x", "h0"), ArgumentError),
                        (("h0", "y0"), ArgumentError), (("y0", "z"), ShapeError), (("e.hidden", "h0"), ArgumentError)):
        with pytest.raises(error, match="alike"):
            g.alike(*axes)
    g.alike("h0", "h1")
    with pytest.raises(ArgumentError, match="alike once"):
        g.alike("h1", "w")
    g.axis("v", 8)
    g.concat("v", "h0", "w")
    with pytest.raises(ArgumentError, match="concatenation holds some"):
        analyze(g)
