"""From a system and an optimiser's rule to the report: both partitions, words, duplicates, flow, near ties."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from .._types import Array
from ._classes import backward_only, equal_queries, united
from ._evidence import explain
from ._grouping import group
from ._near_ties import near_ties
from ._optimizers import Invariance, rule
from ._partition import Refinement
from ._report import LayerSymmetry, NearTie, SymmetryReport
from ._signatures import State
from ._structures._local import Still
from ._structures._system import Axis, Slice, System, dropped, plain
from ._structures._turns import turned
from ._zero_flow import flow


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
    layers = [_layer(system, i, found, finer, none, i in flat) for i in inner]
    others = [] if none or not found.certified else _by_other_signs(system, law, layers, max_sweeps)
    for _, proofs in others:
        layers = [united(la, proofs[i]) for i, la in zip(inner, layers)]
    _degenerate(system, found, layers)
    for i, la in zip(inner, layers):
        la.near_ties = near_ties(system, found, i, la.labels, la.representative, tolerance)
    if tolerance is not None:
        loose = Refinement(system, signs=law.signs, tolerance=tolerance)
        loose.run(max_sweeps)
        for i, la in zip(inner, layers):
            la.tolerance_labels = _first_seen(loose.states[i].cell)[1]
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
    pieces = [(s, _slice(s, by_axis[s.axis])) for s in system.slices if s.axis in by_axis]
    _meet(system, pieces)
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
            out.append((found, {i: _layer(way, i, found, finer, False, False) for i, a in enumerate(way.axes)
                                if a.layer is not None}))
    return out


def _slice(s: Slice, whole: LayerSymmetry) -> LayerSymmetry:
    """The part of a joint axis that was an axis of its own; labels stay those of the joint axis."""
    labels, status = whole.labels[s.units], whole.status[s.units]
    here = range(s.units.start, s.units.stop)
    ahead, back = ([tuple(u - here.start for u in units if u in here) for units in found]
                   for found in (whole.forward_duplicates, whole.backward_duplicates))
    _, first, sizes = np.unique(labels, return_index=True, return_counts=True)
    order = np.argsort(first)
    dead = {int(x) for x, word in zip(labels, status) if word == "dead"}
    return LayerSymmetry(s.layer, s.name, labels, status, whole.multipliers[s.units], len(first),
                         len(first) - len(dead), first[order], sizes[order],
                         whole.strength if set(status) - {"free"} else None,
                         tuple(u for u in ahead if len(u) > 1), tuple(u for u in back if len(u) > 1),
                         len(first) - sum(max(0, len(u) - 1) for u in ahead), whole.update_rank_bound,
                         tuple(NearTie(s.layer, tuple(u - here.start for u in t.units), t.distance, t.relative)
                               for t in whole.near_ties if set(t.units) <= set(here)),
                         None if whole.tolerance_labels is None else whole.tolerance_labels[s.units],
                         None if whole.tolerance_labels is None else len(np.unique(whole.tolerance_labels[s.units])))


def _meet(system: System, pieces: list[tuple[Slice, LayerSymmetry]]) -> None:
    """Say of the parts of a joint axis with whose units theirs are one."""
    for axis in system.apart:
        mine = [la for s, la in pieces if s.axis == axis]
        held = [{int(x) for x, word in zip(la.labels, la.status) if word not in ("free", "dead")} for la in mine]
        for la, cells in zip(mine, held):
            la.twins = tuple(other.name for other, theirs in zip(mine, held) if other is not la and cells & theirs)


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


def _layer(system: System, i: int, found: Refinement, finer: Refinement | None, none: bool,
           flat: bool) -> LayerSymmetry:
    axis, state = system.axes[i], found.states[i]
    fields, unit_p = found.fields, np.ones_like(state.unit_p) if system.axes[i].even else state.unit_p
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
            if not axis.even:
                multipliers[live] = state.unit[live] / state.unit[first[labels[live]]]
            key = group(labels[live], *unit_p[:, live])
            negative = group(np.r_[labels[live], labels[live]],
                             *np.concatenate([unit_p[:, live], fields.negative(unit_p[:, live])], axis=1))
            own, other = negative[:len(live)], negative[len(live):]
            count = np.bincount(key)
            has = np.isin(own, other)
            status[live] = np.where(count[key] > 1, "tied", np.where(has, "sign-tied", "proportional"))
        status[zero] = "dead"
        multipliers[zero] = 0.0
    if flat:
        status[:], multipliers[:] = "dead", 0.0
    if not found.certified:
        status[(sizes[labels] > 1) | zero] = "undetermined"
    strength = None
    if found.certified and not none and (sizes[labels] > 1).any():
        same = finer is None or (finer.certified and finer.states[i].cells == state.cells
                                 and bool(((finer.states[i].cell == 0) == zero).all()))
        strength = "elementwise" if same else "affine"
    live_cells = 0 if flat else len(first) - int(zero.any())
    return LayerSymmetry(axis.layer if axis.layer is not None else -1, axis.name, labels, tuple(status.tolist()),
                         multipliers, len(first), live_cells, first, sizes, strength)


def _degenerate(system: System, found: Refinement, layers: list[LayerSymmetry]) -> None:
    """Fill in what is equal at step 0 only: units of one forward (backward) class that lie in different cells."""
    backward = backward_only(system)
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
