"""Arrays as nobody lays them out: the answer is a plain copy's, or an error of the package; inputs stay as they are."""

import inspect

import numpy as np
import pytest

import initcore as ic
from initcore import kernels, saturation, symmetry
from initcore.errors import InitcoreError


def misaligned(a):
    raw = np.empty(a.nbytes + 1, np.uint8)
    out = raw[1:].view(a.dtype).reshape(a.shape)
    out[...] = a
    return out


def mapped(a, folder):
    np.save(folder / "a.npy", a)
    return np.load(folder / "a.npy", mmap_mode="r")


def read_only(a):
    out = a.copy()
    out.flags.writeable = False
    return out


def spread_out(a):
    big = np.full(tuple(3 * n for n in a.shape), np.nan, a.dtype)
    out = big[tuple(slice(1, None, 3) for _ in a.shape)]
    out[...] = a
    return out


class Named(np.ndarray):
    """A subclass that does something else when it is used."""

    def __array_ufunc__(self, *args, **kwargs):
        raise AssertionError("a foreign operation was called")


LAYOUTS = {
    "misaligned": lambda a, _: misaligned(a),
    "misaligned and reversed": lambda a, _: misaligned(a[::-1])[::-1],
    "reversed": lambda a, _: a[tuple(slice(None, None, -1) for _ in a.shape)].copy()[
        tuple(slice(None, None, -1) for _ in a.shape)],
    "column by column": lambda a, _: np.asfortranarray(a),
    "every third": lambda a, _: spread_out(a),
    "read-only": lambda a, _: read_only(a),
    "mapped": mapped,
    "foreign byte order": lambda a, _: a.astype(a.dtype.newbyteorder()),
    "subclass": lambda a, _: a.view(Named),
}
RNG = np.random.default_rng(17)
X, W, B, DY = (RNG.standard_normal(s) for s in ((9, 6), (6, 5), (5,), (9, 5)))
T = RNG.uniform(0, 1, (9, 5))
A = np.tanh(X @ W + B)


def net(w, b):
    return ic.Network([ic.Dense(w, b, "tanh"), ic.Dense(np.eye(5, 3, dtype=w.dtype), None)])


CALLS = {
    "matmul": (lambda a, b: kernels.matmul(a, b), (X, W)),
    "dense_forward": (lambda x, w, b: kernels.dense_forward(x, w, b, "tanh"), (X, W, B)),
    "dense_backward": (lambda x, w, b, d: kernels.dense_backward(x, w, b, "gelu", d), (X, W, B, DY)),
    "activation_forward": (lambda z: kernels.activation_forward("mish", z), (X,)),
    "activation_backward": (lambda z, d: kernels.activation_backward("silu", z, d), (A, DY)),
    "mse": (lambda p, t: kernels.loss("mse", p, t), (DY, T)),
    "softmax": (lambda p, t: kernels.loss("softmax_cross_entropy", p, t), (DY, T)),
    "binary": (lambda p, t: kernels.loss("binary_cross_entropy", p, t), (DY, T)),
    "signals": (lambda z, a: kernels.signals("tanh", z, a), (DY, np.tanh(DY))),
    "network": (lambda w, b, x: net(w, b).forward(x), (W, B, X)),
    "gradients": (lambda w, b, x, y: net(w, b).gradients(x, y, loss="mse"), (W, B, X, T[:, :3].copy())),
    "proof": (lambda w, b: [la.labels for la in symmetry.analyze(net(w, b)).layers], (W, B)),
    "predict": (lambda w, b, x: saturation.predict(net(w, b), x).layers[0].unit_q, (W, B, X)),
    "moments": (lambda w, b, m, v: saturation.predict(net(w, b), mean=m, variance=v).layers[0].unit_q,
                (W, B, X[0].copy(), np.square(X[1]))),
    "measure": (lambda w, b, x: saturation.measure(net(w, b), x).layers[0].unit_q, (W, B, X)),
    "check": (lambda w, b, x, y: ic.check(net(w, b), x, y, loss="mse").to_json(), (W, B, X, T[:, :3].copy())),
}


def flat(result):
    """Everything in a result, as bytes and plain values."""
    if isinstance(result, np.ndarray):
        return np.asarray(result).tobytes()
    if isinstance(result, dict):
        return {k: flat(v) for k, v in result.items()}
    return [flat(v) for v in result] if isinstance(result, (list, tuple)) else result


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", CALLS)
def test_layouts_change_nothing(name, layout, dtype, tmp_path):
    call, arguments = CALLS[name]
    plain = [a.astype(dtype) for a in arguments]
    want = flat(call(*plain))
    for i in range(len(plain)):
        odd = LAYOUTS[layout](plain[i], tmp_path)
        before = odd.tobytes()
        given = [odd if k == i else a for k, a in enumerate(plain)]
        try:
            got = flat(call(*given))
        except InitcoreError as e:
            assert layout in ("foreign byte order", "subclass") and str(e), (name, i, e)
        else:
            assert got == want, (name, i)
        assert odd.tobytes() == before


@pytest.mark.parametrize("layout", [k for k in LAYOUTS if k not in ("read-only", "mapped")])
@pytest.mark.parametrize("make", [
    lambda out: ic.random.normal(out.shape, rng=3, dtype="float64", out=out),
    lambda out: ic.random.uniform(out.shape, rng=3, dtype="float64", out=out),
    lambda out: ic.init.orthogonal(out.shape, rng=3, dtype="float64", out=out),
    lambda out: kernels.matmul(np.ones((9, 2)), np.ones((2, 6)), out=out),
    lambda out: kernels.activation_forward("erf", X, out=out),
], ids=["normal", "uniform", "orthogonal", "matmul", "activation"])
def test_out_takes_the_whole_answer_or_nothing(make, layout, tmp_path):
    """``out=`` in any layout holds what a plain array would; where it is refused nothing of it is touched."""
    want = np.empty((9, 6))
    make(want)
    out = LAYOUTS[layout](np.full((9, 6), 7.0), tmp_path)
    try:
        make(out)
    except InitcoreError:
        assert (np.asarray(out) == 7).all()
    else:
        assert np.array_equal(np.asarray(out), want)


NEEDED = {"constant": {"value": 0.25}, "sparse": {"sparsity": 0.5}, "wang_init": {"n_layers": 4},
          "delta_orthogonal": {"layout": "oiw"}}
WRITERS = [name for name in ic.init.__all__ if callable(getattr(ic.init, name))
           and "out" in inspect.signature(getattr(ic.init, name)).parameters]


@pytest.mark.parametrize("name", WRITERS)
def test_every_initializer_fills_any_layout_or_refuses_it(name, tmp_path):
    init = getattr(ic.init, name)
    shape = (5, 4, 3) if name == "delta_orthogonal" else (9, 6)
    for dtype in ("float32", "float64"):
        want = init(shape, **NEEDED.get(name, {}), rng=5, dtype=dtype)
        for layout, made in LAYOUTS.items():
            if layout in ("read-only", "mapped"):
                continue
            out = made(np.full(shape, 7, dtype), tmp_path)
            around = out.base.tobytes() if layout == "every third" else b""
            try:
                given = init(shape, **NEEDED.get(name, {}), rng=5, dtype=dtype, out=out)
            except InitcoreError:
                assert (np.asarray(out) == 7).all(), layout
                assert not around or out.base.tobytes() == around
            else:
                assert given is out and np.asarray(out).tobytes() == want.tobytes(), layout
                assert not around or np.isnan(out.base[::3]).all()


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("layout", ["read-only", "mapped"])
def test_no_initializer_writes_what_may_not_be_written(name, layout, tmp_path):
    shape = (5, 4, 3) if name == "delta_orthogonal" else (9, 6)
    out = LAYOUTS[layout](np.full(shape, 7.0), tmp_path)
    with pytest.raises(InitcoreError, match="out"):
        getattr(ic.init, name)(shape, **NEEDED.get(name, {}), rng=5, dtype="float64", out=out)
    assert (np.asarray(out) == 7).all()


@pytest.mark.parametrize("shape", [(9, 6), (1, 6), (9, 1)])
def test_repeated_elements(shape):
    """Strides of zero are read as what they stand for, and refused where something is to be written."""
    one = np.broadcast_to(np.float64(0.25), shape)
    w = np.random.default_rng(0).standard_normal((shape[1], 4))
    assert np.array_equal(kernels.matmul(one, w), kernels.matmul(one.copy(), w))
    assert flat(kernels.signals("tanh", one, one)) == flat(kernels.signals("tanh", one.copy(), one.copy()))
    shared = np.lib.stride_tricks.as_strided(np.zeros(1), shape, (0, 0), writeable=True)
    if shared.size > 1:
        with pytest.raises(InitcoreError):
            kernels.activation_forward("tanh", np.ones(shape), out=shared)
        with pytest.raises(InitcoreError):
            ic.random.normal(shape, rng=0, dtype="float64", out=shared)
        assert shared[0, 0] == 0
