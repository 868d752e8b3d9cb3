"""PyTorch: weights that are the same on one device and on a thousand (extra ``torch``).

``it.init`` is ``torch.nn.init`` name for name with ``rng=``; ``it.seeded`` makes any code's own initialisation draw
from the parameters' names; ``it.initialize`` fills a model by rules or a recipe; ``it.to_empty`` keeps ties;
``it.program`` reads a module for the proof;
``it.fingerprint`` is one hash for every sharding; ``it.coverage`` tells what an initialisation left out.
"""

from .._doors import called_by
from ..errors import needs

needs("torch", "torch", "initcore.torch")

from .._named import Table
from . import init
from ._coverage import Coverage, coverage
from ._fingerprint import fingerprint
from ._monitor._monitor import Monitor
from ._program import program
from ._rules import initialize
from ._seeded import seeded
from ._signals._check import check
from ._ties import to_empty

__all__ = ["Coverage", "Monitor", "Table", "check", "coverage", "fingerprint", "init", "initialize", "program",
           "seeded", "to_empty"]

called_by(globals())
