"""The weight pass against its NumPy twin, at every stride, size and magnitude."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from initcore import kernels, reference
from initcore._weight_statistics import equal_columns, weight_statistics
from initcore.errors import DTypeError, ShapeError
from initcore.reference import weights as twin

SHAPES = [(1, 1), (1, 7), (7, 1), (3, 513), (513, 3), (600, 1100), (5000, 2), (2, 5000)]


def layouts(w):
    """The same matrix in C and Fortran order, backwards, with gaps, and misaligned."""
    yield w
    yield np.asfortranarray(w)
    yield np.ascontiguousarray(w[::-1, ::-1])[::-1, ::-1]
    gaps = np.full((2 * w.shape[0], 3 * w.shape[1]), 7, w.dtype)
    gaps[::2, ::3] = w
    yield gaps[::2, ::3]
    raw = np.zeros(w.nbytes + 1, np.uint8)
    odd = raw[1:].view(w.dtype).reshape(w.shape)
    odd[...] = w
    yield odd


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_statistics_are_those_of_the_twin(dtype, shape):
    w = (np.random.default_rng(1).standard_normal(shape) + 3).astype(dtype)
    w.flat[:: 3] = 0
    w.flat[5 :: 11] = 1e-10
    w.flat[6 :: 13] = np.finfo(dtype).tiny / 4
    tiny = float(np.finfo(dtype).tiny)
    mean, variance, totals = twin.statistics(w, tiny, 1e-8)
    for given_w in layouts(w):
        got = kernels._weights_statistics(given_w, tiny, 1e-8)
        np.testing.assert_allclose(got[0], mean, rtol=1e-13, atol=1e-14)
        np.testing.assert_allclose(got[1], variance, rtol=1e-12, atol=1e-14)
        np.testing.assert_array_equal(got[3], totals)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_sums_are_those_of_the_twin(dtype, shape):
    rng = np.random.default_rng(2)
    w, u, v = rng.standard_normal(shape).astype(dtype), rng.standard_normal(shape[0]), rng.random(shape[0])
    first, second = twin.sums(w, u, v)
    for given_w in layouts(w):
        got = kernels._weights_sums(given_w, u, v)
        np.testing.assert_allclose(got[0], first, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(got[1], second, rtol=1e-13)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_constants_have_no_variance_and_means_cost_no_digits(dtype):
    w = np.full((3000, 20), 0.1, dtype)
    assert not kernels._weights_statistics(w, 0.0, 0.0)[1].any()
    rng = np.random.default_rng(3)
    off = (1000 + rng.standard_normal((4000, 3))).astype(dtype)
    exact = np.var(off.astype(np.longdouble), axis=0).astype(float)
    np.testing.assert_allclose(kernels._weights_statistics(off, 0.0, 0.0)[1], exact, rtol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_is_not_finite_is_counted(dtype):
    w = np.ones((6, 5), dtype)
    w[0, 1], w[2, 2], w[3, 2], w[4, 3] = np.nan, np.inf, -np.inf, -9
    s = weight_statistics(w)
    assert (s.size, s.finite, s.nonzero, s.largest, s.all_finite) == (30, 27, 27, 9.0, False)
    assert np.isnan(s.mean[[1, 2]]).all() and np.isfinite(s.mean[[0, 3, 4]]).all()
    edges = np.array([[np.finfo(dtype).max, -np.finfo(dtype).max, np.finfo(dtype).smallest_subnormal]], dtype)
    s = weight_statistics(edges)
    assert (s.finite, s.nonzero, s.denormal, s.small) == (3, 3, 1, 1) and s.largest == np.finfo(dtype).max


@settings(max_examples=80, deadline=None)
@given(n=st.integers(0, 9), m=st.integers(0, 40), kinds=st.integers(1, 6), seed=st.integers(0, 1000),
       dtype=st.sampled_from(["float32", "float64"]), bias=st.booleans(), order=st.sampled_from("CF"))
def test_equal_columns_are_all_and_only_the_equal_ones(n, m, kinds, seed, dtype, bias, order):
    rng = np.random.default_rng(seed)
    table = rng.integers(-1, 2, (n, kinds)) * 0.5
    w = np.asarray(table[:, rng.integers(0, kinds, m)], dtype, order=order)
    w[(w == 0) & (rng.random(w.shape) < 0.5)] = -0.0
    b = rng.integers(0, 2, m).astype(dtype) if bias else None
    want = twin.equal_columns(w if b is None else np.concatenate([w, b[None]]))
    got = equal_columns(w, b)
    if got is None:
        assert len(set(want.tolist())) == m
    else:
        assert sorted(set(got.tolist())) == list(range(len(set(want.tolist()))))
        assert all((got[i] == got[j]) == (want[i] == want[j]) for i, j in itertools.combinations(range(m), 2))


def test_equal_hashes_are_no_proof():
    """Columns that differ are parted even where somebody says that their hashes agree."""
    w = np.array([[1.0, 2.0, 1.0, 3.0, 2.0]])
    got = equal_columns(w, hashes=np.array([5, 5, 5, 8, 5], np.uint32))
    assert [got[0] == got[2], got[1] == got[4], got[0] == got[1], got[3] in got[[0, 1, 2, 4]]] == [True, True, False,
                                                                                                 False]


def test_totals_of_a_tensor():
    rng = np.random.default_rng(4)
    w = (rng.standard_normal((80, 30)) * 2 + 1).astype(np.float32)
    s = weight_statistics(w)
    wide = w.astype(float)
    assert s.total_mean == pytest.approx(wide.mean()) and s.std == pytest.approx(wide.std())
    assert s.mean_square == pytest.approx(np.mean(wide ** 2))
    vector = weight_statistics(w[:, 0])
    assert vector.mean.shape == (1,) and vector.std == pytest.approx(wide[:, 0].std())
    for empty in (np.zeros((0, 3)), np.zeros((3, 0))):
        s = weight_statistics(empty)
        assert (s.std, s.total_mean, s.mean_square, s.size, s.all_finite) == (0.0, 0.0, 0.0, 0, True)


def test_refusals():
    w = np.ones((3, 4))
    with pytest.raises(DTypeError, match="w"):
        weight_statistics(np.ones((3, 4), int))
    with pytest.raises(ShapeError, match="w"):
        weight_statistics(np.ones((3, 4, 5)))
    for u, v in ((np.ones(4), np.ones(3)), (np.ones(3), np.ones(2))):
        with pytest.raises(ShapeError, match="w has shape"):
            kernels._weights_sums(w, u, v)
    assert reference.weights is twin


def same_bits(found, wanted):
    assert type(found) is type(wanted)
    if isinstance(found, dict):
        return all(same_bits(found[k], wanted[k]) for k in wanted)
    if isinstance(found, tuple):
        return all(map(same_bits, found, wanted))
    return found is wanted or found.tobytes() == wanted.tobytes()


def test_a_pass_long_enough_for_interrupts_gives_the_bits_of_short_ones():
    """More than 2^23 weights are read in strips of columns, which Ctrl-C is answered between."""
    w = np.random.default_rng(4).standard_normal((16_400, 520), dtype=np.float32)
    parts = (lambda f: [f(w[:, :200]), f(w[:, 200:])])
    statistics = [p[:3] for p in parts(lambda a: kernels._weights_statistics(a, 1e-38, 1e-4))]
    assert same_bits(kernels._weights_statistics(w, 1e-38, 1e-4)[:3],
                     tuple(np.concatenate(p, axis=-1) for p in zip(*statistics, strict=True)))
    a, b = parts(lambda a: kernels.signals("relu", a, np.maximum(a, 0))[0])
    assert same_bits(kernels.signals("relu", w, np.maximum(w, 0))[0], {k: np.concatenate([a[k], b[k]]) for k in a})
    a, b = parts(lambda a: kernels._weights_statistics(a, 1e-38, 1e-4)[3])
    assert same_bits(kernels._weights_statistics(w, 1e-38, 1e-4)[3], np.append(max(a[0], b[0]), (a + b)[1:]))
    a, b = parts(lambda a: kernels.signals("tanh", a, np.tanh(a))[1])
    assert same_bits(kernels.signals("tanh", w, np.tanh(w))[1], a + b)


def test_a_tall_and_narrow_one_too():
    """More than 2^16 rows are read 64 columns at a time."""
    w = np.random.default_rng(5).standard_normal((131_100, 70), dtype=np.float32)
    parts = [kernels._weights_statistics(a, 1e-38, 1e-4)[:3] for a in (w[:, :9], w[:, 9:])]
    assert same_bits(kernels._weights_statistics(w, 1e-38, 1e-4)[:3],
                     tuple(np.concatenate(p, axis=-1) for p in zip(*parts, strict=True)))


def test_quick_passes_go_further_at_one_go():
    """Those that take less than a nanosecond a weight: 2^26 weights, tall matrices too."""
    w = np.tile(np.random.default_rng(6).standard_normal((1150, 520), dtype=np.float32), (114, 1))
    n, colours = len(w), np.arange(len(w), dtype=np.uint64)[None]
    assert w.size > 2**26
    for f in (lambda a: kernels._ties_project(a, np.cos(np.arange(2.0 * n)).reshape(2, n)),
              lambda a: kernels._ties_multisets(a, colours, np.ones(n)),
              lambda a: kernels._weights_sums(a, np.sin(np.arange(n)), np.ones(n))):
        parts = f(w[:, :200]), f(w[:, 200:])
        assert same_bits(f(w), tuple(np.concatenate(p, axis=-1) for p in zip(*parts, strict=True)))
    w[:] = 0.25
    assert kernels._ties_look(w) == 1
    w[:, 448:] = 0.5                                            # each strip is one number
    assert kernels._ties_look(w) == 0
    w[3, 519] = np.nan
    assert kernels._ties_look(w) == -1
