"""A program run in NumPy, without its framework: every value forward, and the back-signal of a loss back through it."""

from .._doors import called_by
from ._tape import Run, Unrun, forward
from ._unrolled import unrolled
from ._work import Work, work_of

__all__ = ["Run", "Unrun", "Work", "forward", "unrolled", "work_of"]

called_by(globals())
