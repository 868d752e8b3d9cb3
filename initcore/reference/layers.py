"""The plain NumPy twin of every kernel: specification, oracle, benchmark rival.

Shapes: ``x (batch, fan_in)``, ``w (fan_in, fan_out)``, ``b (fan_out,)``, ``y, z, dy (batch, fan_out)``.
Nothing here is fast, nothing is clever, and nothing is checked: what does not fit is NumPy's error.
``activation`` is a name, an :class:`initcore.activations.Activation` or a callable. ``target`` as at the kernels.
"""

from typing import Any

import numpy as np

from .. import activations
from .._types import Array


def matmul(a: Array, b: Array) -> Array:
    """``c[i, j] := sum_k a[i, k] b[k, j]``.

    >>> matmul(np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]]))
    array([[11.]])
    """
    return a @ b


def activation_forward(activation: Any, z: Array) -> Array:
    """``y := phi(z)``.

    >>> activation_forward("relu", np.array([-1.0, 2.0]))
    array([0., 2.])
    """
    return np.asarray(activations.get(activation).phi(z), dtype=z.dtype)


def activation_backward(activation: Any, z: Array, dy: Array) -> Array:
    """``dz := dy phi'(z)``.

    >>> activation_backward("relu", np.array([-1.0, 2.0]), np.array([3.0, 3.0]))
    array([0., 3.])
    """
    return np.asarray(dy * activations.get(activation).dphi(z), dtype=z.dtype)


def dense_forward(x: Array, w: Array, b: Array | None, activation: Any) -> Array:
    """``y := phi(x w + b)``.

    >>> dense_forward(np.ones((1, 3)), np.ones((3, 2)), None, "relu")
    array([[3., 3.]])
    """
    z = x @ w
    return activation_forward(activation, z if b is None else z + b)


def dense_backward(x: Array, w: Array, b: Array | None, activation: Any, dy: Array) -> tuple[Array, Array, Array]:
    """``dz := dy phi'(x w + b); dx := dz w', dw := x' dz, db := sum_rows dz``.

    >>> dense_backward(np.ones((1, 2)), np.ones((2, 1)), None, "relu", np.array([[3.0]]))
    (array([[3., 3.]]), array([[3.],
           [3.]]), array([3.]))
    """
    z = x @ w if b is None else x @ w + b
    dz = activation_backward(activation, z, dy)
    return dz @ w.T, x.T @ dz, dz.sum(axis=0)


def mse(prediction: Array, target: Array) -> tuple[float, Array]:
    """``mean((p - t)^2)`` over all elements and its gradient ``2 (p - t)/size``.

    >>> mse(np.array([1.0, 2.0]), np.array([0.0, 2.0]))
    (0.5, array([1., 0.]))
    """
    d = prediction - target
    return float(np.mean(np.square(d, dtype=np.float64))), 2 * d / d.size


def softmax_cross_entropy(logits: Array, target: Array) -> tuple[float, Array]:
    """``mean_rows(-sum_j t_j log softmax(logits)_j)``; target: class indices (rows,) or probabilities.

    >>> value, gradient = softmax_cross_entropy(np.zeros((1, 4)), np.array([1]))
    >>> round(value, 6), gradient
    (1.386294, array([[ 0.25, -0.75,  0.25,  0.25]]))
    """
    if target.ndim == 1:
        target = np.eye(logits.shape[1], dtype=logits.dtype)[target]
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    total = target.sum(axis=1, keepdims=True)
    rows = len(logits)
    return float(-(target * log_p).sum(dtype=np.float64) / rows), (np.exp(log_p) * total - target) / rows


def binary_cross_entropy(logits: Array, target: Array) -> tuple[float, Array]:
    """``mean(softplus(z) - t z)`` over all elements, from logits; gradient ``(sigmoid(z) - t)/size``.

    >>> value, gradient = binary_cross_entropy(np.zeros(2), np.array([0.0, 1.0]))
    >>> round(value, 6), gradient
    (0.693147, array([ 0.25, -0.25]))
    """
    value = np.maximum(logits, 0) - logits * target + np.log1p(np.exp(-np.abs(logits)))
    grad = activations.get("sigmoid").phi(logits) - target
    return float(np.mean(value, dtype=np.float64)), np.asarray(grad / logits.size, dtype=logits.dtype)
