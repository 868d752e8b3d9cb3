"""Grouping: equal rows, meeting intervals, points near each other. All return integer labels."""

import numpy as np

Array = np.ndarray


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


def clusters(cell: Array, low: Array, high: Array) -> Array:
    """Labels of the connected components of intervals [low, high] within each cell: different labels never meet."""
    n = len(cell)
    order = np.lexsort((np.r_[np.zeros(n), np.ones(n)], np.r_[low, high], np.r_[cell, cell]))
    rank = np.empty(2 * n, dtype=np.int64)
    rank[order] = np.arange(2 * n)
    first = np.argsort(rank[:n])
    reach = np.maximum.accumulate(rank[n:][first])
    cut = np.zeros(n, dtype=np.int64)
    cut[1:] = rank[:n][first][1:] > reach[:-1]
    cut[1:] |= cell[first][1:] != cell[first][:-1]
    out = np.empty(n, dtype=np.int64)
    out[first] = np.cumsum(cut)
    return out


def linked(cell: Array, points: Array, radius: Array | float) -> Array:
    """Single-linkage clusters of points ``(k, n)`` within cells: linked where every coordinate is within the radius.

    Candidates come from grids twice the largest radius wide, shifted by half a width in the first two coordinates,
    and each is compared with the next two of its box, so this costs n log n; boxes crowded by strangers may miss
    a link, none is ever made in error.
    """
    n = points.shape[1]
    parent = np.arange(n)
    width = 4 * float(np.max(radius, initial=0.0)) or 1e-300
    r = np.broadcast_to(np.asarray(radius, dtype=np.float64), (n,))
    with np.errstate(over="ignore", invalid="ignore"):
        for shift in ((0.0, 0.0), (0.5, 0.0), (0.0, 0.5), (0.5, 0.5)):
            box = [np.floor(p / width + s) for p, s in zip(points[:2], shift)]
            order = np.lexsort((points[0], *box, cell))
            for step in (1, 2):
                a, b = order[:-step], order[step:]
                reach = np.maximum(r[a], r[b])
                near = (cell[a] == cell[b]) & (np.abs(points[:, a] - points[:, b]) <= reach).all(axis=0)
                for x, y in zip(a[near].tolist(), b[near].tolist()):
                    x, y = root(parent, x), root(parent, y)
                    parent[max(x, y)] = min(x, y)
    return np.array([root(parent, x) for x in range(n)], dtype=np.int64)


def root(parent: Array, x: int) -> int:
    """The representative of x in a union-find forest."""
    while parent[x] != x:
        parent[x] = parent[parent[x]]
        x = int(parent[x])
    return x
