"""The signal at every layer, measured on data."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .._checks import quiet
from ..errors import ShapeError
from ..network import Network, Trace, require_network, require_trace
from ._propagate import gradient_norms
from ._signal import SignalReport
from ._statistics import layer_signal, layer_statistics


@quiet
def measure(net: Network, x: Any, *, trace: Trace | None = None, threads: int | None = None) -> SignalReport:
    """The signal at every layer on data ``x (batch, features)``: one pass of the ``signals`` kernel a layer.

    Parameters
    ----------
    net : the network.
    x : inputs ``(batch, features)``, at least one row; cast to the network's dtype.
    trace : an :meth:`initcore.Network.trace` of the same x, to save the forward pass.
    threads : number of threads of the forward pass; None is :func:`initcore.get_num_threads`.

    Returns
    -------
    SignalReport : ``.layers[l]`` a :class:`LayerSignal`, ``kind`` "measured".

    Raises ShapeError (rank, features, no rows), DTypeError, ArgumentTypeError (no network).

    >>> import numpy as np
    >>> from initcore import Dense, Network
    >>> rng = np.random.default_rng(0)
    >>> net = Network([Dense(rng.standard_normal((100, 200)), None, "tanh")])
    >>> 0.7 < measure(net, rng.standard_normal((64, 100))).layers[0].slope_below_1pct < 0.8
    True
    """
    t = require_network(net).trace(x, threads=threads) if trace is None else require_trace(trace)
    if not len(t.x):
        raise ShapeError("x has no rows; a measurement needs at least one.")
    found = [layer_statistics(layer.activation, t.z[i], t.a[i]) for i, layer in enumerate(net.layers)]
    norms = gradient_norms(net, [f.signed_slope for f in found], [f.slope2 for f in found])
    layers = tuple(layer_signal(net, i, f, norms[i]) for i, f in enumerate(found))
    with np.errstate(all="ignore"):
        rms = math.sqrt(float(np.mean(np.square(t.x, dtype=np.float64)))) if t.x.size else 0.0
    return SignalReport("measured", layers, rms)
