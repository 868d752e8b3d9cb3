"""Equalities beside the fixpoint: units with one back-signal at step 0, query heads that are one head."""

from dataclasses import replace

import numpy as np

from .._types import Array
from ._grouping import group, ranked
from ._partition import BACKWARD, FORWARD, Refinement
from ._signatures import Signatures
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
