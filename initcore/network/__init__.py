"""Dense layers and chains of them: forward, trace, gradients, on the compiled kernels.

A network here is a value: layers hold arrays, nothing is trained in place (see :mod:`initcore.lab`).
"""

from .._doors import called_by
from ._chain import Network
from ._chain import own_layers as own_layers
from ._chain import require_network as require_network
from ._dense import Dense
from ._trace import LayerGradient, Trace
from ._trace import require_trace as require_trace

__all__ = ["Dense", "LayerGradient", "Network", "Trace"]

called_by(globals())
