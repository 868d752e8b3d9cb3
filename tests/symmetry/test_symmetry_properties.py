"""Properties of the partition over random networks, and agreement with brute force."""

import itertools

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from symmetry_lab import PRECISIONS, falls, forward, gradients, train

from initcore import symmetry

PHIS = ["tanh", "relu", "sigmoid", "sin", "leaky_relu", "silu"]
seeds = st.integers(0, 2**32 - 1)
fast = settings(max_examples=40, deadline=None)


def dyadic(rng, *shape):
    """Multiples of 1/64 in [-1, 1]: sums of a few are exact in float32."""
    return rng.integers(-64, 65, shape) / 64.0


def quotient_net(rng, phi, depth):
    widths = [int(rng.integers(1, 4)) for _ in range(depth + 1)] + [2]
    net = [(dyadic(rng, n, m), dyadic(rng, m), phi) for n, m in itertools.pairwise(widths)]
    net[-1] = (*net[-1][:2], "identity")
    return net


def expanded(rng, net, uneven=True):
    """A wider network whose cells the narrow one's units are: blocks with equal row and column sums."""
    cells = [np.arange(net[0][0].shape[0])]
    for w, _, _ in net[:-1]:
        size = rng.integers(1, 4, w.shape[1])
        cells.append(rng.permutation(np.repeat(np.arange(w.shape[1]), size)))
    cells.append(np.arange(net[-1][0].shape[1]))
    wide = []
    for (w, b, phi), below, above in zip(net, cells, cells[1:]):
        big = w[below][:, above].copy()
        for c in range(w.shape[0]):
            for d in range(w.shape[1]):
                rows, cols = np.flatnonzero(below == c), np.flatnonzero(above == d)
                if uneven and len(rows) > 1 and len(cols) > 1:
                    noise = dyadic(rng)
                    big[rows[0], cols[0]] += noise
                    big[rows[1], cols[1]] += noise
                    big[rows[0], cols[1]] -= noise
                    big[rows[1], cols[0]] -= noise
        wide.append((big, b[above], phi))
    return wide, cells[1:-1]


def finer_or_equal(labels, than):
    """Is every cell of ``than`` inside a cell of ``labels``?"""
    return all(len(set(labels[than == c])) == 1 for c in set(than.tolist()))


def same_partition(a, b):
    return finer_or_equal(a, b) and finer_or_equal(b, a)


@fast
@given(seeds, st.sampled_from(PHIS), st.integers(1, 3), st.sampled_from([np.float32, np.float64]))
def test_an_expanded_network_has_at_least_its_cells(seed, phi, depth, dtype):
    rng = np.random.default_rng(seed)
    wide, cells = expanded(rng, quotient_net(rng, phi, depth))
    wide = [(w.astype(dtype), b.astype(dtype), phi) for w, b, phi in wide]
    for optimizer in ("sgd", "adam"):
        report = symmetry.analyze(wide, optimizer=optimizer)
        assert all(finer_or_equal(la.labels, c) for la, c in zip(report.layers, cells))
    even, cells = expanded(rng, quotient_net(rng, phi, depth), uneven=False)
    report = symmetry.analyze(even, optimizer="adam", l2=0.1)
    assert all(finer_or_equal(la.labels, c) for la, c in zip(report.layers, cells))


@fast
@given(seeds, st.sampled_from(PHIS))
@example(4250, "tanh")                  # a gradient near 0 over Adam's eps lifts rounding to 3e-9
def test_every_tie_survives_training_and_every_split_shows(seed, phi):
    """Brute force: units are tied iff their outputs agree after every one of several runs on fresh data."""
    rng = np.random.default_rng(seed)
    wide, _ = expanded(rng, quotient_net(rng, phi, 2))
    for optimizer in ("sgd", "adam"):
        report = symmetry.analyze(wide, optimizer=optimizer)
        x = np.random.default_rng(1).standard_normal((40, wide[0][0].shape[0]))
        runs = [[forward(train(wide, optimizer, steps=8, seed=s, lr=0.02, dtype=dtype), x.astype(dtype))[1]
                 for s in range(3)] for dtype in PRECISIONS]
        for la in report.layers:
            outs = [np.concatenate([r[la.layer + 1] for r in run]) for run in runs]
            sizes = [np.abs(o).max() + 1e-300 for o in outs]
            for i in range(la.n_units):
                for j in range(i):
                    spread = [float(np.abs(o[:, i] - o[:, j]).max() / size) for o, size in zip(outs, sizes)]
                    if la.labels[i] == la.labels[j] and la.multipliers[i] == la.multipliers[j]:
                        assert falls(*spread), spread
                    elif phi in ("tanh", "sigmoid"):         # injective, phi' != 0: theorem 4 makes it complete
                        assert not falls(*spread), spread


@fast
@given(seeds, st.sampled_from(PHIS), st.sampled_from(["sgd", "adam"]))
def test_permuting_units_permutes_the_answer(seed, phi, optimizer):
    rng = np.random.default_rng(seed)
    wide, _ = expanded(rng, quotient_net(rng, phi, 2))
    perms = [rng.permutation(w.shape[1]) for w, _, _ in wide[:-1]]
    ends = [np.arange(wide[0][0].shape[0]), *perms, np.arange(wide[-1][0].shape[1])]
    moved = [(w[p][:, q], b[q], phi) for (w, b, phi), p, q in zip(wide, ends, ends[1:])]
    before, after = symmetry.analyze(wide, optimizer=optimizer), symmetry.analyze(moved, optimizer=optimizer)
    for la, lb, p in zip(before.layers, after.layers, perms):
        assert same_partition(la.labels[p], lb.labels)
        assert [la.status[i] for i in p] == list(lb.status) and la.effective_width == lb.effective_width
    assert before.zero_flow == after.zero_flow


@fast
@given(seeds, st.sampled_from([np.float32, np.float64]), st.sampled_from(["tanh", "sigmoid", "relu"]))
def test_one_ulp_splits_exactly_what_it_must(seed, dtype, phi):
    rng = np.random.default_rng(seed)
    n, m = int(rng.integers(3, 7)), int(rng.integers(3, 7))
    net = [(np.full((2, n), 0.5), np.full(n, 0.25), phi), (np.full((n, m), 0.75), np.full(m, 0.125), phi),
           (np.full((m, 2), 0.5), np.zeros(2), "identity")]
    net = [(w.astype(dtype), b.astype(dtype), f) for w, b, f in net]
    i, j = int(rng.integers(n)), int(rng.integers(m))
    net[1][0][i, j] = np.nextafter(net[1][0][i, j], dtype(1))
    report = symmetry.analyze(net, optimizer="adam")
    for la, odd in zip(report.layers, (i, j)):
        want = np.zeros(la.n_units, dtype=int)
        want[odd] = 1
        assert same_partition(la.labels, want) and la.status[odd] == "free" and la.n_cells == 2


@fast
@given(seeds, st.sampled_from([*PHIS, "identity", "gelu"]), st.sampled_from(["sgd", "adam", "muon"]),
       st.sampled_from([np.float32, np.float64]))
def test_random_networks_are_free(seed, phi, optimizer, dtype):
    rng = np.random.default_rng(seed)
    widths = rng.integers(1, 12, 5)
    net = [(rng.standard_normal((n, m)).astype(dtype), np.zeros(m, dtype), phi) for n, m in itertools.pairwise(widths)]
    report = symmetry.analyze(net, optimizer=optimizer)
    statuses = {s for la in report.layers for s in la.status}
    # One input (or one unit below) makes every row a multiple of every other; so does one output for the columns.
    assert report.ok and (statuses == {"free"} or ({"free", "proportional"} >= statuses and 1 in widths))


def brute_partition(net):
    """Labels of units with equal signals and back-signals, now and after three steps, over many random draws."""
    rng = np.random.default_rng(0)
    trail = [[] for _ in net[:-1]]
    for _ in range(4):
        layers = net
        for _ in range(4):
            x = rng.standard_normal((24, net[0][0].shape[0]))
            y = rng.standard_normal((24, net[-1][0].shape[1]))
            outs = forward(layers, x)[1]
            for i in range(len(trail)):
                trail[i].append(outs[i + 1])
            grads = gradients(layers, x, y)
            layers = [(w - 0.05 * dw, b - 0.05 * db, f) for (w, b, f), (dw, db) in zip(layers, grads)]
    labels = []
    for t in trail:
        a = np.concatenate(t)
        first = []
        for j in range(a.shape[1]):
            first.append(next(k for k in range(j + 1) if np.abs(a[:, k] - a[:, j]).max() < 1e-10))
        labels.append(np.array(first))
    return labels


@settings(max_examples=60, deadline=None)
@given(seeds, st.sampled_from(["tanh", "sigmoid", "silu"]))
def test_agreement_with_brute_force_on_coarse_weights(seed, phi):
    """Weights from {-1/2, 0, 1/2}: coincidences of every kind, most of them only forward or only backward."""
    rng = np.random.default_rng(seed)
    widths = [int(v) for v in rng.integers(1, 5, 4)]
    net = [(rng.integers(-1, 2, (n, m)) / 2.0, rng.integers(0, 2, m) / 2.0, phi) for n, m in itertools.pairwise(widths)]
    net[-1] = (*net[-1][:2], "identity")
    report = symmetry.analyze(net, optimizer="sgd")
    for la, brute in zip(report.layers, brute_partition(net)):
        tied = np.where(la.multipliers < 0, -1 - la.labels, la.labels)
        assert same_partition(tied, brute), (tied, brute, la.status)


@pytest.mark.parametrize("phi", ["relu", "tanh"])
def test_dead_units_never_move(phi):
    rng = np.random.default_rng(5)
    for _ in range(40):
        widths = [int(v) for v in rng.integers(1, 5, 4)]
        net = [(rng.integers(-1, 2, (n, m)) * (rng.random((n, m)) < 0.4) * 0.5, -0.5 * (rng.random(m) < 0.3), phi)
               for n, m in itertools.pairwise(widths)]
        net[-1] = (*net[-1][:2], "identity")
        report = symmetry.analyze(net)
        after = train(net, steps=20)
        x = np.random.default_rng(3).standard_normal((50, widths[0]))
        for la, out in zip(report.layers, forward(after, x)[1][1:]):
            dead = np.array([s == "dead" for s in la.status], dtype=bool)
            assert not out[:, dead].any() or np.abs(out[:, dead]).max() < 1e-15
