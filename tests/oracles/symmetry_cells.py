"""Models of theory 4.9 on the tape: recurrent cells, attention, norms, gates, experts. Shares no code with initcore."""

import numpy as np
from symmetry_lab import updater
from symmetry_tape import Tape

RUNS = {"sgd": ("sgd", 0.1, 0.0), "momentum": ("momentum", 0.05, 0.0), "adam": ("adam", 0.01, 0.0),
        "adamw": ("adamw", 0.01, 0.1), "adam_l2": ("adam", 0.01, 0.1)}


def train(model, params, data, target, run="sgd", steps=20):
    """Parameters after some steps of mean squared error under a row of RUNS."""
    name, lr, l2 = RUNS[run]
    step = updater(name, lr, l2)
    params = {k: np.array(v, dtype=np.float64) for k, v in params.items()}
    for t in range(1, steps + 1):
        tapes = {k: Tape(v) for k, v in params.items()}
        (model(tapes, Tape(data)) - target).power(2).mean(None).backward()
        params = {k: step(k, v, np.zeros_like(v) if tapes[k].grad is None else tapes[k].grad, t)
                  for k, v in params.items()}
    return params


def first_gradients(model, params, data, target, steps=6, lr=0.1):
    """First SGD step at which each parameter has a gradient, None where it has none."""
    first = dict.fromkeys(params)
    params = {k: np.array(v, dtype=np.float64) for k, v in params.items()}
    for t in range(steps):
        tapes = {k: Tape(v) for k, v in params.items()}
        (model(tapes, Tape(data)) - target).power(2).mean(None).backward()
        for k, v in params.items():
            g = np.zeros_like(v) if tapes[k].grad is None else tapes[k].grad
            if first[k] is None and np.abs(g).max() > 1e-15:
                first[k] = t
            params[k] = v - lr * g
    return first


def relu(t):
    return t.apply(lambda z: np.maximum(z, 0), lambda z: (z > 0) * 1.0)


def gates(z, k, n):
    return z[:, k * n:(k + 1) * n]


def lstm(p, x):
    """Outputs summed over time; w (4n, inputs), u (4n, n), b and c (4n,), gates i f g o."""
    n = p["u"].value.shape[1]
    h = cell = total = None
    for t in range(x.value.shape[1]):
        z = x[:, t] @ p["w"].transpose(1, 0) + p["b"] + p["c"]
        if h is not None:
            z = z + h @ p["u"].transpose(1, 0)
        new = gates(z, 0, n).sigmoid() * gates(z, 2, n).tanh()
        cell = new if cell is None else gates(z, 1, n).sigmoid() * cell + new
        h = gates(z, 3, n).sigmoid() * cell.tanh()
        total = h if total is None else total + h
    return total @ p["v"]


def gru(p, x):
    n = p["u"].value.shape[1]
    h = total = None
    for t in range(x.value.shape[1]):
        a = x[:, t] @ p["w"].transpose(1, 0) + p["b"]
        z = p["c"] * np.ones((x.value.shape[0], 1)) if h is None else h @ p["u"].transpose(1, 0) + p["c"]
        r, u = (gates(a, 0, n) + gates(z, 0, n)).sigmoid(), (gates(a, 1, n) + gates(z, 1, n)).sigmoid()
        new = (gates(a, 2, n) + r * gates(z, 2, n)).tanh()
        h = new - u * new if h is None else new - u * new + u * h
        total = h if total is None else total + h
    return total @ p["v"]


def elman(p, x):
    h = total = None
    for t in range(x.value.shape[1]):
        z = x[:, t] @ p["w"].transpose(1, 0) + p["b"] + p["c"]
        h = (z if h is None else z + h @ p["u"].transpose(1, 0)).tanh()
        total = h if total is None else total + h
    return total @ p["v"]


def rotation(length, channels):
    """cos and sin of rotary positions, pairs (c, c + half)."""
    half = channels // 2
    angle = np.arange(length)[:, None] * 0.7 ** np.arange(half)
    return np.cos(np.tile(angle, 2)), np.sin(np.tile(angle, 2))


def attention(heads, kv_heads=None, rotary=False, qk_norm=False):
    """``(x + attention) u``; w (width, heads x channels)."""
    kv = kv_heads or heads

    def model(p, x):
        batch, length, _ = x.value.shape

        def split(name, n):
            z = x @ p["w" + name]
            if "b" + name in p:
                z = z + p["b" + name]
            z = z.reshape(batch, length, n, -1)
            if qk_norm and name in "qk":
                z = z.normalise(-1, centre=False)
                z = z * p["g" + name] if "g" + name in p else z
            return z.transpose(0, 2, 1, 3)
        q, k, v = split("q", heads), split("k", kv), split("v", kv)
        if rotary:
            c = q.value.shape[-1]
            cos, sin = rotation(length, c)
            turn = np.zeros((c, c))
            turn[np.arange(c // 2) + c // 2, np.arange(c // 2)] = -1
            turn[np.arange(c // 2), np.arange(c // 2) + c // 2] = 1
            q, k = q * cos + (q @ Tape(turn)) * sin, k * cos + (k @ Tape(turn)) * sin
        out = None
        for h in range(heads):
            g = h * kv // heads
            a = (q[:, h] @ k[:, g].transpose(0, 2, 1)).softmax() @ v[:, g]
            size = v.value.shape[-1]
            o = a @ p["wo"][h * size:(h + 1) * size]
            out = o if out is None else out + o
        return (x + out) @ p["u"]
    return model


def normed(kind, phi=lambda t: t.tanh()):
    def model(p, x):
        z = x @ p["w"]
        if "b" in p:
            z = z + p["b"]
        axis = 0 if kind == "batch" else -1
        z = z.normalise(axis, centre=kind != "rms")
        z = z * p["g"] if "g" in p else z
        z = z + p["s"] if "s" in p else z
        return phi(z) @ p["v"]
    return model


def experts(count):
    def model(p, x):
        weight = (x @ p["r"]).softmax()
        out = None
        for e in range(count):
            y = weight[:, e:e + 1] * ((x @ p["up"][e]).tanh() @ p["down"][e] + p["c"][e])
            out = y if out is None else out + y
        return out
    return model
