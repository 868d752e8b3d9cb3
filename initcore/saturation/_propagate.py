"""Moments of every layer from the weights and the input's moments alone: the mechanics behind ``predict``.

State of a layer's input: the mean of every unit and either the full covariance (layers up to FULL units) or only
the variances, on units merged where their incoming weights are equal (theory: tied units are perfectly correlated).
``z = W' x + b`` has mean ``W' E x + b`` and covariance ``W' S W``; each z_j is taken as normal over the data.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .. import kernels
from .._types import Array
from .._weight_statistics import equal_columns
from ..network import Dense, Network
from . import _draws
from ._layer_moments import Moments, moments, output_covariance
from ._products import congruence, covariance, diagonal_of_congruence, scaled_gram
from ._state import Glance, Sample, State, Step
from ._statistics import layer_statistics

FULL = 1600          # units up to which covariances are kept whole (two such matrices: 40 MB)
_ROWS = 1024
_MANY = 64           # inputs from which on a look for equal ones costs less than they do


def _count(state: State) -> int:
    """Number of inputs that are not perfectly correlated."""
    return len(state.mean) if state.cells is None else int(state.cells.max(initial=-1)) + 1


def _together(w: Array, state: State) -> tuple[Array, Array]:
    """Weights and variances of the independent inputs: rows of perfectly correlated ones are summed."""
    if state.cells is None:
        return w, state.cov
    total = np.zeros((_count(state), w.shape[1]))
    for i in range(0, len(w), _ROWS):
        np.add.at(total, state.cells[i:i + _ROWS], w[i:i + _ROWS].astype(np.float64))
    return total, state.cov[np.unique(state.cells, return_index=True)[1]]


def _moments_of_z(w: Array, state: State) -> tuple[Array, Array]:
    """Mean and variance of ``W' x`` per unit, for inputs of which variances are known; one pass over the weights."""
    if state.cells is None:
        return kernels._weights_sums(w, state.mean, state.cov)
    sizes = np.bincount(state.cells)
    alone = sizes[state.cells] == 1
    mean, variance = kernels._weights_sums(w, state.mean, np.where(alone, state.cov, 0.0))
    members = np.flatnonzero(~alone)
    members = members[np.argsort(state.cells[members], kind="stable")]
    for group in np.split(members, np.flatnonzero(np.diff(state.cells[members])) + 1) if members.size else ():
        variance = variance + state.cov[group[0]] * np.square(w[group].sum(axis=0, dtype=np.float64))
    return mean, variance


def pre_activation(layer: Dense, state: State) -> State:
    """Moments of ``z = W' x + b``."""
    with np.errstate(all="ignore"):
        if state.cov.ndim == 1:
            mean, cov = _moments_of_z(layer.w, state)
            if layer.fan_out <= FULL and _count(state) <= 4 * FULL:
                cov = scaled_gram(*_together(layer.w, state))
        else:
            mean = kernels._weights_sums(layer.w, state.mean, state.mean)[0]
            cov = (congruence(layer.w, state.cov) if layer.fan_out <= FULL else
                   diagonal_of_congruence(layer.w, state.cov))
        return State(mean if layer.b is None else mean + layer.b, cov)


def hashes_of(layer: Dense) -> Array | None:
    """Hashes of the units' weights, where the layer keeps them."""
    return None if layer._looked is None else layer._looked.hashes


def step(layer: Dense, state: State) -> Step:
    """Push the moments through one layer."""
    if state.sample is not None:
        done = _drawn_step(layer, state, state.sample)
        if done is not None:
            return done
    z = pre_activation(layer, state)
    with np.errstate(all="ignore"):
        std = np.sqrt(np.maximum(z.variance, 0))
        found, whole = moments(layer.activation, z.mean, std), z.cov.ndim == 2
        cells = None if whole else equal_columns(layer.w, layer.b, hashes=hashes_of(layer))
        sample = None
        if _draws.few_directions(z.cov, cells) and _holds(layer, found):
            sample = Sample(_draws.normal_draws(layer.activation, z.mean, z.cov, cells, layer.dtype))
        cov = output_covariance(z.cov, found) if whole else found.variance
    return Step(state, z.mean, std, found, State(found.mean, cov, cells, sample))


def _holds(layer: Dense, found: Moments) -> bool:
    """Are the layer's outputs, two deviations out, numbers of its dtype? Draws beyond would be infinite."""
    size = np.abs(found.mean) + 2 * np.sqrt(found.variance)
    return bool(np.all(size < float(np.finfo(layer.dtype).max)))


def _merged(layer: Dense, rows: Array | None, columns: Array | None) -> Dense:
    """The layer with inputs of one label in ``rows`` summed, and one unit for each label in ``columns``."""
    w, b = layer.w, layer.b
    if columns is not None:
        first = np.unique(columns, return_index=True)[1]
        w, b = w[:, first], None if b is None else b[first]
    if rows is not None:
        order = np.argsort(rows, kind="stable")
        starts = np.flatnonzero(np.diff(rows[order], prepend=-1))
        w = np.add.reduceat(w[order].astype(np.float64), starts, axis=0).astype(layer.dtype)
    return layer if w is layer.w else layer.replace(w=w, b=b)


def _equal_units(layer: Dense) -> Array | None:
    """:func:`equal_columns` of a layer; where all weights of the first input differ, no two units are equal."""
    if len(layer.w) and len(set(layer.w[0].tolist())) == layer.fan_out:
        return None
    return equal_columns(layer.w, layer.b, hashes=hashes_of(layer))


def _drawn_step(layer: Dense, state: State, sample: Sample) -> Step | None:
    """One layer on draws of its input; None where they overflow. Units of equal weights are computed once."""
    values = _draws.thinned(sample.values, layer.fan_out)
    labels = _equal_units(layer)
    with np.errstate(all="ignore"):
        merged = _merged(layer, sample.labels, labels)
        z = np.empty((len(values), merged.fan_out), layer.dtype)
        a = merged.forward(values, z_out=z)
        if not (np.isfinite(z).all() and np.isfinite(a).all()):
            return None
        f = layer_statistics(layer.activation, z, a)
        one = a.mean(axis=0, dtype=np.float64)
        mean = one
        if labels is not None:
            f = f._replace(**{k: v[labels] for k, v in f._asdict().items() if k != "histogram"})
            mean = one[labels]
        variance = np.maximum(f.a2 - np.square(mean), 0)
        found = Moments(mean, variance, f.slope / layer.activation.max_slope, f.slope2, f.log_slope2, f.distance,
                        np.empty((layer.fan_out, 0)), f.signed_slope)
        cov, cells = variance, None
        del z
        if layer.fan_out <= FULL:
            cov = covariance(a, one)
            cov = cov if labels is None else cov[labels[:, None], labels]
        else:
            cells = labels
        return Step(state, f.z, np.sqrt(np.maximum(f.z2 - np.square(f.z), 0)), found,
                    State(mean, cov, cells, Sample(a, labels)), f)


def glance(layer: Dense, state: State) -> Glance:
    """:func:`step` for one layer alone, without the covariance of its outputs."""
    with np.errstate(all="ignore"):
        if state.cov.ndim == 1:
            mean, variance = _moments_of_z(layer.w, state)
        else:
            mean = kernels._weights_sums(layer.w, state.mean, state.mean)[0]
            variance = diagonal_of_congruence(layer.w, state.cov)
        mean = mean if layer.b is None else mean + layer.b
        std = np.sqrt(np.maximum(variance, 0))
        return Glance(mean, std, layer.activation)


def _carried(w: Array, back: Array) -> Array:
    """``w back w'``; inputs that leave by equal weights get one row."""
    labels = equal_columns(w.T) if len(w) >= _MANY else None
    if labels is None:
        return congruence(w.T, back)
    rows = w[np.unique(labels, return_index=True)[1]]
    return congruence(rows.T, back)[labels[:, None], labels]


def gradient_norms(net: Network, slope: Sequence[Array], slope2: Sequence[Array]) -> list[float]:
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
    with np.errstate(all="ignore"):
        back: Array = np.full(units, 1.0 / units) if not full else np.eye(units)
        if full:
            back /= units
        for i in range(last, -1, -1):
            w = net.layers[i].w
            if back.ndim == 2:
                own = np.diagonal(back) * slope2[i]
                norms[i] = float(np.sqrt(max(own.sum(), 0.0)))
                back *= slope[i][:, None]
                back *= slope[i]
                np.fill_diagonal(back, own)
                back = _carried(w, back) if i else back
            else:
                delta = back * slope2[i]
                norms[i] = float(np.sqrt(delta.sum()))
                back = kernels._weights_sums(w.T, delta, delta)[1] if i else back
    return norms
