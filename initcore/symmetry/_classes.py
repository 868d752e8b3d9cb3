"""Equalities beside the fixpoint: one back-signal at step 0, query heads that are one, units one by other signs."""

from dataclasses import replace

import numpy as np

from .._types import Array
from ._layers import LayerSymmetry
from ._refinement._grouping import group, ranked
from ._refinement._partition import BACKWARD, FORWARD, Refinement
from ._refinement._signatures import Signatures
from ._structures._system import System


def backward_only(system: System, seed: int = 1) -> list[Array]:
    """Labels of linear units with equal sums to every cell above, whatever is below: one backward pass.

    Only where phi' is constant are their back-signals then equal; other axes come out discrete.
    """
    axes = system.axes
    if not any(a.odd and a.homogeneous for a in axes):
        return [np.arange(a.n) for a in axes]
    plain = [replace(a, zero=False, odd=False, homogeneous=False, forward_zero=False, half_line=False, gains=[],
                     fixed=a.fixed if a.odd and a.homogeneous else np.arange(a.n)) for a in axes]
    other = Refinement(System(plain, system.blocks), seed=seed)
    for i in range(len(axes) - 1, -1, -1):
        if plain[i].fixed is None and not other.states[i].discrete:
            other.refine(i, BACKWARD, other.system.outgoing(i))
    return [s.cell for s in other.states]


def equal_queries(found: Refinement, scores: int, values: int, share: int, groups: int) -> Array:
    """Labels of query heads: equal in one group where queries agree channel by channel and columns too.

    Scores of such heads are equal, so are their gradients: they are one head for ever (theory 4.9.3).
    """
    made = []
    for i, direction in ((scores, FORWARD), (values, BACKWARD)):
        blocks = found.system.incoming(i) if direction == FORWARD else found.system.outgoing(i)
        for slot in range(share):
            mine = [b for b in blocks if b.part == slot] if direction == FORWARD else [blocks[slot]]
            terms = [t._replace(part=0) for t in found.system.axes[i].bias if t.part == slot] * (i == scores)
            views = [replace(v, kin=0) for v in found.views(mine, direction == FORWARD)]
            look = Signatures(found.system.axes[i], views, terms, np.arange(found.system.axes[i].n), False,
                              found.fields, (found.seed, 0))
            whole = look.exact(np.arange(found.system.axes[i].n), 1)[0][0]
            made.append(whole.reshape(2, groups, -1).transpose(1, 0, 2).reshape(groups, -1))
    rows = np.concatenate([np.stack(made[:share], axis=1), np.stack(made[share:], axis=1)], axis=2)
    return ranked(group(np.repeat(np.arange(groups), share), *rows.reshape(groups * share, -1).T))


def united(la: LayerSymmetry, other: LayerSymmetry) -> LayerSymmetry:
    """One verdict on a layer of two proofs: units that are one in either are one."""
    label, multipliers, status = la.labels.copy(), la.multipliers.copy(), list(la.status)
    changed = False
    for cell in range(other.n_cells):
        units = [u for u in np.flatnonzero(other.labels == cell).tolist()
                 if status[u] != "dead" and other.status[u] not in ("free", "dead", "undetermined")]
        if len({int(label[u]) for u in units}) < 2:
            continue
        changed, head = True, units[0]
        for u in units[1:]:
            if label[u] != label[head]:          # all of its cell, as multiples of the head's
                mine = label == label[u]
                ratio = other.multipliers[u] / other.multipliers[head] * multipliers[head] / multipliers[u]
                multipliers[mine] *= ratio
                label[mine] = label[head]
        for u in units:
            status[u] = other.status[u] if status[u] == "free" else status[u]
    if not changed:
        return la
    _, first, back = np.unique(label, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    first, label = first[order], rank[back]
    alive = np.array([w != "dead" for w in status])
    multipliers = np.where(alive, multipliers / np.where(alive, multipliers, 1.0)[first][label], 0.0)
    strengths = {la.strength, other.strength} - {None}
    return replace(la, labels=label, status=tuple(status), multipliers=multipliers, n_cells=len(first),
                   effective_width=len(set(label[alive].tolist())), representative=first,
                   cell_sizes=np.bincount(label, minlength=len(first)).astype(np.int64),
                   strength="affine" if "affine" in strengths else "elementwise")
