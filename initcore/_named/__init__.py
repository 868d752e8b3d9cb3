"""Arrays of a model by name: which rule fills which, how each is drawn, and the table of what went where.

Design
A. An adapter lists its model's arrays as :class:`Named`; :func:`choose` gives each its rule and refuses, before
   anything is written, arrays without a rule and rules without an array.
B. The name is the stream's: ``names=`` lets arrays of several frameworks share one, and with ``canonical`` they draw
   in one order of the axes, so that the functions they are part of are one function.
C. :class:`Recipe` makes any block of an array, from the whole's shape and the key.
"""

from .._doors import called_by
from ._choice import Chosen, Named, by_name, choose, renamed, settled, spelled
from ._recipe import COSTS_THE_WHOLE, Recipe, base_of, canonical_layout, describe, probe, takes
from ._table import Row, Table

__all__ = ["COSTS_THE_WHOLE", "Chosen", "Named", "Recipe", "Row", "Table", "base_of", "by_name", "canonical_layout",
           "choose", "describe", "probe", "renamed", "settled", "spelled", "takes"]

called_by(globals())
