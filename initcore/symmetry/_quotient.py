"""The narrower network a tied one really is."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .._checks import quiet
from .._types import Array
from ..errors import ArgumentError
from ..network import Dense, LayerGradient, Network
from ._analyze import analyze, as_network
from ._layers import LayerSymmetry
from ._report import SymmetryReport


class Quotient(NamedTuple):
    """``network`` with one unit a live cell; ``lr_factors[i].w``, ``.b``: by what to multiply the learning rate of
    each weight and bias so that SGD (momentum, L2) on it retraces SGD on the tied network; ``report``."""

    network: Network
    lr_factors: list[LayerGradient]
    report: SymmetryReport


@quiet
def quotient(net: Any, *, optimizer: str = "sgd", input_groups: Any = None, max_sweeps: int = 10_000) -> Quotient:
    """The narrower network a tied one is, with the learning-rate factors it trains with.

    One unit stands for each live cell, its weights from cell C to cell D are ``sum_{i in C} t_i w_i,rep(D)`` (t the
    multipliers), dead units are left out. SGD on it with the learning rate of each weight multiplied by
    ``|C|/|D|`` (bias ``1/|D|``) retraces SGD on the original; so do momentum and L2.

    Returns
    -------
    Quotient : ``(network, lr_factors, report)``; ``lr_factors[i].w`` has the shape of ``network.layers[i].w``.

    >>> import numpy as np
    >>> net = [(np.full((2, 6), 0.5), np.zeros(6), "tanh"), (np.ones((6, 1)), np.zeros(1))]
    >>> q = quotient(net)
    >>> q.network.widths, float(q.lr_factors[1].w[0, 0])
    ((2, 1, 1), 6.0)
    """
    network = as_network(net)
    report = analyze(network, optimizer=optimizer, input_groups=input_groups, max_sweeps=max_sweeps)
    if not report.certified:
        raise ArgumentError(f"the partition was not settled within max_sweeps={max_sweeps}; raise it.")
    return quotient_of(network, report)


def quotient_of(net: Network, report: SymmetryReport) -> Quotient:
    """``A_CD = sum_{i in C} t_i W_i,rep(D)``, factors ``sum_C t^2 / sum_D s^2`` (theory 4.5, multipliers of 4.3)."""
    layers, factors = [], []
    cells, multiples = np.arange(net.widths[0]), np.ones(net.widths[0])
    heads = np.arange(net.widths[0])
    for i, layer in enumerate(net.layers):
        if i < len(report.layers):
            la = report.layers[i]
            new_cells, new_multiples, new_heads = _live(la)
        else:
            n = layer.fan_out
            new_cells, new_multiples, new_heads = np.arange(n), np.ones(n), np.arange(n)
        w = layer.w[:, new_heads].astype(np.float64)
        a = np.zeros((len(heads), len(new_heads)))
        live = cells >= 0
        np.add.at(a, cells[live], w[live] * multiples[live, None])
        below = np.bincount(cells[live], multiples[live] ** 2, len(heads))
        kept = new_cells >= 0
        above = np.bincount(new_cells[kept], new_multiples[kept] ** 2, len(new_heads))
        above = np.where(above == 0, 1.0, above)
        b = None if layer.b is None else layer.b[new_heads]
        layers.append(Dense(a.astype(net.dtype), b, layer.activation))
        factors.append(LayerGradient(below[:, None] / above, None if b is None else 1 / above))
        cells, multiples, heads = new_cells, new_multiples, new_heads
    return Quotient(Network(layers), factors, report)


def _live(la: LayerSymmetry) -> tuple[Array, Array, Array]:
    """Cell of each unit (-1 for dead ones), multiplier, and the first unit of each live cell.

    A layer with dead units only keeps one of them: the quotient is a network all the same.
    """
    dead = np.array([s == "dead" for s in la.status])
    if dead.all():
        return np.full(la.n_units, -1), np.zeros(la.n_units), np.zeros(min(1, la.n_units), dtype=np.int64)
    heads = la.representative[~dead[la.representative]]
    number = np.full(la.n_cells, -1)
    number[la.labels[heads]] = np.arange(len(heads))
    return number[la.labels], np.where(dead, 0.0, la.multipliers), heads
