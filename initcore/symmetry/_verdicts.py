"""From a system and an optimiser's rule to the report: both partitions, words, duplicates, flow, near ties."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..reference import field
from ._evidence import explain
from ._grouping import group
from ._near_ties import near_ties
from ._optimizers import Rule, rule
from ._partition import Refinement
from ._report import LayerSymmetry, Report
from ._signatures import State
from ._system import System
from ._zero_flow import flow

Array = np.ndarray


def _refine(system: System, law: Rule, max_sweeps: int) -> Refinement:
    """The partition for an optimiser."""
    refinement = Refinement(system, strength=law.strength, signs=law.signs, scales=law.scales,
                            bias_stays=law.bias_stays)
    refinement.run(max_sweeps)
    return refinement


def _elementwise(system: System, found: Refinement, max_sweeps: int) -> Refinement | None:
    """The elementwise partition, refined further from an affine one; None if there is nothing to refine."""
    if found.strength == "elementwise" or all(s.discrete for s, a in zip(found.states, system.axes) if a.fixed is None):
        return None
    start = []
    for s in found.states:
        plus = np.minimum(s.unit_p, field.negative(s.unit_p))
        sign = np.where(s.unit_p > field.P // 2, -1.0, 1.0)
        cell = np.where(s.cell == 0, 0, group(s.cell, plus) + 1)
        state = State(cell, np.where(cell == 0, 1.0, sign), np.where(sign < 0, np.uint64(field.P - 1), np.uint64(1)))
        state.settle()
        start.append(state)
    refinement = Refinement(system, strength="elementwise", bias_stays=found.bias_stays, start=start)
    refinement.run(max_sweeps)
    return refinement


@dataclass(frozen=True)
class _Evidence:
    """What :meth:`Report.explain` asks; a value, so that reports can be pickled."""

    system: System
    settings: dict[str, Any]
    states: list[State]
    inner: list[int]
    status: list[tuple[str, ...]]
    max_sweeps: int

    def __call__(self, layer: int, a: int, b: int) -> str:
        status = self.status[layer]
        return explain(self.system, self.settings, self.states, self.inner[layer], a, b, (status[a], status[b]),
                       self.max_sweeps)


def report_on(system: System, law: Rule, l2: float, max_sweeps: int, tolerance: float | None) -> Report:
    none = law.strength == "none"
    found = _refine(system, law if not none else rule("sgd"), max_sweeps)
    finer = None if none else _elementwise(system, found, max_sweeps)
    dead = [(s.cell == 0) & (a.fixed is None) & (found.certified and not none)
            for s, a in zip(found.states, system.axes)]
    inner = [i for i, a in enumerate(system.axes) if a.layer is not None]
    layers = [_layer(system, i, found, finer, none) for i in inner]
    _degenerate(system, found, layers)
    for i, la in zip(inner, layers):
        la.near_ties = near_ties(system, found, i, la.labels, la.representative, tolerance)
    if tolerance is not None:
        loose = Refinement(system, signs=law.signs, tolerance=tolerance)
        loose.run(max_sweeps)
        for i, la in zip(inner, layers):
            la.tolerance_labels = _first_seen(loose.states[i].cell)[1]
            la.tolerance_cells = int(la.tolerance_labels.max(initial=-1)) + 1
    settings = {"strength": found.strength, "signs": law.signs, "scales": found.scales, "bias_stays": law.bias_stays}

    why = _Evidence(system, settings, found.states, inner, [la.status for la in layers], max_sweeps)
    return Report(layers, flow(system, dead), law.name, l2, law.conditions, found.certified, found.sweeps,
                  {system.axes[i].name: la for i, la in zip(inner, layers)},
                  {c.name: found.groups_of(c) for c in system.couplings if c.name}, why)


def _layer(system: System, i: int, found: Refinement, finer: Refinement | None, none: bool) -> LayerSymmetry:
    axis, state = system.axes[i], found.states[i]
    n = axis.n
    cell = state.cell if not none else np.arange(1, n + 1)
    first, labels = _first_seen(cell)
    sizes = np.bincount(labels, minlength=len(first)).astype(np.int64)
    zero = cell == 0
    status = np.full(n, "free", dtype=object)
    multipliers = np.ones(n)
    if not none:
        many = sizes[labels] > 1
        live = np.flatnonzero(many & ~zero)
        if len(live):
            multipliers[live] = state.unit[live] / state.unit[first[labels[live]]]
            key = group(labels[live], state.unit_p[live])
            negative = group(np.r_[labels[live], labels[live]],
                             np.r_[state.unit_p[live], field.negative(state.unit_p[live])])
            own, other = negative[:len(live)], negative[len(live):]
            count = np.bincount(key)
            has = np.isin(own, other)
            status[live] = np.where(count[key] > 1, "tied", np.where(has, "sign-tied", "proportional"))
        status[zero] = "dead"
        multipliers[zero] = 0.0
    if not found.certified:
        status[(sizes[labels] > 1) | zero] = "undetermined"
    strength = None
    if found.certified and not none and (sizes[labels] > 1).any():
        same = finer is None or (finer.certified and finer.states[i].cells == state.cells
                                 and bool(((finer.states[i].cell == 0) == zero).all()))
        strength = "elementwise" if same else "affine"
    live_cells = len(first) - int(zero.any())
    return LayerSymmetry(axis.layer if axis.layer is not None else -1, axis.name, labels, tuple(status.tolist()),
                         multipliers, len(first), live_cells, first, sizes, strength)


def _degenerate(system: System, found: Refinement, layers: list[LayerSymmetry]) -> None:
    """Fill in what is equal at step 0 only: units of one forward (backward) class that lie in different cells."""
    backward = found.backward_only()
    for la, i in zip(layers, (i for i, a in enumerate(system.axes) if a.layer is not None)):
        la.forward_width = int(found.forward_only[i].max(initial=-1)) + 1
        la.forward_duplicates = _across(found.forward_only[i], la)
        la.backward_duplicates = _across(backward[i], la) if system.outgoing(i) else ()
        outputs = [int(np.unique(found.states[b.target].cell).size) for b in system.outgoing(i)]
        inputs = [int(np.unique(found.forward_only[b.source]).size) for b in system.incoming(i)]
        # A back-signal is phi'(h) times a mix of those above; phi' is one number for each distinct output (one for
        # all where phi is linear), so it spans at most that many times what is above.
        linear = system.axes[i].odd and system.axes[i].homogeneous
        spanned = sum(outputs) * (1 if linear else la.forward_width) if outputs else la.n_units
        la.update_rank_bound = min(la.effective_width, spanned, sum(inputs))


def _across(classes: Array, la: LayerSymmetry) -> tuple[tuple[int, ...], ...]:
    """Classes of several units that are not one cell."""
    if len(classes) < 2 or int(np.ptp(classes)) + 1 == len(classes):
        return ()
    order = np.argsort(classes, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(classes[order])) + 1)
    return tuple(tuple(p.tolist()) for p in parts if len(p) > 1 and len(set(la.labels[p].tolist())) > 1)


def _first_seen(cell: Array) -> tuple[Array, Array]:
    """First unit of each cell and labels 0, 1, ... in order of first appearance."""
    _, first, back = np.unique(cell, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return first[order], rank[back]
