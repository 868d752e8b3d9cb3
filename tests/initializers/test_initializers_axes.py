"""Axes by number, batches of independent arrays, multipliers: fans, and every initialiser slice by slice."""

import math

import numpy as np
import pytest

import initcore as ic
from initcore import errors
from initcore import initializers as init
from initcore.fans import fan, fans

NEEDED = {"constant": {"value": 0.3}, "sparse": {"sparsity": 0.5, "std": 1.0}, "wang_init": {"n_layers": 3}}
KEY = ic.Key(11)


def test_fans_of_axes_by_number():
    assert fans((512, 8, 64), in_axis=0, out_axis=(1, 2)) == (512, 512, 1)              # query, key, value
    assert fans((8, 64, 512), in_axis=(0, 1), out_axis=-1) == (512, 512, 1)             # output projection
    assert fans((3, 5, 16, 32), in_axis=-2, out_axis=-1) == (240, 480, 15)              # as "hwio"
    assert fans((4, 3, 16, 32), in_axis=-2, out_axis=-1, batch_axis=0) == (48, 96, 3)
    assert fans((2, 3, 2, 2, 6, 8, 7), in_axis=4, out_axis=5, batch_axis=(0, 6)) == (72, 96, 12)
    assert fans((9,), in_axis=(), out_axis=0) == (1, 9, 1)


def test_fans_of_batches_and_multipliers():
    assert fans((6, 10, 20), layout="bio") == fans((6, 10, 20), batch_axis=0) == (10, 20, 1)
    assert fans((10, 20, 6), layout="oib") == (20, 10, 1)
    assert fans((6, 10, 20, 3), layout="oiw", batch_axis=0) == fans((6, 10, 20, 3), layout="boiw") == (60, 30, 3)
    assert fans((3, 3, 64, 2), layout="hwim") == (9, 18, 9)                             # Keras DepthwiseConv2D
    assert fans((3, 64, 2), layout="wim") == fans((3, 1, 128), layout="wio", groups=64) == (3, 6, 3)
    assert fans((4, 2, 3, 5, 6, 8), layout="tdhwio") == (720, 960, 120)
    assert fans((7, 4, 2, 3, 5, 6, 8), layout="btdhwio").receptive_field == 120
    assert fans((6, 8, 12), layout="bio", groups=2) == (8, 6, 1)                        # 12 outputs in two groups
    assert fan((4, 16), 2.5) == 2.5


@pytest.mark.parametrize("call, kind, words", [
    (lambda: fans((3, 4, 5), in_axis=0), errors.ArgumentError, "in_axis= needs out_axis="),
    (lambda: fans((3, 4, 5), out_axis=0), errors.ArgumentError, "out_axis= needs in_axis="),
    (lambda: fans((3, 4, 5), in_axis=0, out_axis=-3), errors.ArgumentError, "axis 0 .* named twice"),
    (lambda: fans((3, 4, 5), in_axis=(0, 0), out_axis=1), errors.ArgumentError, "in_axis=.* names an axis twice"),
    (lambda: fans((3, 4, 5), in_axis=0, out_axis=3), errors.ShapeError, "out_axis=3 is no axis"),
    (lambda: fans((3, 4, 5), in_axis=0, out_axis="1"), errors.ArgumentTypeError, "out_axis"),
    (lambda: fans((3, 4, 5), in_axis=0, out_axis=1.0), errors.ArgumentTypeError, "out_axis"),
    (lambda: fans((3, 4), layout="io", in_axis=0, out_axis=1), errors.ArgumentError, "which axis is which"),
    (lambda: fans((3, 4), in_axis=0, out_axis=1, groups=2), errors.ArgumentError, "groups=2"),
    (lambda: fans((3, 4, 5, 6), batch_axis=0), errors.ShapeError, "'wio'.*'bio'"),
    (lambda: fans((3, 4, 5), layout="oiw", batch_axis=0), errors.ShapeError, "beside batch_axis"),
    (lambda: fans((3, 4), batch_axis=0), errors.ShapeError, "dimension"),
    (lambda: fans((3, 3, 8, 2), layout="hwim", groups=2), errors.ShapeError, "group of its own"),
    (lambda: fans((3, 4, 5), layout="iom"), errors.UnknownNameError, "layout"),
    (lambda: fans((3, 4, 5), layout="bbo"), errors.UnknownNameError, "layout"),
    (lambda: fans((2,) * 6), errors.ShapeError, "in_axis= and out_axis="),
])
def test_errors(call, kind, words):
    with pytest.raises(kind, match=words):
        call()


VARIANCES = {"glorot_normal": lambda i, o: 2 / (i + o), "glorot_uniform": lambda i, o: 2 / (i + o),
             "he_normal": lambda i, o: 2 / i, "he_uniform": lambda i, o: 2 / i, "lecun_normal": lambda i, o: 1 / i,
             "lecun_uniform": lambda i, o: 1 / i, "variance_scaling": lambda i, o: 1 / i,
             "torch_default": lambda i, o: 1 / (3 * i), "mup_std": lambda i, o: 1 / i,
             "small_init": lambda i, o: 2 / (5 * i)}


@pytest.mark.parametrize("name", VARIANCES)
def test_variances(name):
    for shape, which, i, o in [((48, 6, 80), {"in_axis": 0, "out_axis": (1, 2)}, 48, 480),
                               ((7, 96, 40), {"layout": "bio"}, 96, 40), ((7, 40, 96), {"layout": "boi"}, 96, 40),
                               ((7, 96, 40), {"batch_axis": 0}, 96, 40), ((5, 5, 300, 4), {"layout": "hwim"}, 25, 100)]:
        w = init.get(name)(shape, rng=KEY, dtype="float64", **which)
        assert w.var() == pytest.approx(VARIANCES[name](i, o), rel=0.05)


@pytest.mark.parametrize("name", ["glorot_uniform", "glorot_normal", "lecun_uniform", "lecun_normal", "he_normal",
                                  "he_uniform", "variance_scaling"])
@pytest.mark.parametrize("mode", ["fan_in", "fan_out", "fan_avg", "fan_geo_avg", 12, 12.5])
def test_every_mode(name, mode):
    w = init.get(name)((300, 100), mode=mode, rng=KEY)
    gain2 = 2 if name.startswith("he") else 1
    assert float(w.var()) == pytest.approx(gain2 / fan((300, 100), mode), rel=0.05)


@pytest.mark.parametrize("which", [{"layout": "bio"}, {"batch_axis": 0}, {"batch_axis": -3},
                                   {"in_axis": 1, "out_axis": 2, "batch_axis": [0]}])
@pytest.mark.parametrize("gain", [1.0, 3.0])
def test_orthogonal_slice_by_slice(which, gain):
    w = init.orthogonal((5, 12, 8), rng=KEY, gain=gain, dtype="float64", **which)
    for q in w:
        assert abs(q.T @ q - gain ** 2 * np.eye(8)).max() < 1e-13 * gain ** 2
    assert np.linalg.matrix_rank(w.reshape(5, -1)) == 5                     # no slice is another
    assert np.array_equal(w, init.orthogonal((5, 12, 8), rng=KEY, gain=gain, dtype="float64", layout="bio"))
    assert np.array_equal(init.orthogonal((2, 3, 8), rng=KEY, gain=gain, dtype="float64", global_shape=(5, 12, 8),
                                          start=(2, 4, 0), **which), w[2:4, 4:7])
    assert np.array_equal(init.orthogonal((1, 12, 8), layout="bio", rng=KEY)[0], init.orthogonal((12, 8), rng=KEY))


def test_orthogonal_attention_and_depthwise():
    w = init.orthogonal((24, 3, 4), in_axis=0, out_axis=(1, 2), rng=KEY, dtype="float64").reshape(24, 12)
    assert abs(w.T @ w - np.eye(12)).max() < 1e-13
    w = init.orthogonal((3, 3, 5, 2), layout="hwim", rng=KEY, dtype="float64")
    for c in range(5):
        q = w[:, :, c].reshape(9, 2)
        assert abs(q.T @ q - np.eye(2)).max() < 1e-13
    w = init.spectral((6, 30, 20), layout="bio", rng=KEY, dtype="float64")
    np.testing.assert_allclose(np.linalg.norm(w, 2, axis=(1, 2)), math.sqrt(20 / 30), rtol=1e-12)
    w = init.delta_orthogonal((2, 3, 3, 4, 6), layout="bhwio", rng=KEY, dtype="float64")
    assert np.count_nonzero(w) == 2 * 24
    for q in w[:, 1, 1]:
        assert abs(q @ q.T - np.eye(4)).max() < 1e-13
    grouped = init.orthogonal((2, 8, 3), layout="boi", groups=2, rng=KEY, dtype="float64")
    for part in grouped.reshape(4, 4, 3):
        assert abs(part.T @ part - np.eye(3)).max() < 1e-13


def test_patterns_slice_by_slice():
    assert np.array_equal(init.eye((3, 4, 5), batch_axis=0), np.broadcast_to(np.eye(4, 5), (3, 4, 5)))
    assert np.array_equal(init.eye((4, 5, 3), layout="oib")[..., 1], np.eye(4, 5))
    with pytest.raises(errors.ShapeError, match="two dimensions"):
        init.eye((3, 4, 5), layout="wio")
    one = init.dirac((4, 4, 3), layout="oiw")
    assert np.array_equal(init.dirac((2, 4, 4, 3), layout="boiw"), np.stack([one, one]))
    grouped = init.dirac((8, 2, 3), 4, layout="oiw")
    assert np.array_equal(init.dirac((8, 2, 3, 5), 4, layout="oiw", batch_axis=3)[..., 2], grouped)
    with pytest.raises(errors.ShapeError, match="one input axis"):
        init.dirac((4, 2, 2), in_axis=0, out_axis=(1, 2))


@pytest.mark.parametrize("shape, which, order, n", [
    ((3, 20, 7), {"layout": "bio"}, (0, 2, 1), 20), ((20, 3, 7), {"in_axis": 0, "out_axis": (1, 2)}, (1, 2, 0), 20),
    ((4, 5, 7, 3), {"in_axis": (0, 1), "out_axis": 2, "batch_axis": 3}, (3, 2, 0, 1), 20),
    ((5, 3, 6, 2), {"layout": "hwim"}, (2, 3, 0, 1), 15)])
def test_sparse_units_of_every_kind(shape, which, order, n):
    w = init.sparse(shape, 0.6, std=1.0, rng=KEY, **which)
    units = w.transpose(order).reshape(-1, n)
    assert (np.count_nonzero(units, axis=1) == n - math.ceil(0.6 * n)).all()
    assert len({tuple(u != 0) for u in units}) > 3                         # not one pattern for all
    box = tuple(slice(s // 3, s // 3 + max(1, s // 2)) for s in shape)
    part = init.sparse(w[box].shape, 0.6, std=1.0, rng=KEY, global_shape=shape, start=[b.start for b in box], **which)
    assert np.array_equal(part, w[box])


@pytest.mark.parametrize("name", [n for n in init.names if n not in ("eye", "embedding", "delta_orthogonal", "dirac")])
def test_axes_only_say_what_the_layout_says(name):
    make, kwargs = init.get(name), NEEDED.get(name, {})
    want = make((6, 8), rng=KEY, **kwargs)
    assert np.array_equal(make((6, 8), in_axis=0, out_axis=1, rng=KEY, **kwargs), want)
    assert np.array_equal(make((6, 8), in_axis=(-2,), out_axis=[1], batch_axis=(), rng=KEY, **kwargs), want)
    assert make((2, 3, 2, 3, 6, 8), layout="tdhwio", rng=KEY, **kwargs).shape == (2, 3, 2, 3, 6, 8)
    with pytest.raises(errors.ArgumentError, match="named twice"):
        make((6, 8), in_axis=0, out_axis=0, rng=KEY, **kwargs)


def test_the_signature_shows_the_common_arguments():
    import inspect
    for name in init.names:
        parameters = inspect.signature(init.get(name)).parameters
        assert {"layout", "in_axis", "out_axis", "batch_axis", "groups", "rng", "dtype", "out", "global_shape", "start",
                "threads"} <= set(parameters), name
        assert parameters["dtype"].default == "float32" and parameters["groups"].default == 1


def test_names_of_keras_and_pytorch():
    for name in ("GlorotUniform", "glorot_uniform", "xavier_uniform_", "XavierUniform"):
        assert init.get(name) is init.glorot_uniform
    for name, f in [("HeNormal", init.he_normal), ("LecunUniform", init.lecun_uniform), ("Identity", init.eye),
                    ("IdentityInitializer", init.eye), ("OrthogonalInitializer", init.orthogonal),
                    ("TruncatedNormal", init.trunc_normal), ("Zeros", init.zeros), ("trunc_normal_", init.trunc_normal),
                    ("VarianceScaling", init.variance_scaling), ("kaiming_normal_", init.he_normal)]:
        assert init.get(name) is f
    std = float(init.get("random_normal")((200, 200), rng=0).std())
    low, high = (float(f(init.get("RandomUniform")((200, 200), rng=0))) for f in (np.min, np.max))
    assert std == pytest.approx(0.05, rel=0.02) and low == pytest.approx(-0.05, rel=0.01) == -high
    with pytest.raises(errors.UnknownNameError, match="did you mean 'he_normal'"):
        init.get("he_norml")


@pytest.mark.parametrize("name", init.names)
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_no_floating_point_setting_changes_anything(name, dtype):
    import inspect
    make, kwargs = init.get(name), {"rng": KEY, "dtype": dtype, **NEEDED.get(name, {})}
    shape = (12, 40)
    if name == "delta_orthogonal":
        shape, kwargs["layout"] = (3, 3, 8, 8), "hwio"
    if "gain" in inspect.signature(make).parameters:
        kwargs["gain"] = 1e-300 if dtype == "float64" else 1e-30           # weights among the denormals
    want = make(shape, **kwargs)
    with np.errstate(all="raise"):
        assert np.array_equal(make(shape, **kwargs), want)
