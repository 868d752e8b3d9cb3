"""How much of every layer is saturated: predicted from weights and input moments, or measured on data.

One scale for every activation: the relative slope ``r = |phi'(z)| / max|phi'|``. Saturated is not vanishing,
so three numbers stand together: the saturated share, chi (mean-square gradient factor) and the typical factor.
"""

from ._predict import LayerSignal, SignalReport, lesson, measure, predict

__all__ = ["LayerSignal", "SignalReport", "lesson", "measure", "predict"]
