"""The reader of JAX functions: a jaxpr in the words of initcore.program."""

from ..._doors import called_by
from ._reader import program

__all__ = ["program"]

called_by(globals())
