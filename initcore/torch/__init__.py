"""PyTorch: weights that are the same on one device and on a thousand (extra ``torch``).

``it.init`` is ``torch.nn.init`` name for name with ``rng=``; ``it.seeded`` makes any code's own initialisation draw
from the parameters' names.
"""

from . import init
from ._seeded import seeded

__all__ = ["init", "seeded"]
