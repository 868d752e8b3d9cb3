"""A few operations with reverse-mode gradients in plain NumPy: enough to train the structures of theory 4.5."""

import numpy as np
from symmetry_lab import updater


class Tape:
    """A value with the pullbacks of its parents."""

    def __init__(self, value, parents=()):
        self.value, self.parents, self.grad = wide(value), parents, None

    def backward(self):
        order, seen = [], set()

        def visit(t):
            if id(t) not in seen:
                seen.add(id(t))
                for p, _ in t.parents:
                    visit(p)
                order.append(t)
        visit(self)
        for t in order:
            t.grad = np.zeros_like(t.value)
        self.grad = np.ones_like(self.value)
        for t in reversed(order):
            for p, pull in t.parents:
                p.grad = p.grad + pull(t.grad)

    def __add__(self, o):
        o = as_tape(o)
        return Tape(self.value + o.value, ((self, lambda g: fold(g, self.value)), (o, lambda g: fold(g, o.value))))

    def __sub__(self, o):
        return self + as_tape(o) * -1.0

    def __mul__(self, o):
        o = as_tape(o)
        return Tape(self.value * o.value, ((self, lambda g: fold(g * o.value, self.value)),
                                           (o, lambda g: fold(g * self.value, o.value))))

    def __matmul__(self, o):
        return Tape(self.value @ o.value, ((self, lambda g: fold(g @ np.swapaxes(o.value, -1, -2), self.value)),
                                           (o, lambda g: fold(np.swapaxes(self.value, -1, -2) @ g, o.value))))

    def apply(self, f, slope):
        return Tape(f(self.value), ((self, lambda g: g * slope(self.value)),))

    def tanh(self):
        return self.apply(np.tanh, lambda z: 1 - np.tanh(z) ** 2)

    def sigmoid(self):
        return self.apply(lambda z: 1 / (1 + np.exp(-z)), lambda z: np.exp(-z) / (1 + np.exp(-z)) ** 2)

    def silu(self):
        return self * self.sigmoid()

    def exp(self):
        return self.apply(np.exp, np.exp)

    def power(self, k):
        return self.apply(lambda z: z ** k, lambda z: k * z ** (k - 1))

    def sum(self, axis):
        return Tape(self.value.sum(axis=axis, keepdims=True), ((self, lambda g: np.broadcast_to(g, self.value.shape)),))

    def mean(self, axis):
        count = self.value.size / self.value.sum(axis=axis, keepdims=True).size
        return self.sum(axis) * (1.0 / count)

    def reshape(self, *shape):
        return Tape(self.value.reshape(shape), ((self, lambda g: g.reshape(self.value.shape)),))

    def transpose(self, *axes):
        back = np.argsort(axes)
        return Tape(self.value.transpose(axes), ((self, lambda g: g.transpose(back)),))

    def __getitem__(self, key):
        def pull(g):
            out = np.zeros_like(self.value)
            np.add.at(out, key, g)
            return out
        return Tape(self.value[key], ((self, pull),))

    def softmax(self):
        e = (self - self.value.max(axis=-1, keepdims=True)).exp()
        return e * e.sum(-1).power(-1.0)

    def normalise(self, axis, centre=True):
        z = self - self.mean(axis) if centre else self
        return z * (z.power(2).mean(axis) + 1e-5).power(-0.5)


def wide(a):
    """An array in float64, or in the long double it is given in."""
    return np.asarray(a, dtype=np.result_type(a, np.float64))


def as_tape(x):
    return x if isinstance(x, Tape) else Tape(x)


def fold(g, like):
    """Sum a gradient back to the shape that was broadcast."""
    while g.ndim > like.ndim:
        g = g.sum(axis=0)
    for axis, n in enumerate(like.shape):
        if n == 1 and g.shape[axis] != 1:
            g = g.sum(axis=axis, keepdims=True)
    return g


def fit(model, params, data, target, optimizer="sgd", steps=30, lr=None):
    """Parameters after some steps of mean squared error; ``model(params, data)`` -> prediction."""
    lr = {"lion": 3e-3, "sgd": 0.1, "muon": 0.02}.get(optimizer, 0.01) if lr is None else lr
    step = updater(optimizer, lr)
    params = {k: wide(v).copy() for k, v in params.items()}
    for t in range(1, steps + 1):
        tapes = {k: Tape(v) for k, v in params.items()}
        (model(tapes, data) - target).power(2).mean(None).backward()
        params = {k: step(k, v, tapes[k].grad if tapes[k].grad is not None else np.zeros_like(v), t)
                  for k, v in params.items()}
    return params
