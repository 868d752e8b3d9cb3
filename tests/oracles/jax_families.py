"""Networks of :mod:`torch_families` written a second time for JAX, with the same weights carried over.

``TWINS`` names them: (what makes the PyTorch module and its inputs, the JAX function). ``carried`` turns a module's
tensors into the nested dict that the function takes, kernels in JAX's own order (in last but one, out last; HWIO), and
tells the path that each PyTorch name went to. Dropout is left out on both sides.
"""

import jax
import jax.numpy as jnp
import torch
import torch_families
import torch_sequences
from torch import nn


def perceptron():
    """Three activations, wide enough for statistics."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(20, 64), nn.Tanh(), nn.Linear(64, 48), nn.ReLU(), nn.Linear(48, 40),
                             nn.Sigmoid(), nn.Linear(40, 5)), (torch.randn(64, 20),)


def pictures():
    """Convolutions, a pool, two dense layers."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 24, 3, padding=1), nn.Tanh(),
                             nn.MaxPool2d(2), nn.Flatten(), nn.Linear(384, 32), nn.ReLU(), nn.Linear(32, 10)), (
                                 torch.randn(32, 3, 8, 8),)


def dense(p, x):
    return x @ p["kernel"] + p.get("bias", 0.0)


def conv(p, x, stride=1, pad=1):
    y = jax.lax.conv_general_dilated(x, p["kernel"], (stride, stride), ((pad, pad),) * 2,
                                     dimension_numbers=("NHWC", "HWIO", "NHWC"))
    return y + p.get("bias", 0.0)


def batch_norm(p, x):
    axes = tuple(range(x.ndim - 1))
    return (x - x.mean(axes)) * jax.lax.rsqrt(x.var(axes) + 1e-5) * p["scale"] + p["bias"]


def layer_norm(p, x):
    mean = x.mean(-1, keepdims=True)
    return (x - mean) * jax.lax.rsqrt(x.var(-1, keepdims=True) + 1e-5) * p["scale"] + p["bias"]


def pool(x, size, stride, pad=0):
    return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, size, size, 1), (1, stride, stride, 1),
                                 ((0, 0), (pad, pad), (pad, pad), (0, 0)))


def mlp_twin(p, x):
    x = jnp.tanh(dense(p["0"], x))
    x = jax.nn.relu(dense(p["2"], x))
    return dense(p["6"], jax.nn.sigmoid(dense(p["4"], x)))


def cnn_twin(p, x):
    x = jax.nn.relu(conv(p["0"], x))
    x = pool(jnp.tanh(conv(p["2"], x)), 2, 2)
    x = jnp.moveaxis(x, 3, 1).reshape(len(x), -1)           # as PyTorch flattens
    return dense(p["8"], jax.nn.relu(dense(p["6"], x)))


def basic_block(p, x, stride):
    y = jax.nn.relu(batch_norm(p["bn1"], conv(p["conv1"], x, stride)))
    y = batch_norm(p["bn2"], conv(p["conv2"], y))
    if "downsample" in p:
        x = batch_norm(p["downsample"]["1"], conv(p["downsample"]["0"], x, stride, 0))
    return jax.nn.relu(y + x)


def resnet_twin(p, x):
    x = jax.nn.relu(batch_norm(p["bn1"], conv(p["conv1"], x, 2, 3)))
    x = pool(x, 3, 2, 1)
    for k, stage in p["stages"].items():
        for i, block in stage.items():
            x = basic_block(block, x, 2 if k != "0" and i == "0" else 1)
    return dense(p["fc"], x.mean((1, 2)))


def attend(b, x, heads=torch_sequences.HEADS):
    batch, time = x.shape[:2]
    q, k, v = (jnp.moveaxis(t.reshape(batch, time, heads, -1), 2, 1)
               for t in jnp.split(dense(b["qkv"], x), 3, axis=-1))
    score = q @ jnp.swapaxes(k, -1, -2) / q.shape[-1] ** 0.5
    score = jnp.where(jnp.tril(jnp.ones(score.shape[-2:], bool)), score, -1e9)
    return dense(b["out"], jnp.moveaxis(jax.nn.softmax(score) @ v, 1, 2).reshape(x.shape))


def gpt_block(x, b):
    x = x + attend(b, layer_norm(b["ln1"], x))
    return x + dense(b["down"], jax.nn.gelu(dense(b["up"], layer_norm(b["ln2"], x)))), None


def gpt_twin(p, tokens):
    """Its blocks one after the other, or scanned where they are stacked."""
    x = p["wte"]["embedding"][tokens] + p["wpe"]["embedding"][:tokens.shape[1]]
    if "0" in p["blocks"]:
        for b in p["blocks"].values():
            x, _ = gpt_block(x, b)
    else:
        x, _ = jax.lax.scan(gpt_block, x, p["blocks"])
    return layer_norm(p["norm"], x) @ p["wte"]["embedding"].T


def lstm_twin(p, tokens):
    x = jnp.swapaxes(p["embed"]["embedding"][tokens], 0, 1)
    for k in range(2):
        w, u = p["cell"][f"weight_ih_l{k}"], p["cell"][f"weight_hh_l{k}"]
        b = p["cell"][f"bias_ih_l{k}"] + p["cell"][f"bias_hh_l{k}"]

        def step(state, x, w=w, u=u, b=b):
            h, c = state
            i, f, g, o = jnp.split(x @ w + h @ u + b, 4, axis=-1)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            h = jax.nn.sigmoid(o) * jnp.tanh(c)
            return (h, c), h
        zero = jnp.zeros((x.shape[1], u.shape[0]), u.dtype)
        _, x = jax.lax.scan(step, (zero, zero), x)
    return dense(p["head"], jnp.swapaxes(x, 0, 1))


def moe_twin(p, x):
    x = dense(p["0"], x)
    e = p["1"]
    score = jax.nn.softmax(dense(e["router"], x))
    h = jax.nn.relu(jnp.einsum("bd,edh->ebh", x, e["up"]) + e["bias"][:, None])
    x = x + jnp.einsum("be,ebd->bd", score, jnp.einsum("ebh,ehd->ebd", h, e["down"]))
    return dense(p["3"], layer_norm(p["2"], x))


def stacked(make):
    """A family whose blocks JAX scans."""
    make = torch_families.FAMILIES[make]

    def again():
        return make()
    again.stack = "blocks"
    return again


TWINS = {"perceptron": (perceptron, mlp_twin), "convolutions": (pictures, cnn_twin),
         "resnet18": (torch_families.FAMILIES["resnet18"], resnet_twin),
         "gpt": (torch_families.FAMILIES["gpt"], gpt_twin), "gpt scanned": (stacked("gpt"), gpt_twin),
         "lstm": (torch_families.FAMILIES["lstm"], lstm_twin),
         "moe_dense": (torch_families.FAMILIES["moe_dense"], moe_twin)}


def quiet(module):
    """The module without dropout."""
    for m in module.modules():
        if isinstance(m, nn.Dropout):
            m.p = 0.0
    return module


def carried(module, stack=""):
    """(nested dict of arrays, PyTorch's name -> path), blocks under ``stack`` put on one another."""
    flat, names = {}, {}
    for owner, m in module.named_modules():
        for name, p in m.named_parameters(recurse=False):
            full = f"{owner}.{name}".strip(".")
            a = p.detach().numpy().copy()
            if isinstance(m, nn.Embedding):
                name = "embedding"
            elif isinstance(m, (nn.BatchNorm2d, nn.LayerNorm)):
                name = "scale" if name == "weight" else name
            elif isinstance(m, (nn.Linear, nn.Conv2d)) and name == "weight":
                name, a = "kernel", a.T if a.ndim == 2 else a.transpose(2, 3, 1, 0)
            elif isinstance(m, nn.LSTM) and name.startswith("weight"):
                a = a.T
            flat[f"{owner}.{name}".strip(".")] = a
            names[full] = f"{owner}.{name}".strip(".")
    tied = {id(p): names[n] for n, p in module.named_parameters()}
    for n, p in module.named_parameters(remove_duplicate=False):
        if names[n] != tied[id(p)]:
            flat.pop(names[n], None)
            names[n] = tied[id(p)]
    if stack:
        flat, names = on_one_another(flat, names, stack)
    out = {}
    for path, a in flat.items():
        *way, last = path.split(".")
        at = out
        for part in way:
            at = at.setdefault(part, {})
        at[last] = jnp.asarray(a)
    return out, names


def on_one_another(flat, names, stack):
    """``stack.0.rest`` and its sisters as one array ``stack.rest``."""
    mine = {p: p.split(".", 2) for p in flat if p.startswith(f"{stack}.")}
    path = {p: f"{stack}.{rest}" for p, (_, _, rest) in mine.items()}
    rows = {}
    for p in sorted(mine, key=lambda p: int(mine[p][1])):
        rows.setdefault(path[p], []).append(flat[p])
    kept = {p: a for p, a in flat.items() if p not in mine}
    return {**kept, **{p: jnp.stack([jnp.asarray(a) for a in r]) for p, r in rows.items()}}, {
        n: path.get(p, p) for n, p in names.items()}


def inputs(args):
    """PyTorch's inputs as JAX takes them: pictures with channels last."""
    return tuple(jnp.asarray(a.numpy().transpose(0, 2, 3, 1) if a.ndim == 4 else a.numpy().astype(
        "int32") if not a.is_floating_point() else a.numpy()) for a in args)
