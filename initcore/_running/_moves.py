"""Operations that move elements, look them up and write them: nothing is computed but sums of gradients."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .._types import Array
from ..program import Op
from ._op import Attributes, Back, Entry, bounded, refuse

Results = tuple[tuple[Array, ...], Back]


def _broadcast(a: Attributes, op: Op, x: Array) -> Results:
    shape, dims = a["shape"], a["dims"]
    inner = [1] * len(shape)
    for i, d in enumerate(dims):
        inner[d] = x.shape[i]
    order = np.argsort(dims).tolist()

    def back(g: Array) -> tuple[Any, ...]:
        g = g.sum(tuple(d for d, n in enumerate(inner) if n == 1 and shape[d] != 1), keepdims=True)
        return (g.reshape([x.shape[i] for i in order]).transpose(np.argsort(order)),)
    return (np.broadcast_to(x.transpose(order).reshape(inner), shape),), back


def _slice(a: Attributes, op: Op, x: Array) -> Results:
    steps = a.get("steps") or (1,) * x.ndim
    at = tuple(slice(b, e, s) for b, e, s in zip(a["starts"], a["stops"], steps))

    def back(g: Array) -> tuple[Any, ...]:
        whole = np.zeros(x.shape, g.dtype)
        whole[at] = g
        return (whole,)
    return (x[at],), back


def _concatenate(a: Attributes, op: Op, *xs: Array) -> Results:
    ends = np.cumsum([x.shape[a["dim"]] for x in xs])[:-1]
    return (np.concatenate(xs, a["dim"]),), lambda g: tuple(np.split(g, ends, a["dim"]))


def _pad(a: Attributes, op: Op, x: Array) -> Results:
    """Negative numbers cut off."""
    low, high = a["low"], a["high"]
    mode = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "edge": "edge", "circular": "wrap"}.get(
        a.get("function", "constant"))
    if mode is None:
        raise refuse(op, str(a["function"]))
    keep = tuple(slice(max(-lo, 0), n - max(-hi, 0)) for n, lo, hi in zip(x.shape, low, high))
    wide = [(max(lo, 0), max(hi, 0)) for lo, hi in zip(low, high)]
    bounded(op, [n + lo + hi for n, (lo, hi) in zip(x[keep].shape, wide)])
    more = {"constant_values": a.get("value", 0.0)} if mode == "constant" else {}
    y = np.pad(x[keep], wide, mode=mode, **more)  # type: ignore[call-overload]
    inner = tuple(slice(lo, n - hi) for n, (lo, hi) in zip(y.shape, wide))

    def back(g: Array) -> tuple[Any, ...]:
        whole = np.zeros(x.shape, g.dtype)
        if mode == "constant":
            whole[keep] = g[inner]
        else:
            at = np.pad(np.arange(math.prod(x.shape)).reshape(x.shape)[keep], wide, mode=mode)  # type: ignore[call-overload]
            np.add.at(whole.reshape(-1), at, g)
        return (whole,)
    return (y,), back


def _look_up(a: Attributes, op: Op, table: Array, index: Array) -> Results:
    d = a.get("dim", 0)

    def back(g: Array) -> tuple[Any, ...]:
        whole = np.zeros(table.shape, g.dtype)
        np.add.at(np.moveaxis(whole, d, 0), index, np.moveaxis(g, range(d, d + index.ndim), range(index.ndim)))
        return whole, None
    return (np.take(table, index, axis=d),), back


def _part(x: Array, index: Array, dim: int) -> tuple[slice, ...]:
    return tuple(slice(None) if d == dim else slice(n) for d, n in enumerate(index.shape))


def _gather(a: Attributes, op: Op, x: Array, index: Array) -> Results:
    d = a["dim"]
    part = _part(x, index, d)

    def back(g: Array) -> tuple[Any, ...]:
        whole = np.zeros(x.shape, g.dtype)
        at: list[Any] = list(np.indices(index.shape, sparse=True))
        at[d] = index
        np.add.at(whole, tuple(at), g)
        return whole, None
    return (np.take_along_axis(x[part], index, d),), back


def _scatter(a: Attributes, op: Op, x: Array, index: Array, source: Array) -> Results:
    d, how = a["dim"], a.get("function", "set")
    if how not in ("set", "add"):
        raise refuse(op, how)
    at: list[Any] = list(np.indices(index.shape, sparse=True))
    at[d] = index
    where, y = tuple(at), x.copy()
    given = source[tuple(slice(n) for n in index.shape)]
    if how == "add":
        np.add.at(y, where, given)
    else:
        y[where] = given

    def back(g: Array) -> tuple[Any, ...]:
        kept = g
        if how == "set":
            kept = g.copy()
            kept[where] = 0
        taken = np.zeros(source.shape, g.dtype)
        taken[tuple(slice(n) for n in index.shape)] = g[where]
        return kept, None, taken
    return (y,), back


def _ordered(a: Attributes, op: Op, x: Array) -> Results:
    """sort and topk: values and where they stood."""
    d = a["dim"]
    down = a.get("descending", False) if op.kind == "sort" else a.get("largest", True)
    at = np.argsort(-x if down else x, axis=d, kind="stable")
    if op.kind == "topk":
        at = np.take(at, np.arange(a["k"]), axis=d)

    def back(g: Array, _: Any = None) -> tuple[Any, ...]:
        whole = np.zeros(x.shape, g.dtype)
        np.put_along_axis(whole, at, g, d)
        return (whole,)
    return (np.take_along_axis(x, at, d), at)[:len(op.outputs)], back


def _one_hot(a: Attributes, op: Op, x: Array) -> Results:
    bounded(op, (*x.shape, max(a["classes"], 0)))
    return (x[..., np.newaxis] == np.arange(a["classes"]),), None


def _arange(a: Attributes, op: Op, *_: Any) -> Results:
    (v,) = op.outputs
    if len(v.shape) != 1:
        raise refuse(op)
    return (a.get("start", 0) + np.arange(v.shape[0]) * a.get("step", 1),), None


ENTRIES: dict[str, Entry] = {
    "reshape": lambda a, op, x: ((x.reshape(a["shape"]),), lambda g: (g.reshape(x.shape),)),
    "permute": lambda a, op, x: ((x.transpose(a["dims"]),), lambda g: (g.transpose(np.argsort(a["dims"])),)),
    "broadcast": _broadcast, "slice": _slice, "concatenate": _concatenate, "pad": _pad,
    "flip": lambda a, op, x: ((np.flip(x, a["dims"]),), lambda g: (np.flip(g, a["dims"]),)),
    "roll": lambda a, op, x: ((np.roll(x, a["shifts"], a["dims"]),), lambda g: (
        np.roll(g, [-s for s in np.atleast_1d(a["shifts"])], a["dims"]),)),
    "detach": lambda a, op, x: ((x,), None), "dropout": lambda a, op, x: ((x,), lambda g: (g,)),
    "look_up": _look_up, "gather": _gather, "scatter": _scatter, "sort": _ordered, "topk": _ordered,
    "one_hot": _one_hot, "arange": _arange,
}
