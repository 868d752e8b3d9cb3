"""How much of every layer is saturated: predicted from weights and input moments, or measured on data.

One scale for every activation: the relative slope ``r = |phi'(z)| / max|phi'|``. Saturated is not vanishing,
so three numbers stand together: the saturated share, chi (mean-square gradient factor) and the typical factor.
"""

from .._doors import called_by
from ._lesson import lesson
from ._measure import measure
from ._node import at
from ._predict import predict
from ._signal import LayerSignal, SignalReport

__all__ = ["LayerSignal", "SignalReport", "at", "lesson", "measure", "predict"]

called_by(globals())
