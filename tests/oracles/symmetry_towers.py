"""Towers of theory 4.9.8 on the tape and as graphs: dense, gated, recurrent, convolutional, with attention."""

import numpy as np
from symmetry_cells import RUNS, attention, gru
from symmetry_lab import updater
from symmetry_tape import Tape

from initcore.symmetry import Graph

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
        return {"w": p["w"][rows], "u": p["u"][rows][:, ORDER], "b": p["b"][rows], "c": p["c"][rows],
                "v": p["v"][ORDER]}

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
