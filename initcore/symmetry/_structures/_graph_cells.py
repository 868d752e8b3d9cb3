"""Layers whose units are functions of several parts: gates, recurrent cells, experts (theory 4.9.1, 4.9.2)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ... import activations
from ..._checks import integer
from ..._types import Array
from ...errors import ArgumentError
from ._graph_attention import Attention
from ._system import Coupling
from ._turns import Turn

_IDENTITY = activations.IDENTITY


class Cells(Attention):
    """The layers of :class:`initcore.symmetry.Graph` with parts."""

    def _gate(self, i: int, phi: activations.Activation) -> None:
        """Part 0 gates: it agrees literally, and (phi(0) = 0) counts as a factor; an odd one may be negated."""
        axis = self._axes[i]
        axis.zero, axis.odd, axis.plain, axis.gate = True, True, frozenset({0}), 0 if phi.phi0 == 0 else None
        if phi.odd:
            axis.turns = Turn(frozenset({1}), gate=1), Turn(frozenset(), even=True, zero=False)
        axis.forward_zero = axis.half_line = axis.homogeneous = axis.even = False

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
        gate : ``(E, source, units)`` for gated experts.   The biases : ``(E,)``, ``(E, units)``, ``(E, target)``.
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


def _wide(w: Array) -> Array:
    """``(experts, source, units)`` as ``(source, experts x units)``."""
    return np.ascontiguousarray(w.transpose(1, 0, 2)).reshape(w.shape[1], -1)
