"""Grouping: equal rows, meeting intervals, points near each other. All return integer labels."""

import numpy as np

from ..._types import Array


def group(*columns: Array) -> Array:
    """One label 0, 1, ... for each distinct row of some columns of equal length."""
    order = np.lexsort(columns[::-1])
    new = np.zeros(len(order), dtype=bool)
    for c in columns:
        s = c[order]
        new[1:] |= s[1:] != s[:-1]
    out = np.empty(len(order), dtype=np.int64)
    out[order] = np.cumsum(new)
    return out


def ranked(label: Array) -> Array:
    """Labels 0, 1, ... (each borne by some) numbered as they appear."""
    first = np.empty(int(label.max(initial=-1)) + 1, dtype=np.int64)
    first[label[::-1]] = np.arange(len(label))[::-1]           # the last written is the first that bears it
    rank = np.empty_like(first)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[label]


def clusters(cell: Array, low: Array, high: Array) -> Array:
    """Labels of the connected components of intervals [low, high] within each cell: different labels never meet."""
    n = len(cell)
    out = np.empty(n, dtype=np.int64)
    cut = np.zeros(n, dtype=np.int64)
    if n and (cell == cell[0]).all():
        first = np.argsort(low)
        reach = np.maximum.accumulate(high[first])
        cut[1:] = low[first][1:] > reach[:-1]
        out[first] = np.cumsum(cut)
        return out
    order = np.lexsort((np.r_[np.zeros(n), np.ones(n)], np.r_[low, high], np.r_[cell, cell]))
    rank = np.empty(2 * n, dtype=np.int64)
    rank[order] = np.arange(2 * n)
    first = np.argsort(rank[:n])
    reach = np.maximum.accumulate(rank[n:][first])
    cut[1:] = rank[:n][first][1:] > reach[:-1]
    cut[1:] |= cell[first][1:] != cell[first][:-1]
    out[first] = np.cumsum(cut)
    return out


_WINDOW = 64


def linked(cell: Array, points: Array, radius: Array | float) -> Array:
    """Single-linkage clusters of points ``(k, n)`` within cells: linked where every coordinate is within the radius.

    Sorted by the first coordinate, each point is compared with those within the radius there; where more than 64
    are, candidates come from grids twice the largest radius wide instead (shifted by half a width in two
    coordinates, each point with the next two of its box), which in crowded boxes may miss a link and never makes a
    wrong one.
    """
    n = points.shape[1]
    r = np.broadcast_to(np.asarray(radius, dtype=np.float64), (n,))
    parent = np.arange(n)
    with np.errstate(over="ignore", invalid="ignore"):
        order, widest = np.lexsort((points[0], cell)), float(np.max(r, initial=0.0))

        def close(step: int) -> Array:
            a, b = order[:-step], order[step:]
            near: Array = (cell[a] == cell[b]) & (points[0, b] - points[0, a] <= widest)
            return near

        if n > _WINDOW and close(_WINDOW).any():
            width = 4 * widest or 1e-300
            for shift in ((0.0, 0.0), (0.5, 0.0), (0.0, 0.5), (0.5, 0.5)):
                box = [np.floor(p / width + s) for p, s in zip(points[:2], shift)]
                order = np.lexsort((points[0], *box, cell))
                for step in (1, 2):
                    _join(parent, order[:-step], order[step:], cell, points, r)
        else:
            for step in range(1, min(n, _WINDOW)):
                near = close(step)
                if not near.any():
                    break
                _join(parent, order[:-step][near], order[step:][near], cell, points, r)
    if (parent == np.arange(n)).all():
        return parent
    return np.array([root(parent, x) for x in range(n)], dtype=np.int64)


def _join(parent: Array, a: Array, b: Array, cell: Array, points: Array, r: Array) -> None:
    """Unite the pairs (a, b) that lie in one cell and within the radius in every coordinate."""
    reach = np.maximum(r[a], r[b])
    near = (cell[a] == cell[b]) & (np.abs(points[:, a] - points[:, b]) <= reach).all(axis=0)
    for x, y in zip(a[near].tolist(), b[near].tolist()):
        x, y = root(parent, x), root(parent, y)
        parent[max(x, y)] = min(x, y)


def root(parent: Array, x: int) -> int:
    """The representative of x in a union-find forest."""
    while parent[x] != x:
        parent[x] = parent[parent[x]]
        x = int(parent[x])
    return x
