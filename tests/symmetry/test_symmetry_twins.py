"""Equal units of several axes of a graph: towers, ensembles, branches (theory 4.9.8), proved and trained."""

import numpy as np
import pytest
from symmetry_cells import RUNS, attention, gru
from symmetry_lab import updater
from symmetry_tape import Tape

from initcore.errors import ArgumentError, ShapeError
from initcore.symmetry import Graph, analyze

ORDER = np.array([2, 0, 3, 1])
X, Y = np.random.default_rng(0).standard_normal((10, 5, 3)), np.random.default_rng(1).standard_normal((10, 2))


def normal(*shape, seed=0, scale=0.6):
    return scale * np.random.default_rng([seed, *shape]).standard_normal(shape)


class Dense:
    """``tanh(x w + b) v + c`` on the last place of the data; nothing has to be promised of what makes it."""

    promise = ()

    @staticmethod
    def draw(seed=0):
        return {"w": normal(3, 4, seed=seed), "b": normal(4, seed=seed), "v": normal(4, 2, seed=seed),
                "c": normal(2, seed=seed)}

    @staticmethod
    def turn(p):
        """The same tower with its units in another order."""
        return p | {"w": p["w"][:, ORDER], "b": p["b"][ORDER], "v": p["v"][ORDER]}

    @staticmethod
    def run(p, x):
        return (x[:, -1] @ p["w"] + p["b"]).tanh() @ p["v"] + p["c"]

    @staticmethod
    def declare(g, k, p, out):
        g.axis(f"h{k}", 4, "tanh")
        g.linear("x", f"h{k}", p["w"], p["b"])
        g.linear(f"h{k}", out, p["v"], p["c"], name=f"{k}.head")


class Gated(Dense):
    """Root mean square norm of a silu gate: two layers deep."""

    @staticmethod
    def draw(seed=0):
        return Dense.draw(seed) | {"g": normal(4, 4, seed=seed), "u": normal(4, 4, seed=seed + 9)}

    @staticmethod
    def turn(p):
        q = Dense.turn(p)
        return q | {"g": p["g"][np.ix_(ORDER, ORDER)], "u": p["u"][np.ix_(ORDER, ORDER)]}

    @staticmethod
    def run(p, x):
        h = (x[:, -1] @ p["w"] + p["b"]).tanh()
        return ((h @ p["g"]).silu() * (h @ p["u"])).normalise(-1, centre=False) @ p["v"] + p["c"]

    @staticmethod
    def declare(g, k, p, out):
        g.axis(f"h{k}", 4, "tanh")
        g.linear("x", f"h{k}", p["w"], p["b"])
        g.gated(f"h{k}", f"u{k}", p["g"], p["u"])
        g.norm(f"u{k}", "rms", after=True)
        g.linear(f"u{k}", out, p["v"], p["c"], name=f"{k}.head")


class Cell(Dense):
    """A gated recurrent unit, summed over time."""

    promise = ("h",)

    @staticmethod
    def draw(seed=0):
        return {"w": normal(12, 3, seed=seed), "u": normal(12, 4, seed=seed), "b": normal(12, seed=seed),
                "c": normal(12, seed=seed + 5), "v": normal(4, 2, seed=seed)}

    @staticmethod
    def turn(p):
        rows = np.concatenate([ORDER, ORDER + 4, ORDER + 8])
        return {"w": p["w"][rows], "u": p["u"][rows][:, ORDER], "b": p["b"][rows], "c": p["c"][rows], "v": p["v"][ORDER]}

    run = staticmethod(gru)

    @staticmethod
    def declare(g, k, p, out):
        g.axis(f"h{k}", 4)
        g.gru("x", f"h{k}", p["w"], p["u"], p["b"], p["c"], name=k)
        g.linear(f"h{k}", out, p["v"], name=f"{k}.head")


class Conv(Dense):
    """Two taps, mean over time."""

    promise = ("h",)

    @staticmethod
    def draw(seed=0):
        return {"w": normal(2, 3, 4, seed=seed), "v": normal(4, 2, seed=seed)}

    @staticmethod
    def turn(p):
        return {"w": p["w"][:, :, ORDER], "v": p["v"][ORDER]}

    @staticmethod
    def run(p, x):
        return (x[:, :-1] @ p["w"][0] + x[:, 1:] @ p["w"][1]).tanh().mean(1).reshape(len(X), 4) @ p["v"]

    @staticmethod
    def declare(g, k, p, out):
        g.axis(f"h{k}", 4, "tanh")
        g.conv("x", f"h{k}", p["w"], name=k)
        g.linear(f"h{k}", out, p["v"], name=f"{k}.head")


class Attention(Dense):
    """Two heads on a stream of its own; the units of the stream and the heads stand in another order."""

    promise = ("s", "a{}.qk", "a{}.v")

    @staticmethod
    def draw(seed=0):
        return {"w": normal(3, 4, seed=seed), "v": normal(4, 2, seed=seed), "wo": normal(4, 4, seed=seed + 3),
                **{f"w{k}": normal(4, 4, seed=seed + i) for i, k in enumerate("qkv")}}

    @staticmethod
    def turn(p):
        heads = np.array([2, 3, 0, 1])
        return {"w": p["w"][:, ORDER], "v": p["v"][ORDER], "wo": p["wo"][heads][:, ORDER],
                **{f"w{k}": p[f"w{k}"][ORDER][:, heads] for k in "qkv"}}

    @staticmethod
    def run(p, x):
        y = attention(2)({**p, "u": p["v"]}, x @ p["w"])
        return y.mean(1).reshape(len(X), 2)

    @staticmethod
    def declare(g, k, p, out):
        g.axis(f"s{k}", 4)
        g.linear("x", f"s{k}", p["w"])
        g.attention(f"s{k}", *(p[f"w{n}"] for n in "qkvo"), heads=2, name=f"a{k}")
        g.linear(f"s{k}", out, p["v"], name=f"{k}.head")


KINDS = [Dense, Gated, Cell, Conv, Attention]


def towers(kind, *ps, targets=(0, 0), average=False, promise=True):
    """A graph of towers, each with outputs of its own (or all added into one)."""
    g = Graph()
    g.inputs("x", 3)
    outs = ["y"] * len(ps) if average else [f"y{k}" for k in range(len(ps))]
    for out in dict.fromkeys(outs):
        g.outputs(out, 2)
    for k, (p, out) in enumerate(zip(ps, outs)):
        kind.declare(g, str(k), p, out)
    if promise:
        for axis in kind.promise:
            g.alike(*(axis.format(k) if "{}" in axis else f"{axis}{k}" for k in range(len(ps))))
    if not average and len(set(targets)) == 1:
        g.alike(*outs)
    return g


def learn(loss, ps, run, steps=12):
    """The towers' parameters after some steps."""
    name, lr, l2 = RUNS[run]
    step = updater(name, lr, l2)
    ps = [{k: v.copy() for k, v in p.items()} for p in ps]
    for t in range(1, steps + 1):
        tapes = [{k: Tape(v) for k, v in p.items()} for p in ps]
        loss(tapes).backward()
        ps = [{k: step((i, k), v, tape[k].grad, t) for k, v in p.items()} for i, (p, tape) in enumerate(zip(ps, tapes))]
    return ps


def own_losses(kind, targets):
    def loss(tapes):
        total = None
        for p, y in zip(tapes, targets):
            one = (kind.run(p, Tape(X)) - y).power(2).mean(None)
            total = one if total is None else total + one
        return total
    return loss


def mean_loss(kind):
    def loss(tapes):
        total = None
        for p in tapes:
            y = kind.run(p, Tape(X))
            total = y if total is None else total + y
        return (total - Y).power(2).mean(None)
    return loss


def gap(kind, ps):
    return max(float(np.abs(v - kind.turn(ps[0])[k]).max()) for k, v in ps[1].items())


def settings(run):
    return {"optimizer": RUNS[run][0], "l2": RUNS[run][2]}


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


# --- places of a stream, time steps, convolutions that read -------------------------------------------------------

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
        return (Dense.run(p, Tape(X)) - Y).power(2).mean(None) + (Dense.run(q, Tape(X[:, ::-1])) - Y).power(2).mean(None)
    after = learn(loss, [p, {k: v.copy() for k, v in p.items()}], "sgd")
    assert np.abs(after[1]["w"] - after[0]["w"]).max() > 1e-6


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
