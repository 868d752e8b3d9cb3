"""What holds for every initialiser alike: blocks, dtypes, out=, threads, bad input."""

import hashlib
import itertools
import math
import warnings

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import initcore as ic
from initcore import errors
from initcore import initializers as init

SHAPE, LAYOUT = (8, 6, 3, 5), "oihw"
NEEDED = {"constant": {"value": 0.3}, "sparse": {"sparsity": 0.6, "std": 1.0}, "wang_init": {"n_layers": 3},
          "embedding": {"padding_idx": 5}}
FLAT = ("eye", "embedding")                     # two dimensions only
RANDOM = [n for n in init.names if n not in ("zeros", "ones", "constant", "eye", "dirac")]


def call(name, shape=None, **kwargs):
    if name in FLAT:
        default, layout = (9, 7), None
    else:
        default, layout = SHAPE, LAYOUT
    kwargs = {**NEEDED.get(name, {}), "rng": 3, "layout": layout, **kwargs}
    return init.get(name)(default if shape is None else shape, **kwargs)


@pytest.mark.parametrize("name", init.names)
@pytest.mark.parametrize("groups", [1, 2])
@given(data=st.data())
@settings(max_examples=8, deadline=None)
def test_a_block_equals_the_block_of_the_whole(name, groups, data):
    kwargs = {} if name in FLAT else {"groups": groups}
    whole = call(name, **kwargs)
    start = tuple(data.draw(st.integers(0, n)) for n in whole.shape)
    size = tuple(data.draw(st.integers(0, n - a)) for n, a in zip(whole.shape, start))
    part = call(name, size, global_shape=whole.shape, start=start, **kwargs)
    assert part.shape == size
    assert part.tobytes() == whole[tuple(slice(a, a + n) for a, n in zip(start, size))].tobytes()


@pytest.mark.parametrize("name", init.names)
def test_any_split_makes_the_whole(name):
    whole = call(name, dtype="float64")
    made = np.full_like(whole, np.nan)
    edges = [(0, n // 3, n) for n in whole.shape]
    for box in itertools.product(*([(a, b) for a, b in itertools.pairwise(e)] for e in edges)):
        at = tuple(slice(a, b) for a, b in box)
        call(name, made[at].shape, dtype="float64", global_shape=whole.shape, start=[a for a, _ in box], out=made[at])
    assert made.tobytes() == whole.tobytes()


def test_a_block_of_an_array_no_memory_holds():
    far = 10 ** 9
    part = init.eye((4, 3), global_shape=(2 * far, 2 * far), start=(far, far + 1))
    assert np.array_equal(part, np.eye(4, 3, k=-1))
    assert not init.eye((4, 3), global_shape=(2 * far, far + 9), start=(far, 0)).any()
    kwargs = {"global_shape": (far, 2 * far), "rng": 0}
    wide = init.lecun_normal((3, 4), start=(5, far), **kwargs)
    assert np.array_equal(init.lecun_normal((2, 2), start=(6, far + 1), **kwargs), wide[1:, 1:3])
    rows = {"global_shape": (50, far), "rng": 0}
    assert np.array_equal(init.sparse((50, 2), 0.5, start=(0, far - 3), **rows)[7:9, 1:],
                          init.sparse((2, 1), 0.5, start=(7, far - 2), **rows))


@pytest.mark.parametrize("whole, start, shape", [
    ((2 ** 64,), (2 ** 64 - 2,), (2,)), ((2 ** 70, 0), (0, 0), (3, 0)), ((0, 2 ** 40, 2 ** 40), (0, 0, 0), (0, 3, 3))])
def test_a_global_array_beyond_64_bits_is_refused(whole, start, shape):
    with pytest.raises(errors.ShapeError, match="2\\*\\*64"):
        init.normal(shape, rng=0, global_shape=whole, start=start)


@pytest.mark.parametrize("layout", ["oi", "io", "iow", "dhwio", "iohw"])
@pytest.mark.parametrize("name", ["sparse", "dirac", "orthogonal"])
def test_blocks_in_other_layouts(name, layout):
    shape = tuple({"i": 8, "o": 6, "d": 2, "h": 3, "w": 4}[c] for c in layout)
    whole = call(name, shape, layout=layout, groups=2)
    start, size = [n // 3 for n in shape], [n - n // 3 - (n > 3) for n in shape]
    part = call(name, size, layout=layout, groups=2, global_shape=shape, start=start)
    assert np.array_equal(part, whole[tuple(slice(a, a + n) for a, n in zip(start, size))])


@pytest.mark.parametrize("name", init.names)
def test_dtypes(name):
    made = {d: call(name, dtype=d) for d in ("float16", "bfloat16", "float32", "float64")}
    assert [a.dtype for a in made.values()] == [np.float16, ml_dtypes.bfloat16, np.float32, np.float64]
    single = made["float32"]
    assert np.array_equal(made["float16"], single.astype(np.float16))
    assert np.array_equal(made["bfloat16"], single.astype(ml_dtypes.bfloat16))
    tolerance = 2e-4 if name in ("orthogonal", "delta_orthogonal", "spectral") else 5e-6
    assert np.allclose(made["float64"], single, rtol=1e-4, atol=tolerance * abs(single).max())
    assert np.array_equal(call(name, dtype=np.float64), made["float64"])
    bits = np.zeros(single.shape, np.uint16)
    assert call(name, dtype="bfloat16", out=bits) is bits
    assert np.array_equal(bits, made["bfloat16"].view(np.uint16))


def test_bfloat16_without_ml_dtypes(run_on):
    """The same bits, as uint16."""
    code = ("import sys; sys.modules['ml_dtypes'] = None\n"
            "from initcore import initializers as i\n"
            "for name, k in [('zeros', {}), ('constant', {'value': -0.3}), ('normal', {}), ('orthogonal', {}),\n"
            "                ('sparse', {'sparsity': 0.5}), ('embedding', {'padding_idx': 1}), ('eye', {})]:\n"
            "    w = i.get(name)((4, 3), rng=8, dtype='bfloat16', **k)\n"
            "    print(name, w.dtype, w.tobytes().hex())")
    for line in run_on(ic.kernels.isa, code).splitlines():
        name, dtype, bits = line.split()
        kwargs = {"constant": {"value": -0.3}, "sparse": {"sparsity": 0.5}, "embedding": {"padding_idx": 1}}
        assert dtype == "uint16"
        assert init.get(name)((4, 3), rng=8, dtype="bfloat16", **kwargs.get(name, {})).tobytes().hex() == bits, name


def test_bits_are_equal_on_every_variant(run_on, isa):
    products = ("orthogonal", "delta_orthogonal", "spectral")       # theirs differ in the last digits
    calls = [(name, (9, 7) if name in FLAT else SHAPE, None if name in FLAT else LAYOUT, NEEDED.get(name, {}), dtype)
             for name in init.names if name not in products for dtype in ("float16", "float32", "float64")]
    code = ("import hashlib; from initcore import initializers as i\n"
            f"for name, shape, layout, kwargs, dtype in {calls!r}:\n"
            "    w = i.get(name)(shape, layout=layout, rng=3, dtype=dtype, **kwargs)\n"
            "    print(name, dtype, hashlib.sha256(w.tobytes()).hexdigest())")
    there = [line.split() for line in run_on(isa, code).splitlines()]
    here = [[name, dtype, hashlib.sha256(call(name, dtype=dtype).tobytes()).hexdigest()]
            for name, _, _, _, dtype in calls]
    assert there == here


@pytest.mark.parametrize("name", init.names)
def test_out(name):
    want = call(name)
    for buffer in (np.full(want.shape, np.nan, np.float32), np.full(want.shape, np.nan, np.float32, order="F"),
                   np.full(tuple(2 * n for n in want.shape), np.nan, np.float32)[tuple(
                       slice(None, None, 2) for _ in want.shape)],
                   np.full(want.shape, np.nan, np.float32)[::-1]):
        assert call(name, out=buffer) is buffer
        assert np.array_equal(buffer, want)
    around = np.full((want.shape[0] + 2, *want.shape[1:]), 7, np.float32)
    call(name, out=around[1:-1])
    assert (around[0] == 7).all() and (around[-1] == 7).all()


BAD = [
    ({"dtype": "int32"}, errors.DTypeError), ({"dtype": "complex64"}, errors.DTypeError),
    ({"dtype": "nonsense"}, errors.DTypeError), ({"rng": True}, errors.ArgumentTypeError),
    ({"rng": 1.5}, errors.ArgumentTypeError), ({"start": (0, 0, 0, 0)}, errors.ArgumentError),
    ({"global_shape": (1, 1, 1, 1)}, errors.ShapeError), ({"global_shape": (99, 99, 99)}, errors.ShapeError),
    ({"global_shape": (99, 99, 99, 99), "start": (98, 0, 0, 0)}, errors.ShapeError),
    ({"layout": "io"}, errors.ShapeError), ({"layout": "xy"}, errors.UnknownNameError),
    ({"groups": 5}, errors.ShapeError), ({"groups": 0}, errors.ArgumentError),
    ({"threads": 0}, errors.ArgumentError), ({"out": [1.0]}, errors.ArgumentTypeError),
]


@pytest.mark.parametrize("name", [n for n in init.names if n not in FLAT])
def test_bad_common_arguments_leave_out_untouched(name):
    for kwargs, kind in BAD:
        out = np.full(SHAPE, 7, np.float32)
        with pytest.raises(kind):
            call(name, **{"out": out, **kwargs})
        assert (out == 7).all(), kwargs
    for out, kind in [(np.full(SHAPE, 7.0), errors.DTypeError), (np.full((8, 6, 3), 7, np.float32), errors.ShapeError),
                      (np.broadcast_to(np.full(1, 7, np.float32), SHAPE), errors.ArgumentError),
                      (np.lib.stride_tricks.as_strided(np.full(500, 7, np.float32), SHAPE, (4, 8, 4, 4)),
                       errors.ArgumentError)]:
        with pytest.raises(kind, match="out"):
            call(name, out=out, dtype="float32")
        assert (out == 7).all()
    locked = np.full(SHAPE, 7, np.float32)
    locked.flags.writeable = False
    with pytest.raises(errors.ArgumentError, match="read-only"):
        call(name, out=locked)
    for shape in ((3, -1), (2.0, 3), "34"):
        with pytest.raises((errors.ShapeError, errors.ArgumentTypeError)):
            call(name, shape, layout=None)


@pytest.mark.parametrize("wrong, kind, words", [
    (lambda: init.normal((3, 3), std=-1.0), errors.ArgumentError, "std"),
    (lambda: init.normal((3, 3), std=math.nan), errors.ArgumentError, "std must be finite"),
    (lambda: init.normal((3, 3), mean=math.inf), errors.ArgumentError, "mean must be finite"),
    (lambda: init.normal((3, 3), std="1"), errors.ArgumentTypeError, "std must be a real number"),
    (lambda: init.uniform((3, 3), low=2.0, high=1.0), errors.ArgumentError, "low"),
    (lambda: init.uniform((3, 3), low=math.nan), errors.ArgumentError, "low must be finite"),
    (lambda: init.trunc_normal((3,), lower=1, upper=1, std_of="result"), errors.ArgumentError, "lower"),
    (lambda: init.trunc_normal((3,), lower=math.inf, upper=math.inf), errors.ArgumentError, "lower"),
    (lambda: init.trunc_normal((3,), lower=math.nan), errors.ArgumentError, "lower"),
    (lambda: init.trunc_normal((3,), std=-0.1), errors.ArgumentError, "std"),
    (lambda: init.trunc_normal((3,), std_of="child"), errors.ArgumentError, "std_of='child'"),
    (lambda: init.constant((3,), math.nan), errors.ArgumentError, "value must be finite"),
    (lambda: init.constant((3,), 1e6, dtype="float16"), errors.ArgumentError, "infinite in float16"),
    (lambda: init.constant((3,), 1e39), errors.ArgumentError, "infinite in float32"),
    (lambda: init.constant((3,), "x"), errors.ArgumentTypeError, "value"),
    (lambda: init.he_normal((3, 3), lay_out="io"), errors.ArgumentTypeError, "did you mean layout="),
    (lambda: init.he_normal((3, 3), gain=-1), errors.ArgumentError, "gain"),
    (lambda: init.he_normal((3, 3), gain=math.nan), errors.ArgumentError, "gain must be finite"),
    (lambda: init.he_normal((3, 3), gain="rleu"), errors.UnknownNameError, "did you mean 'relu'"),
    (lambda: init.he_normal((3, 3), gain=True), errors.ArgumentTypeError, "gain"),
    (lambda: init.he_normal((3, 3), truncate=0), errors.ArgumentError, "truncate"),
    (lambda: init.he_normal((3, 3), truncate=-2), errors.ArgumentError, "truncate"),
    (lambda: init.he_normal((3, 3), mode="fan"), errors.UnknownNameError, "mode"),
    (lambda: init.he_normal((3,)), errors.ShapeError, "bias"),
    (lambda: init.he_normal((3, 3, 3)), errors.ShapeError, "layout='oiw'"),
    (lambda: init.variance_scaling((3, 3), scale=-1.0), errors.ArgumentError, "scale"),
    (lambda: init.variance_scaling((3, 3), distribution="gauss"), errors.UnknownNameError, "distribution"),
    (lambda: init.variance_scaling((3, 3), distribution="uniform", truncate=2), errors.ArgumentTypeError, "truncate"),
    (lambda: init.torch_default((3,)), errors.ShapeError, "fan_in="),
    (lambda: init.torch_default((3,), fan_in=0), errors.ArgumentError, "fan_in must be at least 1"),
    (lambda: init.eye((3, 3, 3)), errors.ShapeError, "dirac"),
    (lambda: init.dirac((3,)), errors.ShapeError, "dimension"),
    (lambda: init.sparse((3, 3), 1.5), errors.ArgumentError, "sparsity"),
    (lambda: init.sparse((3, 3), 0.5, std=-1), errors.ArgumentError, "std"),
    (lambda: init.embedding((3, 3, 3)), errors.ShapeError, "vocabulary"),
    (lambda: init.embedding((3, 4), padding_idx=3), errors.ArgumentError, "outside the table of 3 rows"),
    (lambda: init.orthogonal((3,)), errors.ShapeError, "dimension"),
    (lambda: init.orthogonal((3, 3, 3)), errors.ShapeError, "layout"),
    (lambda: init.delta_orthogonal((3, 3)), errors.ShapeError, "use orthogonal"),
    (lambda: init.small_init((3, 3), dim=0), errors.ArgumentError, "dim"),
    (lambda: init.wang_init((3, 3), 0), errors.ArgumentError, "n_layers"),
    (lambda: init.siren((3, 3), omega=0.0), errors.ArgumentError, "omega"),
    (lambda: init.mup_std((3, 3), role="hiden"), errors.UnknownNameError, "did you mean 'hidden'"),
    (lambda: init.mup_std((3, 3), base_fan_in=0), errors.ArgumentError, "base_fan_in"),
    (lambda: init.siren((3, 3), first="yes"), errors.ArgumentTypeError, "first must be True"),
    (lambda: init.he_normal((3, 3), std_of="x"), errors.ArgumentError, "std_of='x'"),
    (lambda: init.variance_scaling((3, 3), distribution="uniform", std_of="x"), errors.ArgumentError, "std_of='x'"),
    (lambda: init.normal(3, dtype=None), errors.DTypeError, "got None"),
    (lambda: init.normal(3, dtype=">f4"), errors.DTypeError, "got '>f4'"),
    (lambda: init.normal(3, dtype="float16", out=np.zeros(3, np.uint16)), errors.DTypeError, "pass another out"),
])
def test_bad_values(wrong, kind, words):
    with pytest.raises(kind, match=words):
        wrong()


@pytest.mark.parametrize("name", init.names)
@pytest.mark.parametrize("rng", [True, np.True_, 1.0, np.float64(1), "a", -1, [1.5]])
def test_a_wrong_rng_is_refused_even_where_nothing_is_drawn(name, rng):
    out = np.full((9, 7) if name in FLAT else SHAPE, 7, np.float32)
    with pytest.raises((errors.ArgumentTypeError, errors.ArgumentError), match="rng"):
        call(name, rng=rng, out=out)
    assert (out == 7).all()


@pytest.mark.parametrize("name", ["zeros", "ones", "constant", "eye", "dirac"])
def test_a_generator_is_not_advanced_where_nothing_is_drawn(name):
    rng = np.random.default_rng(5)
    before = rng.bit_generator.state
    call(name, rng=rng)
    assert rng.bit_generator.state == before


def test_bad_values_leave_out_untouched():
    out = np.full((4, 4), 7, np.float32)
    for bad in (lambda: init.he_normal((4, 4), out=out, gain=-1), lambda: init.sparse((4, 4), 2.0, out=out),
                lambda: init.embedding((4, 4), out=out, padding_idx=9), lambda: init.uniform((4, 4), out=out, low=3),
                lambda: init.orthogonal((4, 4), out=out, gain="x"), lambda: init.constant((4, 4), 1e40, out=out),
                lambda: init.mup_std((4, 4), out=out, role="x"), lambda: init.trunc_normal((4, 4), out=out, lower=3)):
        with pytest.raises(errors.InitcoreError):
            bad()
        assert (out == 7).all()


def test_a_truncation_that_truncates_nothing_warns():
    with pytest.warns(errors.InitcoreWarning, match=r"truncate nothing.*torch.*lower=-2, upper=2"):
        init.trunc_normal((3,), std=0.02, lower=-100, upper=100)
    for call_it in (lambda: init.he_normal((3, 3), truncate=20), lambda: init.trunc_normal((3,), lower=-9, upper=9)):
        with pytest.warns(errors.InitcoreWarning, match="truncate nothing") as caught:
            call_it()
        assert [w.filename for w in caught] == [__file__]
    with pytest.warns(errors.InitcoreWarning, match=r"absolute values for std=0.02.*lower=-2, upper=2"):
        init.trunc_normal((3,), std=0.02, lower=-0.04, upper=0.04)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for bounds in ((-2, 2), (-math.inf, 2), (-1, 50), (5, math.inf), (0.5, 0.6), (-0.04, 0.04), (-6, 6)):
            init.trunc_normal((3,), lower=bounds[0], upper=bounds[1])
        init.trunc_normal((3,), lower=-7, upper=7, dtype="float64")
        init.trunc_normal((3,), std=0.02)
        init.he_normal((3, 3), truncate=3)


@pytest.mark.parametrize("name", RANDOM)
def test_keys_threads_and_global_state(name):
    before = np.random.get_state()[1].tolist()      # noqa: NPY002 (that it is left alone is the test)
    a, b = call(name, rng=ic.Key(1)), call(name, rng=ic.Key(2))
    assert not np.array_equal(a, b)
    assert np.array_equal(call(name, rng=ic.Key(1), threads=2), a)
    one, two = np.random.default_rng(0), np.random.default_rng(0)
    first = call(name, rng=one)
    assert np.array_equal(first, call(name, rng=two)) and not np.array_equal(first, call(name, rng=one))
    assert not np.array_equal(call(name, rng=None), call(name, rng=None))
    assert np.random.get_state()[1].tolist() == before      # noqa: NPY002


@pytest.mark.parametrize("name", [n for n in init.names if n not in FLAT])
def test_empty_arrays(name):
    shape = (0, 6, 3, 5)                                        # no units: fan_in is 90, fan_out 0
    assert call(name, shape).shape == shape
    assert call(name, (8, 0, 3, 5)).shape == (8, 0, 3, 5)       # no inputs
    with pytest.raises(errors.InitcoreError):                   # what is wrong is wrong for an empty array too
        call(name, shape, layout="oiw")


def test_empty_tables():
    assert init.eye((0, 3)).shape == (0, 3)
    assert init.embedding((0, 3), rng=0).shape == (0, 3)
