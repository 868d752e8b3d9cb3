"""Rules that turn gradients into steps: SGD, Adam and their kin, by class or by name."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._checks import describe, flag, number, quiet
from .._types import Array
from ..errors import ArgumentError, ArgumentTypeError, ShapeError, unknown_name
from ..network import Dense, LayerGradient, Network, require_network


class Optimizer:
    """A rule that turns gradients into steps, entry by entry.

    ``step(net, grads)`` returns the next network and keeps the state (moments, step count) in this object,
    so one object serves one training run. Subclasses write :meth:`_delta`, in the arrays' own precision.

    lr : the step, >= 0. weight_decay : >= 0; what it multiplies is the subclass's affair.
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
    """:class:`SGD` with momentum 0.9: PyTorch ``SGD(momentum=0.9)``, optax ``sgd(lr, momentum=0.9)``.

    >>> Momentum(lr=0.1).momentum
    0.9
    """

    def __init__(self, lr: float = 0.01, *, momentum: float = 0.9, nesterov: bool = False,
                 weight_decay: float = 0.0) -> None:
        super().__init__(lr, momentum=momentum, nesterov=nesterov, weight_decay=weight_decay)


class Adam(Optimizer):
    """Adam (Kingma and Ba 2015): with ``g`` the gradient (plus ``weight_decay w``: L2 in the gradient),

    ``m := b1 m + (1 - b1) g; v := b2 v + (1 - b2) g^2;
    w := w - lr/(1 - b1^t) m / (sqrt(v / (1 - b2^t)) + eps)``.

    ``betas`` are the decays of the two moments, each in [0, 1): ArgumentError outside. PyTorch ``Adam``, step for step;
    optax ``adam`` has no decay.

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

    PyTorch ``AdamW`` (the same default decay of 0.01), optax ``adamw`` (there 1e-4). Arguments as :class:`Adam`.

    >>> AdamW(lr=0.1).weight_decay
    0.01
    """

    decoupled = True

    def __init__(self, lr: float = 1e-3, *, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8,
                 weight_decay: float = 0.01) -> None:
        super().__init__(lr, betas=betas, eps=eps, weight_decay=weight_decay)


OPTIMIZERS: dict[str, type[Optimizer]] = {"sgd": SGD, "momentum": Momentum, "adam": Adam, "adamw": AdamW}


def optimizer(name: str, **options: Any) -> Optimizer:
    """A new optimiser by name: "sgd", "momentum", "adam" or "adamw", with its own ``options``.

    Raises UnknownNameError for another name, ArgumentError for options that it does not take.

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
