"""What to count while a network trains: right answers, different units, sizes of gradients."""

from __future__ import annotations

import numpy as np

from .._checks import quiet
from .._types import Array
from ..errors import ShapeError
from ..network import Network, require_network


@quiet
def accuracy(net: Network, x: Array, y: Array) -> float:
    """Share of rows whose largest output is the class ``y``; the first wins a draw, NaN outputs count as wrong.

    net : the network. x : inputs ``(batch, features)``. y : classes, integers ``(batch,)``. Raises ShapeError where
    they do not fit, ArgumentTypeError for what is no network.

    >>> from initcore.network import Dense
    >>> accuracy(Network([Dense(np.eye(2))]), np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([0, 0]))
    0.5
    """
    out = require_network(net).forward(x)
    classes = net.target(y)
    if classes.shape != (len(out),):
        raise ShapeError(f"y has shape {classes.shape}; accuracy needs one class for each of the {len(out)} rows of x.")
    right = (np.argmax(out, axis=1) == classes) & np.isfinite(out).all(axis=1)
    return float(np.mean(right))


@quiet
def distinct_units(net: Network) -> list[int]:
    """Bitwise different units in each hidden layer: incoming weights, bias and outgoing weights together.

    net : the network, of which any weight may be NaN: bits are compared. Raises ArgumentTypeError for what is none.

    >>> import numpy as np
    >>> from initcore.network import Dense
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
    """Frobenius norm of each layer's weight gradient on the whole of ``(x, y)``.

    Arguments and errors as :meth:`initcore.Network.gradients`.

    >>> from initcore.network import Dense
    >>> gradient_norms(Network([Dense(np.ones((2, 1)))]), np.array([[1.0, 2.0]]), np.array([[1.0]]), loss="mse")
    [8.94427190999916]
    """
    _, grads = require_network(net).gradients(x, y, loss=loss)
    return [float(np.sqrt(np.sum(np.square(g.w, dtype=np.float64)))) for g in grads]
