"""Proofs of (no) symmetry: a whole analysis against one float64 sum over the same weights."""

import time

import numpy as np

import initcore as ic
from initcore import symmetry

from .._case import case


def _network(weights, activation="tanh"):
    return ic.Network([ic.Dense(w, np.zeros(w.shape[1], w.dtype), activation) for w in weights])


def _analysis(c, net, check, optimizer="sgd"):
    c.ours = lambda: symmetry.analyze(net, optimizer=optimizer)
    c.rival("np.sum float64", lambda: [np.sum(la.w, dtype=np.float64) for la in net.layers])
    c.check = lambda: check(symmetry.analyze(net, optimizer=optimizer))


def _free(report):
    assert report.ok and report.certified and not report.near_ties


def _one_unit(report):
    assert report.certified and all(la.effective_width == 1 for la in report.layers)


for _activation in ("tanh", "relu"):
    @case("symmetry", f"certify random 4 x 4096 x 4096 f32, {_activation}", target={"np.sum float64": 4.0},
          at_most=True, rounds=5)
    def _(c, activation=_activation):
        rng = np.random.default_rng(0)
        weights = [rng.standard_normal((4096, 4096), dtype=np.float32) for _ in range(4)]
        _analysis(c, _network(weights, activation), _free)

    @case("symmetry", f"certify constant 4 x 4096 x 4096 f32, {_activation}", target={"np.sum float64": 20.0},
          at_most=True, rounds=5)
    def _(c, activation=_activation):
        _analysis(c, _network([np.full((4096, 4096), 0.01, np.float32) for _ in range(4)], activation), _one_unit)


@case("symmetry", "constant but for one entry a layer, 4 x 2048 x 2048 f32, adam", at_most=True, rounds=5)
def _(c):
    """No shortcut holds here: every entry goes through exact arithmetic and the multiset hash."""
    weights = [np.full((2048, 2048), 0.01, np.float32) for _ in range(4)]
    for w in weights:
        w[5, 7] = 1.0

    def check(report):
        assert report.certified and {la.effective_width for la in report.layers} == {3}
    _analysis(c, _network(weights), check, "adam")


@case("symmetry", "random 1000 layers of 256", target={"2 s": 1.0}, at_most=True, rounds=3)
def _(c):
    rng = np.random.default_rng(0)
    net = _network([rng.standard_normal((256, 256), dtype=np.float32) for _ in range(1000)])
    _analysis(c, net, _free)
    c.rival("2 s", lambda: time.sleep(2.0))


@case("symmetry", "constant 1000 layers of 256", target={"2 s": 1.0}, at_most=True, rounds=3)
def _(c):
    net = _network([np.full((256, 256), 0.01, np.float32) for _ in range(1000)])
    _analysis(c, net, _one_unit)
    c.rival("2 s", lambda: time.sleep(2.0))


@case("symmetry", "a layer of 100 000 units on 64 inputs f32", at_most=True, rounds=5)
def _(c):
    rng = np.random.default_rng(0)
    shapes = ((64, 100_000), (100_000, 64), (64, 10))
    _analysis(c, _network([rng.standard_normal(s, dtype=np.float32) for s in shapes]), _free)
