"""Moments of every layer from the weights and the input's moments alone: the mechanics behind ``predict``.

State of a layer's input: the mean of every unit and either the full covariance (layers up to FULL units) or only
the variances, on units merged where their incoming weights are equal (theory: tied units are perfectly correlated).
``z = W' x + b`` has mean ``W' E x + b`` and covariance ``W' S W``; each z_j is taken as normal over the data.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .. import kernels
from ..network import Dense, Network
from . import _draws
from . import _layer_moments as _gauss
from . import _statistics as _measure

Array = np.ndarray
FULL = 1600          # units up to which covariances are kept whole (two such matrices: 40 MB)


class State(NamedTuple):
    """Moments of a layer's input: ``mean (units,)``; ``cov (units, units)`` or ``(units,)`` variances.

    ``cells`` names perfectly correlated units when only variances are kept (None: all units on their own).
    ``sample (draws, units)``, where there is one, is what the layer above computes on instead of the moments.
    """

    mean: Array
    cov: Array
    cells: Array | None = None
    sample: Array | None = None

    @property
    def variance(self) -> Array:
        """Variance of every unit."""
        return np.diagonal(self.cov) if self.cov.ndim == 2 else self.cov

    @property
    def second_moment(self) -> float:
        """Mean over the units of E x^2."""
        return float(np.mean(np.square(self.mean) + self.variance)) if self.mean.size else 0.0


class Step(NamedTuple):
    """One layer: moments of z per unit, of phi(z), and the state handed on; ``drawn``: statistics over draws of z."""

    before: State
    mean: Array
    std: Array
    found: _gauss.Moments
    after: State
    drawn: _measure.Statistics | None = None


def equal_columns(w: Array, b: Array | None) -> Array | None:
    """Labels of units with bitwise equal incoming weights and bias; None when all differ."""
    rows = np.ascontiguousarray(w.T if b is None else np.concatenate([w, b[None]]).T) + 0.0   # -0 counts as 0
    keys = rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1]))).ravel()
    _, labels = np.unique(keys, return_inverse=True)
    return labels if labels.size and labels.max() + 1 < len(labels) else None


def _independent(w: Array, state: State) -> tuple[Array, Array]:
    """Weights and variances of the independent inputs: rows of perfectly correlated ones are summed."""
    if state.cells is None:
        return w, state.cov
    total = np.zeros((int(state.cells.max()) + 1, w.shape[1]))
    np.add.at(total, state.cells, w)
    return total, state.cov[np.unique(state.cells, return_index=True)[1]]


def pre_activation(layer: Dense, state: State) -> State:
    """Moments of ``z = W' x + b``."""
    w = layer.w.astype(np.float64)
    with np.errstate(over="ignore", invalid="ignore"):
        mean = state.mean @ w
        if layer.b is not None:
            mean = mean + layer.b
        if state.cov.ndim == 1:
            rows, variance = _independent(w, state)
            if layer.fan_out <= FULL and len(variance) <= 4 * FULL:
                return State(mean, kernels.matmul(np.ascontiguousarray(rows.T * variance), rows))
            return State(mean, variance @ np.square(rows))
        if layer.fan_out <= FULL:
            cov = kernels.matmul(w.T, kernels.matmul(state.cov, w))
            return State(mean, (cov + cov.T) / 2)
        return State(mean, np.einsum("ij,ij->j", w, kernels.matmul(state.cov, w)))


def step(layer: Dense, state: State) -> Step:
    """Push the moments through one layer."""
    if state.sample is not None:
        done = _drawn_step(layer, state, state.sample)
        if done is not None:
            return done
    z = pre_activation(layer, state)
    std = np.sqrt(np.maximum(z.variance, 0))
    found = _gauss.moments(layer.activation, z.mean, std)
    if z.cov.ndim == 2:
        after = State(found.mean, _gauss.output_covariance(z.cov, found))
    else:
        after = State(found.mean, found.variance, equal_columns(layer.w, layer.b))
    if _draws.few_directions(z.cov, after.cells):
        draws = _draws.normal_draws(z.mean, z.cov, after.cells)
        with np.errstate(all="ignore"):
            sample = np.asarray(layer.activation.phi(draws), np.float64).astype(layer.dtype)
        after = after._replace(sample=sample)
    return Step(state, z.mean, std, found, after)


def _drawn_step(layer: Dense, state: State, sample: Array) -> Step | None:
    """One layer on draws of its input; None where they overflow."""
    z = np.empty((len(sample), layer.fan_out), layer.dtype)
    with np.errstate(over="ignore", invalid="ignore"):
        a = layer.forward(sample, z_out=z)
        if not (np.isfinite(z).all() and np.isfinite(a).all()):
            return None
    f = _measure.layer_statistics(layer.activation, z, a)
    mean = a.mean(axis=0, dtype=np.float64)
    variance = np.maximum(f.a2 - np.square(mean), 0)
    found = _gauss.Moments(mean, variance, f.slope / layer.activation.max_slope, f.slope2, f.log_slope2, f.distance,
                           np.empty((layer.fan_out, 0)), f.signed_slope)
    centred = a - mean
    cov = variance if layer.fan_out > FULL else kernels.matmul(centred.T, centred) / len(a)
    after = State(mean, cov, equal_columns(layer.w, layer.b) if cov.ndim == 1 else None, a)
    return Step(state, f.z, np.sqrt(np.maximum(f.z2 - np.square(f.z), 0)), found, after, f)


class Glance(NamedTuple):
    """One layer without what the next needs: moments of z per unit, and of phi(z)."""

    mean: Array
    std: Array
    found: _gauss.Moments


def glance(layer: Dense, state: State) -> Glance:
    """:func:`step` for one layer alone, without the covariance of its outputs."""
    w = layer.w.astype(np.float64)
    mean = state.mean @ w + (0 if layer.b is None else layer.b)
    if state.cov.ndim == 1:
        rows, parts = _independent(w, state)
        variance = parts @ np.square(rows)
    else:
        variance = np.einsum("ij,ij->j", w, kernels.matmul(state.cov, w))
    std = np.sqrt(np.maximum(variance, 0))
    return Glance(mean, std, _gauss.moments(layer.activation, mean, std))


def steps(net: Network, state: State) -> list[Step]:
    """All layers in order."""
    out: list[Step] = []
    for layer in net.layers:
        out.append(step(layer, state))
        state = out[-1].after
    return out


def gradient_norms(net: Network, slope: list[Array], slope2: list[Array]) -> list[float]:
    """``sqrt(E|delta_l|^2)`` at every layer's z, for ``|dy|^2 = 1`` in random directions at the last hidden output.

    Correlations of the back-signal are kept (they make a weight mean matter): with D = cov of dy at a layer's output,
    delta has covariance ``D o E[phi'_i phi'_j]`` and the layer below gets ``W delta_cov W'``. The output layer is left
    out: it is often zero or tiny on purpose. Its own entry is 1.
    """
    last = len(net.layers) - 2
    norms = [1.0] * len(net.layers)
    if last < 0:
        return norms
    units = net.layers[last].fan_out
    full = all(layer.fan_out <= FULL for layer in net.layers[:-1])
    back: Array = np.full(units, 1.0 / units) if not full else np.eye(units) / units
    for i in range(last, -1, -1):
        with np.errstate(over="ignore", invalid="ignore"):
            if back.ndim == 2:
                delta = back * np.outer(slope[i], slope[i])
                np.fill_diagonal(delta, np.diagonal(back) * slope2[i])
                norms[i] = float(np.sqrt(max(np.trace(delta), 0.0)))
                if i:
                    w = net.layers[i].w.astype(np.float64)
                    back = kernels.matmul(kernels.matmul(w, delta), w.T)
            else:
                delta = back * slope2[i]
                norms[i] = float(np.sqrt(delta.sum()))
                back = np.square(net.layers[i].w, dtype=np.float64) @ delta
    return norms
