"""RNG501 and RNG502: one seed used twice is found whatever layout, width, factor or place; what looks so is not."""

import numpy as np
import pytest

import initcore as ic


def draws(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape)


def net(*weights, activation="tanh"):
    return ic.Network([ic.Dense(w, None, activation) for w in weights[:-1]] + [ic.Dense(weights[-1])])


def repeats(network, rule="RNG501"):
    return [f.layer for f in ic.check(network, select=rule).findings]


TWICE = {
    "same shape, another factor": (draws(3, 40, 40), 0.3 * draws(3, 40, 40)),
    "transposed": (draws(3, 40, 40), draws(3, 40, 40).T),
    "transposed, other width": (draws(3, 24, 40), draws(3, 56, 40).T),
    "narrower": (draws(3, 48, 20), draws(3, 20, 17)),
    "a bias drawn first": (draws(5, 50, 30), draws(5, 30 * 21)[30:].reshape(30, 20)),
    "uniform on other bounds": (np.random.default_rng(1).random((30, 30)),
                                np.random.default_rng(1).uniform(-0.2, 0.2, (30, 30))),
    "float32": (draws(3, 40, 40).astype("f4"), (0.3 * draws(3, 40, 40)).astype("f4")),
}


@pytest.mark.parametrize("name", TWICE)
def test_one_seed_used_twice(name):
    a, b = TWICE[name]
    last = draws(99, b.shape[1], 3).astype(a.dtype)
    assert repeats(net(a, b, last)) == [1]


def test_bfloat16_values_in_float32_arrays():
    half = lambda a: (a.astype("f4").view("u4") & np.uint32(0xFFFF0000)).view("f4")
    assert repeats(net(half(draws(3, 40, 40)), half(draws(3, 40, 40)), half(draws(9, 40, 3)))) == [1]
    assert repeats(net(half(draws(3, 40, 40)), half(draws(4, 40, 40)), half(draws(9, 40, 3)))) == []


def cosines(n):
    k, t = np.arange(n)[:, None], np.arange(n) + 0.5
    return np.cos(np.pi * k * t / n) * np.sqrt(2 / n)


def test_what_is_equal_by_construction():
    encoder = draws(1, 40, 12), draws(2, 12, 5)
    mirrored = net(*encoder, encoder[1].T.copy(), encoder[0].T.copy())
    shared = draws(1, 30, 30)
    for sound in (mirrored, net(shared, shared, draws(2, 30, 4)), net(cosines(32), cosines(32), draws(2, 32, 4)),
                  net(cosines(33), cosines(33).T, draws(2, 33, 4)), net(np.eye(30), np.eye(30), draws(2, 30, 4)),
                  net(*[draws(i, 30, 30) for i in range(8)])):
        assert repeats(sound) == []


@pytest.mark.parametrize("columns", [True, False])
def test_shards_drawn_with_one_seed(columns):
    shard = draws(4, 32, 6)
    w = np.tile(shard, (1, 4)) if columns else np.tile(shard, (1, 4)).T
    n = net(draws(1, 10, w.shape[0]), w, draws(2, w.shape[1], 3))
    [f] = ic.check(n, select="RNG502").findings
    assert (f.layer, f.severity, f.measured) == (1, "warn", 6) and "4 copies of 6" in f.message


def test_blocks_that_are_meant():
    assert repeats(net(np.tile(np.eye(12), (1, 2)), draws(2, 24, 3)), "RNG502") == []
    assert repeats(net(np.full((12, 24), 0.1), draws(2, 24, 3)), "RNG502") == []
    assert repeats(net(draws(1, 12, 24), draws(2, 24, 3)), "RNG502") == []
