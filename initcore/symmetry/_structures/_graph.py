"""Networks that are not chains: axes, and the layers that read from one and write to another.

An axis is a set of units that share one partition: the channels of a convolution, the features of a residual
stream however many layers write to it. Layers add the conditions theory 4.5 and 4.9 give for them; the cells of
recurrent networks, attention and experts stand in :mod:`._graph_cells`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ... import activations
from ..._checks import float_array, integer
from ...errors import ArgumentError, ShapeError, unknown_name
from ._axis import Axis, Gain, Term
from ._graph_base import Norm
from ._graph_cells import Cells
from ._system import Coupling

_NORMS = ("layer", "rms", "batch", "instance", "group")
_IDENTITY = activations.IDENTITY


class Graph(Cells):
    """A network as axes and layers, for :func:`initcore.symmetry.analyze`.

    Axes are declared by :meth:`inputs` (arbitrary data), :meth:`axis` (hidden units) and :meth:`outputs` (what the
    loss sees); hidden axes are reported in the order of creation. Layers then name the axes between which they lie.
    Weights are ``(source units, target units)``, float32 or float64, and are never copied or changed; the same array
    given twice is one tied parameter. Recurrent cells take PyTorch's ``(target, source)``, gate by gate.

    Layers : :meth:`linear`, :meth:`conv`, :meth:`depthwise`, :meth:`norm`, :meth:`scale`, :meth:`embedding`,
    :meth:`positions`, :meth:`concat`, :meth:`alike`, :meth:`gated`, :meth:`lora`, :meth:`attention`,
    :meth:`recurrent`, :meth:`rnn`, :meth:`lstm`, :meth:`gru`, :meth:`experts`. What each asks of tied units stands in
    its docstring.

    Arguments that recur : ``source``, ``target`` and ``axis`` are names of declared axes; ``b`` is a bias
    ``(target units,)`` or None; ``name`` is what reports and errors call the layer, by default ``"source->target"`` or
    ``"axis.kind"``; ``residual``: the target is a stream that was read before, and this layer adds to it;
    ``activation`` is a name, an :class:`initcore.activations.Activation` or a callable.

    Raises
    ------
    ShapeError, DTypeError, NonFiniteError : weights that do not fit the axes; the message names the layer.
    ArgumentError : a cycle that is neither ``residual=True`` nor ``recurrent=True``, an axis declared twice.
    UnknownNameError : an axis or a kind that does not exist.

    >>> import numpy as np
    >>> from initcore.symmetry import analyze
    >>> g = Graph()
    >>> g.inputs("x", 3); g.axis("h", 4, "tanh"); g.outputs("y", 2)
    >>> g.linear("x", "h", np.ones((3, 4)), name="up"); g.linear("h", "y", np.ones((4, 2)), name="down")
    >>> analyze(g, optimizer="adamw").axes["h"].verdict
    'TIED 4 of 4: effective width 1 (elementwise)'
    """

    def linear(self, source: str, target: str, w: Any, b: Any = None, *, mask: Any = None, name: str = "",
               residual: bool = False, recurrent: bool = False, frozen: bool = False, weight_norm: Any = None) -> None:
        """``target += source w + b``.  Tied units: equal sums of w from and to every cell, equal sums of the biases.

        Parameters
        ----------
        w : ``(source units, target units)``.   b : ``(target units,)``; several layers' biases need an equal sum only.
        mask : True where a weight exists (pruning); the others are 0 and stay so.
        residual : the target is a stream that was read before; this layer adds to it.
        recurrent : the edge goes to the next time step; equal units must start in equal states.
        frozen : the weight is not trained (the base of an adapter).
        weight_norm : ``g (target units,)``: the weight is ``g w / norm(w)``, column by column; equal g and norms too.
        """
        s, t = self._at(source), self._at(target)
        name = name or f"{source}->{target}"
        w = self._weights(f"{name}.w", w, (self._axes[s].n, self._axes[t].n))
        self._written(t, name)
        self._edge(s, t, residual or recurrent)
        if residual:
            self._streams.add(t)
        self._axes[t].lone |= recurrent
        self._block(s, t, w, f"{name}.w", mask=mask, frozen=frozen, site=("recurrent",) * recurrent)
        if weight_norm is not None:
            self._weight_norm(t, w, weight_norm, name)
        self._bias(t, b, f"{name}.b")

    def _weight_norm(self, t: int, w: Any, g: Any, name: str) -> None:
        axis = self._axes[t]
        if any(b.target == t for b in self._blocks[:-1]):
            raise ArgumentError(f"{name}: with weight_norm= this must be the only layer that writes to {axis.name!r}.")
        norms = np.array([math.sqrt(math.fsum(float(v) ** 2 for v in column)) for column in w.T])
        if (norms == 0).any():
            raise ArgumentError(f"{name}.w has a column of zeros, unit {int(np.argmin(norms))}: g w / norm(w) is not "
                                "defined there.")
        axis.gains.append(Gain(self._weights(f"{name}.g", g, (axis.n,)), f"{name}.g"))
        axis.colours.append((norms, f"{name}.norm"))
        axis.homogeneous = False
        axis.made += ("weight norm",)
        self.normed_weights = True
        self._weight_normed.add(t)

    def recurrent(self, axis: str, w: Any, *, name: str = "") -> None:
        """``h_t += h_{t-1} w``: one partition for all time steps."""
        self.linear(axis, axis, w, name=name or f"{axis}.recurrent", recurrent=True)

    def embedding(self, target: str, table: Any, *, name: str = "embedding") -> None:
        """Rows of ``table (tokens, units)`` are added to the target; tokens are arbitrary data."""
        t = self._at(target)
        table = self._weights(f"{name}.w", table, (None, self._axes[t].n))
        s = self._add(Axis(f"{name}.tokens", table.shape[0], fixed=np.arange(table.shape[0])))
        self._written(t, name)
        self._edge(s, t, True)
        self._block(s, t, table, f"{name}.w")

    def positions(self, axis: str, table: Any, *, name: str = "positions") -> None:
        """Row p of ``table (positions, units)`` is added at position p: an embedding of the place."""
        self.embedding(axis, table, name=name)

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
        if residual:
            self._streams.add(t)
        self._written(t, name)
        self._axes[t].odd = self._axes[s].odd = False             # max pooling would not keep signs
        self._axes[t].lone = True                                 # its stride and dilation are not declared
        mask, self._calls = None, self._calls + 1
        if groups > 1:
            mask = np.kron(np.eye(groups, dtype=bool), np.ones((n // groups, m // groups), dtype=bool))
        for tap in taps:
            if groups > 1:
                wide = np.zeros((n, m), a.dtype)
                for g in range(groups):
                    cols = slice(g * (m // groups), (g + 1) * (m // groups))
                    wide[g * (n // groups):(g + 1) * (n // groups), cols] = tap[:, cols]
                tap = wide
            self._block(s, t, tap, f"{name}.w", mask=mask, origin=a, site=("conv",), call=self._calls)
            mask = None
        self._bias(t, b, f"{name}.b")

    def depthwise(self, axis: str, w: Any, b: Any = None, *, name: str = "") -> None:
        """A convolution of each channel with itself, ``w (taps..., channels)``, after the axis's activation.

        Taps must be equal within a cell. They are a factor of the unit: two of row, taps and column zero is dead.
        """
        i = self._at(axis)
        name = name or f"{axis}.depthwise"
        a = float_array(f"{name}.w", w)
        self._axes[i].lone = True                                 # its stride and dilation are not declared
        self._gain(i, self._weights(f"{name}.w", a.reshape(-1, a.shape[-1]), (None, self._axes[i].n)), f"{name}.w")
        if b is not None:
            shift = self._weights(f"{name}.b", b, (self._axes[i].n,))
            self._axes[i].bias.append(Term(shift, f"{name}.b", term=50 + len(self._axes[i].bias)))
            self._axes[i].forward_zero = self._axes[i].half_line = False

    def scale(self, axis: str, value: Any, *, name: str = "") -> None:
        """The axis's outputs times a trained number (ReZero) or one a unit (layer scale, ``(units,)``).

        A number asks nothing of tied units; values of a unit's own must be equal. Zero is a factor: the number learns
        at once, what is below it a step later, and nothing ever where the weights into the axis are zero too.
        """
        i = self._at(axis)
        name = name or f"{axis}.scale"
        if np.ndim(value) == 0:
            one = self._weights(name, np.reshape(float_array(name, value), (1,)), (1,))
            self._gain(i, np.repeat(one, self._axes[i].n), name, scalar=True)
        else:
            self._gain(i, self._weights(name, value, (self._axes[i].n,)), name)

    def _gain(self, i: int, values: Any, name: str, scalar: bool = False) -> None:
        axis = self._axes[i]
        self._owned(i, values)
        axis.gains.append(Gain(values, name, after=True, scalar=scalar))
        axis.made += (("scale", scalar, np.size(values) // max(1, axis.n)),)
        axis.homogeneous = axis.even = False

    def norm(self, axis: str, kind: str = "layer", *, gamma: Any = None, beta: Any = None, mean: Any = None,
             var: Any = None, groups: int | None = None, after: bool = False, name: str = "") -> None:
        """Layer, RMS, batch, instance or group normalisation of an axis: gains equal within a cell, shifts too.

        It stands between the weights into the axis and its activation; in a residual stream, on the way to its
        readers. Batch, instance and RMS norm keep sign ties (shift negated) and dead units; layer and group norm only
        where the signs cancel in every cell. A bias before batch or instance norm is no parameter at all. An axis
        of one cell under layer norm passes on a constant: dead.

        Parameters
        ----------
        mean, var : running statistics (batch).
        groups : channel groups (group); a unit's cell then knows the make-up of its group.
        after : it follows the axis's activation instead (as it does on streams, gates and cells).
        """
        i = self._at(axis)
        if kind not in _NORMS:
            raise unknown_name("kind", kind, _NORMS)
        n = self._axes[i].n
        name = name or f"{axis}.{kind}_norm"
        gamma, beta, mean, var = (None if v is None else self._owned(i, self._weights(f"{name}.{label}", v, (n,)))
                                  for label, v in
                                  (("gamma", gamma), ("beta", beta), ("mean", mean), ("var", var)))
        if (groups is None) == (kind == "group"):
            raise ArgumentError(f"groups={groups!r} with kind={kind!r}: only group normalisation needs groups=.")
        if groups is not None:
            groups = integer("groups", groups, low=1)
            if n % groups:
                raise ShapeError(f"groups={groups} must divide the {n} units of {axis!r}.")
            self._couplings.append(Coupling([(i, np.repeat(np.arange(groups), n // groups))], groups, f"{name}.groups"))
        self._axes[i].made += ((kind, groups or 1, bool(after), gamma is None, beta is None, mean is None),)
        self._norms.setdefault(i, []).append(Norm(kind, name, gamma, beta, mean, var, groups or 1, bool(after)))

    def gated(self, source: str, units: str, gate: Any, up: Any, *, activation: Any = "silu", gate_source: Any = None,
              gate_bias: Any = None, up_bias: Any = None, name: str = "") -> None:
        """Makes the axis ``units = phi(gate_source gate) * (source up)`` (GLU, SwiGLU, adaLN): both rows must agree.

        Up and column both negated is a sign tie; of an odd activation any two of gate, up and column. Dead: up and
        column zero; with phi(0) = 0 any two of gate, up and column.
        gate_source : the axis the gate reads, default ``source``.
        """
        s = self._at(source)
        g = s if gate_source is None else self._at(gate_source)
        name = name or units
        up = self._weights(f"{name}.up", up, (self._axes[s].n, None))
        gate = self._weights(f"{name}.gate", gate, (self._axes[g].n, up.shape[1]))
        phi = activations.get(activation)
        i = self._inner(units, gate.shape[1], phi, "gated", 2)
        self._gate(i, phi)
        for part, (axis, w, b, key) in enumerate(((g, gate, gate_bias, "gate"), (s, up, up_bias, "up"))):
            self._edge(axis, i, False)
            self._block(axis, i, w, f"{name}.{key}", part=part)
            self._bias(i, b, f"{name}.{key}_bias", part=part)

    def lora(self, source: str, target: str, a: Any, b: Any, *, w: Any = None, name: str = "lora") -> None:
        """A low-rank adapter ``target += source (w + a b)``; the rank's units are the axis ``name.r``, w is frozen."""
        s, t = self._at(source), self._at(target)
        a = self._weights(f"{name}.a", a, (self._axes[s].n, None))
        b = self._weights(f"{name}.b", b, (a.shape[1], self._axes[t].n))
        r = self._inner(f"{name}.r", a.shape[1], _IDENTITY)
        self._written(t, name)
        self._edge(s, r, False)
        self._edge(r, t, True)
        self._block(s, r, a, f"{name}.a")
        self._block(r, t, b, f"{name}.b")
        if w is not None:
            w = self._weights(f"{name}.w", w, (self._axes[s].n, self._axes[t].n))
            self._block(s, t, w, f"{name}.w", frozen=True)
