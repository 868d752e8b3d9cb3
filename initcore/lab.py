"""Small experiments on networks: optimisers, a training loop, and what to count while it runs.

Everything is elementwise on equal inputs or goes through the tie-exact kernels, so units that start bitwise
equal end bitwise equal (guarantee G1). Nothing is modified in place: a step makes a new network.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from . import random
from ._checks import describe, flag, integer, number, quiet
from ._types import Array
from .errors import ArgumentError, ArgumentTypeError, ShapeError, unknown_name
from .network import Dense, LayerGradient, Network, require_network

__all__ = [
    "OPTIMIZERS",
    "SGD",
    "Adam",
    "AdamW",
    "Epoch",
    "Momentum",
    "Optimizer",
    "accuracy",
    "distinct_units",
    "gradient_norms",
    "optimizer",
    "permutation",
    "train",
]


class Optimizer:
    """A rule that turns gradients into steps, entry by entry.

    ``step(net, grads)`` returns the next network and keeps the state (moments, step count) in this object,
    so one object serves one training run. Subclasses write :meth:`_delta`, in the arrays' own precision.
    """

    def __init__(self, lr: float, weight_decay: float = 0.0) -> None:
        self.lr = number("lr", lr, low=0.0)
        self.weight_decay = number("weight_decay", weight_decay, low=0.0)
        self.steps = 0
        self._state: dict[tuple[int, str], tuple[Array, ...]] = {}

    @quiet
    def step(self, net: Network, grads: list[LayerGradient]) -> Network:
        """The network after one step along ``grads``, as :meth:`Network.gradients` returns them."""
        require_network(net)
        if not isinstance(grads, (list, tuple)) or not all(isinstance(g, LayerGradient) for g in grads):
            raise ArgumentTypeError(f"grads must be the list that Network.gradients returns, got {describe(grads)}.")
        if len(grads) != len(net.layers):
            raise ShapeError(f"grads has {len(grads)} entries, but the network has {len(net.layers)} layers.")
        for i, (layer, grad) in enumerate(zip(net.layers, grads)):
            for name in ("w", "b"):
                value, g = getattr(layer, name), getattr(grad, name)
                if (value is None) != (g is None) or (value is not None and value.shape != g.shape):
                    raise ShapeError(f"grads[{i}].{name} does not fit layers[{i}].{name}: "
                                     f"{_shape(g)} against {_shape(value)}.")
        self.steps += 1
        layers = []
        for i, (layer, grad) in enumerate(zip(net.layers, grads)):
            w = self._next((i, "w"), layer.w, grad.w)
            b = None if layer.b is None or grad.b is None else self._next((i, "b"), layer.b, grad.b)
            layers.append(Dense(w, b, layer.activation))
        return Network(layers, check_finite=False)

    def next_value(self, name: str, value: Array, grad: Array) -> Array:
        """One array after a step along ``grad``; ``name`` keeps its state. One array a step, as when all of a network's
        parameters are views of one vector: the arithmetic of :meth:`step` without a new network.

        >>> import numpy as np
        >>> SGD(lr=0.5).next_value("w", np.ones(2), np.ones(2))
        array([0.5, 0.5])
        """
        self.steps += 1
        return self._next((0, name), value, grad)

    def _next(self, at: tuple[int, str], value: Array, grad: Array) -> Array:
        state = self._state.get(at, ())
        if state and state[0].shape != value.shape:
            raise ShapeError(f"layers[{at[0]}].{at[1]} has shape {value.shape}, but this optimizer's state "
                             f"has {state[0].shape}; use a new optimizer for another network.")
        new, self._state[at] = self._delta(value, grad, state)
        return np.asarray(new, dtype=value.dtype)

    def _delta(self, value: Array, grad: Array, state: tuple[Array, ...]) -> tuple[Array, tuple[Array, ...]]:
        raise NotImplementedError


def _shape(a: Array | None) -> str:
    return "none" if a is None else str(a.shape)


class SGD(Optimizer):
    """``v := momentum v + (g + weight_decay w); w := w - lr v`` (PyTorch's form; ``nesterov`` looks ahead).

    >>> import numpy as np
    >>> net = Network([Dense(np.ones((1, 1)), np.zeros(1))])
    >>> _, grads = net.gradients(np.ones((1, 1)), np.zeros((1, 1)), loss="mse")
    >>> SGD(lr=0.25).step(net, grads).layers[0].w
    array([[0.5]])
    """

    def __init__(self, lr: float = 0.01, *, momentum: float = 0.0, nesterov: bool = False,
                 weight_decay: float = 0.0) -> None:
        super().__init__(lr, weight_decay)
        self.momentum = number("momentum", momentum, low=0.0, high=1.0)
        self.nesterov = flag("nesterov", nesterov)

    def _delta(self, value: Array, grad: Array, state: tuple[Array, ...]) -> tuple[Array, tuple[Array, ...]]:
        g = grad + self.weight_decay * value if self.weight_decay else grad
        if not self.momentum:
            return value - self.lr * g, ()
        v = self.momentum * state[0] + g if state else g
        return value - self.lr * (g + self.momentum * v if self.nesterov else v), (v,)


class Momentum(SGD):
    """:class:`SGD` with momentum 0.9: PyTorch ``SGD(momentum=0.9)``, optax ``sgd(lr, momentum=0.9)``."""

    def __init__(self, lr: float = 0.01, *, momentum: float = 0.9, nesterov: bool = False,
                 weight_decay: float = 0.0) -> None:
        super().__init__(lr, momentum=momentum, nesterov=nesterov, weight_decay=weight_decay)


class Adam(Optimizer):
    """Adam (Kingma and Ba 2015): with ``g`` the gradient (plus ``weight_decay w``: L2 in the gradient),

    ``m := b1 m + (1 - b1) g; v := b2 v + (1 - b2) g^2;
    w := w - lr/(1 - b1^t) m / (sqrt(v / (1 - b2^t)) + eps)``.

    PyTorch ``Adam``, step for step; optax ``adam`` has no decay. Raises ArgumentError for a beta outside [0, 1).

    >>> import numpy as np
    >>> net = Network([Dense(np.ones((1, 1)), np.zeros(1))])
    >>> _, grads = net.gradients(np.ones((1, 1)), np.zeros((1, 1)), loss="mse")
    >>> Adam(lr=0.25).step(net, grads).layers[0].w.round(6)
    array([[0.75]])
    """

    decoupled = False

    def __init__(self, lr: float = 1e-3, *, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
                 weight_decay: float = 0.0) -> None:
        super().__init__(lr, weight_decay)
        if not isinstance(betas, (tuple, list)) or len(betas) != 2:
            raise ArgumentError(f"betas must be two numbers, got {describe(betas)}.")
        self.betas = tuple(number(f"betas[{i}]", b, low=0.0, high=1.0) for i, b in enumerate(betas))
        if max(self.betas) == 1:
            raise ArgumentError(f"betas={describe(betas)} must be below 1: a decay of 1 never takes a gradient in.")
        self.eps = number("eps", eps, low=0.0)

    def _delta(self, value: Array, grad: Array, state: tuple[Array, ...]) -> tuple[Array, tuple[Array, ...]]:
        b1, b2 = self.betas
        if self.weight_decay and self.decoupled:
            value = value * (1 - self.lr * self.weight_decay)
        elif self.weight_decay:
            grad = grad + self.weight_decay * value
        m, v = state or (np.zeros_like(grad), np.zeros_like(grad))
        m = b1 * m + (1 - b1) * grad
        v = b2 * v + (1 - b2) * np.square(grad)
        scale = self.lr / (1 - b1 ** self.steps)
        return value - scale * m / (np.sqrt(v / (1 - b2 ** self.steps)) + self.eps), (m, v)


class AdamW(Adam):
    """Adam with decoupled decay, ``w := w - lr weight_decay w`` beside the step (Loshchilov and Hutter 2019).

    PyTorch ``AdamW`` (the same default decay of 0.01), optax ``adamw`` (there 1e-4).
    """

    decoupled = True

    def __init__(self, lr: float = 1e-3, *, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
                 weight_decay: float = 0.01) -> None:
        super().__init__(lr, betas=betas, eps=eps, weight_decay=weight_decay)


OPTIMIZERS: dict[str, type[Optimizer]] = {"sgd": SGD, "momentum": Momentum, "adam": Adam, "adamw": AdamW}


def optimizer(name: str, **options: Any) -> Optimizer:
    """A new optimiser by name: "sgd", "momentum", "adam" or "adamw".

    >>> optimizer("adam", lr=0.01).lr
    0.01
    """
    if not isinstance(name, str) or name.lower() not in OPTIMIZERS:
        raise unknown_name("optimizer", name, OPTIMIZERS)
    try:
        return OPTIMIZERS[name.lower()](**options)
    except TypeError as error:
        if isinstance(error, ArgumentTypeError):
            raise
        raise ArgumentError(f"optimizer {name!r} does not take these options: {', '.join(options)}.") from None


class Epoch(NamedTuple):
    """What :func:`train` tells its callback: epochs done, the network now, the mean loss over the epoch's batches."""

    number: int
    net: Network
    loss: float


@quiet
def permutation(n: int, *, rng: Any) -> Array:
    """A permutation of ``range(n)``: the stable order of n raw words of the key's stream.

    >>> sorted(permutation(5, rng=0).tolist())
    [0, 1, 2, 3, 4]
    """
    return np.argsort(random.bits(integer("n", n, low=0), rng=rng), kind="stable")


def train(net: Network, x: Array, y: Array, *, optimizer: Optimizer, epochs: int, batch_size: int = 32,
          loss: str = "softmax_cross_entropy", rng: Any = 0, callback: Callable[[Epoch], object] | None = None,
          threads: int | None = None) -> Network:
    """Train on minibatches and return the trained network; the given one stays as it is.

    Parameters
    ----------
    net, x, y, loss : as for :meth:`Network.gradients`; the last batch of an epoch may be smaller.
    optimizer : a fresh :class:`Optimizer`; it keeps the run's state.
    epochs, batch_size : integers >= 0 and >= 1.
    rng : seed or Key of the minibatch order (epoch e is shuffled by ``key.child("epoch").child(e)``).
    callback : called with an :class:`Epoch` after each epoch.
    """
    if not isinstance(optimizer, Optimizer):
        raise ArgumentTypeError(f"optimizer must be an initcore.lab.Optimizer, got {optimizer!r}; "
                                "make one with lab.optimizer('adam').")
    epochs, batch_size = integer("epochs", epochs, low=0), integer("batch_size", batch_size, low=1)
    x, y = require_network(net).input(x), net.target(y)
    if callback is not None and not callable(callback):
        raise ArgumentTypeError(f"callback must be a function of an Epoch, got {describe(callback)}.")
    if y.ndim == 0 or len(x) == 0 or len(x) != len(y):
        count = len(y) if y.ndim else "none"
        raise ShapeError(f"x has {len(x)} rows and y has {count}; training needs equally many, at least one.")
    key = random.as_key(rng).child("epoch")
    for epoch in range(epochs):
        order = permutation(len(x), rng=key.child(epoch))
        total = 0.0
        for start in range(0, len(x), batch_size):
            rows = order[start:start + batch_size]
            value, grads = net.gradients(x[rows], y[rows], loss=loss, threads=threads)
            net = optimizer.step(net, grads)
            total += value * len(rows)
        if callback is not None:
            callback(Epoch(epoch + 1, net, total / len(x)))
    return net


@quiet
def accuracy(net: Network, x: Array, y: Array) -> float:
    """Share of rows whose largest output is the class ``y``; the first wins a draw, NaN outputs count as wrong."""
    out = require_network(net).forward(x)
    classes = net.target(y)
    if classes.shape != (len(out),):
        raise ShapeError(f"y has shape {classes.shape}; accuracy needs one class for each of the {len(out)} rows of x.")
    right = (np.argmax(out, axis=1) == classes) & np.isfinite(out).all(axis=1)
    return float(np.mean(right))


@quiet
def distinct_units(net: Network) -> list[int]:
    """Bitwise different units in each hidden layer: incoming weights, bias and outgoing weights together.

    >>> import numpy as np
    >>> distinct_units(Network([Dense(np.ones((3, 5)), np.zeros(5), "tanh"), Dense(np.ones((5, 2)))]))
    [1]
    """
    counts = []
    for layer, after in zip(require_network(net).layers, net.layers[1:]):
        parts = [layer.w.T, after.w] + ([] if layer.b is None else [layer.b[:, None]])
        rows = np.ascontiguousarray(np.concatenate(parts, axis=1))
        counts.append(len({row.tobytes() for row in rows}))
    return counts


@quiet
def gradient_norms(net: Network, x: Array, y: Array, *, loss: str = "softmax_cross_entropy") -> list[float]:
    """Frobenius norm of each layer's weight gradient on the whole of ``(x, y)``."""
    _, grads = require_network(net).gradients(x, y, loss=loss)
    return [float(np.sqrt(np.sum(np.square(g.w, dtype=np.float64)))) for g in grads]
