"""From a system and an optimiser's rule to the report: both partitions, words, duplicates, flow, near ties."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from .._types import Array
from ._classes import equal_queries, united
from ._evidence import explain
from ._flow._zero_flow import flow
from ._layer_verdicts import degenerate, first_seen, layer_of, meet, slice_of
from ._layers import LayerSymmetry
from ._near_ties import near_ties
from ._optimizers import Invariance, rule
from ._refinement._grouping import group
from ._refinement._partition import Refinement
from ._refinement._signatures import State
from ._report import SymmetryReport
from ._structures._axis import Axis, dropped, plain
from ._structures._local import Still
from ._structures._system import System
from ._structures._turns import turned


def _refine(system: System, law: Invariance, max_sweeps: int) -> tuple[System, Refinement]:
    """The partition for an optimiser, and the system it is of: without relations that a norm turns out to break."""
    joint = True
    while True:
        refinement = Refinement(system, strength=law.strength, signs=law.signs, scales=law.scales,
                                bias_stays=law.bias_stays, joint=joint)
        refinement.run(max_sweeps)
        broken = [i for i, a in enumerate(system.axes) if not _centred(a, refinement.states[i])]
        if broken:
            axes = [plain(a) if i in broken else a for i, a in enumerate(system.axes)]
            system = replace(system, axes=axes)
        elif joint and law.per_tensor and not _whole(system, refinement.states):
            joint = False
        else:
            return system, refinement


def _centred(axis: Axis, state: State) -> bool:
    """Do layer and group norm keep the relations found: none but equality, or a mean of 0 by structure?"""
    if axis.norm not in ("layer", "group") or ((state.unit == 1.0).all() and not state.zeros):
        return True
    cells = int(state.cell.max(initial=0)) + 1
    for unit, cell in zip(*(np.split(a, axis.norm_groups) for a in (state.unit, state.cell))):
        if np.bincount(cell, unit * (cell > 0), cells).any():
            return False
    return True


def _whole(system: System, states: list[State]) -> bool:
    """Do tensors with units in common cells correspond as wholes (what per-tensor scaling asks)?"""
    for i, state in enumerate(states):
        spans = {(s.start, s.stop) for b in system.blocks for j, s in ((b.target, b.cols), (b.source, b.rows))
                 if s is not None and j == i}
        counts = [np.bincount(state.cell[a:b], minlength=state.cells + 1)[1:] for a, b in spans]
        for k, x in enumerate(counts):
            if any(((x > 0) & (y > 0)).any() and (x != y).any() for y in counts[:k]):
                return False
    return True


def _elementwise(system: System, found: Refinement, max_sweeps: int) -> Refinement | None:
    """The elementwise partition, refined further from an affine one; None if there is nothing to refine."""
    if found.strength == "elementwise" or all(s.discrete for s, a in zip(found.states, system.axes) if a.fixed is None):
        return None
    fields, start = found.fields, []
    for s in found.states:
        cell = np.where(s.cell == 0, 0, group(s.cell, *fields.size(s.unit_p)) + 1)
        negative = fields.upper(s.unit_p)[0] & (cell != 0)
        start.append(State.of(cell, np.where(negative, -1.0, 1.0), fields))
    refinement = Refinement(system, strength="elementwise", bias_stays=found.bias_stays, start=start,
                            joint=found.joint)
    refinement.run(max_sweeps)
    return refinement


@dataclass(frozen=True)
class _Evidence:
    """What :meth:`SymmetryReport.explain` asks; a value, so that reports can be pickled."""

    system: System
    settings: dict[str, Any]
    states: list[State]
    places: list[tuple[int, int]]     # of each layer: its axis and first unit there
    status: list[tuple[str, ...]]
    max_sweeps: int
    others: list[tuple[System, list[State]]] = field(default_factory=list)    # proofs by other signs

    def __call__(self, layer: int, a: int, b: int, other: int) -> str:
        (axis, start), (there, first) = self.places[layer], self.places[other]
        if axis != there:
            return (f"{self.system.axes[axis].name}, unit {a}, and {self.system.axes[there].name}, unit {b}: made by "
                    "operations that are not one function of their weights; such units are never called tied.")
        words = self.status[layer][a], self.status[other][b]
        a, b = start + a, first + b
        proofs = [(self.system, self.states), *self.others]
        system, states = next((p for p in proofs if p[1][axis].cell[a] == p[1][axis].cell[b]), proofs[0])
        return explain(system, self.settings, states, axis, a, b, words, self.max_sweeps)


def report_on(system: System, law: Invariance, l2: float, max_sweeps: int, tolerance: float | None,
              hidden_dropout: bool = False) -> SymmetryReport:
    """What is true of a system under an optimiser."""
    none = law.strength == "none"
    if hidden_dropout:
        system = replace(system, axes=[dropped(a) if a.layer is not None else a for a in system.axes])
    system, found = _refine(system, law if not none else rule("sgd"), max_sweeps)
    finer = None if none else _elementwise(system, found, max_sweeps)
    sure = found.certified and not none
    flat = {i for i, (a, s) in enumerate(zip(system.axes, found.states)) if sure and _flat(a, s)}
    still = _still(system, found.states) if sure else {}
    dead = [(s.cell == 0) & (a.fixed is None) & sure for s, a in zip(found.states, system.axes)]
    inner = [i for i, a in enumerate(system.axes) if a.layer is not None]
    layers = [layer_of(system, i, found, finer, none, i in flat) for i in inner]
    others = [] if none or not found.certified else _by_other_signs(system, law, layers, max_sweeps)
    for _, proofs in others:
        layers = [united(la, proofs[i]) for i, la in zip(inner, layers)]
    degenerate(system, found, layers)
    for i, la in zip(inner, layers):
        la.near_ties = near_ties(system, found, i, la.labels, la.representative, tolerance)
    if tolerance is not None:
        loose = Refinement(system, signs=law.signs, tolerance=tolerance)
        loose.run(max_sweeps)
        for i, la in zip(inner, layers):
            la.tolerance_labels = first_seen(loose.states[i].cell)[1]
            la.tolerance_cells = int(la.tolerance_labels.max(initial=-1)) + 1
    settings = {"strength": found.strength, "signs": law.signs, "scales": found.scales, "bias_stays": law.bias_stays,
                "joint": found.joint}
    groups = {c.name: found.groups_of(c) for c in system.couplings if c.name}
    for c in system.couplings:
        if c.parts:
            label = found.groups_of(c)
            groups |= {name: label[some] for name, some in c.parts}
    groups |= {q[0]: equal_queries(found, *q[1:]) for q in system.queries if sure}
    by_axis = dict(zip(inner, layers))
    pieces = [(s, slice_of(s, by_axis[s.axis])) for s in system.slices if s.axis in by_axis]
    meet(system, pieces)
    if system.networks:
        groups["networks"] = _towers(system, found.states)
    own = [(la, (i, 0)) for i, la in by_axis.items() if i not in system.apart]
    own += [(la, (s.axis, s.units.start)) for s, la in pieces if s.own]
    own.sort(key=lambda pair: pair[0].layer)
    layers, places = [la for la, _ in own], [place for _, place in own]
    named = {la.name: la for la in (*layers, *(la for _, la in pieces))}
    why = _Evidence(system, settings, found.states, places, [la.status for la in layers], max_sweeps,
                    [(r.system, r.states) for r, _ in others])
    learns = flow(system, dead, flat=flat, still=still)
    return SymmetryReport(layers, learns, law.name, l2, law.conditions, found.certified, found.sweeps, named, groups,
                          why)


def _by_other_signs(system: System, law: Invariance, layers: list[LayerSymmetry],
                    max_sweeps: int) -> list[tuple[Refinement, dict[int, LayerSymmetry]]]:
    """The partitions, and what they say of each axis, for the other ways of signs that axes have."""
    if not law.signs or not any(a.turns for a in system.axes):
        return []
    free = [np.arange(0) for _ in system.axes]
    for i, la in zip((i for i, a in enumerate(system.axes) if a.layer is not None), layers):
        free[i] = np.flatnonzero([word != "dead" for word in la.status])
    out = []
    for way in turned(system, free):
        way, found = _refine(way, law, max_sweeps)
        if found.certified:
            finer = _elementwise(way, found, max_sweeps)
            out.append((found, {i: layer_of(way, i, found, finer, False, False) for i, a in enumerate(way.axes)
                                if a.layer is not None}))
    return out


def _towers(system: System, states: list[State]) -> Array:
    """One label a network: equal where every layer, the outputs too, is made of the same cells."""
    made: list[tuple[bytes, ...]] = []
    for spans in system.networks:
        made.append(tuple(np.sort(states[i].cell[span]).tobytes() for i, span in spans))
    return np.array([made.index(m) for m in made])


def _flat(axis: Axis, state: State) -> bool:
    """Is what the axis passes on a constant: one cell under layer norm (in every group), experts that are all equal?"""
    if axis.product == "router":
        return state.cells == 1
    if not axis.direct or axis.norm not in ("layer", "group") or state.zeros or not (state.unit == 1.0).all():
        return False
    return all(np.ptp(cell) == 0 for cell in np.split(state.cell, axis.norm_groups) if len(cell))


def _still(system: System, states: list[State]) -> dict[int, Still]:
    """Steps of units' programs that are constant: norms and softmax over groups of one cell, by unit (theory 4.9.4)."""
    out: dict[int, dict[int, Array]] = {}
    for i, step, owner in system.norms:
        state = states[i]
        mine = owner >= 0
        label = np.where((state.cell > 0) & (state.unit == 1.0), state.cell, -1 - np.arange(len(state.cell)))
        low = np.full(int(owner.max(initial=-1)) + 1, np.iinfo(np.int64).max)
        high = np.full(len(low), np.iinfo(np.int64).min)
        np.minimum.at(low, owner[mine], label[mine])
        np.maximum.at(high, owner[mine], label[mine])
        if (low == high).any():
            out.setdefault(i, {})[step] = mine & (low == high)[owner]
    return dict(out)
