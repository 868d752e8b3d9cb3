"""How much of every layer is saturated: predicted from weights and input moments, or measured on data.

One scale for every activation: the relative slope ``r = |phi'(z)| / max|phi'|``. Saturated is not vanishing,
so three numbers stand together: the saturated share, chi (mean-square gradient factor) and the typical factor.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from .. import activations
from .._checks import number
from .._gaussian import shares as _shares
from ..errors import ArgumentError, ShapeError
from ..network import Network, Trace, require_network
from . import _layer_moments as _gauss
from . import _propagate
from . import _statistics as _measure
from ._input_moments import input_state

Array = np.ndarray


@dataclass(frozen=True)
class LayerSignal:
    """The signal at one layer.

    Attributes
    ----------
    index, name, activation, units : which layer; ``name`` is "layers[i]".
    q : mean of z^2 over units and data. mean, variance : of z over the data, averaged over units.
    slope_below_10pct, slope_below_1pct : share of (unit, sample) pairs with r < 0.1, r < 0.01.
    slope_zero : share whose slope is exactly 0 in the network's dtype (tanh' and sigmoid' from their outputs,
        as frameworks compute them).
    mean_slope : mean r.
    chi : mean-square gradient factor ``E|dx|^2/E|dy|^2`` of the layer (norm ratio); ``chi_per_unit`` the same for
        the mean square per unit, ``chi fan_out / fan_in``.
    typical_factor : ``exp(E ln phi'^2 / 2)``, 0 where a share of the slopes is 0 (ReLU).
    rakitianskaia : E|phi~|, phi~ the output rescaled to [-1, 1]; NaN where the range is unbounded.
    activation_rms : root mean square of the layer's output.
    gradient : norm of the back-signal at this layer's z for a unit back-signal at the last hidden output.
    dead_units : share of units whose slope is 0 on all of the data (predicted: with probability above 0.9999).
    one_sided : share of units with r < 0.1 and one sign of z on all of the data (predicted: the same).
    unit_q : E z^2 of each unit.
    histogram : counts of the output over 32 equal bins of its range (measured and bounded), else None.
    """

    index: int
    name: str
    activation: str
    fan_in: int
    units: int
    q: float
    mean: float
    variance: float
    slope_below_10pct: float
    slope_below_1pct: float
    slope_zero: float
    mean_slope: float
    chi: float
    typical_factor: float
    rakitianskaia: float
    activation_rms: float
    gradient: float
    dead_units: float
    one_sided: float
    unit_q: Array = field(repr=False, compare=False)
    histogram: Array | None = field(default=None, repr=False, compare=False)

    @property
    def chi_per_unit(self) -> float:
        """chi for the mean square per unit instead of the squared norm."""
        return self.chi * self.units / self.fan_in if self.fan_in else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers, for JSON."""
        skip = ("unit_q", "histogram")
        return {k: getattr(self, k) for k in self.__dataclass_fields__ if k not in skip}


@dataclass(frozen=True)
class SignalReport:
    """Every layer's signal, in order.

    ``kind`` is "predicted" or "measured"; ``assumed`` says what was taken for granted about the inputs;
    ``input_rms`` is the root mean square of the input.
    """

    kind: str
    layers: tuple[LayerSignal, ...]
    input_rms: float
    assumed: str = ""
    outputs: _propagate.Step | None = field(default=None, repr=False, compare=False)

    @functools.cached_property
    def expected_loss(self) -> float:
        """Softmax cross entropy expected of the outputs as logits, for labels independent of them (predicted only).

        ``E logsumexp(z) - mean E z`` over normal z, by 2048 fixed normal draws (a private generator, always the same).
        """
        return math.nan if self.outputs is None else _expected_loss(self.outputs)

    def __str__(self) -> str:
        head = f"Signal, {self.kind}" + (f" ({self.assumed})" if self.assumed else "")
        lines = [head[:80], "layer activation     units        q  <10%  <1% zero  mean r       chi  typical"]
        for la in self.layers:
            lines.append(f"{la.index:>5} {la.activation[:12]:<12} {la.units:>7} {la.q:>8.3g}  "
                         f"{_pc(la.slope_below_10pct)} "
                         f"{_pc(la.slope_below_1pct)} {_pc(la.slope_zero)} {la.mean_slope:>7.3f} {la.chi:>9.3g} "
                         f"{la.typical_factor:>8.2g}")
        return "\n".join(lines)


def _pc(share: float) -> str:
    return " n/a" if math.isnan(share) else f"{100 * share:3.0f}%"


def lesson(n: float, std: float, second_moment: float = 1.0, *, activation: Any = "tanh", t: float = 0.9) -> float:
    """Share of units driven beyond ``|phi~| > t`` by random weights: ``erfc(a / (s sqrt(2 n m)))``.

    ``n`` inputs of second moment ``m = E x^2``, weights N(0, s^2): z ~ N(0, n s^2 m), and ``|phi~(z)| > t`` beyond
    ``a``: atanh t for tanh, 2 atanh t for sigmoid (phi~ = 2 sigmoid - 1), t/(1-t) for softsign, t for hard_tanh,
    6 (t/2) for hard_sigmoid, tan(pi t/2) for arctan, erfinv t for erf. The share grows with the number of inputs
    as with the weights: 10 inputs and s = 1 saturate 64% of tanh beyond 0.9, 1000 inputs 96%.

    >>> round(lesson(100, 1.0, t=0.99), 12)
    0.791267356331
    >>> [round(lesson(n, 0.1), 3) for n in (10, 100, 784, 10000)]
    [0.0, 0.141, 0.599, 0.883]
    """
    n, std = number("n", n, low=0), number("std", std, low=0)
    second_moment, t = number("second_moment", second_moment, low=0), number("t", t, low=0, high=1)
    name = activations.get(activation).name
    if t == 1:
        return 0.0
    scale = std * math.sqrt(2 * n * second_moment)
    if scale == 0:
        return 1.0 if t == 0 and name != "hard_tanh" else 0.0
    places = {"tanh": math.atanh, "sigmoid": lambda v: 2 * math.atanh(v), "softsign": lambda v: v / (1 - v),
              "hard_tanh": lambda v: v, "hard_sigmoid": lambda v: 3 * v, "arctan": lambda v: math.tan(math.pi * v / 2),
              "erf": _erfinv}
    if name not in places:
        raise ArgumentError(f"activation={name!r} does not saturate on both sides; use one of {', '.join(places)}.")
    return math.erfc(places[name](t) / scale)


def _erfinv(t: float) -> float:
    x = 0.0
    for _ in range(60):              # Newton from below 0.9..; erfc keeps the tail exact
        step = (math.erfc(x) - (1 - t)) * math.sqrt(math.pi) / 2 * math.exp(x * x)
        x += step
        if abs(step) <= 1e-17 * abs(x):
            break
    return x


def predict(net: Network, x: Any = None, *, second_moment: Any = None, mean: Any = None, variance: Any = None,
            covariance: Any = None) -> SignalReport:
    """The signal at every layer, from the weights and the input's moments only; no data is needed.

    Parameters
    ----------
    net : the network.
    x : data ``(batch, features)``: only its mean and covariance are used.
    second_moment : E x_i^2, a number or one a feature (mean 0 unless ``mean`` is given).
    mean, variance : per feature, a number or ``(features,)``.
    covariance : ``(features, features)``.

    Given nothing, inputs are taken as independent with mean 0 and variance 1, and the report says so.

    Every unit's z is taken as normal over the data, with its own mean and variance; means and covariances are carried
    from layer to layer (of layers wider than 1600 units only variances, merged where units are equal). Above a layer
    whose z varies in a few directions only (tied units, a mean in the weights) sums are not normal: there 2048 fixed
    draws of that z are pushed through the layers.
    Means field: Poole et al. 2016; shares: ``erfc`` closed forms.

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


def from_steps(net: Network, state: _propagate.State, assumed: str = "",
               done: list[_propagate.Step] | None = None) -> SignalReport:
    """The prediction for a given input state (``done``: the steps, where they have been taken)."""
    done = _propagate.steps(net, state) if done is None else done
    norms = _propagate.gradient_norms(net, [s.found.dmean for s in done], [s.found.slope2 for s in done])
    layers = [layer_signal(net, i, s, norms[i]) for i, s in enumerate(done)]
    return SignalReport("predicted", tuple(layers), math.sqrt(state.second_moment), assumed, done[-1])


def layer_signal(net: Network, i: int, done: _propagate.Step, gradient: float = math.nan) -> LayerSignal:
    """One layer of a prediction."""
    if done.drawn is not None:
        return replace(_measure.layer_signal(LayerSignal, net, i, done.drawn, gradient), histogram=None)
    layer, f = net.layers[i], done.found
    phi = layer.activation
    m, s = done.mean, done.std
    low = _shares.share(phi, 0.1, m, s)
    zero = _shares.mass(list(_gauss.zero_intervals(phi, layer.dtype.name)), m, s)
    flat = _shares.mass(list(_gauss.slope_zero_intervals(phi, layer.dtype.name)), m, s)
    unit_q = np.square(m) + np.square(s)
    one_sign = np.maximum(_shares.mass([(0, math.inf)], m, s), _shares.mass([(-math.inf, 0)], m, s))

    def mean(a: Array) -> float:
        return float(np.mean(a)) if a.size else math.nan
    bounded = math.isfinite(phi.low) and math.isfinite(phi.high)
    return LayerSignal(
        index=i, name=f"layers[{i}]", activation=phi.name, fan_in=layer.fan_in, units=layer.fan_out, q=mean(unit_q),
        mean=mean(m), variance=mean(np.square(s)), slope_below_10pct=mean(low),
        slope_below_1pct=mean(_shares.share(phi, 0.01, m, s)), slope_zero=mean(zero),
        mean_slope=mean(f.slope), chi=_measure.chi(layer, f.slope2),
        typical_factor=math.exp(0.5 * mean(f.log_slope2)),
        rakitianskaia=mean(f.distance) if bounded else math.nan,
        activation_rms=math.sqrt(mean(np.square(f.mean) + f.variance)), gradient=gradient,
        dead_units=mean((flat > 0.9999).astype(float)),
        one_sided=mean(((low > 0.9999) & (one_sign > 0.9999)).astype(float)), unit_q=unit_q)


def _expected_loss(last: _propagate.Step) -> float:
    """See :attr:`SignalReport.expected_loss`."""
    n = len(last.mean)
    if last.after.sample is not None and last.drawn is not None and n > 1:
        return _mean_loss(last.after.sample.astype(np.float64))
    if n < 2 or last.after.cov.ndim != 2 or n > 1024:
        return math.nan
    draws = np.random.Generator(np.random.PCG64(0)).standard_normal((2048, n))
    if not np.all(np.isfinite(last.after.cov)):
        return math.nan
    values, vectors = np.linalg.eigh(last.after.cov)
    z = last.after.mean + (draws * np.sqrt(np.maximum(values, 0))) @ vectors.T
    return _mean_loss(z, last.after.mean)


def _mean_loss(z: Array, mean: Array | None = None) -> float:
    top = z.max(axis=1)
    return float(np.mean(top + np.log(np.exp(z - top[:, None]).sum(axis=1))) - (z if mean is None else mean).mean())


def measure(net: Network, x: Any, *, trace: Trace | None = None, threads: int | None = None) -> SignalReport:
    """The signal at every layer on data ``x (batch, features)``: one pass of the ``signals`` kernel a layer.

    ``trace``, a :meth:`initcore.Network.trace` of the same x, saves the forward pass.

    >>> import numpy as np
    >>> from initcore import Dense, Network
    >>> rng = np.random.default_rng(0)
    >>> net = Network([Dense(rng.standard_normal((100, 200)), None, "tanh")])
    >>> 0.7 < measure(net, rng.standard_normal((64, 100))).layers[0].slope_below_1pct < 0.8
    True
    """
    t = require_network(net).trace(x, threads=threads) if trace is None else trace
    if not len(t.x):
        raise ShapeError("x has no rows; a measurement needs at least one.")
    found = [_measure.layer_statistics(layer.activation, t.z[i], t.a[i]) for i, layer in enumerate(net.layers)]
    norms = _propagate.gradient_norms(net, [f.signed_slope for f in found], [f.slope2 for f in found])
    layers = tuple(_measure.layer_signal(LayerSignal, net, i, f, norms[i]) for i, f in enumerate(found))
    with np.errstate(over="ignore", invalid="ignore"):
        rms = math.sqrt(float(np.mean(np.square(t.x, dtype=np.float64))))
    return SignalReport("measured", layers, rms)
