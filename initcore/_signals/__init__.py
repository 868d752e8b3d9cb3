"""Signals of a network of any framework: what is asked for, what is judged, and the report that says it."""

from .._doors import called_by
from ._asked import Options, asked
from ._cells import GATES
from ._gathered import Gathered
from ._judged import Judged, Said, conditions, merged, reported
from ._session import Ask, Changes, Look, Measured, Session, Told, described
from ._structure import Structure
from ._unmeasured import unmeasured
from ._weights import Weights

__all__ = ["GATES", "Ask", "Changes", "Gathered", "Judged", "Look", "Measured", "Options", "Said", "Session",
           "Structure", "Told", "Weights", "asked", "conditions", "described", "merged", "reported",
           "unmeasured"]

called_by(globals())
