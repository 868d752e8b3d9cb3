"""Every operation of the vocabulary: units followed through it, a planted pair found behind it, or soundly lost."""

import numpy as np
import pytest
from program_builder import Builder

import initcore as ic
from initcore.program import VOCABULARY

N, M = 6, 4


def pair(rng, out, inp):
    """Weights whose units 0 and 2, in and out, are alike."""
    cell = [np.where(np.arange(n) == 2, 0, np.arange(n)) if n > 2 else np.arange(n) for n in (out, inp)]
    return rng.normal(size=(out, inp))[np.ix_(*cell)]


class Case(Builder):
    """``x (3, 5, 2)`` into N units, an operation, then a head."""

    def __init__(self):
        super().__init__(np.random.default_rng(3))
        self.h = self.linear(self.input(3, 5, 2), self.weight("w", pair(self.rng, N, 2)), module="units")

    def vector(self, n=N):
        a = self.rng.normal(size=n)
        a[2] = a[0]
        return self.weight(f"v{len(self.parameters)}", a)

    def status(self, y):
        head = self.linear(y, self.weight("head", pair(self.rng, 2, y.shape[-1])[:2]))
        report = ic.symmetry.analyze(self.program(head), optimizer="adamw")
        return next((la.status for la in report.layers if la.name == "units"), ("free",) * N)    # else an output


def elementwise(b):
    return b.op("elementwise", b.h, shape=b.h.shape, function="exp")


def norm(b):
    return b.norm(b.h, "layer", b.vector(), b.vector(), dims=(2,))


def one_to_one(kind, **attributes):
    return lambda b: b.op(kind, b.h, shape=b.h.shape, **attributes)


def two(kind):
    return lambda b: b.op(kind, b.h, b.vector(), shape=b.h.shape)


def heads(b):
    """Units 0 and 2 in one head of three channels."""
    t = b.permute(b.reshape(b.h, 3, 5, 2, 3), 0, 2, 1, 3)
    y = b.op("attention", t, t, t, None, shape=t.shape)
    return b.reshape(b.permute(y, 0, 2, 1, 3), 3, 5, N)


FOUND = {
    "activation": lambda b: b.act(b.h, "gelu"), "elementwise": elementwise, "add": two("add"),
    "subtract": two("subtract"), "multiply": two("multiply"), "divide": two("divide"), "maximum": two("maximum"),
    "minimum": two("minimum"), "permute": lambda b: b.permute(b.permute(b.h, 2, 0, 1), 1, 2, 0),
    "reshape": lambda b: b.reshape(b.h, 15, N), "dropout": one_to_one("dropout", rate=0.5, dims=(2,)),
    "softmax": one_to_one("softmax", dims=(2,)), "cumulate": one_to_one("cumulate", dim=1), "normalize": norm,
    "flip": one_to_one("flip", dims=(1,)), "roll": one_to_one("roll", shifts=(1,), dims=(1,)),
    "slice": lambda b: b.slice(b.h, 2, 0, 4), "concatenate": lambda b: b.slice(b.concat(2, b.h, b.act(b.h)), 2, 0, N),
    "detach": lambda b: b.add(b.h, b.op("detach", b.h, shape=b.h.shape)),
    "pool": lambda b: b.op("pool", b.h, shape=(3, 2, N), dims=(1,), function="max"),
    "pad": lambda b: b.op("pad", b.h, shape=(3, 7, N), low=(0, 1, 0), high=(0, 1, 0)),
    "reduce": lambda b: b.op("reduce", b.h, shape=(3, N), function="mean", dims=(1,)),
    "broadcast": lambda b: b.op("broadcast", b.h, shape=(2, 3, 5, N), dims=(1, 2, 3)),
    "choose": lambda b: b.op("choose", b.op("compare", b.h, b.constant(0.0), shape=b.h.shape, function="less"), b.h,
                             b.constant(1.0), shape=b.h.shape),
    "attention": heads, "contract": lambda b: b.linear(b.h, b.weight("u", pair(b.rng, M, N))),
    "convolve": lambda b: b.op("convolve", b.h, b.weight("k", np.stack([pair(b.rng, M, N)] * 3, -1)), shape=(3, 3, M),
                               x_dims=(0, 2, 1), w_dims=(0, 1, 2)),
}
LOST = {
    "dropout": one_to_one("dropout", rate=0.5), "opaque": one_to_one("opaque"),
    "running sum": lambda b: b.op("cumulate", b.h, shape=b.h.shape, dim=2),
    "noise": lambda b: b.mul(b.h, b.op("random", shape=b.h.shape)),
    "one of equals": lambda b: b.op("reduce", b.h, shape=(3, 5, 1), function="max", dims=(2,), keep=True),
    "another gain": lambda b: b.mul(b.h, b.weight("g", (N,))),
}


@pytest.mark.parametrize("kind", FOUND)
def test_a_pair_is_found_behind(kind):
    assert kind in VOCABULARY
    b = Case()
    assert {k for k, s in enumerate(b.status(FOUND[kind](b))) if s != "free"} == {0, 2}


@pytest.mark.parametrize("kind", LOST)
def test_a_pair_is_not_claimed_behind(kind):
    b = Case()
    assert set(b.status(LOST[kind](b))) == {"free"}


def test_places_mixed_among_units_part_them():
    """Unit 0 at one place of the data beside unit 2 at another: the same numbers, never the same unit."""
    b = Case()
    late = b.op("roll", b.h, shape=b.h.shape, shifts=(1,), dims=(1,))
    y = b.concat(2, b.slice(b.h, 2, 0, 2), b.slice(late, 2, 2, N))
    assert set(b.status(y)) == {"free"}


def test_a_weight_used_twice_ties_only_what_is_alike_in_both():
    b = Builder(np.random.default_rng(1))
    w = b.weight("w", pair(b.rng, N, N))
    x = b.dense("first", b.input(4, 3), N)
    y = b.linear(b.act(b.linear(b.act(x), w)), w)
    report = ic.symmetry.analyze(b.program(b.dense("head", y, 2)))
    assert report.ok, str(report)


def test_a_frozen_weight_and_one_behind_a_detach_never_learn():
    b = Builder(np.random.default_rng(1))
    x = b.input(4, 3)
    h = b.act(b.dense("cut", x, 4))
    y = b.linear(b.op("detach", h, shape=h.shape), b.weight("fixed", (5, 4), trainable=False))
    flow = ic.symmetry.analyze(b.program(b.dense("head", b.act(y), 2))).zero_flow
    assert flow["cut.weight"] is None and flow["head.weight"] == 0 and "fixed" not in flow
