"""The reader of PyTorch modules: export, parameters by memory, ATen's calls in the words of initcore.program."""

from ..._doors import called_by
from ._export import export as traced
from ._reader import Held, program, read

__all__ = ["Held", "program", "read", "traced"]

called_by(globals())
