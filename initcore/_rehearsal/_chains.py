"""A rehearsal of a chain of dense layers, beside a good start of the same architecture."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from .. import initializers, kernels
from .._types import Array
from ..lab import SGD, Adam, Optimizer, permutation
from ..network import Dense, Network
from ..random import Key
from ._progress import BATCH, ROWS, WINDOW, WORK, Outcome, Progress, Shares, cut, in_orders, least, order, over_rates

ALIKE = 0.9                 # of what a good start explains: as good as one


class Rows(NamedTuple):
    """What is rehearsed on: rows to learn from, rows kept apart, and each row's loss under the best constant."""

    x: Array
    y: Array
    constant: Array
    held: tuple[Array, Array, float]
    loss: str


def rows(x: Array, y: Array, loss: str) -> Rows | None:
    """The rows in a fixed random order; None where there is nothing to explain (all targets equal)."""
    first = permutation(len(x), rng=0)[:ROWS]
    x, y = np.ascontiguousarray(x[first]), np.ascontiguousarray(y[first])
    constant = least(y, loss)
    if len(x) < 2 or not constant.mean() > 1e-12:
        return None
    kept = cut(len(x))
    apart = slice(kept, None) if kept < len(x) else slice(None)
    return Rows(x[:kept], y[:kept], constant[:kept], (x[apart], y[apart], float(constant[apart].mean())), loss)


def rehearse(net: Network, data: Rows, family: str, limits: Mapping[str, float]) -> Progress | None:
    """The best progress over the learning rates; None where too few steps can be paid for.

    ``family`` is "sgd" (the gradient itself), "momentum" (.9, at a tenth of the rate) or "adam". ``limits`` are the
    thresholds of SIG307: at most ``steps`` steps at each rate; ``enough`` explained ends the search.
    """
    weights = sum(layer.w.size for layer in net.layers)
    batch = min(BATCH, len(data.x))
    steps = int(min(limits["steps"], WORK / max(3 * batch * weights, 1)))
    if steps < 3 * WINDOW:
        return None

    def run(rate: float) -> Shares:
        optimizer = Adam(rate) if family == "adam" else SGD(rate, momentum=0.9 if family == "momentum" else 0.0)
        return _run(net, data, optimizer, steps, batch)
    return over_rates(run, family, limits)


def _run(net: Network, data: Rows, optimizer: Optimizer, steps: int, batch: int) -> Shares:
    """Shares explained on the rows just learnt from and on the rows kept apart, after each window of steps."""
    flat, net = flattened(net)
    batches = len(data.x) // batch
    got = might = 0.0
    for t in range(steps):
        part = slice(t % batches * batch, t % batches * batch + batch)
        with np.errstate(all="ignore"):
            loss, grads = net.gradients(data.x[part], data.y[part], loss=data.loss)
            if not loss < 1e12:
                return
            g = np.concatenate([a.ravel() for pair in grads for a in pair if a is not None])
            flat[...] = optimizer.next_value("all", flat, g)
            got, might = got + loss, might + float(data.constant[part].mean())
            if t % WINDOW == WINDOW - 1:
                x, y, constant = data.held
                yield 1 - got / might, 1 - kernels.loss(data.loss, net.forward(x), y)[0] / constant
                got = might = 0.0


def flattened(net: Network) -> tuple[Array, Network]:
    """All parameters in one vector, and a network whose arrays are views of it."""
    flat = np.concatenate([a.ravel() for _, _, a in net.parameters()])
    layers, at = [], 0
    for layer in net.layers:
        parts = []
        for a in (layer.w, layer.b):
            parts.append(None if a is None else flat[at:at + a.size].reshape(a.shape))
            at += 0 if a is None else a.size
        layers.append(Dense(parts[0], parts[1], layer.activation))
    return flat, Network(layers, check_finite=False)


def compare(net: Network, data: Rows, family: str, limits: Mapping[str, float]) -> Outcome | None:
    """Rehearse a network, and where it does not learn a good start of the same architecture on standardised inputs with
    Adam, as far as it takes to call the network's own progress small: is there anything to learn in these rows?"""
    own = rehearse(net, data, family, limits)
    if own is None:
        return None
    own = in_orders(own, lambda k: rehearse(net, reordered(data, k), family, limits), limits)
    if own.explained(limits) >= limits["enough"]:
        return Outcome(own, None)
    scaled = standardised(data)
    good = rehearse(good_start(net, scaled.x), scaled, "adam", {**limits, "enough": limits["enough"] / limits["share"]})
    return Outcome(own, good)


def reordered(data: Rows, k: int) -> Rows:
    """The same rows to learn from in another order."""
    at = order(len(data.x), k)
    x, y, constant = (np.ascontiguousarray(a[at]) for a in (data.x, data.y, data.constant))
    return data._replace(x=x, y=y, constant=constant)


def standardised(data: Rows) -> Rows:
    """The same rows with every feature at mean 0 and variance 1 over the rows learnt from."""
    x = data.x.astype(np.float64)
    mean, spread = x.mean(axis=0), x.std(axis=0)
    spread = np.where(spread > 0, spread, 1)
    held, y, constant = data.held
    return data._replace(x=((x - mean) / spread).astype(data.x.dtype),
                         held=(((held - mean) / spread).astype(data.x.dtype), y, constant))


def beside(net: Network, data: Rows, family: str, limits: Mapping[str, float]) -> Callable[[Network], float] | None:
    """How far a network of the architecture of ``net`` gets beside a good start, both under the optimiser meant.

    The function gives the share explained over what the good start explains, at most 1, the smaller of two orders of
    the rows; None where that gets nowhere.
    """
    scaled = standardised(data)
    good = rehearse(good_start(net, scaled.x), scaled, family, {**limits, "enough": 0.9})
    goal = -math.inf if good is None else good.explained(limits)
    if goal < limits["good"]:
        return None

    def share(other: Network) -> float:
        least = 1.0
        for ordered in (data, reordered(data, 0)):
            done = rehearse(other, ordered, family, {**limits, "enough": ALIKE * goal})
            least = 0.0 if done is None else min(least, done.explained(limits) / goal)
            if least < ALIKE:
                break
        return least
    return share


def good_start(net: Network, x: Array, key: Key | None = None) -> Network:
    """A start of the same architecture that suits the data: orthogonal weights, every layer's z with mean 0 for each
    unit and variance 1 (Mishkin and Matas 2016, with the centring of batch normalisation); a quiet last layer."""
    a = x.astype(np.float64)
    layers = []
    for i, layer in enumerate(net.layers):
        w = initializers.orthogonal((layer.fan_in, layer.fan_out), rng=(key or Key(0)).child(i), dtype="float64")
        w = w * ((0.5 if i == len(net.layers) - 1 else 1.0) / ((a @ w).std() or 1.0))
        z = a @ w
        b = -z.mean(axis=0)
        a = np.asarray(layer.activation.phi(z + b), dtype=np.float64)
        layers.append(Dense(w.astype(net.dtype), b.astype(net.dtype), layer.activation))
    return Network(layers, check_finite=False)
