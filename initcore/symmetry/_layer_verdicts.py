"""What a partition says of each hidden layer: words, multipliers, widths, duplicates."""

import numpy as np

from .._types import Array
from ._classes import backward_only
from ._layers import LayerSymmetry, NearTie
from ._refinement._grouping import group
from ._refinement._partition import Refinement
from ._structures._system import Slice, System


def slice_of(s: Slice, whole: LayerSymmetry) -> LayerSymmetry:
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


def meet(system: System, pieces: list[tuple[Slice, LayerSymmetry]]) -> None:
    """Say of the parts of a joint axis with whose units theirs are one."""
    for axis in system.apart:
        mine = [la for s, la in pieces if s.axis == axis]
        held = [{int(x) for x, word in zip(la.labels, la.status) if word not in ("free", "dead")} for la in mine]
        for la, cells in zip(mine, held):
            la.twins = tuple(other.name for other, theirs in zip(mine, held) if other is not la and cells & theirs)


def layer_of(system: System, i: int, found: Refinement, finer: Refinement | None, none: bool,
           flat: bool) -> LayerSymmetry:
    axis, state = system.axes[i], found.states[i]
    fields, unit_p = found.fields, np.ones_like(state.unit_p) if system.axes[i].even else state.unit_p
    n = axis.n
    cell = state.cell if not none else np.arange(1, n + 1)
    first, labels = first_seen(cell)
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


def degenerate(system: System, found: Refinement, layers: list[LayerSymmetry]) -> None:
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


def first_seen(cell: Array) -> tuple[Array, Array]:
    """First unit of each cell and labels 0, 1, ... in order of first appearance."""
    _, first, back = np.unique(cell, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return first[order], rank[back]
