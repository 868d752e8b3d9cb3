"""Products, dense layers and a training step, against NumPy, PyTorch and JAX."""

import itertools

import numpy as np

import initcore as ic

from .._case import case

K = ic.kernels


def _normal(*shapes, dtype=np.float32):
    rng = np.random.default_rng(0)
    return [(rng.standard_normal(s) / (s[0] ** 0.5 if len(s) > 1 else 1)).astype(dtype) for s in shapes]


def _product(m, k, n, dtype, target, threads=1):
    name = f"{m}x{k}x{n}" if not m == k == n else f"{m}^3"
    suffix = "" if threads == 1 else f", {threads} threads"

    @case("product", f"{name} {np.dtype(dtype).name}{suffix}", target={"numpy": target}, threads=threads)
    def _(c):
        a, b = _normal((m, k), (k, n), dtype=dtype)
        out, other = np.empty((m, n), dtype), np.empty((m, n), dtype)
        c.ours = lambda: K.matmul(a, b, out=out, threads=threads)
        c.rival("numpy", lambda: np.matmul(a, b, out=other))
        bound = k * np.finfo(dtype).eps * float((abs(a[:9]).astype(float) @ abs(b).astype(float)).max())
        c.check = lambda: np.testing.assert_allclose(K.matmul(a, b)[:9], a[:9].astype(float) @ b.astype(float),
                                                     rtol=0, atol=bound)


for _dtype in (np.float32, np.float64):
    for _shape in ((256, 1024, 1024), (1024, 2048, 2048)):
        _product(*_shape, _dtype, 0.95)
for _size, _target in ((8, 1.3), (32, 1.3), (64, 1.0)):
    _product(_size, _size, _size, np.float32, _target)


def _scaling(m, k, n):
    @case("product", f"{m}x{k}x{n} float32, 2 threads over 1", target={"one thread": 1.8}, threads=2)
    def _(c):
        a, b = _normal((m, k), (k, n))
        out = np.empty((m, n), np.float32)
        c.ours = lambda: K.matmul(a, b, out=out, threads=2)
        c.rival("one thread", lambda: K.matmul(a, b, out=out, threads=1))

        def check():
            assert np.array_equal(K.matmul(a, b, threads=2), K.matmul(a, b, threads=1))
        c.check = check


_scaling(1024, 2048, 2048)


@case("dense layer", "fused forward over the product", target={"our product": 1.05}, at_most=True)
def _(c):
    x, w, b = _normal((256, 1024), (1024, 1024), (1024,))
    y, z = np.empty((256, 1024), np.float32), np.empty((256, 1024), np.float32)
    c.ours = lambda: K.dense_forward(x, w, b, "tanh", out=y)
    c.rival("our product", lambda: K.matmul(x, w, out=z))
    c.check = lambda: np.testing.assert_allclose(K.dense_forward(x, w, b, "tanh"), np.tanh(x @ w + b), atol=1e-5)


def _numpy_layer(x, w, b, dy):
    (m, k), n = x.shape, w.shape[1]
    z, y, dz, t = (np.empty((m, n), x.dtype) for _ in range(4))
    dx, dw, db = np.empty((m, k), x.dtype), np.empty((k, n), x.dtype), np.empty(n, x.dtype)

    def run():
        np.matmul(x, w, out=z)
        np.add(z, b, out=z)
        np.tanh(z, out=y)
        np.multiply(y, y, out=t)
        np.subtract(1, t, out=t)
        np.multiply(dy, t, out=dz)
        np.matmul(dz, w.T, out=dx)
        np.matmul(x.T, dz, out=dw)
        np.sum(dz, axis=0, out=db)
        return y, dx, dw, db
    return run


def _layer(m, k, n, target):
    best = "numpy|torch|torch autograd|jax"

    @case("dense layer", f"tanh fwd+bwd {m}x{k}x{n} f32", target={best: target})
    def _(c):
        x, w, b, dy = _normal((m, k), (k, n), (n,), (m, n))
        z, y = np.empty((m, n), np.float32), np.empty((m, n), np.float32)
        out = (np.empty_like(x), np.empty_like(w), np.empty_like(b))

        def ours():
            K.dense_forward(x, w, b, "tanh", out=y, z_out=z)
            return y, *K.dense_backward(x, w, b, "tanh", dy, z=z, out=out)
        c.ours = ours
        c.rival("numpy", _numpy_layer(x, w, b, dy))
        with c.optional("torch") as torch:
            tx, tw, tb, tdy = (torch.from_numpy(a) for a in (x, w, b, dy))
            gx, gw, gb = (t.clone().requires_grad_() for t in (tx, tw, tb))

            def by_hand():
                with torch.inference_mode():
                    ty = torch.tanh(torch.addmm(tb, tx, tw))
                    dz = tdy * (1 - ty * ty)
                    return ty, dz @ tw.T, tx.T @ dz, dz.sum(0)

            c.rival("torch", by_hand)
            c.rival("torch autograd", lambda: torch.autograd.grad(torch.tanh(torch.addmm(gb, gx, gw)), (gx, gw, gb),
                                                                  tdy))
        with c.optional("jax") as jax:
            def layer(*p):
                return jax.numpy.tanh(p[0] @ p[1] + p[2])

            def both(*p):
                value, back = jax.vjp(layer, *p[:3])
                return value, back(p[3])
            compiled, on = jax.jit(both), [jax.numpy.asarray(a) for a in (x, w, b, dy)]
            c.rival("jax", lambda: jax.block_until_ready(compiled(*on)))

        def check():
            want = _numpy_layer(*(a.astype(float) for a in (x, w, b, dy)))()
            for got, value in zip(ours(), want):
                np.testing.assert_allclose(got, value, rtol=1e-3, atol=1e-4)
        c.check = check


for _shape, _target in (((1, 32, 32), 6.0), ((32, 64, 64), 2.5), ((64, 784, 256), 1.2), ((256, 1024, 1024), 1.03),
                        ((1024, 2048, 2048), 1.0)):
    _layer(*_shape, _target)


def _numpy_step(params, x, labels):
    """Forward, softmax cross entropy and backward of a tanh network, written by hand."""
    acts, rows = [x], np.arange(len(x))
    for i, (w, b) in enumerate(params):
        z = acts[-1] @ w
        z += b
        acts.append(np.tanh(z, out=z) if i < len(params) - 1 else z)
    z = acts[-1]
    z = z - z.max(axis=1, keepdims=True)
    e = np.exp(z)
    s = e.sum(axis=1, keepdims=True)
    value = float((np.log(s[:, 0]) - z[rows, labels]).mean())
    d = e / s
    d[rows, labels] -= 1
    d /= len(x)
    grads = []
    for i in range(len(params) - 1, -1, -1):
        if i < len(params) - 1:
            d = d * (1 - acts[i + 1] * acts[i + 1])
        grads.append((acts[i].T @ d, d.sum(axis=0)))
        if i:
            d = d @ params[i][0].T
    return value, grads[::-1]


@case("training step", "64-128-128-10, batch 32, f32", target={"numpy": 2.0, "torch": 5.0})
def _(c):
    sizes = (64, 128, 128, 10)
    params = [tuple(_normal((a, b), (b,))) for a, b in itertools.pairwise(sizes)]
    x = np.random.default_rng(1).standard_normal((32, 64)).astype(np.float32)
    labels = np.random.default_rng(2).integers(0, 10, 32)
    net = ic.Network([ic.Dense(w, b, "tanh" if i < 2 else "identity") for i, (w, b) in enumerate(params)])
    c.ours = lambda: net.gradients(x, labels)
    c.rival("numpy", lambda: _numpy_step(params, x, labels))
    with c.optional("torch") as torch:
        layers = []
        for i, (w, b) in enumerate(params):
            linear = torch.nn.Linear(*w.shape)
            linear.weight.data, linear.bias.data = torch.from_numpy(w.T.copy()), torch.from_numpy(b)
            layers += [linear] + ([torch.nn.Tanh()] if i < 2 else [])
        model, tx, tl = torch.nn.Sequential(*layers), torch.from_numpy(x), torch.from_numpy(labels)

        def step():
            model.zero_grad(set_to_none=True)
            torch.nn.functional.cross_entropy(model(tx), tl).backward()
        c.rival("torch", step)
    with c.optional("jax") as jax:
        jnp = jax.numpy

        def objective(p, x):
            for i, (w, b) in enumerate(p):
                x = x @ w + b
                x = jnp.tanh(x) if i < 2 else x
            return -jax.nn.log_softmax(x)[jnp.arange(32), labels].mean()
        compiled, jp, jx = jax.jit(jax.value_and_grad(objective)), [tuple(map(jnp.asarray, p)) for p in params], x
        c.rival("jax", lambda: jax.block_until_ready(compiled(jp, jx)))

    def check():
        value, grads = net.gradients(x, labels)
        want, want_grads = _numpy_step(params, x, labels)
        assert abs(value - want) < 1e-5
        for (gw, gb), (w, b) in zip(grads, want_grads):
            np.testing.assert_allclose(gw, w, atol=1e-5)
            np.testing.assert_allclose(gb, b, atol=1e-5)
    c.check = check
