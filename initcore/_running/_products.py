"""Sums of products: contractions, convolutions, attention, rows sent to experts."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .._types import Array
from ..program import Op
from ._op import Attributes, Back, Entry, bounded, refuse

Results = tuple[tuple[Array, ...], Back]


def contracted(a: Array, b: Array, over: Sequence[Sequence[int]], batch: Sequence[Sequence[int]]) -> Array:
    """``(batch, rest of a, rest of b)`` by one matrix product a batch."""
    left = [d for d in range(a.ndim) if d not in (*over[0], *batch[0])]
    right = [d for d in range(b.ndim) if d not in (*over[1], *batch[1])]
    lead = [a.shape[d] for d in batch[0]]
    k = math.prod(a.shape[d] for d in over[0])
    shape = [*lead, *(a.shape[d] for d in left), *(b.shape[d] for d in right)]
    x = a.transpose([*batch[0], *left, *over[0]]).reshape(*lead, -1 if k else math.prod(a.shape[d] for d in left), k)
    y = b.transpose([*batch[1], *over[1], *right]).reshape(*lead, k, math.prod(b.shape[d] for d in right))
    return (x @ y).reshape(shape)


def _contract(a: Attributes, op: Op, x: Array, y: Array) -> Results:
    over, batch = a["contracting"], a.get("batch") or ((), ())

    def back(g: Array) -> tuple[Any, ...]:
        n = len(batch[0])
        left = [d for d in range(x.ndim) if d not in (*over[0], *batch[0])]
        right = [d for d in range(y.ndim) if d not in (*over[1], *batch[1])]
        lead, of_x = range(n), range(n, n + len(left))
        of_y = range(n + len(left), g.ndim)
        gx = contracted(g, y, (of_y, right), (lead, batch[1]))             # batch, rest of x, what is summed over
        gy = contracted(x, g, (left, of_x), (batch[0], lead))              # batch, what is summed over, rest of y
        # Dims that are left over stand in the order they had: the summed ones are sorted by their place.
        summed_y = sorted(over[1])
        to_x = [over[0][list(over[1]).index(d)] for d in summed_y]
        summed_x = sorted(over[0])
        to_y = [over[1][list(over[0]).index(d)] for d in summed_x]
        return (gx.transpose(np.argsort([*batch[0], *left, *to_x])), gy.transpose(np.argsort([*batch[1], *to_y,
                                                                                              *right])))
    return (contracted(x, y, over, batch),), back


def _edges(a: Attributes, n: int) -> list[tuple[int, int]]:
    given = a.get("padding") or (0,) * n
    return [tuple(p) if isinstance(p, (tuple, list)) else (p, p) for p in given]


def _convolve(a: Attributes, op: Op, x: Array, w: Array) -> Results:
    """One product a tap: ``y[o] += w[tap] x[stride o + dilation tap]``; transposed the same from y to x."""
    n = x.ndim - 2
    stride, dilation = (tuple(a.get(k) or (1,) * n) for k in ("stride", "dilation"))
    edges, groups = _edges(a, n), a.get("groups", 1)
    xs, ws = x.transpose(a["x_dims"]), w.transpose(a["w_dims"])
    back_x, back_w = np.argsort(a["x_dims"]), np.argsort(a["w_dims"])
    out = [op.outputs[0].shape[d] for d in a["x_dims"][2:]]
    taps: list[Any] = list(itertools.product(*(range(k) for k in ws.shape[2:])))
    small = xs.shape[2:] if a.get("transposed") else tuple(out)          # the grid that steps by one
    batch = xs.shape[0]

    def at(tap: tuple[int, ...]) -> Any:
        return (slice(None), slice(None), *(slice(d * t, d * t + s * (m - 1) + 1, s) for d, t, s, m in
                                            zip(dilation, tap, stride, small)))
    if a.get("transposed"):
        wide = [max(s * (m - 1) + d * (k - 1) + 1, lo + o) for s, m, d, k, (lo, _), o in zip(
            stride, small, dilation, ws.shape[2:], edges, out)]
        bounded(op, (batch, groups * ws.shape[0], *wide))
        inner = (slice(None), slice(None), *(slice(lo, lo + o) for (lo, _), o in zip(edges, out)))
        by = ws.reshape(ws.shape[0], groups, -1, *ws.shape[2:])              # out a group, groups, in a group
        parts = xs.reshape(batch, groups, -1, *small)
        whole = np.zeros((batch, groups * ws.shape[0], *wide), x.dtype)
        for tap in taps:
            whole[at(tap)] += np.einsum("bgi...,ogi->bgo...", parts, by[(..., *tap)], optimize=True).reshape(
                batch, -1, *small)

        def turned(g: Array) -> tuple[Any, ...]:
            gs = np.zeros(whole.shape, g.dtype)
            gs[inner] = g.transpose(a["x_dims"])
            gx, gw = np.zeros_like(parts), np.zeros_like(by)
            for tap in taps:
                piece = gs[at(tap)].reshape(batch, groups, ws.shape[0], *small)
                gx += np.einsum("bgo...,ogi->bgi...", piece, by[(..., *tap)], optimize=True)
                gw[(..., *tap)] = np.einsum("bgox,bgix->ogi", piece.reshape(*piece.shape[:3], -1),
                                            parts.reshape(*parts.shape[:3], -1), optimize=True)
            return gx.reshape(xs.shape).transpose(back_x), gw.reshape(ws.shape).transpose(back_w)
        return (whole[inner].transpose(back_x),), turned
    bounded(op, (batch, xs.shape[1], *(n + max(lo, 0) + max(hi, 0) for n, (lo, hi) in zip(xs.shape[2:], edges))))
    padded = np.pad(xs, [(0, 0), (0, 0), *((max(lo, 0), max(hi, 0)) for lo, hi in edges)])
    by = ws.reshape(groups, -1, *ws.shape[1:])                               # groups, out, in, taps
    y = np.zeros((batch, groups, by.shape[1], *small), x.dtype)

    def piece_of(whole: Array, tap: Any) -> Array:
        window: Array = whole[at(tap)].reshape(batch, groups, -1, *small)
        return window
    for tap in taps:
        y += np.einsum("bgi...,goi->bgo...", piece_of(padded, tap), by[(..., *tap)], optimize=True)

    def straight(g: Array) -> tuple[Any, ...]:
        gs = g.transpose(a["x_dims"]).reshape(y.shape)
        gx, gw = np.zeros_like(padded), np.zeros_like(by)
        for tap in taps:
            gx[at(tap)] += np.einsum("bgo...,goi->bgi...", gs, by[(..., *tap)], optimize=True).reshape(
                batch, -1, *small)
            gw[(..., *tap)] = np.einsum("bgox,bgix->goi", gs.reshape(*gs.shape[:3], -1), piece_of(padded, tap).reshape(
                batch, groups, by.shape[2], -1), optimize=True)
        inner = (slice(None), slice(None), *(slice(max(lo, 0), max(lo, 0) + m) for (lo, _), m in zip(
            edges, xs.shape[2:])))
        return gx[inner].transpose(back_x), gw.reshape(ws.shape).transpose(back_w)
    return (y.reshape(batch, -1, *small).transpose(back_x),), straight


def _attention(a: Attributes, op: Op, q: Array, k: Array, v: Array, mask: Array | None = None) -> Results:
    share = a.get("queries", 1)
    scale = a.get("scale") or 1 / math.sqrt(q.shape[-1])
    many = [np.repeat(t, share, -3) if share > 1 else t for t in (k, v)]
    s = q @ many[0].swapaxes(-1, -2) * scale
    if mask is not None:
        s = np.where(mask, s, -np.inf) if mask.dtype == bool else s + mask
    if a.get("causal"):
        s = np.where(np.tri(*s.shape[-2:]) > 0, s, -np.inf)
    p = np.exp(s - s.max(-1, keepdims=True))
    p /= p.sum(-1, keepdims=True)

    def back(g: Array) -> tuple[Any, ...]:
        gp = g @ many[1].swapaxes(-1, -2)
        gs = p * (gp - (gp * p).sum(-1, keepdims=True))
        gq, gk, gv = gs @ many[0] * scale, gs.swapaxes(-1, -2) @ q * scale, p.swapaxes(-1, -2) @ g
        if share > 1:
            gk, gv = (t.reshape(*t.shape[:-3], -1, share, *t.shape[-2:]).sum(-3) for t in (gk, gv))
        return gq, gk, gv, gs if mask is not None and mask.dtype != bool else None
    return (p @ many[1],), back


def _route(a: Attributes, op: Op, x: Array, w: Array, ends: Array) -> Results:
    edges = [0, *(int(n) for n in ends)]
    if sorted(edges) != edges or edges[-1] != len(x) or len(edges) != len(w) + 1:
        raise refuse(op, "rows that no expert takes")
    rows = [slice(b, e) for b, e in itertools.pairwise(edges)]

    def back(g: Array) -> tuple[Any, ...]:
        return (np.concatenate([g[r] @ one.T for r, one in zip(rows, w)]), np.stack([x[r].T @ g[r] for r in rows]),
                None)
    return (np.concatenate([x[r] @ one for r, one in zip(rows, w)]),), back


ENTRIES: dict[str, Entry] = {"contract": _contract, "convolve": _convolve, "attention": _attention, "route": _route}
