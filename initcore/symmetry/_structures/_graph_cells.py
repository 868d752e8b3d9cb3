"""Layers whose units are functions of several parts: attention, recurrent cells, experts (theory 4.9.1 to 4.9.3)."""

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
from ._turns import Turn

_IDENTITY = activations.IDENTITY


class Cells(Joins):
    """The layers of :class:`initcore.symmetry.Graph` with parts."""

    def _gate(self, i: int, phi: activations.Activation) -> None:
        """Part 0 gates: it agrees literally, and (phi(0) = 0) counts as a factor; an odd one may be negated."""
        axis = self._axes[i]
        axis.zero, axis.odd, axis.plain, axis.gate = True, True, frozenset({0}), 0 if phi.phi0 == 0 else None
        if phi.odd:
            axis.turns = Turn(frozenset({1}), gate=1), Turn(frozenset(), even=True, zero=False)
        axis.forward_zero = axis.half_line = axis.homogeneous = axis.even = False

    # --- attention -----------------------------------------------------------------------------------

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

    # --- recurrent cells -----------------------------------------------------------------------------

    def rnn(self, source: str, axis: str, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None, *,
            name: str = "rnn") -> None:
        """Elman's cell ``h = phi(w_ih x + b_ih + w_hh h + b_hh)``, phi the axis's; PyTorch's shapes (units, inputs).

        One partition for all times; of the biases only the sum counts. Equal units must start in equal states.
        """
        self._recurrent(source, axis, w_ih, w_hh, b_ih, b_hh, (0,), (0,), name)

    def lstm(self, source: str, axis: str, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None, *,
             name: str = "lstm") -> None:
        """A long short-term memory, PyTorch's weights (4 units, inputs) and order of gates: i, f, g, o.

        Tied units agree in every gate: rows, sums of ``w_hh`` from and to every cell, ``b_ih + b_hh``. Sign ties
        negate g alone; a unit whose g and whose readers are zero is dead. Equal units must start in equal states.
        """
        self._recurrent(source, axis, w_ih, w_hh, b_ih, b_hh, (0, 1, 2, 3), (0, 1, 2, 3), name)
        self._cell(axis, "lstm", 4, {0, 1, 3})

    def gru(self, source: str, axis: str, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None, *,
            name: str = "gru") -> None:
        """A gated recurrent unit, PyTorch's weights (3 units, inputs) and order of gates: r, z, n.

        As :meth:`lstm`; n has two parts, ``n = tanh(W x + b_in + r (U h + b_hn))``, so its two biases count each.
        """
        self._recurrent(source, axis, w_ih, w_hh, b_ih, b_hh, (0, 1, 2), (0, 1, 3), name)
        self._cell(axis, "gru", 4, {0, 1})

    def _cell(self, name: str, product: str, parts: int, plain: set[int]) -> None:
        axis = self._axes[self._at(name)]
        axis.product, axis.parts, axis.plain = product, parts, frozenset(plain)
        axis.zero = axis.odd = True
        axis.forward_zero = axis.half_line = axis.homogeneous = axis.even = False

    def _recurrent(self, source: str, axis: str, w_ih: Any, w_hh: Any, b_ih: Any, b_hh: Any, into: tuple[int, ...],
                   within: tuple[int, ...], name: str) -> None:
        s, t = self._at(source), self._at(axis)
        n, gates = self._axes[t].n, len(into)
        self._axes[t].lone = True
        if self._axes[t].fixed is not None or self._axes[t].product or any(b.target == t for b in self._blocks):
            raise ArgumentError(f"{name}: {axis!r} must be a hidden axis of its own, written by the cell alone.")
        w_ih = self._weights(f"{name}.w_ih", w_ih, (gates * n, self._axes[s].n))
        w_hh = self._weights(f"{name}.w_hh", w_hh, (gates * n, n))
        self._edge(s, t, False)
        for k in range(gates):
            rows = slice(k * n, (k + 1) * n)
            self._block(s, t, w_ih[rows].T, f"{name}.w_ih", part=into[k])
            self._block(t, t, w_hh[rows].T, f"{name}.w_hh", part=within[k])
        for b, key, parts in ((b_ih, "b_ih", into), (b_hh, "b_hh", within)):
            if b is not None:
                b = self._weights(f"{name}.{key}", b, (gates * n,))
                for k in range(gates):
                    self._bias(t, b[k * n:(k + 1) * n], f"{name}.{key}", part=parts[k])

    # --- experts -------------------------------------------------------------------------------------

    def experts(self, source: str, target: str, router: Any, up: Any, down: Any, *, top_k: int | None = None,
                gate: Any = None, activation: Any = "relu", router_bias: Any = None, up_bias: Any = None,
                down_bias: Any = None, residual: bool = False, name: str = "experts") -> None:
        """``target += sum_e p_e f_e(source)``, p = softmax(source router): E experts with hidden units of their own.

        Makes the axes ``name.hidden`` (E x units) and ``name.router`` (E). Experts are tied when the router's columns,
        the make-up of their hidden units and their output biases agree, ``report.groups[name + ".experts"]``. Noise on
        the logits and balance losses with hard counts would part them.

        Parameters
        ----------
        router : ``(source, E)``.   up : ``(E, source, units)``.   down : ``(E, units, target)``.
        gate : ``(E, source, units)`` for gated experts.   *_bias : ``(E,)``, ``(E, units)``, ``(E, target)``.
        top_k : experts used at a time (default all). With fewer than E which of two equal experts is used is not for
            the weights to say, so no two experts are called tied.
        residual : the target is a stream that was read before.
        """
        s, t = self._at(source), self._at(target)
        self._written(t, name)
        n, m = self._axes[s].n, self._axes[t].n
        router = self._weights(f"{name}.router", router, (n, None))
        e = router.shape[1]
        up = self._weights(f"{name}.up", up, (e, n, None))
        units = up.shape[2]
        down = self._weights(f"{name}.down", down, (e, units, m))
        k = e if top_k is None else integer("top_k", top_k, low=1)
        phi = activations.get(activation)
        h = self._inner(f"{name}.hidden", e * units, phi, "gated" if gate is not None else "",
                        2 if gate is not None else 1)
        if gate is not None:
            gate = self._weights(f"{name}.gate", gate, (e, n, units))
            self._gate(h, phi)
            self._block(s, h, _wide(gate), f"{name}.gate", part=0, origin=gate)
        r = self._inner(f"{name}.router", e, _IDENTITY, "router")
        self._plain.add(r)
        self._axes[r].partner = h
        self._axes[h].lone = self._axes[r].lone = True
        for axis in (h, r):
            self._edge(s, axis, False)
        self._block(s, h, _wide(up), f"{name}.up", part=1 if gate is not None else 0, origin=up)
        self._block(s, r, router, f"{name}.router")
        self._bias(r, router_bias, f"{name}.router_bias")
        if up_bias is not None:
            up_bias = self._weights(f"{name}.up_bias", up_bias, (e, units))
            self._bias(h, up_bias.reshape(-1), f"{name}.up_bias", part=1 if gate is not None else 0)
        self._edge(h, t, residual)
        if residual:
            self._streams.add(t)
        self._block(h, t, down.reshape(e * units, m), f"{name}.down")
        if down_bias is not None:
            down_bias = self._weights(f"{name}.down_bias", down_bias, (e, m))
            self._edge(r, t, residual)
            self._block(r, t, down_bias, f"{name}.down_bias")
        if k < e:
            self._axes[r].colours.append((np.arange(e, dtype=np.float64), f"{name}.choice"))
        tensors = [a for a in (up, down, gate, up_bias, down_bias) if a is not None]
        self._axes[r].stops = int(all((a == a[:1]).all() for a in tensors))
        self._couplings.append(Coupling([(h, np.repeat(np.arange(e), units)), (r, np.arange(e))], e, f"{name}.experts"))


def _slot(w: Array, slot: int, share: int, kv: int) -> Array:
    """The columns of one query head of every group: of ``(n, kv x share x channels)``."""
    return w if share == 1 else w.reshape(len(w), kv, share, -1)[:, :, slot].reshape(len(w), -1)


def _wide(w: Array) -> Array:
    """``(experts, source, units)`` as ``(source, experts x units)``."""
    return np.ascontiguousarray(w.transpose(1, 0, 2)).reshape(w.shape[1], -1)
