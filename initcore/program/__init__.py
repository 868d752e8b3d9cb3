"""Any framework's network in one neutral form: values, parameters and operations of one vocabulary."""

from .._doors import called_by
from ._program import Op, Parameter, Place, Value

__all__ = ["Op", "Parameter", "Place", "Value"]

called_by(globals())
