"""The reader of JAX functions: a jaxpr in the words of initcore.program."""

from ..._doors import called_by
from ._entry import Reading, a_weight, program, read
from ._tape import play

__all__ = ["Reading", "a_weight", "play", "program", "read"]

called_by(globals())
