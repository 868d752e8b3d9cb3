"""Initialisers in JAX's protocol: bits, dtypes, axes, keys, and where frameworks call them."""

import functools
import inspect

import numpy as np
import pytest

pytest.importorskip("jax")

import jax
import jax.numpy as jnp

import initcore as ic
import initcore.jax as ij
from initcore import errors

KEY = jax.random.key(41)
STREAM = ic.Key.from_words(0, 41)
# our factory, its arguments, JAX's name for it, and what initcore.init makes of the same
KINDS = [
    (ij.constant, {"value": 0.25}, lambda s, **k: ic.init.constant(s, 0.25, **k)),
    (ij.uniform, {"scale": 0.5}, functools.partial(ic.init.uniform, high=0.5)),
    (ij.normal, {"stddev": 0.02}, functools.partial(ic.init.normal, std=0.02)),
    (ij.truncated_normal, {"stddev": 0.02, "lower": -1.0}, functools.partial(ic.init.trunc_normal, std=0.02, lower=-1)),
    (ij.variance_scaling, {"scale": 2.0, "mode": "fan_out", "distribution": "uniform"},
     functools.partial(ic.init.variance_scaling, scale=2.0, mode="fan_out", distribution="uniform")),
    (ij.glorot_uniform, {}, ic.init.glorot_uniform), (ij.he_uniform, {"gain": "tanh"},
                                                      functools.partial(ic.init.he_uniform, gain="tanh")),
    (ij.glorot_normal, {}, functools.partial(ic.init.glorot_normal, truncate=2)),
    (ij.he_normal, {"truncate": None}, ic.init.he_normal),
    (ij.lecun_normal, {}, functools.partial(ic.init.lecun_normal, truncate=2)),
    (ij.lecun_uniform, {}, ic.init.lecun_uniform),
    (ij.orthogonal, {"scale": 2.0}, functools.partial(ic.init.orthogonal, gain=2.0)),
    (ij.torch_default, {}, ic.init.torch_default), (ij.spectral, {}, ic.init.spectral),
    (ij.sparse, {"sparsity": 0.5}, lambda s, **k: ic.init.sparse(s, 0.5, **k)),
    (ij.embedding, {"padding_idx": 2}, functools.partial(ic.init.embedding, padding_idx=2)),
    (ij.small_init, {}, ic.init.small_init),
    (ij.wang_init, {"n_layers": 3}, lambda s, **k: ic.init.wang_init(s, 3, **k)),
    (ij.siren, {"first": True}, functools.partial(ic.init.siren, first=True)),
    (ij.mup_std, {"role": "output"}, functools.partial(ic.init.mup_std, role="output")),
    (ij.eye, {}, ic.init.eye), (ij.dirac, {}, ic.init.dirac),
]


@pytest.mark.parametrize(("factory", "given", "want"), KINDS, ids=lambda v: getattr(v, "__name__", ""))
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16, jnp.float16])
def test_every_kind_has_the_bits_of_initcore_init(factory, given, want, dtype):
    made = factory(**given)(KEY, (12, 8), dtype)
    expected = want((12, 8), rng=STREAM, dtype=np.dtype(dtype).name)
    assert isinstance(made, jax.Array) and made.dtype == dtype
    assert np.asarray(made).tobytes() == np.asarray(expected).tobytes()


def test_every_name_of_jax_is_here_with_its_arguments():
    theirs = {n for n in dir(jax.nn.initializers) if not n.startswith("_") and n != "Initializer"}
    assert theirs <= set(ij.__all__)
    for name in theirs:
        ours = list(inspect.signature(getattr(ij, name)).parameters)
        wanted = list(inspect.signature(getattr(jax.nn.initializers, name)).parameters)
        assert ours[:len(wanted)] == wanted, name


def test_the_laws_are_jaxs():
    """Same deviation and support, name for name."""
    for name in ("he_normal", "he_uniform", "glorot_normal", "glorot_uniform", "lecun_normal", "lecun_uniform"):
        for axes in ({}, {"in_axis": 0, "out_axis": (1, 2)}, {"in_axis": (0, 1), "out_axis": 2},
                     {"in_axis": 1, "out_axis": 2, "batch_axis": 0}):
            ours, theirs = (getattr(m, name)(**axes)(KEY, (24, 32, 40)) for m in (ij, jax.nn.initializers))
            assert abs(ours.std() / theirs.std() - 1) < 0.02, (name, axes)
            assert abs(abs(ours).max() / abs(theirs).max() - 1) < 0.05, (name, axes)
    a, b = ij.normal()(KEY, (100, 100)), ij.uniform()(KEY, (100, 100))
    assert abs(a.std() / 0.01 - 1) < 0.03 and 0 <= b.min() and 0.0099 < b.max() < 0.01


def test_orthogonal_along_any_column_axis():
    for axis in (0, 1, 2, -1):
        w = np.moveaxis(np.asarray(ij.orthogonal(column_axis=axis)(KEY, (4, 5, 6))), axis, -1)
        w = w.reshape(-1, w.shape[-1])
        np.testing.assert_allclose(w.T @ w, np.eye(w.shape[1]), atol=1e-5)
    kernel = np.asarray(ij.delta_orthogonal()(KEY, (3, 3, 4, 8)))
    np.testing.assert_allclose(kernel[1, 1] @ kernel[1, 1].T, np.eye(4), atol=1e-5)


def test_groups_and_complex_numbers():
    w = ij.he_normal(groups=4, truncate=None)(KEY, (3, 3, 8, 32))
    assert (np.asarray(w) == ic.init.he_normal((3, 3, 8, 32), layout="hwio", groups=4, rng=STREAM)).all()
    z = np.asarray(ij.normal(stddev=2.0)(KEY, (200, 200), jnp.complex64))
    assert z.dtype == np.complex64 and abs(np.sqrt((abs(z) ** 2).mean()) / 2 - 1) < 0.02
    assert abs(np.corrcoef(z.real.ravel(), z.imag.ravel())[0, 1]) < 0.02


def test_keys_of_every_kind():
    raw = jax.random.key_data(KEY)
    rbg = jax.random.key(1, impl="rbg")
    assert ij.as_key(KEY) == ij.as_key(raw) == ij.as_key(np.asarray(raw)) == ij.as_key(STREAM) == STREAM
    assert ij.as_key(rbg).words == tuple(np.asarray(jax.random.key_data(rbg)).tolist())
    one, two = jax.random.split(KEY)
    assert ij.as_key(one) != ij.as_key(two)


@pytest.mark.parametrize(("key", "error", "text"), [
    (0, errors.ArgumentTypeError, "jax.random.key"), (None, errors.ArgumentTypeError, "a key of JAX"),
    (np.zeros(2), errors.ArgumentTypeError, "float64"), (jnp.zeros(3, jnp.uint32), errors.ShapeError, "2 words"),
    (jnp.zeros((2, 2), jnp.uint32), errors.ShapeError, "Of several"), (jnp.uint32(3), errors.ArgumentTypeError, "key"),
    (jax.random.split(KEY, 3), errors.ShapeError, r"keys of shape \(3,\)"),
    (np.random.default_rng(0), errors.ArgumentTypeError, "key")])
def test_keys_of_the_wrong_kind(key, error, text):
    with pytest.raises(error, match=text):
        ij.he_normal()(key, (3, 3))


@pytest.mark.parametrize(("call", "error", "text"), [
    (lambda: ij.he_normal()(KEY, (5,)), errors.ShapeError, "Must be at least 2D"),
    (lambda: ij.orthogonal()(KEY, (5,)), errors.ShapeError, "Must be at least 2D"),
    (lambda: ij.he_normal()(KEY, (5, 5), jnp.int32), errors.DTypeError, "int32"),
    (lambda: ij.normal(stddev=-1.0)(KEY, (5,)), errors.ArgumentError, "std"),
    (lambda: ij.normal(stddev=1j), errors.DTypeError, "real"),
    (lambda: ij.variance_scaling(1.0, "fan_all", "normal")(KEY, (5, 5)), errors.UnknownNameError, "fan_all"),
    (lambda: ij.he_normal(in_axis=3)(KEY, (5, 5)), errors.ShapeError, "in_axis=3"),
    (lambda: ij.he_normal()(KEY, (5, -5)), errors.ShapeError, "negative")])
def test_bad_arguments(call, error, text):
    with pytest.raises(error, match=text):
        call()


# ---- Inside transformations ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("wrap", [jax.jit, jax.vmap, lambda f: lambda k: jax.lax.map(f, k)])
def test_inside_transformations_it_is_refused_with_the_way_out(wrap):
    keys = KEY if wrap is jax.jit else jax.random.split(KEY)
    with pytest.raises(errors.UsageError, match=r"tracer.*init_params.*shapes_only"):
        wrap(lambda k: ij.he_normal()(k, (3, 3)))(keys)
    assert (jax.jit(lambda: ij.zeros(None, (3,)) + ij.ones(None, (3,)))() == 1).all()     # these need no key


def test_shapes_only_lets_shapes_through_and_never_numbers():
    def start(key):
        return ij.he_normal()(key, (3, 2), jnp.bfloat16)
    assert jax.eval_shape(jax.jit(start), KEY) == jax.ShapeDtypeStruct((3, 2), jnp.bfloat16)
    with pytest.raises(errors.UsageError, match="tracer"):
        jax.jit(lambda k: start(k) + 1)(KEY)
    with ij.shapes_only():
        assert jax.eval_shape(start, KEY) == jax.ShapeDtypeStruct((3, 2), jnp.bfloat16)
        traced = jax.jit(start)
        traced.lower(KEY)
    with pytest.raises(Exception, match="tracer"):
        jax.block_until_ready(traced(KEY))


def test_they_compare_and_hash_by_what_they_are():
    assert ij.he_normal() == ij.he_normal() and hash(ij.he_normal()) == hash(ij.kaiming_normal())
    assert len({ij.he_normal(), ij.he_normal(gain=1.0), ij.he_normal(in_axis=0), ij.he_uniform()}) == 4
    assert repr(ij.orthogonal(2.0)) == "initcore.jax.orthogonal(gain=2)"


# ---- Where frameworks call them -----------------------------------------------------------------------------------

def test_flax_linen():
    nn = pytest.importorskip("flax.linen")
    model = nn.Dense(5, kernel_init=ij.lecun_normal(), bias_init=ij.constant(0.5))
    params = model.init(KEY, jnp.ones((1, 7)))["params"]
    assert abs(params["kernel"]).max() < 2.3 / 7 ** 0.5 and (params["bias"] == 0.5).all()
    assert (model.init(KEY, jnp.ones((1, 7)))["params"]["kernel"] == params["kernel"]).all()
    variables = model.init(KEY, jnp.ones((1, 7)))
    for call in (model.apply, jax.jit(model.apply), jax.grad(lambda v, x: model.apply(v, x).sum())):
        call(variables, jnp.ones((1, 7)))               # Flax asks the initialiser for the shape each time
    with pytest.raises(errors.UsageError, match="init_params"):
        jax.jit(model.init)(KEY, jnp.ones((1, 7)))
    boxed = nn.Dense(4, kernel_init=nn.with_partitioning(ij.he_normal(), (None, "model")))
    with ij.shapes_only():
        abstract = jax.eval_shape(boxed.init, KEY, jnp.ones((1, 3)))
    made = ij.init_params(abstract, {"params.kernel": "he_normal", "*.bias": "zeros"}, rng=0)
    want = ic.init.he_normal((3, 4), rng=ic.Key(0).child("params.kernel"))
    assert (np.asarray(made["params"]["kernel"].value) == want).all()


def test_flax_nnx():
    nnx = pytest.importorskip("flax.nnx")

    class Net(nnx.Module):
        def __init__(self, rngs):
            self.conv = nnx.Conv(2, 4, (3, 3), kernel_init=ij.he_normal(), rngs=rngs)
            self.out = nnx.Linear(4, 3, kernel_init=ij.orthogonal(), bias_init=ij.zeros, rngs=rngs)

    net = Net(nnx.Rngs(3))
    kernel = net.out.kernel[...]
    np.testing.assert_allclose(kernel.T @ kernel, np.eye(3), atol=1e-6)
    with ij.shapes_only():
        graph, abstract = nnx.split(nnx.eval_shape(lambda: Net(nnx.Rngs(3))))
    made = ij.init_params(abstract, {"*.bias": "zeros", "conv.kernel": ij.he_normal(), "*": "glorot_uniform"}, rng=0)
    net = nnx.merge(graph, made)
    want = ic.init.glorot_uniform((4, 3), rng=ic.Key(0).child("out.kernel"))
    assert (np.asarray(net.out.kernel[...]) == want).all()
    want = ic.init.he_normal((3, 3, 2, 4), layout="hwio", truncate=2, rng=ic.Key(0).child("conv.kernel"))
    assert (np.asarray(net.conv.kernel[...]) == want).all()


def test_equinox():
    eqx = pytest.importorskip("equinox")
    layer = eqx.nn.Linear(6, 4, key=KEY)
    layer = eqx.tree_at(lambda m: m.weight, layer, ij.he_normal(in_axis=1, out_axis=0, truncate=None)(KEY, (4, 6)))
    np.testing.assert_array_equal(layer.weight, ic.init.he_normal((4, 6), layout="oi", rng=STREAM))
    abstract = eqx.filter_eval_shape(eqx.nn.MLP, 3, 2, 8, 2, key=KEY)
    shapes, rest = eqx.partition(abstract, lambda leaf: isinstance(leaf, jax.ShapeDtypeStruct))
    made = ij.init_params(shapes, {"*bias": "zeros", "*": "he_normal"}, layouts={"*weight": "oi"}, rng=0)
    mlp = eqx.combine(made, rest)
    want = ic.init.he_normal((8, 3), layout="oi", rng=ic.Key(0).child("layers.0.weight"))
    assert (np.asarray(mlp.layers[0].weight) == want).all() and mlp(jnp.ones(3)).shape == (2,)


def test_haiku():
    hk = pytest.importorskip("haiku")
    net = hk.transform(lambda x: hk.Linear(4, w_init=ij.glorot_uniform(), b_init=ij.constant(1.0))(x))
    params = net.init(KEY, jnp.ones((1, 6)))["linear"]
    assert params["w"].shape == (6, 4) and abs(params["w"]).max() < 0.6 ** 0.5 and (params["b"] == 1).all()
