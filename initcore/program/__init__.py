"""Any framework's network in one neutral form: values, parameters and operations of one vocabulary.

Readers (:mod:`initcore.torch`, :mod:`initcore.jax`) make a :class:`Program`; the proof (:mod:`initcore.symmetry`) and
the signals read it. :data:`VOCABULARY` says what every operation is called, takes and does.
"""

from .._doors import called_by
from ._coverage import LEAST, Coverage
from ._form import Program
from ._program import Op, Parameter, Place, Value
from ._vocabulary import FUNCTIONS, REDUCTIONS, VOCABULARY, Entry

__all__ = ["FUNCTIONS", "LEAST", "REDUCTIONS", "VOCABULARY", "Coverage", "Entry", "Op", "Parameter",
           "Place", "Program", "Value"]

called_by(globals())
