"""The same random draws in two tensors, whatever layout, width or factor; the same block twice in one tensor.

A run of draws is known by the ratios of its differences, which neither a factor nor an offset changes: each tensor is
read in its own order and in the transposed one, short windows of its first values are hashed, and windows that meet
are compared value by value.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from .._types import Array

HEAD = 256             # values looked at of each tensor, in each order
_WINDOW = 6            # ratios a window
_BINS = 64.0           # bins of a ratio's arctangent: far coarser than rounding
_HASH = 36             # bits of a window's hash: 6 ratios of 6 bits
_AT_ONCE = 1 << 16     # windows compared at once


def pairs(tensors: Sequence[tuple[str, Array]], need: int) -> Iterator[tuple[int, int, int]]:
    """(later, earlier, number of equal draws) for each tensor that repeats one before it."""
    owners: list[tuple[int, bool]] = []     # of every order of every tensor: which tensor, whether turned;
    marks: list[Array] = []                 # its windows
    places = (2 * len(tensors) * HEAD).bit_length()
    for k, (_, a) in enumerate(tensors):
        for turned, head in _orders(a, need):
            marks.append(_marked(_windows(head), len(owners), places))
            owners.append((k, turned))
    if len(marks) < 2:
        return
    every = np.concatenate(marks)
    marks.clear()
    every.sort()
    found: dict[int, tuple[int, int]] = {}
    for p, q in _meetings(every, places):
        (j, turned), (k, other) = owners[p // HEAD], owners[q // HEAD]
        if j < k and found.get(k, (k, 0))[0] > j:
            earlier, later = _head(tensors[j][1], turned), _head(tensors[k][1], other)
            if n := _equal(later, q % HEAD, earlier, p % HEAD, need):
                found[k] = (j, n)
    for k in sorted(found):
        yield k, *found[k]


def _marked(codes: Array, which: int, places: int) -> Array:
    """A window's hash (without its last bits where there are very many heads), the number of its head, its place, in
    one integer: sorted, equal windows meet."""
    codes = codes >> max(0, places + _HASH - 63)
    return (codes << places) + np.arange(which * HEAD, which * HEAD + len(codes))


def _meetings(every: Array, places: int) -> Iterator[tuple[int, int]]:
    """(head and place, head and place) of neighbours with one hash in two heads."""
    low = (1 << places) - 1
    for start in range(0, len(every), _AT_ONCE):
        part = every[start:start + _AT_ONCE + 1]
        code, which = part >> places, (part & low) // HEAD
        for i in np.flatnonzero((np.diff(code) == 0) & (np.diff(which) != 0)).tolist():
            yield int(part[i] & low), int(part[i + 1] & low)


def _orders(a: Array, need: int) -> list[tuple[bool, Array]]:
    """(False, the first values in the tensor's own order), (True, in the transposed); none for what is no random
    draw."""
    if a.size < need or (a.ndim == 2 and _structured(a)):
        return []
    orders = [(turned, _head(a, turned)) for turned in (False, True)[:max(a.ndim, 1)]]
    return [(turned, head) for turned, head in orders
            if len(head) >= need and np.isfinite(head).all() and _varied(head)]


def _head(a: Array, turned: bool) -> Array:
    a = a.T if turned else a
    if a.ndim == 2 and a.shape[1]:
        a = a[:-(-HEAD // a.shape[1])]
    return np.asarray(a.ravel()[:HEAD], dtype=np.float64)


def _varied(head: Array) -> bool:
    """Constants, the identity and sparse patterns are equal by construction, not by a seed."""
    return len(np.unique(head)) >= 0.9 * len(head) or (_rounded(head) and len(np.unique(head)) >= 0.3 * len(head))


def _rounded(head: Array) -> bool:
    """Are the values those of a half precision, where equal draws are common?"""
    bits = head.astype(np.float32).view(np.uint32)
    return not (bits & 0xFFF).any()


def _structured(a: Array) -> bool:
    """Is a matrix made by a formula: its rows or columns mirror images up to sign (cosine and sine bases, Hadamard)?"""
    if a.size < 4:
        return False
    part = a[:64, :64] if min(a.shape) > 64 else a
    scale = float(max(part.max(), -part.min())) or 1.0
    few = max(2, min(16, (1 << 17) // max(a.shape)))         # rows looked at: fewer where they are long
    whole = np.abs(np.asarray(a[:few], np.float64)), np.abs(np.asarray(a[:, :few].T, np.float64))
    if any(len(rows[0]) > 3 and np.mean(np.abs(rows - rows[:, ::-1]) < 1e-5 * scale) > 0.9 for rows in whole):
        return True
    # a product of two frequencies: the values of a basis are few
    if part.size >= 2 ** 14:
        return False
    flat = np.abs(part.astype(np.float64)).ravel()
    return not _rounded(flat) and len(np.unique(np.round(flat / scale, 6))) < 0.5 * len(flat)


def _windows(head: Array) -> Array:
    """One hash a window of :data:`_WINDOW` ratios of neighbouring differences."""
    d = np.diff(head)
    angle = np.arctan2(d[1:], d[:-1])
    angle = np.where(angle < 0, angle + np.pi, angle)           # a negative factor turns both differences
    bins = np.floor(angle / np.pi * _BINS).astype(np.int64) % int(_BINS)
    n = len(bins) - _WINDOW + 1
    if n <= 0:
        return np.zeros(0, dtype=np.int64)
    code = np.zeros(n, dtype=np.int64)
    for k in range(_WINDOW):
        code = code * int(_BINS) + bins[k:k + n]
    return code


def _equal(a: Array, at: int, b: Array, place: int, need: int) -> int:
    """How many draws from there on agree up to a factor and an offset; 0 for fewer than ``need``."""
    n = min(len(a) - at, len(b) - place)
    if n < need:
        return 0
    u, v = a[at:at + n], b[place:place + n]
    tolerance = 1e-5 if _rounded(u) or _rounded(v) else 1e-9
    for m in dict.fromkeys((n, need)):
        s, t = u[:m] - u[:m].mean(), v[:m] - v[:m].mean()
        scale = float(np.linalg.norm(s) * np.linalg.norm(t))
        if scale > 0 and 1 - abs(float(s @ t)) / scale <= tolerance:
            return m
    return 0


def period(a: Array) -> tuple[str, int] | None:
    """("columns" or "rows", size) of a block of different random columns that is repeated through the whole matrix."""
    if a.ndim != 2 or a.size < 16:
        return None
    for word, m in (("columns", a), ("rows", a.T)):
        n = m.shape[1]
        for size in (k for k in range(2, n // 2 + 1) if n % k == 0):
            if np.array_equal(m[0, size:], m[0, :-size]) and np.array_equal(m[:, size:], m[:, :-size]):
                block = np.asarray(m[:, :size], dtype=np.float64)
                if _varied(block.ravel()[:HEAD]) and _varied(np.ascontiguousarray(block.T).ravel()[:HEAD]):
                    return word, size
                break
    return None
