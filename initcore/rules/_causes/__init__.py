"""Whose fault it is: of one layer's slopes or signs, or of what depth makes of a signal."""

from ..._doors import called_by
from ._depth import activation_blame, gradient_blame, worst_layer
from ._layer import layer_blame, offset_blame, saturation_severity
from ._lost import Lost, lost_units

__all__ = ["Lost", "activation_blame", "gradient_blame", "layer_blame", "lost_units", "offset_blame",
           "saturation_severity", "worst_layer"]

called_by(globals())
