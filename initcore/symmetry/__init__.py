"""Which units are one unit for ever: a proof from the weights alone.

Training cannot tell two units apart when their weights agree in the right way: equal sums from every group of
equal units below, equal sums to every group above. :func:`analyze` finds all such ties, exactly, for the optimiser
named; :func:`quotient` returns the narrower network a tied one really is; :func:`break_ties` sets it free.

References: Grohe, Kersting, Mladenov, Selman 2014 (equitable partitions of matrices); Fukumizu, Amari 2000;
Chen, Kunin et al. 2023 (invariant sets). Other libraries have no counterpart.
"""

from .._doors import called_by
from ._analyze import analyze
from ._break_ties import Broken, Change, break_ties
from ._flow._zero_flow import ZeroFlow
from ._layers import LayerSymmetry, NearTie
from ._optimizers import rule as invariance
from ._quotient import Quotient, quotient
from ._report import SymmetryReport
from ._report import SymmetryReport as Report
from ._structures._graph import Graph

__all__ = ["Broken", "Change", "Graph", "LayerSymmetry", "NearTie", "Quotient", "Report", "SymmetryReport", "ZeroFlow",
           "analyze", "break_ties", "invariance", "quotient"]

called_by(globals())
