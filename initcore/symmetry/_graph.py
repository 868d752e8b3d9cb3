"""Networks that are not chains: axes, and the layers that read from one and write to another.

An axis is a set of units that share one partition: the channels of a convolution, the features of a residual
stream however many layers write to it. Layers add the conditions theory 4.5 gives for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import activations
from .._checks import float_array, integer
from ..errors import ArgumentError, ShapeError, unknown_name
from ._graph_base import Assembly
from ._system import Axis, Coupling

_IDENTITY = activations.get("identity")


class Graph(Assembly):
    """A network as axes and layers, for :func:`initcore.symmetry.analyze`.

    Weights are ``(source units, target units)``. Axes made with :meth:`inputs` and :meth:`outputs` are arbitrary
    data; every other axis is reported, in the order of creation.

    >>> import numpy as np
    >>> g = Graph()
    >>> g.inputs("x", 3); g.axis("h", 4, "tanh"); g.outputs("y", 2)
    >>> g.linear("x", "h", np.ones((3, 4)), name="up"); g.linear("h", "y", np.ones((4, 2)), name="down")
    >>> g.system().axes[1].name
    'h'
    """



    def linear(self, source: str, target: str, w: Any, b: Any = None, *, mask: Any = None, name: str = "",
               residual: bool = False, recurrent: bool = False, frozen: bool = False) -> None:
        """``target += source w + b``.

        mask : True where a weight exists (pruning); the others are 0 and stay so.
        residual : the target is a stream that was read before; this layer adds to it.
        recurrent : the edge goes to the next time step; equal units must start in equal states.
        frozen : the weight is not trained (the base of an adapter).
        """
        s, t = self._at(source), self._at(target)
        name = name or f"{source}->{target}"
        w = self._weights(f"{name}.w", w, (self._axes[s].n, self._axes[t].n))
        self._edge(s, t, residual or recurrent)
        self._block(s, t, w, f"{name}.w", mask=mask, frozen=frozen)
        self._bias(t, b, f"{name}.b")

    def recurrent(self, axis: str, w: Any, *, name: str = "") -> None:
        """``h_t += h_{t-1} w``: one partition for all time steps."""
        self.linear(axis, axis, w, name=name or f"{axis}.recurrent", recurrent=True)

    def embedding(self, target: str, table: Any, *, name: str = "embedding") -> None:
        """Rows of ``table (tokens, units)`` are added to the target; tokens are arbitrary data."""
        t = self._at(target)
        table = self._weights(f"{name}.w", table, (None, self._axes[t].n))
        s = self._add(Axis(f"{name}.tokens", table.shape[0], fixed=np.arange(table.shape[0])))
        self._edge(s, t, True)
        self._block(s, t, table, f"{name}.w")

    def conv(self, source: str, target: str, w: Any, b: Any = None, *, groups: int = 1, layout: str = "hwio",
             name: str = "", residual: bool = False) -> None:
        """Convolution of any dimension: channels are units, sums must agree tap by tap; padding and stride are free.

        layout : "hwio" (taps first; JAX, Keras) or "oihw" (taps last; PyTorch), for 1, 2 and 3 dimensions alike.
        groups : channel groups; the weight holds ``source channels / groups`` inputs.
        """
        s, t = self._at(source), self._at(target)
        n, m = self._axes[s].n, self._axes[t].n
        name = name or f"{source}->{target}"
        groups = integer("groups", groups, low=1)
        if n % groups or m % groups:
            raise ShapeError(f"groups={groups} must divide the {n} source and {m} target channels.")
        if layout not in ("hwio", "oihw"):
            raise unknown_name("layout", layout, ("hwio", "oihw"))
        a = float_array(f"{name}.w", w)
        if a.ndim < 3:
            raise ShapeError(f"{name}.w has shape {a.shape}; a convolution has taps and two channel axes. Use linear.")
        if layout == "oihw":
            a = np.moveaxis(a, (1, 0), (-2, -1))
        taps = self._weights(f"{name}.w", a.reshape(-1, *a.shape[-2:]), (None, n // groups, m))
        self._edge(s, t, residual)
        self._axes[t].odd = self._axes[s].odd = False             # max pooling would not keep signs
        mask = None
        if groups > 1:
            mask = np.kron(np.eye(groups, dtype=bool), np.ones((n // groups, m // groups), dtype=bool))
        for tap in taps:
            if groups > 1:
                wide = np.zeros((n, m), a.dtype)
                for g in range(groups):
                    cols = slice(g * (m // groups), (g + 1) * (m // groups))
                    wide[g * (n // groups):(g + 1) * (n // groups), cols] = tap[:, cols]
                tap = wide
            self._block(s, t, tap, f"{name}.w", mask=mask)
            mask = None
        self._bias(t, b, f"{name}.b")

    def depthwise(self, axis: str, w: Any, b: Any = None, *, name: str = "") -> None:
        """A convolution of each channel with itself, ``w (taps..., channels)``: taps must be equal within a cell."""
        i = self._at(axis)
        name = name or f"{axis}.depthwise"
        a = float_array(f"{name}.w", w)
        self._colour(i, self._weights(f"{name}.w", a.reshape(-1, a.shape[-1]), (None, self._axes[i].n)), f"{name}.w")
        if b is not None:
            self._colour(i, self._weights(f"{name}.b", b, (self._axes[i].n,)), f"{name}.b")

    def norm(self, axis: str, kind: str = "layer", *, gamma: Any = None, beta: Any = None, mean: Any = None,
             var: Any = None, groups: int | None = None, name: str = "") -> None:
        """Layer, RMS, batch or group normalisation of an axis: its per-unit parameters must be equal within a cell.

        mean, var : running statistics (batch).   groups : channel groups (group); a unit's cell then knows the
            make-up of its group.
        """
        i = self._at(axis)
        if kind not in ("layer", "rms", "batch", "group"):
            raise unknown_name("kind", kind, ("layer", "rms", "batch", "group"))
        n = self._axes[i].n
        name = name or f"{axis}.{kind}_norm"
        self._plain.add(i)
        for label, value in (("gamma", gamma), ("beta", beta), ("mean", mean), ("var", var)):
            if value is not None:
                self._colour(i, self._weights(f"{name}.{label}", value, (n,)), f"{name}.{label}")
        if (groups is None) == (kind == "group"):
            raise ArgumentError(f"groups={groups!r} with kind={kind!r}: only group normalisation needs groups=.")
        if groups is not None:
            groups = integer("groups", groups, low=1)
            if n % groups:
                raise ShapeError(f"groups={groups} must divide the {n} units of {axis!r}.")
            self._couplings.append(Coupling([(i, np.repeat(np.arange(groups), n // groups))], groups, f"{name}.groups"))

    def attention(self, source: str, wq: Any, wk: Any, wv: Any, wo: Any, *, heads: int = 1, target: str | None = None,
                  name: str = "attention", biases: Sequence[Any] = (None, None, None, None)) -> None:
        """Softmax attention from a stream back to it (or to ``target``), weights (units, heads x channels) and back.

        Makes the axes ``name.qk`` (a unit is a query-key pair) and ``name.v``. Heads are tied when their channels
        are. The biases are those of wq, wk, wv, wo.
        """
        s = self._at(source)
        t = s if target is None else self._at(target)
        heads = integer("heads", heads, low=1)
        given = (("wq", wq), ("wk", wk), ("wv", wv))
        parts = [self._weights(f"{name}.{k}", w, (self._axes[s].n, None)) for k, w in given]
        if parts[0].shape != parts[1].shape or parts[0].shape[1] % heads or parts[2].shape[1] % heads:
            raise ShapeError(f"{name}: wq {parts[0].shape} and wk {parts[1].shape} must agree, and heads={heads} "
                             f"divide them and wv {parts[2].shape}.")
        out = self._weights(f"{name}.wo", wo, (parts[2].shape[1], self._axes[t].n))
        qk = self._inner(f"{name}.qk", parts[0].shape[1], _IDENTITY, "attention")
        v = self._inner(f"{name}.v", parts[2].shape[1], _IDENTITY)
        self._axes[qk].forward_zero = True
        self._axes[qk].partner = v
        for axis, w, key, part, b in ((qk, parts[0], "q", 0, biases[0]), (qk, parts[1], "k", 1, biases[1]),
                                      (v, parts[2], "v", 0, biases[2])):
            self._edge(s, axis, False)
            self._block(s, axis, w, f"{name}.w{key}", part=part)
            self._bias(axis, b, f"{name}.b{key}", part=part)
        self._edge(v, t, target is None)
        self._block(v, t, out, f"{name}.wo")
        self._bias(t, biases[3], f"{name}.bo")
        owner = [(a, np.repeat(np.arange(heads), self._axes[a].n // heads)) for a in (qk, v)]
        self._couplings.append(Coupling(owner, heads, f"{name}.heads"))

    def gated(self, source: str, units: str, gate: Any, up: Any, *, activation: Any = "silu", gate_bias: Any = None,
              up_bias: Any = None, name: str = "") -> None:
        """Makes the axis ``units = phi(source gate) * (source up)`` (GLU, SwiGLU): both rows must agree."""
        s = self._at(source)
        name = name or units
        gate = self._weights(f"{name}.gate", gate, (self._axes[s].n, None))
        up = self._weights(f"{name}.up", up, gate.shape)
        phi = activations.get(activation)
        i = self._inner(units, gate.shape[1], phi, "gated")
        axis = self._axes[i]
        axis.zero, axis.forward_zero, axis.half_line = True, phi.phi0 == 0, False
        axis.odd = axis.homogeneous = False
        self._edge(s, i, False)
        for part, (w, b, key) in enumerate(((gate, gate_bias, "gate"), (up, up_bias, "up"))):
            self._block(s, i, w, f"{name}.{key}", part=part)
            self._bias(i, b, f"{name}.{key}_bias", part=part)

    def lora(self, source: str, target: str, a: Any, b: Any, *, w: Any = None, name: str = "lora") -> None:
        """A low-rank adapter ``target += source (w + a b)``; the rank's units are the axis ``name.r``, w is frozen."""
        s, t = self._at(source), self._at(target)
        a = self._weights(f"{name}.a", a, (self._axes[s].n, None))
        b = self._weights(f"{name}.b", b, (a.shape[1], self._axes[t].n))
        r = self._inner(f"{name}.r", a.shape[1], _IDENTITY)
        self._edge(s, r, False)
        self._edge(r, t, True)
        self._block(s, r, a, f"{name}.a")
        self._block(r, t, b, f"{name}.b")
        if w is not None:
            w = self._weights(f"{name}.w", w, (self._axes[s].n, self._axes[t].n))
            self._block(s, t, w, f"{name}.w", frozen=True)
