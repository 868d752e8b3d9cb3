"""Near ties: units whose weights agree up to a small distance. Reported with it, never called tied.

Two random projections of every unit's incoming weights (a by-product of the refinement) pick the candidates; the
weights themselves, incoming, bias and outgoing, then decide.
"""

import numpy as np

from .._types import Array
from ._grouping import linked, root
from ._partition import Refinement
from ._report import NearTie
from ._structures._system import System

DEFAULT = 1e-3
_PAIRS = 1 << 14       # compared at once: 64 weights of each are held


def near_ties(system: System, found: Refinement, axis: int, labels: Array, first: Array,
              tolerance: float | None) -> tuple[NearTie, ...]:
    """Groups of cells whose representatives' weights differ by at most ``tolerance`` of their root mean square."""
    blocks = [*system.incoming(axis), *system.outgoing(axis)]
    if axis not in found.probes or len(first) < 2 or any(b.partial for b in blocks):
        return ()
    rows = [b.w.T for b in system.incoming(axis)] + [b.w for b in system.outgoing(axis)]
    rows += [np.asarray(v)[:, None] for v in [t.values for t in system.axes[axis].bias]]
    free = sum(w.shape[1] for w in rows)
    limit = DEFAULT if tolerance is None else tolerance
    if tolerance is None:
        # Units with few weights come close by chance: keep the expected number of such pairs below 0.01.
        limit = min(limit, (0.02 / len(first) ** 2) ** (1 / max(1, free)) / 1.2)
    sums, terms = found.probes[axis]
    points = sums[:2, first]
    top = float(np.abs(points).max())
    if not np.isfinite(top) or not 1e-140 < top < 1e140 or limit == 0.0:       # squares would leave float64
        return ()
    scale = np.sqrt(np.mean(np.square(points))) * np.sqrt(3.0 / max(1, terms))       # about the weights' size
    if scale == 0.0:
        return ()
    # A difference of at most d a weight moves a projection by d sqrt(terms/3) in the mean square: eight of those.
    group = linked(np.zeros(len(first), dtype=np.int64), points, 8 * limit * scale * np.sqrt(terms / 3.0))
    if (group == np.arange(len(first))).all():
        return ()
    order = np.lexsort((points[0], group))
    parent = np.arange(len(first))
    gaps: dict[int, float] = {}
    relative: dict[int, float] = {}
    for step in (1, 2, 3):
        a, b = order[:-step], order[step:]
        same = group[a] == group[b]
        a, b = a[same], b[same]
        distance, size = _compare(rows, first[a], first[b], limit)
        for x, y, d, s in zip(a.tolist(), b.tolist(), distance.tolist(), size.tolist()):
            if 0.0 < d <= limit * s:
                x, y = root(parent, x), root(parent, y)
                if x != y:
                    x, y = min(x, y), max(x, y)
                    parent[y] = x
                    gaps[x] = max(gaps.pop(x, 0.0), gaps.pop(y, 0.0), d)
                    relative[x] = max(relative.pop(x, 0.0), relative.pop(y, 0.0), d / s)
    members: dict[int, list[int]] = {}
    for x in range(len(first)):
        r = root(parent, x)
        if r in gaps:
            members.setdefault(r, []).append(x)
    layer = system.axes[axis].layer
    return tuple(NearTie(layer if layer is not None else -1, tuple(int(u) for u in first[m]), gaps[r], relative[r])
                 for r, m in members.items())


def _compare(rows: list[Array], a: Array, b: Array, limit: float) -> tuple[Array, Array]:
    """Largest difference and root mean square of the weights of unit pairs; hopeless pairs stop early (inf)."""
    if not len(a):
        return np.zeros(0), np.zeros(0)
    parts = [_compare_some(rows, a[i:i + _PAIRS], b[i:i + _PAIRS], limit) for i in range(0, len(a), _PAIRS)]
    return np.concatenate([worst for worst, _ in parts]), np.concatenate([size for _, size in parts])


def _compare_some(rows: list[Array], a: Array, b: Array, limit: float) -> tuple[Array, Array]:
    worst, square = np.zeros(len(a)), np.zeros(len(a))
    alive = np.arange(len(a))
    count = sum(w.shape[1] for w in rows)
    budget = 1 << 20
    for w in rows:
        start, step = 0, 64
        while start < w.shape[1] and len(alive):
            u = w[a[alive], start:start + step].astype(np.float64)
            v = w[b[alive], start:start + step].astype(np.float64)
            worst[alive] = np.maximum(worst[alive], np.abs(u - v).max(axis=1, initial=0.0))
            with np.errstate(over="ignore"):
                square[alive] += (np.square(u) + np.square(v)).sum(axis=1) / 2
            seen = start + u.shape[1]
            # The part seen so far bounds what the whole mean square can be only from below: be generous.
            size = np.sqrt(square[alive] / max(1, min(seen, count)))
            hopeless = worst[alive] > 100 * limit * np.maximum(size, 1e-300)
            worst[alive[hopeless]] = np.inf
            alive = alive[~hopeless]
            start, step = start + step, max(64, budget // max(1, len(alive)))
    return worst, np.sqrt(square / max(1, count))
