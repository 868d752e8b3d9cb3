"""The training loop: minibatches in an order that the key decides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .. import random
from .._checks import describe, integer, quiet
from .._types import Array
from ..errors import ArgumentTypeError, ShapeError
from ..network import Network, require_network
from ._optimizers import Optimizer


class Epoch(NamedTuple):
    """What :func:`train` tells its callback: epochs done, the network now, the mean loss over the epoch's batches.

    number : from 1. net : the network after this epoch. loss : a float, in nats for the cross entropies.
    """

    number: int
    net: Network
    loss: float


@quiet
def permutation(n: int, *, rng: Any) -> Array:
    """A permutation of ``range(n)``: the stable order of n raw words of the key's stream.

    n : integer >= 0. rng : seed or Key. Raises ArgumentError, ArgumentTypeError.

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
    threads : number of threads; the bits do not depend on it.

    Raises ShapeError (x and y of unequal length, or empty), ArgumentTypeError (an optimizer that is none), else as
    :meth:`Network.gradients`.

    >>> from initcore.lab import SGD
    >>> from initcore.network import Dense
    >>> start = Network([Dense(np.zeros((1, 1)))])
    >>> x = np.ones((4, 1))
    >>> train(start, x, 2 * x, optimizer=SGD(lr=0.5), epochs=1, loss="mse").layers[0].w
    array([[2.]])
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
