"""The signal at every layer, predicted from weights and the input's moments."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from .._checks import quiet
from .._gaussian.shares import mass, share, slope_zero_intervals, zero_intervals
from .._types import Array
from ..network import Network, require_network
from ._input_moments import input_state
from ._propagate import gradient_norms
from ._signal import LayerSignal, Outputs, SignalReport
from ._state import State, Step
from ._statistics import chi
from ._statistics import layer_signal as measured_signal
from ._walk import Walk, steps


@quiet
def predict(net: Network, x: Any = None, *, second_moment: Any = None, mean: Any = None, variance: Any = None,
            covariance: Any = None) -> SignalReport:
    """The signal at every layer, from the weights and the input's moments only; no data is needed.

    Parameters
    ----------
    net : the network.
    x : data ``(batch, features)``: only its mean and covariance are used.
    second_moment : E x_i^2, a number or one a feature, at least the square of ``mean``.
    mean, variance : per feature, a number or ``(features,)``.
    covariance : ``(features, features)``.

    Given nothing, inputs are taken as independent with mean 0 and variance 1. Of a second moment or variances alone
    the features are taken as independent too, and their mean as 0 where it is not given. ``assumed`` says so.

    Returns
    -------
    SignalReport : ``.layers[l]`` a :class:`LayerSignal`, ``kind`` "predicted", ``.expected_loss``.

    Raises ShapeError and ArgumentError for moments that do not fit the network, contradict each other or are no
    moments (negative variances), ArgumentTypeError for what is no number.

    Every unit's z is taken as normal over the data, with its own mean and variance; means and covariances are carried
    from layer to layer (of layers wider than 1600 units only variances, merged where units are equal). Above a layer
    whose z varies in a few directions only (tied units, a mean in the weights) sums are not normal: there 2048 fixed
    draws of that z are pushed through the layers.
    Mean field: Poole et al. 2016; shares: ``erfc`` closed forms.

    >>> import numpy as np
    >>> from initcore import Dense, Network
    >>> w = np.random.default_rng(0).standard_normal((100, 200))
    >>> report = predict(Network([Dense(w, None, "tanh")]), second_moment=1.0)
    >>> abs(report.layers[0].q - 100) < 5, 0.7 < report.layers[0].slope_below_1pct < 0.8
    (True, True)
    """
    state, assumed = input_state(require_network(net), x, second_moment=second_moment, mean=mean, variance=variance,
                                 covariance=covariance)
    return from_steps(net, state, assumed)


def from_steps(net: Network, state: State, assumed: str = "", walk: Walk | None = None) -> SignalReport:
    """The prediction for a given input state (``walk``: its steps, where they are wanted again)."""
    layers, slope, slope2 = [], [], []
    alone = walk is None
    walk = steps(net, state) if walk is None else walk
    for i in range(len(walk)):
        done = walk[i]                                         # (enumerate would hold the last one meanwhile)
        layers.append(layer_signal(net, i, done))
        slope.append(done.found.dmean)
        slope2.append(done.found.slope2)
        after, drawn = done.after, done.drawn is not None
        del done                                               # two covariances, not needed while the next are made
    walk.forget(all_states=alone)
    norms = gradient_norms(net, slope, slope2)
    outputs = Outputs(after.mean, after.cov, None if not drawn or after.sample is None else after.sample.whole)
    with np.errstate(all="ignore"):
        rms = math.sqrt(state.second_moment)
    return SignalReport("predicted", tuple(replace(la, gradient=g) for la, g in zip(layers, norms, strict=True)), rms,
                        assumed, outputs)


def layer_signal(net: Network, i: int, done: Step, gradient: float = math.nan) -> LayerSignal:
    """One layer of a prediction."""
    if done.drawn is not None:
        return measured_signal(net, i, done.drawn, gradient, histogram=False)
    layer, f = net.layers[i], done.found
    phi = layer.activation
    m, s = done.mean, done.std
    low = share(phi, 0.1, m, s)
    zero = mass(zero_intervals(phi, layer.dtype.name), m, s)
    flat = mass(slope_zero_intervals(phi, layer.dtype.name), m, s)
    unit_q = np.square(m) + np.square(s)
    one_sign = np.maximum(mass([(0, math.inf)], m, s), mass([(-math.inf, 0)], m, s))

    def mean(a: Array) -> float:
        return float(np.mean(a)) if a.size else math.nan
    bounded = math.isfinite(phi.low) and math.isfinite(phi.high)
    return LayerSignal(
        index=i, name=f"layers[{i}]", activation=phi.name, fan_in=layer.fan_in, units=layer.fan_out, q=mean(unit_q),
        mean=mean(m), variance=mean(np.square(s)), slope_below_10pct=mean(low),
        slope_below_1pct=mean(share(phi, 0.01, m, s)), slope_zero=mean(zero),
        mean_slope=mean(f.slope), chi=chi(layer, f.slope2),
        typical_factor=math.exp(0.5 * mean(f.log_slope2)),
        rakitianskaia=mean(f.distance) if bounded else math.nan,
        activation_rms=math.sqrt(mean(np.square(f.mean) + f.variance)), gradient=gradient,
        dead_units=mean((flat > 0.9999).astype(float)),
        one_sided=mean(((low > 0.9999) & (one_sign > 0.9999)).astype(float)), unit_q=unit_q)
