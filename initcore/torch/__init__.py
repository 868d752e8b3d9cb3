"""PyTorch: weights that are the same on one device and on a thousand."""

from . import init

__all__ = ["init"]
