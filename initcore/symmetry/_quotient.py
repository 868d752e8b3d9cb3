"""The narrower network a tied one really is, and the least change that sets a tied network free."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .. import random
from ..errors import ArgumentError
from ..network import Dense, LayerGradient, Network
from ..random import Key, as_key
from ._report import LayerSymmetry, SymmetryReport

Array = np.ndarray


class Quotient(NamedTuple):
    """``network`` with one unit a live cell; ``lr_factors[i].w``, ``.b``: by what to multiply the learning rate of
    each weight and bias so that SGD (momentum, L2) on it retraces SGD on the tied network; ``report``."""

    network: Network
    lr_factors: list[LayerGradient]
    report: SymmetryReport


@dataclass(frozen=True)
class Change:
    """What :func:`break_ties` did: noise of standard deviation ``std`` on ``parameter[:, units]``."""

    layer: int
    parameter: str
    units: tuple[int, ...]
    std: float
    reason: str

    def __str__(self) -> str:
        shown = ", ".join(map(str, self.units[:6])) + (", ..." if len(self.units) > 6 else "")
        return f"{self.parameter}[:, ({shown})] += normal(std={self.std:.3g})  ({self.reason})"


class Broken(NamedTuple):
    """``network`` without ties and the ``changes`` that were needed (none for a free network)."""

    network: Network
    changes: list[Change]


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


def freed(net: Network, analyze: Callable[[Network], SymmetryReport], rng: object, scale: float) -> Broken:
    """Add noise to the incoming weights of all but one unit of each cell, from the last layer back, until free."""
    key: Key = as_key(rng)
    changes: list[Change] = []
    for attempt in range(4):
        report = analyze(net)
        if not report.certified:
            raise ArgumentError("the ties could not be settled within max_sweeps; raise it.")
        if report.ok:
            return Broken(net, changes)
        layers = list(net.layers)
        above_broken = False
        for la in reversed(report.layers):
            units, reason = _to_change(la)
            if len(units) == 0 or (above_broken and reason != "dead"):
                # Noise on the weights out of this layer already tells its units apart.
                above_broken = False
                continue
            i = la.layer
            w = layers[i].w
            size = float(np.sqrt(np.mean(np.square(w, dtype=np.float64))))
            std = scale * (size if size > 0 else 1 / math.sqrt(max(1, w.shape[0])))
            noise = random.normal((w.shape[0], len(units)), std=std, dtype=net.dtype,
                                  rng=key.child(f"break_ties.{attempt}.{i}"))
            new = w.copy()
            new[:, units] += noise
            layers[i] = layers[i].replace(w=new)
            changes.append(Change(i, f"layers[{i}].w", tuple(int(u) for u in units), std, reason))
            above_broken = True
        net = Network(layers)
    raise ArgumentError(f"ties remain after noise of relative size scale={scale!r}; raise it (the weights' precision "
                        "may swallow it).")


def _to_change(la: LayerSymmetry) -> tuple[Array, str]:
    """The units to move: every dead one, and all but the first of each tied cell."""
    status = np.array(la.status)
    dead = status == "dead"
    tied = (status == "tied") | (status == "sign-tied")
    tied[la.representative] = False
    reason = "dead" if dead.any() else "tied"
    return np.flatnonzero(dead | tied), reason
