"""Depth: what a unit is a multiple of is known exactly where it is a short number, however many layers lie below."""

import numpy as np
import pytest

import initcore as ic
from initcore.reference import field
from initcore.symmetry._refinement._signatures import Signatures


def pairs(depth, width, factor, seed=3, made=lambda rng, n: rng.normal(0, 2 / n, (n, n))):
    """Layers of pairs: the second unit of each is ``factor`` times the first, in what it hears and in what it sends."""
    rng, layers = np.random.default_rng(seed), []
    for i in range(depth):
        half = made(rng, width // 2).astype(np.float32)
        w = np.repeat(np.repeat(half, 2, axis=0), 2, axis=1)
        w[1::2] *= 1 if i == 0 else factor
        w[:, 1::2] *= 1 if i == depth - 1 else factor
        layers.append(ic.Dense(w, None, "relu" if i < depth - 1 else "identity"))
    return ic.Network(layers)


def widths(report):
    return [layer.effective_width for layer in report.layers]


@pytest.mark.parametrize("factor", [1.0, 2.0, 0.25])
@pytest.mark.parametrize("width, depth", [(6, 40), (40, 14)])
def test_pairs_of_every_layer_are_found_at_any_depth(factor, width, depth):
    report = ic.symmetry.analyze(pairs(depth, width, factor), optimizer="sgd")
    assert widths(report) == [width // 2] * (depth - 1)


def test_a_factor_of_three_quarters_too():
    net = pairs(12, 20, 0.75, made=lambda rng, n: rng.integers(-8, 9, (n, n)) / 16)
    assert widths(ic.symmetry.analyze(net, optimizer="sgd")) == [10] * 11


def test_sums_of_the_float_filter_do_not_depend_on_the_secret(monkeypatch):
    """Cells are numbered as they appear, so each float64 sum is the same in every process, and what hangs on it."""
    seen, plain = [], Signatures.floats

    def floats(self, *args):
        found = plain(self, *args)
        seen.append([a.tobytes() for a in found])
        return found

    monkeypatch.setattr(Signatures, "floats", floats)
    rng, runs, layers = np.random.default_rng(8), [], []
    for _ in range(4):                              # pairs that only exact sums tell apart, and pairs of those
        w = np.repeat(rng.normal(0, 0.3, (16, 4)), 4, axis=1)
        w[3, 1::2] = np.nextafter(w[3, 1::2], 1)
        layers.append(ic.Dense(w, None, "relu"))
    net = ic.Network(layers)
    for _ in range(4):
        field.drawn.cache_clear()
        ic.symmetry.analyze(net, optimizer="sgd")
        runs.append(seen.copy())
        seen.clear()
    assert len(runs[0]) > 4 and all(run == runs[0] for run in runs)
