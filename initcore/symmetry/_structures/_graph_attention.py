"""Attention of a graph: channels of queries, keys and values as units of heads (theory 4.9.3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ... import activations
from ..._checks import integer
from ..._types import Array
from ...errors import ArgumentError, ShapeError, unknown_name
from ._graph_joins import Joins
from ._system import Coupling

_IDENTITY = activations.IDENTITY


class Attention(Joins):
    """The attention of :class:`initcore.symmetry.Graph`.

    A key channel and the query channels it serves are one unit of several parts.
    """

    def attention(self, source: str, wq: Any, wk: Any, wv: Any, wo: Any, *, heads: int = 1, kv_heads: int | None = None,
                  kv_source: str | None = None, target: str | None = None, rotary: bool | int | str = False,
                  qk_norm: str | None = None, qk_gains: Sequence[Any] = (None, None), head_values: Any = None,
                  name: str = "attention", biases: Sequence[Any] = (None, None, None, None)) -> None:
        """Softmax attention from a stream back to it (or to ``target``), weights (units, heads x channels) and back.

        Makes the axes ``name.qk`` (a unit is a key channel with the query channels it serves) and ``name.v``. Heads
        are tied when their channels are, in any order and up to signs, never up to other multiples. Heads of one
        group of queries that are tied stand in ``report.groups[name + ".queries"]``. A key's bias is no parameter
        at all (softmax does not see it), unless keys are rotated or normalised.

        Parameters
        ----------
        heads, kv_heads : query heads, and heads of keys and values (grouped queries; default as many).
        kv_source : the axis that keys and values read (cross attention), default ``source``.
        rotary : rotary positions: True for whole heads (pairs c, c + half), a number of rotated channels, or
            "interleaved" (pairs 2c, 2c + 1). A rotated channel is like no other of its head, and dead only in pairs.
        qk_norm : "rms" or "layer" norm of queries and keys in each head, ``qk_gains`` their gains, ``(channels,)``
            where heads share them or ``(heads x channels,)``.
        head_values : ``(heads, k)`` numbers of each head's own (ALiBi slope, relative biases), equal in tied heads.
        biases : those of wq, wk, wv, wo.
        """
        s = self._at(source)
        k_axis = s if kv_source is None else self._at(kv_source)
        t = s if target is None else self._at(target)
        self._written(t, name)
        heads = integer("heads", heads, low=1)
        kv = heads if kv_heads is None else integer("kv_heads", kv_heads, low=1)
        if heads % kv:
            raise ShapeError(f"{name}: kv_heads={kv} must divide heads={heads}.")
        wq = self._weights(f"{name}.wq", wq, (self._axes[s].n, None))
        wk, wv = (self._weights(f"{name}.{k}", w, (self._axes[k_axis].n, None)) for k, w in (("wk", wk), ("wv", wv)))
        share = heads // kv
        if wq.shape[1] != share * wk.shape[1] or wk.shape[1] % kv or wv.shape[1] % kv:
            raise ShapeError(f"{name}: wq {wq.shape} and wk {wk.shape} must agree, and heads={heads} "
                             f"(kv_heads={kv}) divide them and wv {wv.shape}.")
        out = self._weights(f"{name}.wo", wo, (share * wv.shape[1], self._axes[t].n))
        qk = self._inner(f"{name}.qk", wk.shape[1], _IDENTITY, "attention", share + 1)
        v = self._inner(f"{name}.v", wv.shape[1], _IDENTITY)
        axis = self._axes[qk]
        axis.forward_zero, axis.partner, axis.groups = True, v, kv
        axis.lone = self._axes[v].lone = True                     # its mask is not declared
        axis.made += (heads, kv, rotary, qk_norm)
        self._axes[v].made += (heads, kv)
        channels = wk.shape[1] // kv
        bq = self._split_bias(f"{name}.bq", biases[0], share, kv, wq.shape[1])
        for slot in range(share):
            self._edge(s, qk, False)
            self._block(s, qk, _slot(wq, slot, share, kv), f"{name}.wq", part=slot, origin=wq)
            self._bias(qk, bq[slot], f"{name}.bq", part=slot)
        self._edge(k_axis, qk, False)
        self._edge(k_axis, v, False)
        self._block(k_axis, qk, wk, f"{name}.wk", part=share)
        self._bias(qk, biases[1], f"{name}.bk", part=share, null=not rotary and qk_norm is None)
        self._block(k_axis, v, wv, f"{name}.wv")
        self._bias(v, biases[2], f"{name}.bv")
        self._edge(v, t, target is None)
        if target is None:
            self._streams.add(t)
        for slot in range(share):
            self._block(v, t, _slot(out.T, slot, share, kv).T, f"{name}.wo", origin=out)
        self._bias(t, biases[3], f"{name}.bo")
        self._rotate(qk, channels, rotary, name)
        self._norm_scores(qk, kv, channels, share, qk_norm, qk_gains, name)
        owner = [(a, np.repeat(np.arange(kv), self._axes[a].n // kv)) for a in (qk, v)]
        self._couplings.append(Coupling(owner, kv, f"{name}.heads"))
        if head_values is not None:
            values = self._weights(f"{name}.head_values", head_values, (heads, None)).reshape(kv, -1).T
            for a in (qk, v):
                self._axes[a].colours.append((np.repeat(values, self._axes[a].n // kv, axis=1), f"{name}.head_values"))
        if share > 1:
            self._queries.append((f"{name}.queries", qk, v, share, kv))

    def _split_bias(self, name: str, b: Any, share: int, kv: int, n: int) -> list[Any]:
        if b is None:
            return [None] * share
        b = self._weights(name, b, (n,))
        return [_slot(b[None], slot, share, kv)[0] for slot in range(share)]

    def _rotate(self, i: int, channels: int, rotary: bool | int | str, name: str) -> None:
        if rotary is False or rotary is None:
            return
        if isinstance(rotary, str) and rotary != "interleaved":
            raise unknown_name("rotary", rotary, ("interleaved",))
        turned = channels if rotary is True or isinstance(rotary, str) else integer("rotary", rotary, low=0)
        if turned > channels or turned % 2:
            raise ShapeError(f"{name}: rotary={rotary!r} must be an even number of the {channels} channels of a head.")
        axis = self._axes[i]
        place = np.arange(axis.n) % channels
        axis.colours.append((np.where(place < turned, place + 1, 0).astype(np.float64), f"{name}.rotary"))
        half = max(1, turned // 2)
        pair = place // 2 if isinstance(rotary, str) else place % half
        pair = np.where(place < turned, pair, turned + place) + (np.arange(axis.n) // channels) * 2 * channels
        self._couplings.append(Coupling([(i, np.unique(pair, return_inverse=True)[1])], len(np.unique(pair)),
                                        together=True))
        axis.odd = axis.homogeneous = False
        axis.turned = True

    def _norm_scores(self, i: int, kv: int, channels: int, share: int, kind: str | None, gains: Sequence[Any],
                     name: str) -> None:
        if kind is None:
            if any(g is not None for g in gains):
                raise ArgumentError(f"{name}: qk_gains= needs qk_norm=.")
            return
        if kind not in ("rms", "layer"):
            raise unknown_name("qk_norm", kind, ("rms", "layer"))
        axis = self._axes[i]
        for g, key, heads in ((gains[0], "q_gain", kv * share), (gains[1], "k_gain", kv)):
            if g is None:
                continue
            axis.homogeneous = False
            g = self._weights(f"{name}.{key}", g, (None,))
            if g.shape == (channels,):
                axis.colours.append((np.tile(g, kv), f"{name}.{key}"))
                self._couplings.append(Coupling([(i, np.arange(axis.n) % channels)], channels))
            elif g.shape == (heads * channels,):
                rows = g.reshape(kv, -1, channels).transpose(1, 0, 2).reshape(-1, kv * channels)
                axis.colours.append((rows, f"{name}.{key}"))
            else:
                raise ShapeError(f"{name}.{key} has shape {g.shape}, expected ({channels},) or ({heads * channels},).")
        if kind == "layer":
            self._plain.add(i)


def _slot(w: Array, slot: int, share: int, kv: int) -> Array:
    """The columns of one query head of every group: of ``(n, kv x share x channels)``."""
    return w if share == 1 else w.reshape(len(w), kv, share, -1)[:, :, slot].reshape(len(w), -1)
