"""Near ties: units whose weights agree up to a small distance. Reported with it, never called tied.

Two random projections of every unit's incoming weights (a by-product of the refinement) pick the candidates; the
weights themselves, incoming, bias and outgoing, then decide.
"""

import itertools

import numpy as np

from .._types import Array
from ._layers import NearTie
from ._refinement._grouping import linked, root
from ._refinement._partition import Refinement
from ._structures._system import System

DEFAULT = 1e-3
_PAIRS = 1 << 14       # compared at once: 64 weights of each are held


def near_ties(system: System, found: Refinement, axis: int, labels: Array, first: Array,
              tolerance: float | None) -> tuple[NearTie, ...]:
    """Groups of cells whose representatives' weights differ by at most ``tolerance`` of their root mean square."""
    if axis not in found.probes or len(first) < 2:
        return ()
    layer = system.axes[axis].layer
    out: list[NearTie] = []
    for low, high in _alike(system, axis):
        units = first[(first >= low) & (first < high)]
        if len(units) > 1:
            rows = _rows(system, axis, low, high)
            out += [NearTie(layer if layer is not None else -1, tuple(int(u) for u in units[m]), gap, relative)
                    for m, gap, relative in _close(rows, found.probes[axis][0][:2, units], units - low, tolerance)]
    return tuple(out)


def _alike(system: System, axis: int) -> list[tuple[int, int]]:
    """The ranges of units that the same blocks cover: only these have weights that can be compared."""
    n = system.axes[axis].n
    covered = [b.cols for b in system.incoming(axis)] + [b.rows for b in system.outgoing(axis)]
    cuts = sorted({0, n, *(k for part in covered if part is not None for k in part.indices(n)[:2])})
    return list(itertools.pairwise(cuts))


def _rows(system: System, axis: int, low: int, high: int) -> list[Array]:
    """A row a unit of a range: its incoming weights, its outgoing ones, what is added to it."""
    out = []
    for part, w in (*((b.cols, b.w.T) for b in system.incoming(axis)), *((b.rows, b.w) for b in system.outgoing(axis))):
        start, stop, _ = (part or slice(None)).indices(system.axes[axis].n)
        if start <= low and high <= stop:
            out.append(w[low - start:high - start])
    return [*out, *(np.asarray(t.values)[low:high, None] for t in system.axes[axis].bias)]


def _close(rows: list[Array], points: Array, units: Array,
           tolerance: float | None) -> list[tuple[list[int], float, float]]:
    """(places in ``units``, largest difference, the same by root mean square) of every group of near ones.

    rows : their weights, ``(all units, weights)`` each. points : two projections of each.
    """
    free = sum(w.shape[1] for w in rows)
    limit = DEFAULT if tolerance is None else tolerance
    if tolerance is None:
        # Units with few weights come close by chance: keep the expected number of such pairs below 0.01.
        limit = min(limit, (0.02 / len(units) ** 2) ** (1 / max(1, free)) / 1.2)
    top = float(np.abs(points).max())
    if not np.isfinite(top) or not 1e-140 < top < 1e140 or limit == 0.0:       # squares would leave float64
        return []
    # A difference of at most d a weight moves a projection of k of them by d sqrt(k/3) in the mean square, and the
    # weights' own size moves it by that of the points: eight of those.
    group = linked(np.zeros(len(units), dtype=np.int64), points, 8 * limit * float(np.sqrt(np.mean(np.square(points)))))
    if (group == np.arange(len(units))).all():
        return []
    order = np.lexsort((points[0], group))
    parent = np.arange(len(units))
    gaps: dict[int, float] = {}
    relative: dict[int, float] = {}
    for step in (1, 2, 3):
        a, b = order[:-step], order[step:]
        same = group[a] == group[b]
        a, b = a[same], b[same]
        distance, size = _compare(rows, units[a], units[b], limit)
        for x, y, d, s in zip(a.tolist(), b.tolist(), distance.tolist(), size.tolist()):
            if 0.0 < d <= limit * s:
                x, y = root(parent, x), root(parent, y)
                if x != y:
                    x, y = min(x, y), max(x, y)
                    parent[y] = x
                    gaps[x] = max(gaps.pop(x, 0.0), gaps.pop(y, 0.0), d)
                    relative[x] = max(relative.pop(x, 0.0), relative.pop(y, 0.0), d / s)
    members: dict[int, list[int]] = {}
    for x in range(len(units)):
        r = root(parent, x)
        if r in gaps:
            members.setdefault(r, []).append(x)
    return [(m, gaps[r], relative[r]) for r, m in members.items()]


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
