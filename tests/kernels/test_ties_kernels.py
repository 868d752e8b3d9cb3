"""The signature passes against their NumPy twin, exact rational arithmetic, and each other on every variant."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from initcore.reference import field
from initcore.reference import ties as twin
from initcore.symmetry import _weight_passes as passes

VIEWS = {"C": lambda w: w, "F": np.asfortranarray, "flipped": lambda w: w[::-1, ::-1],
         "T": lambda w: np.ascontiguousarray(w.T).T,
         "strided": lambda w: np.repeat(np.repeat(w, 2, 0), 3, 1)[::2, ::3], "field": lambda w: packed(w)}


def packed(w):
    """The matrix as a field of packed records, whose strides are no multiple of the element."""
    records = np.zeros(w.shape, dtype=np.dtype([("tag", "u1"), ("w", w.dtype)]))
    records["w"] = w
    return records["w"]


def matrix(shape, dtype, seed=0):
    rng = np.random.default_rng([seed, *shape])
    w = (rng.standard_normal(shape) * 10.0 ** rng.integers(-30, 30, shape)).astype(dtype)
    w[rng.random(shape) < 0.1] = -0.0
    return w


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (37, 1030), (1030, 37), (64, 64), (1, 9), (9, 1), (0, 4), (4, 0)])
def test_passes_agree_with_their_twin(view, dtype, shape):
    w = VIEWS[view](matrix(shape, dtype))
    before = w.copy()
    n = shape[0]
    v = field.uniform(field.words(3 * n, 1)).reshape(3, n)
    f, a = passes.project(w, v)
    g, b = twin.project(w, v)
    assert f.shape == (3, shape[1]) and (np.abs(f - g) <= 1e-12 * (b + 1e-300)).all()
    assert (a >= b.max(axis=0, initial=0) * (1 - 1e-12)).all()
    r = field.element(field.words(3 * n, 2)).reshape(3, n)
    np.testing.assert_array_equal(passes.field_sums(w, r), twin.field_sums(w, r))
    colour = field.words(2 * n, 3).reshape(2, n)
    sign = np.where(field.words(n, 4) % np.uint64(2) == 0, 1.0, -1.0)
    live = field.words(n, 5) % np.uint64(3) != 0
    for ours, theirs in zip(passes.multisets(w, colour, sign, live), twin.multisets(w, colour, sign, live)):
        np.testing.assert_array_equal(ours, theirs)
    assert (w == before).all()


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (2, 1030), (1030, 2)])
def test_look(view, dtype, shape):
    w = VIEWS[view](np.full(shape, 0.5, dtype))
    assert passes.look(w) == 1 and passes.look(w * 0) == 1
    mixed = w * 0
    mixed[-1, -1] = -0.0
    assert passes.look(mixed) == 1
    for at in {(0, 0), (shape[0] - 1, shape[1] - 1), (shape[0] // 2, shape[1] // 2)}:
        for value, want in ((1.0, 0 if w.size > 1 else 1), (np.nan, -1), (np.inf, -1), (-np.inf, -1)):
            x = w.copy()
            x[at] = value
            assert passes.look(VIEWS[view](x)) == want
    assert passes.look(np.full(shape, np.finfo(dtype).max)) == 1


finite = st.floats(allow_nan=False, allow_infinity=False)
finite32 = st.floats(allow_nan=False, allow_infinity=False, width=32)


def residue(x):
    """The image of a float by the definition: numerator times the inverse of the power of two."""
    f = Fraction(x)
    return f.numerator * pow(f.denominator, -1, field.P) % field.P


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(finite, finite32), min_size=1, max_size=6), st.integers(1, field.P - 1))
def test_field_image_is_a_ring_homomorphism(values, r):
    w = np.array(values)[:, None]
    assert [int(v) for v in field.embed(w)[:, 0]] == [residue(v) for v in values]
    weights = np.full((1, len(values)), r, dtype=np.uint64)
    want = sum((Fraction(v) for v in values), Fraction(0))
    image = want.numerator * pow(want.denominator, -1, field.P) * r % field.P
    assert int(passes.field_sums(w, weights)[0, 0]) == image == int(twin.field_sums(w, weights)[0, 0])
    assert int(passes.field_sums(np.ascontiguousarray(w.T).T, weights)[0, 0]) == image


@settings(max_examples=200, deadline=None)
@given(st.integers(0, field.P - 1), st.integers(0, field.P - 1))
def test_field_arithmetic(a, b):
    x, y = np.array([a], np.uint64), np.array([b], np.uint64)
    assert int(field.multiply(x, y)[0]) == a * b % field.P
    assert int(field.add(x, y)[0]) == (a + b) % field.P
    assert int(field.negative(x)[0]) == -a % field.P
    assert int(field.inverse(x)[0]) == pow(a, field.P - 2, field.P)
    many = (np.arange(200, dtype=np.uint64) * np.uint64(a | 1)) % np.uint64(field.P)
    assert [int(v) for v in field.inverse(many)] == [pow(int(v), field.P - 2, field.P) for v in many]


def test_projection_bound_holds():
    """The filter's claim: |computed - exact| <= 1.1 (n + 8) 2^-53 a, with exact sums from rational arithmetic."""
    w = matrix((40, 30), np.float64, seed=3)
    v = field.uniform(field.words(80, 1)).reshape(2, 40)
    f, a = passes.project(w, v)
    for k in (0, 1):
        for j in range(30):
            exact = sum((Fraction(v[k, i]) * Fraction(w[i, j]) for i in range(40)), Fraction(0))
            assert abs(Fraction(f[k, j]) - exact) <= Fraction(1.1 * 48 * 2.0 ** -53 * a[j])


def test_integers_are_the_same_on_every_variant(run_on, isa):
    code = ("import numpy as np\n"
            "from initcore.symmetry import _weight_passes as p\nfrom initcore.reference import field as f\n"
            "w = np.random.default_rng(0).standard_normal((70, 50))\n"
            "r = f.element(f.words(140, 1)).reshape(2, 70)\n"
            "m = p.multisets(w, r, np.ones(70), np.ones(70, bool))\n"
            "print(int(f.total(p.field_sums(w, r).ravel())), int(m[0].sum()), int(m[1].sum()), p.look(w))")
    w = np.random.default_rng(0).standard_normal((70, 50))
    r = field.element(field.words(140, 1)).reshape(2, 70)
    m = passes.multisets(w, r, np.ones(70), np.ones(70, bool))
    want = (int(field.total(passes.field_sums(w, r).ravel())), int(m[0].sum()), int(m[1].sum()), 0)
    assert tuple(map(int, run_on(isa, code).split())) == want


def test_every_field_function_refuses_wrong_sizes():
    from initcore import kernels
    w = np.ones((3, 2))
    with pytest.raises(ValueError, match=r"v has shape \(2, 4\), but w has shape \(3, 2\) and needs \(2, 3\)"):
        kernels._ties_project(w, np.ones((2, 4)))
    with pytest.raises(ValueError, match="r has shape"):
        kernels._ties_fields(w, np.ones((2, 4), np.uint64))
    with pytest.raises(ValueError, match="colour has shape"):
        kernels._ties_multisets(w, np.ones((2, 4), np.uint64), np.ones(3))
