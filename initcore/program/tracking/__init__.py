"""Which units the values of a program carry: the facts from which the proof makes axes, blocks and couplings.

:func:`track` follows units through every operation; a :class:`Trace` holds what it found out, a :class:`Track` what one
value carries. This door is for the rooms of the library; users ask :meth:`initcore.program.Program.tracked`.
"""

from ..._doors import called_by
from ._facts import SQUARES, Colour, Family, Link, Use
from ._scores import KEYS, VALUES
from ._trace import Trace
from ._track import track
from ._tracks import UNIT, Track, size

__all__ = ["KEYS", "SQUARES", "UNIT", "VALUES", "Colour", "Family", "Link", "Trace", "Track", "Use", "size", "track"]

called_by(globals())
