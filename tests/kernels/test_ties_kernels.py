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


FIELD = field.Field.of(((1 << 61) + 15, (1 << 62) - 57))


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
    for k in (1, 2):
        r = FIELD.elements(FIELD.words(k, n, 2))
        np.testing.assert_array_equal(passes.field_sums(w, r, FIELD), twin.field_sums(w, r, FIELD))
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


def residue(x, p):
    """The image of a rational by the definition: numerator times the inverse of the denominator."""
    f = Fraction(x)
    return f.numerator * pow(f.denominator, -1, p) % p


elements = st.tuples(*(st.integers(0, p - 1) for p in FIELD.primes))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(finite, finite32), min_size=1, max_size=6), elements)
def test_field_image_is_a_ring_homomorphism(values, r):
    w = np.array(values)[:, None]
    images = FIELD.embed(w[:, 0])
    weights = np.repeat(np.array(r, np.uint64)[None, :, None], len(values), axis=2)
    want = sum((Fraction(v) for v in values), Fraction(0))
    sums = passes.field_sums(w, weights, FIELD), twin.field_sums(w, weights, FIELD)
    sums += (passes.field_sums(np.ascontiguousarray(w.T).T, weights, FIELD),)
    for g, p in enumerate(FIELD.primes):
        assert [int(v) for v in images[g]] == [residue(v, p) for v in values]
        assert {int(e[0, g, 0]) for e in sums} == {residue(want, p) * r[g] % p}


@settings(max_examples=200, deadline=None)
@given(elements, elements)
def test_field_arithmetic(a, b):
    x, y = np.array(a, np.uint64)[:, None], np.array(b, np.uint64)[:, None]
    many = (np.arange(300, dtype=np.uint64) * np.uint64(12345678901234567)) % FIELD.p
    for g, p in enumerate(FIELD.primes):
        assert int(FIELD.multiply(x, y)[g, 0]) == a[g] * b[g] % p
        assert int(FIELD.add(x, y)[g, 0]) == (a[g] + b[g]) % p
        assert int(FIELD.negative(x)[g, 0]) == -a[g] % p
        assert int(FIELD.inverse(x)[g, 0]) == pow(a[g], p - 2, p)
        assert [int(v) for v in FIELD.inverse(many)[g]] == [pow(int(v), p - 2, p) for v in many[g]]
        assert int(FIELD.total(many)[g]) == sum(int(v) for v in many[g]) % p
    assert (FIELD.size(x) == FIELD.size(FIELD.negative(x))).all()


def test_primes_of_this_process():
    fields = field.drawn()
    assert fields is field.drawn() and len(set(fields.primes)) == 2
    assert all(field.is_prime(p) and 1 << 61 < p < 1 << 62 for p in (*fields.primes, *FIELD.primes))
    sieve = [n for n in range(2, 3000) if all(n % q for q in range(2, int(n ** 0.5) + 1))]
    assert [n for n in range(3000) if field.is_prime(n)] == sieve
    assert not field.is_prime((2 ** 31 - 1) * (2 ** 30 + 3)) and not field.is_prime(3215031751)


def test_powers_of_two_alone_do_not_collide():
    """2^61 = 1 modulo 2^61 - 1: rows that a field of that prime cannot tell apart, and one of a random prime can."""
    rng = np.random.default_rng(1)
    rows = [np.ldexp(rng.integers(1, 64), int(rng.integers(-80, 80)) + np.array([0, 61 * int(k)])) for k in
            rng.integers(1, 8, 300)]
    images = FIELD.embed(np.array(rows).T[0]), FIELD.embed(np.array(rows).T[1])
    assert (images[0] != images[1]).all()


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
            "F = f.Field.of(((1 << 61) + 15, (1 << 62) - 57))\n"
            "r = F.elements(F.words(1, 70, 1))\n"
            "m = p.multisets(w, r[0], np.ones(70), np.ones(70, bool))\n"
            "print(*F.total(p.field_sums(w, r, F))[0], int(m[0].sum()), int(m[1].sum()), p.look(w))")
    w = np.random.default_rng(0).standard_normal((70, 50))
    r = FIELD.elements(FIELD.words(1, 70, 1))
    m = passes.multisets(w, r[0], np.ones(70), np.ones(70, bool))
    want = (*map(int, FIELD.total(passes.field_sums(w, r, FIELD))[0]), int(m[0].sum()), int(m[1].sum()), 0)
    assert tuple(map(int, run_on(isa, code).split())) == want


def test_every_field_function_refuses_wrong_sizes():
    from initcore import kernels
    w = np.ones((3, 2))
    with pytest.raises(ValueError, match=r"v has shape \(2, 4\), but w has shape \(3, 2\) and needs \(2, 3\)"):
        kernels._ties_project(w, np.ones((2, 4)))
    known = FIELD.p.ravel(), FIELD.inverse_p.ravel(), FIELD.powers
    for r, rest, match in ((np.ones((2, 4), np.uint64), known, "r has shape"),
                           (np.ones((3, 3), np.uint64), known, "must have 2 or 4"),
                           (np.ones((2, 3), np.uint64), (known[0][:1], *known[1:]), "p has shape"),
                           (np.ones((2, 3), np.uint64), (*known[:2], np.ones((2, 5), np.uint64)), "powers")):
        with pytest.raises(ValueError, match=match):
            kernels._ties_fields(w, r, *rest)
    with pytest.raises(ValueError, match="colour has shape"):
        kernels._ties_multisets(w, np.ones((2, 4), np.uint64), np.ones(3))
