"""Signals of a network of any framework: what is asked for, what is judged, and the report that says it."""

from .._doors import called_by
from ._asked import Asking, Options, asked, takes_options
from ._cells import GATES
from ._gathered import Gathered
from ._judged import Again, Subject, checked, conditions, merged
from ._session import Ask, Changes, Look, Measured, Said, Session, Told, described
from ._structure import Structure
from ._unmeasured import unmeasured
from ._weights import Weights

__all__ = ["GATES", "Again", "Ask", "Asking", "Changes", "Gathered", "Look", "Measured", "Options", "Said", "Session",
           "Structure", "Subject", "Told", "Weights", "asked", "checked", "conditions", "described", "merged",
           "takes_options", "unmeasured"]

called_by(globals())
