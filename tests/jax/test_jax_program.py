"""``ij.program``: what it reads computes what JAX computes, and the proof finds what was planted, and nothing else."""

import functools

import numpy as np
import pytest

pytest.importorskip("jax")
pytest.importorskip("torch")

import jax
import jax.numpy as jnp
import torch
from run_program import values

import initcore as ic
import initcore.jax as ij
from initcore import errors

KEY = jax.random.key(0)
START = ij.he_normal(truncate=None)


def dense(key, n, m):
    return {"kernel": START(key, (n, m)), "bias": ij.normal(0.1)(key, (m,))}


def apply(layer, x):
    return x @ layer["kernel"] + layer["bias"]


def mlp(p, x):
    x = jax.nn.gelu(apply(p["0"], x))
    x = jax.checkpoint(lambda p, x: jax.nn.silu(apply(p, x)))(p["1"], x)
    return apply(p["2"], x)


def mlp_params(width=6):
    keys = jax.random.split(KEY, 3)
    return {"0": dense(keys[0], 5, width), "1": dense(keys[1], width, width), "2": dense(keys[2], width, 3)}


def conv(x, w, stride=1, **more):
    return jax.lax.conv_general_dilated(x, w, (stride, stride), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"),
                                        **more)


def cnn(p, x):
    x = jax.nn.relu(conv(x, p["first"]))
    y = x + conv(jax.nn.leaky_relu(conv(x, p["a"]), 0.1), p["b"], feature_group_count=2)
    y = jax.lax.reduce_window(y, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
    y = jax.lax.reduce_window(y, 0.0, jax.lax.add, (1, 2, 2, 1), (1, 1, 1, 1), "VALID") / 4
    return y.mean((1, 2)) @ p["head"]


def cnn_params():
    shapes = {"first": (3, 3, 3, 8), "a": (3, 3, 8, 8), "b": (3, 3, 4, 8), "head": (8, 4)}
    return {n: START(k, s) for (n, s), k in zip(shapes.items(), jax.random.split(KEY, 4))}


def batch_norm(p, x):
    mean, var = x.mean((0, 1, 2)), x.var((0, 1, 2))
    return (x - mean) * jax.lax.rsqrt(var + 1e-5) * p["scale"] + p["bias"]


def resnet(p, x):
    """A stem, a block beside the identity, one beside a 1 x 1 convolution of stride 2, a head."""
    x = jax.nn.relu(batch_norm(p["stem_norm"], conv(x, p["stem"])))
    for name, stride in (("one", 1), ("two", 2)):
        b = p[name]
        y = jax.nn.relu(batch_norm(b["norm1"], conv(x, b["conv1"], stride)))
        y = batch_norm(b["norm2"], conv(y, b["conv2"]))
        x = jax.nn.relu(y + (x if stride == 1 else batch_norm(b["norm3"], conv(x, b["side"], stride))))
    return x.mean((1, 2)) @ p["head"]["kernel"] + p["head"]["bias"]


def resnet_params():
    keys = iter(jax.random.split(KEY, 30))

    def scale(n):
        return {"scale": 1 + ij.normal(0.1)(next(keys), (n,)), "bias": ij.normal(0.1)(next(keys), (n,))}

    def block(n, m):
        return {"conv1": START(next(keys), (3, 3, n, m)), "norm1": scale(m), "conv2": START(next(keys), (3, 3, m, m)),
                "norm2": scale(m)}
    return {"stem": START(next(keys), (3, 3, 3, 4)), "stem_norm": scale(4), "one": block(4, 4),
            "two": {**block(4, 6), "side": START(next(keys), (1, 1, 4, 6)), "norm3": scale(6)},
            "head": dense(next(keys), 6, 5)}


def norm(x, g):
    return x * jax.lax.rsqrt((x * x).mean(-1, keepdims=True) + 1e-6) * g


def block(x, p):
    """A layer of a GPT, of two heads of four channels."""
    h = norm(x, p["g1"])
    q, k, v = (jnp.moveaxis((h @ p[n]).reshape(*x.shape[:2], 2, 4), 2, 1) for n in ("q", "k", "v"))
    s = q @ jnp.swapaxes(k, -1, -2) / 2.0
    s = jnp.where(jnp.tril(jnp.ones(s.shape[-2:], bool)), s, -1e9)
    h = jnp.moveaxis(jax.nn.softmax(s) @ v, 1, 2).reshape(x.shape) @ p["o"]
    x = x + h
    return x + jax.nn.gelu(norm(x, p["g2"]) @ p["up"], approximate=False) @ p["down"], None


def gpt(p, tokens):
    """Three layers, scanned over stacked weights."""
    x = p["embed"][tokens] + p["positions"]
    x, _ = jax.lax.scan(block, x, p["layers"])
    return norm(x, p["g"]) @ p["embed"].T


def gpt_params():
    sizes = {"q": (3, 8, 8), "k": (3, 8, 8), "v": (3, 8, 8), "o": (3, 8, 8), "up": (3, 8, 12), "down": (3, 12, 8)}
    keys = jax.random.split(KEY, 8)
    layers = {n: START(k, s) for (n, s), k in zip(sizes.items(), keys)}
    scale = {n: 1 + 0.1 * jax.random.normal(keys[6], (3, 8)) for n in ("g1", "g2")}
    return {"layers": {**layers, **scale}, "embed": START(keys[6], (11, 8)), "positions": START(keys[7], (6, 8)),
            "g": jnp.ones(8)}


def lstm(p, x):
    def step(state, x):
        h, c = state
        i, f, g, o = jnp.split(x @ p["w"] + h @ p["u"] + p["b"], 4, axis=-1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h
    zero = jnp.zeros((x.shape[0], 5))
    _, hs = jax.lax.scan(step, (zero, zero), jnp.swapaxes(x, 0, 1))
    return hs[-1] @ p["out"]


def lstm_params():
    keys = jax.random.split(KEY, 4)
    return {"w": START(keys[0], (3, 20)), "u": START(keys[1], (5, 20)), "b": 0.1 * jax.random.normal(keys[2], (20,)),
            "out": START(keys[3], (5, 2))}


def experts(p, x):
    gate = jax.nn.softmax(x @ p["router"])
    hidden = jax.nn.elu(jnp.einsum("bi,eih->beh", x, p["up"]))
    return jnp.einsum("beh,eho,be->bo", hidden, p["down"], gate)


def experts_params():
    keys = jax.random.split(KEY, 3)
    return {"router": START(keys[0], (4, 3)), "up": START(keys[1], (3, 4, 6)), "down": START(keys[2], (3, 6, 2))}


FAMILIES = {
    "mlp": (mlp, mlp_params, (jnp.ones((4, 5)),)), "cnn": (cnn, cnn_params, (jnp.ones((2, 8, 8, 3)),)),
    "resnet": (resnet, resnet_params, (jnp.ones((3, 8, 8, 3)),)),
    "gpt": (gpt, gpt_params, (jnp.zeros((2, 6), jnp.int32),)), "lstm": (lstm, lstm_params, (jnp.ones((3, 4, 3)),)),
    "experts": (experts, experts_params, (jnp.ones((5, 4)),)),
}


def batch(like):
    rng = np.random.default_rng(3)
    return rng.integers(0, 11, like.shape).astype("int32") if like.dtype == jnp.int32 else \
        rng.normal(size=like.shape).astype("float32")


@pytest.mark.parametrize("name", FAMILIES)
def test_a_program_computes_what_jax_computes(name):
    fn, make, inputs = FAMILIES[name]
    params, given = make(), [batch(i) for i in inputs]
    p = ij.program(fn, params, *inputs)
    assert p.coverage.share == 1 and not p.coverage.opaque, p.coverage
    at = values(p, [torch.as_tensor(g) for g in given],
                {q.value: torch.as_tensor(np.array(q.read())) for q in p.parameters})
    np.testing.assert_allclose(at[p.outputs[0]].numpy(), fn(params, *given), rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_random_start_is_free(name):
    fn, make, inputs = FAMILIES[name]
    report = ic.symmetry.analyze(ij.program(fn, make(), *inputs), optimizer="adam")
    assert report.ok, report


def test_a_constant_start_is_tied_and_a_planted_twin_is_found_alone():
    constant = jax.tree.map(lambda w: jnp.full_like(w, 0.1), mlp_params())
    report = ic.symmetry.analyze(ij.program(mlp, constant, jnp.ones((4, 5))))
    assert [layer.effective_width for layer in report.layers] == [1, 1] and not report.ok
    params = mlp_params()
    w, b, v = (np.array(a) for a in (params["0"]["kernel"], params["0"]["bias"], params["1"]["kernel"]))
    w[:, 4], b[4], v[4] = w[:, 1], b[1], v[1]
    params["0"], params["1"]["kernel"] = {"kernel": jnp.asarray(w), "bias": jnp.asarray(b)}, jnp.asarray(v)
    layers = ic.symmetry.analyze(ij.program(mlp, params, jnp.ones((4, 5)))).layers
    assert [u for u, s in enumerate(layers[0].status) if s != "free"] == [1, 4]
    assert set(layers[1].status) == {"free"}


def test_a_batch_norm_written_with_var_keeps_ties():
    params = {"w": jnp.full((3, 3, 2, 5), 0.2), "scale": jnp.ones(5), "bias": jnp.zeros(5), "v": jnp.ones((5, 3))}
    p = ij.program(lambda p, x: jax.nn.relu(batch_norm(p, conv(x, p["w"]))).mean((1, 2)) @ p["v"], params,
                   jnp.ones((4, 6, 6, 2)))
    assert not any(op.kind == "choose" for op in p.ops)
    assert [layer.effective_width for layer in ic.symmetry.analyze(p).layers] == [1]
    q = ij.program(lambda w, x: jnp.where(x > 0, jnp.tanh(x @ w), -x), jnp.ones((4, 4)), jnp.ones((2, 4)))
    assert any(op.kind == "choose" for op in q.ops)              # by the data: that stays


def test_activations_are_known_by_their_values():
    for name, f in (("gelu_tanh", jax.nn.gelu), ("gelu", functools.partial(jax.nn.gelu, approximate=False)),
                    ("silu", jax.nn.silu), ("softplus", jax.nn.softplus), ("elu", jax.nn.elu), ("selu", jax.nn.selu),
                    ("relu", jax.nn.relu), ("mish", jax.nn.mish), ("hard_tanh", jax.nn.hard_tanh),
                    ("softsign", jax.nn.soft_sign), ("leaky_relu", jax.nn.leaky_relu), ("tanh", jnp.tanh),
                    ("sigmoid", jax.nn.sigmoid), ("silu", lambda x: x / (1 + jnp.exp(-x)))):
        p = ij.program(lambda w, x, f=f: f(x @ w), jnp.ones((3, 4)), jnp.ones((2, 3)))
        assert [op.attributes.get("activation") for op in p.ops] == [None, name], (name, str(p))


def test_flax_equinox_and_tied_weights():
    nn, nnx, eqx = (pytest.importorskip(n) for n in ("flax.linen", "flax.nnx", "equinox"))
    model = nn.Sequential([nn.Dense(6), nn.relu, nn.LayerNorm(), nn.Dense(2)])
    p = ij.program(model.apply, model.init(KEY, jnp.ones((3, 4))), jnp.ones((3, 4)))
    assert p.coverage.share == 1 and p.parameters[1].names == ("params.layers_0.kernel",)
    assert any(op.place.module.endswith("layers_0") and op.kind == "contract" for op in p.ops)
    graph, params = nnx.split(nnx.Linear(4, 3, rngs=nnx.Rngs(0)))
    p = ij.program(lambda params, x: nnx.merge(graph, params)(x), params, jnp.ones((2, 4)))
    assert {n for q in p.parameters for n in q.names} == {"kernel", "bias"}
    net = eqx.nn.MLP(3, 2, 8, 2, key=KEY)
    params, rest = eqx.partition(net, eqx.is_inexact_array)
    p = ij.program(lambda params, x: jax.vmap(eqx.combine(params, rest))(x), params, jnp.ones((4, 3)))
    assert p.coverage.share == 1 and ic.symmetry.analyze(p).ok
    w = jnp.ones((4, 4))
    p = ij.program(lambda p, x: jnp.tanh(x @ p["a"]) @ p["b"], {"a": w, "b": w}, jnp.ones((2, 4)))
    assert [q.names for q in p.parameters] == [("a", "b")]


def test_what_is_not_understood_is_counted():
    def sorted_(w, x):
        return jnp.sort(x @ w, axis=-1)
    p = ij.program(sorted_, jnp.ones((3, 4)), jnp.ones((2, 3)))
    assert p.ops[-1].kind == "opaque" and p.ops[-1].source == "sort" and p.ops[-1].place.file.endswith("program.py")

    def long(w, x):
        return jax.lax.scan(lambda h, _: (jnp.tanh(h @ w), None), x, None, length=65)[0]
    assert [op.kind for op in ij.program(long, jnp.ones((3, 3)), jnp.ones((2, 3))).ops] == ["opaque"]


def test_what_is_refused():
    with pytest.raises(errors.ArgumentTypeError, match="fn must be a function"):
        ij.program({}, {})
    with pytest.raises(errors.ProgramError, match=r"branchy cannot be read.*values of arrays"):
        ij.program(branchy, jnp.ones(3), jnp.ones(3))
    with pytest.raises(errors.ArgumentError, match=r"frozen speaks of 'heads\.\*', which no parameter matches"):
        ij.program(mlp, mlp_params(), jnp.ones((2, 5)), frozen=["0.*", "heads.*"])
    with pytest.raises(errors.ArgumentTypeError, match="frozen must be several patterns"):
        ij.program(mlp, mlp_params(), jnp.ones((2, 5)), frozen="0.*")
    p = ij.program(lambda w, x: x @ w, jax.ShapeDtypeStruct((3, 2), "float32"), jnp.ones((4, 3)))
    with pytest.raises(errors.UsageError, match="init_params"):
        p.parameters[0].read()


def branchy(w, x):
    return x * w if x.sum() > 0 else x
