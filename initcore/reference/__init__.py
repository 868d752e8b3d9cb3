"""The plain NumPy twin of every kernel, mirror of ``src/variant``: specification, oracle, benchmark rival."""

from .._doors import called_by
from .layers import (
    activation_backward,
    activation_forward,
    binary_cross_entropy,
    dense_backward,
    dense_forward,
    matmul,
    mse,
    softmax_cross_entropy,
)

__all__ = ["activation_backward", "activation_forward", "binary_cross_entropy", "dense_backward", "dense_forward",
           "matmul", "mse", "softmax_cross_entropy"]

called_by(globals())
