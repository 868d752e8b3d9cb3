"""ATen, PyTorch's own vocabulary, read into :mod:`initcore.program` without PyTorch: for live modules and for files."""

from .._doors import called_by
from ._build import Build, NotUnderstood
from ._call import Call, Out, Ref
from ._read import Reading
from ._table import TABLE, single
from ._where import where

__all__ = ["TABLE", "Build", "Call", "NotUnderstood", "Out", "Reading", "Ref", "single", "where"]

called_by(globals())
