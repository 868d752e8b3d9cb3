"""The plain NumPy twin of every kernel: specification, oracle, benchmark rival.

Shapes: ``x (batch, fan_in)``, ``w (fan_in, fan_out)``, ``b (fan_out,)``, ``y, z, dy (batch, fan_out)``.
Nothing here is fast and nothing here is clever.
"""

from typing import Any

import numpy as np

from .. import activations
from .._types import Array


def matmul(a: Array, b: Array) -> Array:
    """``c[i, j] := sum_k a[i, k] b[k, j]``."""
    return a @ b


def activation_forward(activation: Any, z: Array) -> Array:
    """``y := phi(z)``."""
    return np.asarray(activations.get(activation).phi(z), dtype=z.dtype)


def activation_backward(activation: Any, z: Array, dy: Array) -> Array:
    """``dz := dy phi'(z)``."""
    return np.asarray(dy * activations.get(activation).dphi(z), dtype=z.dtype)


def dense_forward(x: Array, w: Array, b: Array | None, activation: Any) -> Array:
    """``y := phi(x w + b)``."""
    z = x @ w
    return activation_forward(activation, z if b is None else z + b)


def dense_backward(x: Array, w: Array, b: Array | None, activation: Any, dy: Array) -> tuple[Array, Array, Array]:
    """``dz := dy phi'(x w + b); dx := dz w', dw := x' dz, db := sum_rows dz``."""
    z = x @ w if b is None else x @ w + b
    dz = activation_backward(activation, z, dy)
    return dz @ w.T, x.T @ dz, dz.sum(axis=0)


def mse(prediction: Array, target: Array) -> tuple[float, Array]:
    """``mean((p - t)^2)`` over all elements and its gradient ``2 (p - t)/size``."""
    d = prediction - target
    return float(np.mean(np.square(d, dtype=np.float64))), 2 * d / d.size


def softmax_cross_entropy(logits: Array, target: Array) -> tuple[float, Array]:
    """``mean_rows(-sum_j t_j log softmax(logits)_j)``; target: class indices (rows,) or probabilities."""
    if target.ndim == 1:
        target = np.eye(logits.shape[1], dtype=logits.dtype)[target]
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    total = target.sum(axis=1, keepdims=True)
    rows = len(logits)
    return float(-(target * log_p).sum(dtype=np.float64) / rows), (np.exp(log_p) * total - target) / rows


def binary_cross_entropy(logits: Array, target: Array) -> tuple[float, Array]:
    """``mean(softplus(z) - t z)`` over all elements, from logits; gradient ``(sigmoid(z) - t)/size``."""
    value = np.maximum(logits, 0) - logits * target + np.log1p(np.exp(-np.abs(logits)))
    grad = activations.get("sigmoid").phi(logits) - target
    return float(np.mean(value, dtype=np.float64)), np.asarray(grad / logits.size, dtype=logits.dtype)
