"""Small float64 training in plain NumPy: the experiments beside the proofs. Shares no code with initcore."""

import numpy as np

PHI = {
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    "sigmoid": (lambda z: 1 / (1 + np.exp(-z)), lambda z: np.exp(-np.abs(z)) / (1 + np.exp(-np.abs(z))) ** 2),
    "relu": (lambda z: np.maximum(z, 0), lambda z: (z > 0) * 1.0),
    "leaky_relu": (lambda z: np.where(z > 0, z, 0.01 * z), lambda z: np.where(z > 0, 1.0, 0.01)),
    "softplus": (lambda z: np.logaddexp(0, z), lambda z: 1 / (1 + np.exp(-z))),
    "sin": (np.sin, np.cos),
    "silu": (lambda z: z / (1 + np.exp(-z)),
             lambda z: 1 / (1 + np.exp(-z)) + z * np.exp(-np.abs(z)) / (1 + np.exp(-np.abs(z))) ** 2),
    "identity": (lambda z: z, np.ones_like),
}


def updater(name, lr, l2=0.0):
    """A function (index, parameter, gradient, step) -> new parameter, with its own state."""
    state = {}

    def slot(i, key, p):
        return state.setdefault((i, key), np.zeros_like(p))

    def polynomial(g):
        x = g / (np.linalg.norm(g) + 1e-12)
        for _ in range(5):
            a = x @ x.T
            x = 3.4445 * x + (-4.775 * a + 2.0315 * a @ a) @ x
        return x

    def root(a):
        value, vector = np.linalg.eigh(a)
        return (vector * np.maximum(value, 1e-12) ** -0.25) @ vector.T

    def update(i, p, g, t):
        if name != "adamw":
            g = g + l2 * p
        if name in ("sgd", "lars"):
            scale = np.linalg.norm(p) / (np.linalg.norm(g) + 1e-12) * 0.1 if name == "lars" and p.ndim > 1 else 1.0
            return p - lr * scale * g
        if name in ("momentum", "nesterov"):
            v = state[i, "v"] = 0.9 * slot(i, "v", p) + g
            return p - lr * (v if name == "momentum" else g + 0.9 * v)
        if name in ("adam", "adamw", "lamb"):
            m = state[i, "m"] = 0.9 * slot(i, "m", p) + 0.1 * g
            v = state[i, "v"] = 0.999 * slot(i, "v", p) + 0.001 * g * g
            u = (m / (1 - 0.9 ** t)) / (np.sqrt(v / (1 - 0.999 ** t)) + 1e-8)
            scale = np.linalg.norm(p) / (np.linalg.norm(u) + 1e-12) if name == "lamb" and p.any() else 1.0
            return p - lr * (scale * u + (l2 * p if name == "adamw" else 0))
        if name == "rmsprop":
            v = state[i, "v"] = 0.99 * slot(i, "v", p) + 0.01 * g * g
            return p - lr * g / (np.sqrt(v) + 1e-8)
        if name == "adagrad":
            v = state[i, "v"] = slot(i, "v", p) + g * g
            return p - lr * g / (np.sqrt(v) + 1e-8)
        if name == "lion":
            m = slot(i, "m", p)
            state[i, "m"] = 0.99 * m + 0.01 * g
            return p - lr * np.sign(0.9 * m + 0.1 * g)
        if name == "sign_sgd":
            return p - lr * np.sign(g)
        if name == "muon":
            return p - lr * (polynomial(g) if p.ndim == 2 else g)
        if name == "shampoo":
            if p.ndim == 1:
                return p - lr * g
            left = state[i, "l"] = state.get((i, "l"), 1e-3 * np.eye(p.shape[0])) + g @ g.T
            right = state[i, "r"] = state.get((i, "r"), 1e-3 * np.eye(p.shape[1])) + g.T @ g
            return p - lr * root(left) @ g @ root(right)
        raise ValueError(name)
    return update


def forward(layers, x):
    """Pre-activations and outputs of a chain of (w, b, phi name)."""
    zs, outs = [], [x]
    for w, b, phi in layers:
        zs.append(outs[-1] @ w + (0 if b is None else b))
        outs.append(PHI[phi][0](zs[-1]))
    return zs, outs


def gradients(layers, x, y, loss="mse"):
    """Gradients (dw, db) of every layer."""
    zs, outs = forward(layers, x)
    if loss == "mse":
        d = 2 * (outs[-1] - y) / y.size
    else:
        e = np.exp(outs[-1] - outs[-1].max(axis=1, keepdims=True))
        d = (e / e.sum(axis=1, keepdims=True) - y) / len(y)
    grads = []
    for i in range(len(layers) - 1, -1, -1):
        w, _, phi = layers[i]
        d = d * PHI[phi][1](zs[i])
        grads.append((outs[i].T @ d, d.sum(axis=0)))
        d = d @ w.T
    return grads[::-1]


# Two precisions, the second finer by 2^-11 at least: a true tie's spread falls with the roundoff, a false one's not.
PRECISIONS = ((np.float64, np.longdouble) if np.finfo(np.longdouble).eps < np.finfo(np.float64).eps else
              (np.float32, np.float64))


def falls(coarse, fine):
    """Did a relative spread fall from the coarser of PRECISIONS to the finer as rounding does?"""
    return fine <= 2.0 ** -5 * max(coarse, 8 * float(np.finfo(PRECISIONS[0]).eps))


def train(layers, optimizer="sgd", steps=40, lr=None, l2=0.0, seed=0, loss="mse", groups=None, dtype=np.float64):
    """The layers after some full-batch steps on random data; ``groups`` makes inputs of one label equal."""
    lr = {"lion": 3e-3, "sign_sgd": 3e-3, "muon": 0.02, "shampoo": 0.02, "sgd": 0.1, "momentum": 0.05}.get(
        optimizer, 0.01) if lr is None else lr
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((24, layers[0][0].shape[0]))
    if groups is not None:
        x = x[:, groups]
    y = rng.standard_normal((24, layers[-1][0].shape[1])).astype(dtype)
    x = x.astype(dtype)
    layers = [(w.astype(dtype), None if b is None else b.astype(dtype), phi) for w, b, phi in layers]
    step = updater(optimizer, lr, l2)
    for t in range(1, steps + 1):
        new = []
        for i, ((w, b, phi), (dw, db)) in enumerate(zip(layers, gradients(layers, x, y, loss))):
            new.append((step((i, "w"), w, dw, t), None if b is None else step((i, "b"), b, db, t), phi))
        layers = new
    return layers


def first_steps(layers, steps=8, lr=0.1, seed=0):
    """First SGD step at which each weight and bias has a non-zero gradient."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((24, layers[0][0].shape[0]))
    y = rng.standard_normal((24, layers[-1][0].shape[1]))
    first = {f"layers[{i}].{k}": None for i, (_, b, _) in enumerate(layers) for k in "wb" if k == "w" or b is not None}
    for t in range(steps):
        grads = gradients(layers, x, y)
        for i, g in enumerate(grads):
            for k, a in zip("wb", g):
                name = f"layers[{i}].{k}"
                if name in first and first[name] is None and np.any(a != 0):
                    first[name] = t
        layers = [(w - lr * dw, None if b is None else b - lr * db, phi)
                  for (w, b, phi), (dw, db) in zip(layers, grads)]
    return first


def outputs(layers, layer, seed=99, groups=None):
    """Outputs of hidden layer ``layer`` on fresh data, ``(batch, units)``."""
    x = np.random.default_rng(seed).standard_normal((32, layers[0][0].shape[0]))
    return forward(layers, x if groups is None else x[:, groups])[1][layer + 1]


def spread(layers, layer, labels, multipliers=None, groups=None):
    """Largest difference between units of one cell, as multiples of their representative, on fresh data."""
    a = outputs(layers, layer, groups=groups)
    worst = 0.0
    for c in np.unique(labels):
        units = np.flatnonzero(labels == c)
        m = np.ones(len(units)) if multipliers is None else multipliers[units]
        if (m == 0).any():
            worst = max(worst, float(np.abs(a[:, units]).max()))
        else:
            cols = a[:, units] / m
            worst = max(worst, float(np.abs(cols - cols[:, :1]).max()))
    return worst
