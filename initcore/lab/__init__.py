"""Small experiments on networks: optimisers, a training loop, and what to count while it runs.

Everything is elementwise on equal inputs or goes through the tie-exact kernels, so units that start bitwise
equal end bitwise equal (guarantee G1). Nothing is modified in place: a step makes a new network.
"""

from .._doors import called_by
from ._measures import accuracy, distinct_units, gradient_norms
from ._optimizers import OPTIMIZERS, SGD, Adam, AdamW, Momentum, Optimizer, optimizer
from ._train import Epoch, permutation, train

__all__ = ["OPTIMIZERS", "SGD", "Adam", "AdamW", "Epoch", "Momentum", "Optimizer", "accuracy", "distinct_units",
           "gradient_norms", "optimizer", "permutation", "train"]

called_by(globals())
