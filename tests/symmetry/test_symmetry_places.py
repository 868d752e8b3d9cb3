"""Units of two axes are one only at one place of the graph: depths of a stream, time steps, strides, data."""

import numpy as np
from symmetry_cells import RUNS
from symmetry_tape import Tape
from symmetry_towers import Conv, Dense, X, Y, learn, normal

from initcore.symmetry import Graph, analyze


def blocks_graph(p, alike=False):
    g = Graph()
    g.inputs("x", 3)
    g.axis("s", 3)
    g.outputs("y", 2)
    g.linear("x", "s", p["e"])
    for k in "01":
        g.axis(f"h{k}", 4, "tanh")
        g.linear("s", f"h{k}", p["w" + k])
        g.linear(f"h{k}", "s", p["o" + k], residual=True)
    g.linear("s", "y", p["v"])
    if alike:
        g.alike("h0", "h1")
    return g


def blocks_loss(parallel):
    def loss(tapes):
        p = tapes[0]
        s = Tape(X[:, -1]) @ p["e"]
        if parallel:
            s = s + (s @ p["w0"]).tanh() @ p["o0"] + (s @ p["w1"]).tanh() @ p["o1"]
        else:
            s = s + (s @ p["w0"]).tanh() @ p["o0"]
            s = s + (s @ p["w1"]).tanh() @ p["o1"]
        return (s @ p["v"] - Y).power(2).mean(None)
    return loss


def test_blocks_of_one_stream_are_one_only_at_one_place():
    p = {"e": normal(3, 3), "w0": normal(3, 4), "o0": normal(4, 3), "v": normal(3, 2)}
    p["w1"], p["o1"] = p["w0"].copy(), p["o0"].copy()
    assert analyze(blocks_graph(p)).ok
    after = learn(blocks_loss(False), [p], "sgd")[0]
    assert np.abs(after["w1"] - after["w0"]).max() > 1e-6
    assert set(analyze(blocks_graph(p, alike=True)).axes["h0"].status) == {"tied"}
    for run in RUNS:
        after = learn(blocks_loss(True), [p], run)[0]
        assert np.abs(after["w1"] - after["w0"]).max() < 1e-13


def test_concatenated_units_of_two_places_are_not_one():
    """A stream read twice, a reader one time step late, readers of two strides, branches with biases inside."""
    w, v, o = normal(3, 4), normal(4, 3), normal(4, 2)

    def start():
        g = Graph()
        g.inputs("x", 3)
        g.outputs("y", 2)
        g.axis("s", 3, "identity")
        g.linear("x", "s", normal(3, 3))
        for k in "ab":
            g.axis(k, 4, "tanh")
        g.axis("both", 8)
        return g
    g = start()
    g.linear("s", "a", w)
    g.linear("a", "s", v, residual=True)
    g.linear("s", "b", w.copy())
    g.linear("b", "s", v.copy(), residual=True)
    g.concat("both", "a", "b")
    g.linear("both", "y", np.concatenate([o, o]))
    assert analyze(g).ok
    for late in (True, False):
        g = start()
        for k in "ab":
            g.linear("s", k, w.copy())
        g.concat("both", "a", "b")
        g.axis("z", 4, "tanh")
        if late:
            g.linear("a", "z", np.eye(4))
            g.linear("b", "z", np.eye(4), recurrent=True)
        else:
            g.conv("a", "z", normal(2, 4, 4), name="1")
            g.conv("b", "z", normal(2, 4, 4), name="2")
        g.linear("z", "y", o)
        assert analyze(g).ok
    g = start()
    g.axis("c", 4, "tanh")
    g.axis("three", 12)
    for k in "abc":
        g.linear("s", k, w.copy(), normal(4, seed=ord(k)))
    g.concat("three", "both", "c")
    g.concat("both", "a", "b")
    g.linear("three", "y", np.concatenate([o, o, o]))
    assert analyze(g).ok


def test_branches_of_a_concatenation_that_are_called_alike():
    p = Conv.draw()
    for promised in (False, True):
        g = Graph()
        g.inputs("x", 3)
        g.outputs("y", 2)
        for k in "ab":
            g.axis(k, 4, "tanh")
            g.conv("x", k, p["w"].copy(), name=k)
        g.axis("both", 8)
        g.concat("both", "a", "b")
        g.linear("both", "y", np.concatenate([p["v"], p["v"]]))
        if promised:
            g.alike("a", "b")
        assert analyze(g).axes["both"].effective_width == (4 if promised else 8)


def test_towers_of_two_inputs_and_shared_towers():
    """Copies that read different data part (theory 4.9.8, dual encoders); of one memory they are one network."""
    p = Dense.draw()
    for shared in (False, True):
        g = Graph()
        for k in "01":
            g.inputs("x" + k, 3)
            g.axis("h" + k, 4, "tanh")
            g.outputs("y" + k, 2)
            g.linear("x" + k, "h" + k, p["w"] if shared else p["w"].copy())
            g.linear("h" + k, "y" + k, p["v"] if shared else p["v"].copy())
        g.alike("y0", "y1")
        assert analyze(g).ok

    def loss(tapes):
        p, q = tapes
        one, two = Dense.run(p, Tape(X)), Dense.run(q, Tape(X[:, ::-1]))
        return (one - Y).power(2).mean(None) + (two - Y).power(2).mean(None)
    after = learn(loss, [p, {k: v.copy() for k, v in p.items()}], "sgd")
    assert np.abs(after[1]["w"] - after[0]["w"]).max() > 1e-6
