"""initcore: neural-network weights, made fast and reproducibly, and proved able to learn."""

from . import activations, errors, kernels
from .network import Dense, Network

__version__ = "0.1.0"
__all__ = ["Dense", "Network", "activations", "errors", "kernels"]
