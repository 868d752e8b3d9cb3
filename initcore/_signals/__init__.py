"""Signals of a network of any framework: what is asked for, what is judged, and the report that says it."""

from .._doors import called_by
from ._asked import Options, asked
from ._judged import Judged, Said, conditions, merged, reported

__all__ = ["Judged", "Options", "Said", "asked", "conditions", "merged", "reported"]

called_by(globals())
