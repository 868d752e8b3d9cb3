"""The reader of PyTorch modules: export, parameters by memory, ATen's calls in the words of initcore.program."""

from ..._doors import called_by
from ._reader import program

__all__ = ["program"]

called_by(globals())
