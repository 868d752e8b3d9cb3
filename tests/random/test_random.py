"""Random arrays: keys, words, distributions, blocks, strides, threads.

Oracles: Random123's and std::philox4x32's known answers, the NumPy twin, mpmath, SciPy's distributions.
"""

import copy
import hashlib
import pickle
import struct

import mpmath
import numpy as np
import pytest
from array_bits import raw
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from initcore import errors
from initcore import random as icr
from initcore.random import Key, as_key
from initcore.reference import philox as twin

KEY = Key(7)
DTYPES = ["float16", "float32", "float64", "bfloat16"]
DRAWS = {
    "uniform": lambda shape, **kw: icr.uniform(shape, low=-0.3, high=0.7, **kw),
    "normal": lambda shape, **kw: icr.normal(shape, mean=0.5, std=0.02, **kw),
    "truncated": lambda shape, **kw: icr.truncated_normal(shape, std=3.0, **kw),
    "tail": lambda shape, **kw: icr.truncated_normal(shape, lower=5.5, upper=1e6, **kw),
}


# ---- Words -----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("counter", "key", "want"), [
    ([0] * 4, (0, 0), "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ([0xFFFFFFFF] * 4, (0xFFFFFFFF,) * 2, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ([0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344], (0xA4093822, 0x299F31D0),
     "d16cfe09 94fdcceb 5001e420 24126ea1"),
])
def test_twin_knows_random123_answers(counter, key, want):
    got = twin.philox4x32([np.array([c], np.uint64) for c in counter], key)
    assert " ".join(f"{int(w[0]):08x}" for w in got) == want


def test_known_answers_compiled():
    zero = icr.bits(4, rng=Key.from_words(0, 0))
    assert zero.dtype == np.uint32
    assert [f"{w:08x}" for w in zero.tolist()] == ["6627e8d5", "e169c58d", "bc57ac4c", "9b00dbd8"]
    # std::philox4x32 seeded with 20111115: its 10000th output, with the counter starting at 0.
    assert int(icr.bits(1, rng=Key.from_words(20111115, 0), start=9999)[0]) == 1955073260


@pytest.mark.parametrize("start", [0, 1, 6, 63, 2**32 - 5, 2**34 - 70, 2**34 - 3, 2**34, 2**40 + 1, 2**63 - 9,
                                   2**64 - 300])
def test_words_equal_the_twin(start):
    n = 300
    index = np.uint64(start) + np.arange(n, dtype=np.uint64)
    key = Key.from_words(0xFFFFFFFF, 0x80000001, 0xDEADBEEF, 0xFFFFFFFF)
    np.testing.assert_array_equal(icr.bits(n, rng=key, start=start), twin.words_of(key.words, index))


# ---- Keys ------------------------------------------------------------------------------------------------------

def test_key_is_seed_sequence_state():
    for seed in (0, 1, 2**80, [1, 2, 3], (4,), np.array([5, 6])):
        entropy = seed if isinstance(seed, int) else [int(v) for v in seed]
        assert Key(seed).words == tuple(np.random.SeedSequence(entropy).generate_state(4, np.uint32).tolist())
    assert Key(np.random.SeedSequence(9)) == Key(9) == Key(np.int64(9))
    assert Key(0).words == (2968811710, 3677149159, 745650761, 2884920346)


def test_child_is_blake2b():
    words = struct.pack("<4I", *KEY.words)
    for name, tail in ((5, b"\x00" + struct.pack("<q", 5)), (-1, b"\x00" + b"\xff" * 8),
                       ("wé", b"\x01" + "wé".encode()), ("", b"\x01")):
        want = struct.unpack("<4I", hashlib.blake2b(words + tail, digest_size=16).digest())
        assert KEY.child(name).words == want
    assert KEY.child(5) != KEY.child("5")
    assert Key(0).child("layer0.weight").words == (3912097273, 214011198, 1275105734, 145614147)


def test_key_is_a_value():
    assert Key(1) == Key(1) != Key(2) and hash(Key(1)) == hash(Key(1))
    assert Key(1) != Key(1).words
    assert eval(repr(KEY)) == KEY and pickle.loads(pickle.dumps(KEY)) == KEY and copy.deepcopy(KEY) == KEY
    with pytest.raises(AttributeError, match="immutable"):
        KEY.words = (0, 0, 0, 0)
    with pytest.raises(AttributeError, match="immutable"):
        del KEY._words


def test_rng_follows_spec_7():
    generator, again = np.random.default_rng(3), np.random.default_rng(3)
    first, second = as_key(generator), as_key(generator)
    assert first != second
    assert first.words == tuple(again.integers(0, 2**32, size=4, dtype=np.uint32).tolist())
    assert as_key(np.random.PCG64(3)) == first and as_key(KEY) is KEY and as_key(11) == Key(11)
    assert as_key(None) != as_key(None)
    state = np.random.get_state()[1].copy()                            # noqa: NPY002
    icr.normal(10, rng=None)
    np.testing.assert_array_equal(np.random.get_state()[1], state)     # noqa: NPY002


@pytest.mark.parametrize("rng", [True, 1.5, np.float32(1), np.bool_(False), "seed", b"seed", [1, 2.5], [True],
                                 np.array([0.5]), np.random.RandomState(0), object()])
def test_wrong_rng(rng):
    with pytest.raises(TypeError) as caught:
        icr.normal(3, rng=rng)
    assert isinstance(caught.value, errors.InitcoreError)


def test_wrong_keys():
    for call in (lambda: Key(-1), lambda: Key([3, -1]), lambda: Key.from_words(2**32, 0),
                 lambda: Key.from_words(-1, 0), lambda: KEY.child(2**63), lambda: KEY.child("\ud800")):
        with pytest.raises(errors.ArgumentError):
            call()
    for call in (lambda: Key(True), lambda: Key(None), lambda: KEY.child(1.0), lambda: KEY.child(True),
                 lambda: KEY.child(None)):
        with pytest.raises(errors.ArgumentTypeError):
            call()


# ---- Values ----------------------------------------------------------------------------------------------------

def test_uniform_is_the_top_bits():
    index = np.arange(10001, dtype=np.uint64)
    for dtype in ("float32", "float64"):
        u = icr.uniform(10001, rng=KEY, dtype=dtype)
        np.testing.assert_array_equal(u, twin.uniform_of(KEY.words, index, dtype))
        work = np.dtype(dtype).type
        low, high = work(-0.1), work(0.3)
        np.testing.assert_array_equal(icr.uniform(10001, low=-0.1, high=0.3, rng=KEY, dtype=dtype),
                                      low + (high - low) * u)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("low", "high"), [(1.0, 1.0 + 2.0**-22), (-1e-30, 1.0), (16777215.0, 16777217.0),
                                           (1e6, 1e6 + 1)])
def test_uniform_stays_below_high(dtype, low, high):
    u = icr.uniform(100_000, low=low, high=high, rng=KEY, dtype=dtype)
    assert low <= u.min() and u.max() < high


def exact_quantile(p):
    """Phi^-1(p) for 0 < p < 1/2 to 40 digits, from a float64 start."""
    with mpmath.workdps(45):
        q = mpmath.mpf(1) / 2 - p
        if p < 0.25:
            x = mpmath.mpf(-float(special.ndtri(float(p))))
        else:
            x = mpmath.mpf(float(special.erfinv(float(2 * q)))) * mpmath.sqrt(2)
        for _ in range(3):                       # Newton on the central probability: relative accuracy near 0 too
            x += (q - mpmath.erf(x / mpmath.sqrt(2)) / 2) / mpmath.npdf(x) if p > 1e-3 else \
                (mpmath.erfc(x / mpmath.sqrt(2)) / 2 - p) / mpmath.npdf(x)
        return -x


def ulps(got, exact):
    return abs(mpmath.mpf(float(got)) - exact) / mpmath.mpf(float(np.spacing(abs(type(got)(float(exact))))))


def places_with(test, n, bits=32):
    """Element numbers whose words pass a test, found in the first 2^22 of the stream."""
    w = icr.bits(1 << 22, rng=KEY) & np.uint32(0x7FFFFFFF)
    return np.flatnonzero(test(w))[:n], w


REGIONS = {
    "anywhere": lambda w: w >= 0,
    "tail": lambda w: w < 1 << 23,
    "far tail": lambda w: w < 1 << 14,
    "centre": lambda w: w > (1 << 31) - (1 << 14),
    "edge of tail": lambda w: abs(w.astype(np.int64) - (1 << 23)) < 1 << 15,
}


@pytest.mark.parametrize("region", REGIONS)
def test_normal_f32_within_4_ulp(region):
    where, w = places_with(REGIONS[region], 150)
    assert where.size > 5
    z = icr.normal(1 << 22, rng=KEY)[where]
    signs = icr.bits(1 << 22, rng=KEY)[where] >> 31
    for value, m, sign in zip(z, w[where].tolist(), signs.tolist()):
        exact = exact_quantile((mpmath.mpf(m) + 0.5) / 2**32)
        assert ulps(value, -exact if sign else exact) <= 4


@pytest.mark.parametrize("region", REGIONS)
def test_normal_f64_within_4_ulp(region):
    where, _ = places_with(REGIONS[region], 60)
    z = icr.normal(1 << 22, rng=KEY, dtype="float64")[where]
    for value, word in zip(z, twin.words64_of(KEY.words, where.astype(np.uint64)).tolist()):
        with mpmath.workdps(45):
            p = (mpmath.mpf(word & (2**63 - 1)) + 0.5) / mpmath.mpf(2)**64
        exact = exact_quantile(p)
        assert ulps(value, -exact if word >> 63 else exact) <= 4


def test_f64_refines_f32():
    single, double = icr.normal(1 << 20, rng=KEY), icr.normal(1 << 20, rng=KEY, dtype="float64")
    assert (np.signbit(single) == np.signbit(double)).all()
    # The word fixes p to 2^-33, the quantile to 2^-33 / phi(z).
    room = 2.0**-33 / stats.norm.pdf(double) * 1.01 + 4 * np.spacing(abs(single))
    assert (abs(single - double) <= room).all()
    u32, u64 = icr.uniform(1 << 20, rng=KEY), icr.uniform(1 << 20, rng=KEY, dtype="float64")
    assert ((u64 >= u32) & (u64 < u32.astype(float) + 2.0**-24)).all()


@pytest.mark.parametrize("draw", DRAWS)
def test_half_precisions_are_float32_rounded_once(draw):
    x = DRAWS[draw](100_003, rng=KEY)
    np.testing.assert_array_equal(DRAWS[draw](100_003, rng=KEY, dtype="float16"), x.astype(np.float16))
    b = raw(x)
    want = ((b + np.uint32(0x7FFF) + ((b >> 16) & 1)) >> 16).astype(np.uint16)
    np.testing.assert_array_equal(raw(DRAWS[draw](100_003, rng=KEY, dtype="bfloat16")), want)


def test_float16_of_every_size():
    for std in (1e-8, 1e-6, 3e-5, 1e4, 3e5):     # subnormal, rounding to the smallest normal, overflow
        with np.errstate(over="ignore"):
            want = icr.normal(5000, std=std, rng=KEY).astype(np.float16)
        np.testing.assert_array_equal(icr.normal(5000, std=std, rng=KEY, dtype="float16"), want)


def test_scale_is_rounded_apart():
    z, z64 = icr.normal(9999, rng=KEY), icr.normal(9999, rng=KEY, dtype="float64")
    np.testing.assert_array_equal(icr.normal(9999, mean=0.1, std=0.7, rng=KEY), np.float32(0.1) + np.float32(0.7) * z)
    np.testing.assert_array_equal(icr.normal(9999, mean=0.1, std=0.7, rng=KEY, dtype="float64"), 0.1 + 0.7 * z64)
    np.testing.assert_array_equal(icr.normal(50, mean=2.0, std=0, rng=KEY), np.full(50, 2, np.float32))


# ---- Blocks, strides, threads (G3, G4) -------------------------------------------------------------------------

@given(st.data())
@settings(max_examples=150, deadline=None)
def test_any_block_equals_the_whole(data):
    whole = tuple(data.draw(st.lists(st.integers(1, 13), min_size=0, max_size=4), label="whole"))
    start = tuple(data.draw(st.integers(0, n), label="start") for n in whole)
    shape = tuple(data.draw(st.integers(0, n - s), label="shape") for n, s in zip(whole, start))
    draw = DRAWS[data.draw(st.sampled_from(sorted(DRAWS)))]
    dtype = data.draw(st.sampled_from(DTYPES))
    order = data.draw(st.permutations(range(len(shape))))
    full = draw(whole, rng=KEY, dtype=dtype)
    block = full[tuple(slice(s, s + n) for s, n in zip(start, shape))]
    out = np.empty([shape[a] for a in order], full.dtype).transpose(np.argsort(order))
    got = draw(shape, rng=KEY, dtype=dtype, global_shape=whole, start=start, out=out)
    assert got is out
    np.testing.assert_array_equal(raw(got), raw(block))


@pytest.mark.parametrize("dtype", DTYPES)
def test_strides_of_out(dtype):
    want = icr.normal((37, 5, 67), rng=KEY, dtype=dtype)
    for base, view in ((np.zeros((74, 5, 67), want.dtype), np.s_[::2]),
                       (np.zeros((37, 5, 201), want.dtype), np.s_[..., ::3]),
                       (np.zeros((37, 5, 67), want.dtype), np.s_[::-1, :, ::-1])):
        out = base[view]
        icr.normal((37, 5, 67), rng=KEY, dtype=dtype, out=out)
        np.testing.assert_array_equal(raw(out), raw(want))
        rest = base.copy()
        rest[view] = 0
        assert not raw(rest).any()               # nothing written between
    fortran = icr.normal((37, 5, 67), rng=KEY, dtype=dtype, out=np.empty((37, 5, 67), want.dtype, order="F"))
    np.testing.assert_array_equal(raw(fortran), raw(want))


@pytest.mark.parametrize("draw", DRAWS)
def test_threads_change_nothing(draw):
    shape = (611, 701)
    one = DRAWS[draw](shape, rng=KEY)
    for threads in (2, 3, 7):
        np.testing.assert_array_equal(DRAWS[draw](shape, rng=KEY, threads=threads), one)
        out = np.empty(shape, np.float32, order="F")
        np.testing.assert_array_equal(DRAWS[draw](shape, rng=KEY, threads=threads, out=out), one)
    np.testing.assert_array_equal(icr.bits(300_001, rng=KEY, start=3, threads=2), icr.bits(300_001, rng=KEY, start=3))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("whole", "start"), [((2**33,), (2**32 - 7,)), ((2**31, 2**33), (2**31 - 1, 2**33 - 200)),
                                              ((2**40, 64), (2**38 + 1, 5)), ((2**62, 3), (2**60 - 2, 0))])
def test_beyond_2_to_32(dtype, whole, start):
    shape = (200,) if len(whole) == 1 else (1, 200) if whole[1] > 200 else (70, min(whole[1] - start[1], 50))
    first = start[0] if len(whole) == 1 else start[0] * whole[1] + start[1]
    index = np.uint64(first) + np.arange(shape[-1], dtype=np.uint64)
    if len(whole) == 2:
        index = index + (np.arange(shape[0], dtype=np.uint64) * np.uint64(whole[1]))[:, None]
    got = icr.uniform(shape, rng=KEY, dtype=dtype, global_shape=whole, start=start)
    np.testing.assert_array_equal(got, twin.uniform_of(KEY.words, index.reshape(shape), dtype))


@pytest.mark.parametrize("draw", DRAWS)
def test_shapes_zero_and_scalar(draw):
    assert DRAWS[draw]((), rng=KEY).shape == ()
    assert float(DRAWS[draw]((), rng=KEY)) == float(DRAWS[draw](1, rng=KEY)[0])
    for shape in (0, (0,), (3, 0, 2), [0, 4]):
        assert DRAWS[draw](shape, rng=KEY).size == 0
    assert icr.bits((2, 0), rng=KEY).shape == (2, 0)
    assert DRAWS[draw]((0, 2), rng=KEY, global_shape=(5, 2), start=(5, 0)).shape == (0, 2)


SAME = """
import hashlib, numpy as np
from initcore import random as r
key, h = r.Key(5), hashlib.sha256()
h.update(r.bits(70001, rng=key, start=2**34 - 35000))
for dtype in ("float16", "bfloat16", "float32", "float64"):
    for call in (lambda **k: r.uniform(50001, low=-.1, high=.2, **k),
                 lambda **k: r.normal(200001, mean=.1, std=.3, **k),
                 lambda **k: r.truncated_normal(50001, std=.02, **k),
                 lambda **k: r.truncated_normal(9001, lower=1, upper=9, **k),
                 lambda **k: r.truncated_normal(9001, lower=5.5, upper=1e6, **k),
                 lambda **k: r.truncated_normal(9001, lower=-38, upper=-37, **k),
                 lambda **k: r.truncated_normal(901, lower=1e6, upper=float("inf"), **k),
                 lambda **k: r.truncated_normal(901, lower=1, upper=1.001, **k)):
        h.update(np.ascontiguousarray(call(rng=key, dtype=dtype)).view(np.uint8))
print(h.hexdigest())
"""


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("draw", DRAWS)
def test_a_view_by_strides_is_that_view_of_the_whole(draw, dtype):
    whole = DRAWS[draw]((7, 6, 10), rng=KEY, dtype=dtype)
    numbers = np.arange(420, dtype=np.int64).reshape(7, 6, 10)
    for cut in (np.s_[:], np.s_[2:, 1::2], np.s_[3], np.s_[:, 4, 2:9:3], np.s_[1:1]):
        view = numbers[cut].transpose()
        strides = tuple(s // 8 for s in view.strides)
        first = int(view.flat[0]) if view.size else 0
        buffer = np.empty((*view.shape, 2), whole.dtype)[..., 0]      # a target with strides of its own
        got = DRAWS[draw](view.shape, rng=KEY, dtype=dtype, start=first, strides=strides, out=buffer)
        assert got is buffer
        np.testing.assert_array_equal(raw(got), raw(whole[cut].transpose()))


def test_a_view_in_two_threads_and_with_equal_numbers():
    whole = icr.normal((512, 600), rng=KEY)
    got = icr.normal((600, 512), rng=KEY, start=0, strides=(1, 600), threads=2)
    np.testing.assert_array_equal(raw(got), raw(whole.T))
    same = icr.normal((3, 4), rng=KEY, start=5, strides=(0, 0))        # one number, twelve times
    assert (same == whole[0, 5]).all()
    far = icr.normal((1, 2), rng=KEY, start=(1 << 64) - 2, strides=(1 << 70, 1))
    assert np.isfinite(far).all()


def test_same_bits_on_every_variant(run_on, isa):
    assert run_on(isa, SAME) == run_on("base", SAME)


# ---- Statistics, light (tools/random_statistics.py does 10^8) --------------------------------------------------

def test_statistics_light():
    n = 1 << 20
    z = icr.normal(n, rng=KEY, dtype="float64")
    assert stats.kstest(z, "norm").pvalue > 1e-4
    for power, mean in zip(range(1, 7), (0, 1, 0, 3, 0, 15)):
        second = float(special.factorial2(2 * power - 1))
        assert abs((z**power).mean() - mean) < 5 * np.sqrt((second - mean**2) / n)
    other = icr.normal(n, rng=KEY.child(0), dtype="float64")
    assert abs((z * other).mean()) < 5 / np.sqrt(n)
    for lag in (1, 2, 3, 4, 8, 64, 1024):
        assert abs((z[lag:] * z[:-lag]).mean()) < 5 / np.sqrt(n)
    u = icr.uniform(n, rng=KEY)
    assert stats.chisquare(np.bincount((u * 256).astype(int), minlength=256)).pvalue > 1e-4
