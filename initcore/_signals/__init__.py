"""Signals of a network of any framework: what is asked for, what is judged, and the report that says it."""

from .._doors import called_by
from ._ancestry import Ancestry, origins
from ._asked import Options, asked
from ._facts import Gathered, Look, Measured, Session, Told
from ._judged import Judged, Said, conditions, merged, reported

__all__ = ["Ancestry", "Gathered", "Judged", "Look", "Measured", "Options", "Said", "Session", "Told", "asked",
           "conditions", "merged", "origins", "reported"]

called_by(globals())
