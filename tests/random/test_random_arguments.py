"""What random arrays are asked for: bad input leaves everything alone; bounds, dtypes and orders at the edge."""

import numpy as np
import pytest
from array_bits import raw

from initcore import errors
from initcore import random as icr
from initcore.random import Key, _targets

KEY = Key(7)


BAD = [
    (lambda o: icr.normal((4, 4), std=-1.0, rng=0, out=o), errors.ArgumentError, "std"),
    (lambda o: icr.normal((4, 4), std=float("nan"), rng=0, out=o), errors.ArgumentError, "std"),
    (lambda o: icr.normal((4, 4), std="1", rng=0, out=o), errors.ArgumentTypeError, "std"),
    (lambda o: icr.normal((4, 4), mean=float("inf"), rng=0, out=o), errors.ArgumentError, "mean"),
    (lambda o: icr.normal((4, 4), mean=1e39, rng=0, out=o), errors.ArgumentError, "float32"),
    (lambda o: icr.uniform((4, 4), low=2, high=1, rng=0, out=o), errors.ArgumentError, "low"),
    (lambda o: icr.uniform((4, 4), low=1.0, high=1 + 1e-12, rng=0, out=o), errors.ArgumentError, "float32"),
    (lambda o: icr.uniform((4, 4), low=-3e38, high=3e38, rng=0, out=o), errors.ArgumentError, "overflow"),
    (lambda o: icr.uniform((4, 4), high=float("nan"), rng=0, out=o), errors.ArgumentError, "high"),
    (lambda o: icr.truncated_normal((4, 4), lower=-np.inf, upper=-np.inf, rng=0, out=o), errors.ArgumentError, "lower"),
    (lambda o: icr.normal((4, 4), std=10 ** 400, rng=0, out=o), errors.ArgumentError, "std is beyond float64's range"),
    (lambda o: icr.normal((4, 4), mean=-(10 ** 6000), rng=0, out=o), errors.ArgumentError, "mean is beyond"),
    (lambda o: icr.normal((4, [4, 4]), rng=0, out=o), errors.ArgumentTypeError, r"shape\[1\]"),
    (lambda o: icr.normal((2 ** 64, 2 ** 64), rng=0), errors.ShapeError, "is no array's"),
    (lambda o: icr.normal((1,) * 80, rng=0), errors.ShapeError, "is no array's"),
    (lambda o: icr.normal((4, 4), rng=[[1, 2], [3]], out=o), errors.ArgumentTypeError, r"rng\[0\]"),
    (lambda o: icr.truncated_normal((4, 4), lower=float("nan"), rng=0, out=o), errors.ArgumentError, "lower"),
    (lambda o: icr.truncated_normal((4, 4), lower=1 + 1e-12, upper=1 + 2e-12, rng=0, out=o), errors.ArgumentError,
     "float32"),
    (lambda o: icr.normal((4, 4), rng=True, out=o), errors.ArgumentTypeError, "rng"),
    (lambda o: icr.normal((4, 4), rng=1.5, out=o), errors.ArgumentTypeError, "rng"),
    (lambda o: icr.normal((4, 4), rng=0, dtype="int32", out=o), errors.DTypeError, "int32"),
    (lambda o: icr.normal((4, 4), rng=0, dtype="float64", out=o), errors.DTypeError, "out"),
    (lambda o: icr.normal((4, 5), rng=0, out=o), errors.ShapeError, "out"),
    (lambda o: icr.normal((-1, 4), rng=0, out=o), errors.ShapeError, "negative"),
    (lambda o: icr.normal(-3, rng=0, out=o), errors.ShapeError, "negative"),
    (lambda o: icr.normal((4.0, 4), rng=0, out=o), errors.ArgumentTypeError, "shape"),
    (lambda o: icr.normal((4, 4), rng=0, out=o, threads=0), errors.ArgumentError, "threads"),
    (lambda o: icr.normal((4, 4), rng=0, out=o, start=(0, 0)), errors.ArgumentError, "global_shape"),
    (lambda o: icr.normal((4, 4), rng=0, out=o, global_shape=(4, 4), start=0, strides=(4, 1)), errors.ArgumentError,
     "not with global_shape"),
    (lambda o: icr.normal((4, 4), rng=0, out=o, start=(0, 0), strides=(4, 1)), errors.ArgumentTypeError, "start"),
    (lambda o: icr.normal((4, 4), rng=0, out=o, start=0, strides=(4,)), errors.ShapeError, "rank"),
    (lambda o: icr.normal((4, 4), rng=0, out=o, start=0, strides=(-4, 1)), errors.ShapeError, "negative"),
    (lambda o: icr.normal((4, 4), rng=0, out=o, start=2**64 - 8, strides=(4, 1)), errors.ArgumentError, "2\\*\\*64"),
    (lambda o: icr.normal((4, 4), rng=0, out=o, global_shape=(6, 6), start=(3, 0)), errors.ShapeError, "axis 0"),
    (lambda o: icr.normal((4, 4), rng=0, out=o, global_shape=(6, 6), start=(0, -1)), errors.ShapeError, "negative"),
    (lambda o: icr.normal((4, 4), rng=0, out=o, global_shape=(16,), start=(0,)), errors.ShapeError, "rank"),
    (lambda o: icr.normal((4, 4), rng=0, out=o, global_shape=(2**40, 2**40)), errors.ShapeError, "2\\*\\*64"),
    (lambda o: icr.normal((4, 4), rng=0, out=o.tolist()), errors.ArgumentTypeError, "out"),
    (lambda o: icr.normal((4, 4), rng=0, out=np.broadcast_to(o[:1], (4, 4))), errors.ArgumentError, "read-only"),
    (lambda o: icr.normal((4, 4), rng=0, out=np.lib.stride_tricks.as_strided(o, (4, 4), (0, 4))), errors.ArgumentError,
     "overlap"),
    (lambda o: icr.normal((4, 4), rng=0, out=np.lib.stride_tricks.as_strided(o, (4, 4), (4, 4))), errors.ArgumentError,
     "overlap"),
    (lambda o: icr.bits((4, 4), rng=0, out=o), errors.DTypeError, "out"),
]


@pytest.mark.parametrize("case", range(len(BAD)))
def test_bad_input_leaves_out_alone(case):
    call, error, match = BAD[case]
    out = np.full((4, 4), 7, np.float32)
    with pytest.raises(error, match=match):
        call(out)
    assert (out == 7).all()


def test_bad_start_of_bits():
    for start, error in ((-1, errors.ArgumentError), (2**64 - 3, errors.ArgumentError),
                         (1.0, errors.ArgumentTypeError)):
        with pytest.raises(error, match="start"):
            icr.bits(4, rng=0, start=start)


def test_bfloat16_without_ml_dtypes(monkeypatch):
    want = raw(icr.normal(99, rng=KEY, dtype="bfloat16"))
    monkeypatch.setitem(_targets._DTYPES, _targets.BF16, np.dtype(np.uint16))
    got = icr.normal(99, rng=KEY, dtype="bfloat16")
    assert got.dtype == np.uint16
    np.testing.assert_array_equal(got, want)
    out = np.zeros(99, np.uint16)
    assert icr.normal(99, rng=KEY, dtype="bfloat16", out=out) is out
    np.testing.assert_array_equal(out, want)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_equal_bounds_give_one_value(dtype):
    for a in (0.0, -1.25, 3.0):
        w = icr.uniform((3, 50), low=a, high=a, rng=KEY, dtype=dtype)
        assert w.dtype.name == dtype and (w.astype(np.float64) == a).all()
        w = icr.truncated_normal((3, 50), lower=a, upper=a, mean=2.0, std=0.5, rng=KEY, dtype=dtype)
        assert (w.astype(np.float64) == 2 + a / 2).all()
    near = icr.truncated_normal(9, lower=0.1, upper=0.1, rng=KEY, dtype=dtype)
    work = np.float64 if dtype == "float64" else np.float32
    np.testing.assert_array_equal(near, np.full(9, 0.1, work).astype(near.dtype))
    assert icr.truncated_normal(5, lower=2e5, upper=2e5, rng=KEY, dtype="float64").tolist() == [2e5] * 5


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_the_dtype_of_out_is_the_default(dtype):
    for draw in (icr.uniform, icr.normal, icr.truncated_normal):
        out = np.empty((5, 7), dtype)
        assert draw((5, 7), rng=KEY, out=out) is out
        np.testing.assert_array_equal(out, draw((5, 7), rng=KEY, dtype=dtype))
    with pytest.raises(errors.DTypeError, match="out has dtype int32"):
        icr.normal(3, rng=KEY, out=np.empty(3, np.int32))
    assert icr.normal(3, rng=KEY).dtype == np.float32


class Foreign:
    """A dtype as PyTorch's are: an object whose text is torch.float16."""

    def __str__(self):
        return "torch.float16"


def test_foreign_dtypes_and_scalars():
    Foreign.__name__ = "dtype"
    assert icr.normal(3, rng=KEY, dtype=Foreign()).dtype == np.float16
    assert icr.normal(3, rng=KEY, dtype="torch.float64").dtype == np.float64
    want = icr.normal((2, 3), mean=1.0, std=0.5, rng=KEY)
    zero_d = np.array(0.5)
    np.testing.assert_array_equal(icr.normal((np.array(2), 3), mean=np.array(1), std=zero_d, rng=KEY), want)
    for bad in (np.array([0.5]), np.array(True), np.array("1"), np.array(None)):
        with pytest.raises(errors.ArgumentTypeError, match="std must be a real number"):
            icr.normal(3, std=bad, rng=KEY)
    with pytest.raises(errors.DTypeError, match="dtype must be one of"):
        icr.normal(3, dtype="torch.int32")


def test_dtypes_and_scalars_of_torch():
    torch = pytest.importorskip("torch")
    for name in ("float16", "bfloat16", "float32", "float64"):
        got = icr.normal(torch.Size([2, 3]), std=torch.tensor(0.25, dtype=torch.float64), rng=KEY,
                         dtype=getattr(torch, name))
        assert raw(got).tobytes() == raw(icr.normal((2, 3), std=0.25, rng=KEY, dtype=name)).tobytes()
    with pytest.raises(errors.DTypeError):
        icr.normal(3, dtype=torch.int32)


def test_dtypes_and_scalars_of_jax():
    jnp = pytest.importorskip("jax.numpy")
    for name in ("float16", "bfloat16", "float32"):
        got = icr.normal((2, 3), std=jnp.float32(0.25), rng=KEY, dtype=getattr(jnp, name))
        assert raw(got).tobytes() == raw(icr.normal((2, 3), std=0.25, rng=KEY, dtype=name)).tobytes()


def test_a_list_of_seed_and_zero_is_the_seed_and_children_are_the_way_out():
    assert Key([7, 0]) == Key(7) == Key([7]) and Key([7, 1]) != Key(7)
    assert len({Key(7), Key(7).child(0), Key(7).child(1), Key(7).child("0")}) == 4


def test_no_floating_point_setting_changes_anything():
    want = icr.normal((3, 3), std=1e-44, rng=KEY), icr.uniform(9, low=1e-310, high=1e-45, rng=KEY, dtype="float64")
    with np.errstate(all="raise"):
        got = (icr.normal((3, 3), std=1e-44, rng=KEY),
               icr.uniform(9, low=1e-310, high=1e-45, rng=KEY, dtype="float64"))
        icr.truncated_normal(9, lower=1e-300, upper=2.0, std=1e-40, rng=KEY, dtype="float16")
    for a, b in zip(want, got):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("shape, order", [
    ((70, 300), (1, 0)), ((131, 1029), (1, 0)), ((33, 20, 3, 3), (0, 2, 3, 1)), ((40, 7, 5), (2, 1, 0)),
    ((9, 64, 31), (0, 2, 1)), ((3, 600, 2, 9), (3, 0, 2, 1)), ((5, 4, 700), (2, 0, 1)), ((2000, 3), (1, 0)),
    ((1, 90, 1, 40), (3, 2, 1, 0)),
    ((3, 3, 40, 37), (3, 2, 0, 1)), ((50, 3, 7, 7), (0, 2, 3, 1)), ((2, 70, 12, 11), (0, 2, 3, 1))])
def test_places_in_another_order_than_numbers(dtype, shape, order):
    """Transposed, channels-last and thinned arrays, whole and as blocks, in one piece and in several."""
    whole = icr.normal(shape, rng=KEY, dtype=dtype)
    block = tuple(max(1, n - 2) for n in shape)
    at = tuple((n - b) // 2 for n, b in zip(shape, block))
    part = icr.uniform(block, rng=KEY, dtype=dtype, global_shape=shape, start=at)
    strides = tuple(range(1, 2 * len(shape), 2))
    odd = icr.truncated_normal(shape, rng=KEY, dtype=dtype, start=5, strides=strides)
    for thin in (1, 2, -1):
        def places(size, thin=thin):
            held = np.full([size[k] * abs(thin) for k in order], 7, dtype)
            view = held[(..., slice(None, None, thin))] if abs(thin) == 1 else held[tuple(slice(None, None, thin)
                                                                                          for _ in order)]
            return held, view.transpose(np.argsort(order))
        for threads in (1, 3):
            for want, draw, kwargs in ((whole, icr.normal, {}), (odd, icr.truncated_normal, {"start": 5,
                                                                                             "strides": strides}),
                                       (part, icr.uniform, {"global_shape": shape, "start": at})):
                held, out = places(want.shape)
                draw(want.shape, rng=KEY, out=out, threads=threads, **kwargs)
                np.testing.assert_array_equal(out, want)
                assert (held == 7).sum() >= held.size - out.size           # nothing beside the places is touched
