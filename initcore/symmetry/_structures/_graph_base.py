"""What a graph is made of: axes, blocks of weights between them, cycles that are declared, weights that are shared."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ... import activations
from ..._checks import float_array, integer
from ..._types import Array
from ...errors import ArgumentError, NonFiniteError, ShapeError, unknown_name
from .. import _weight_passes as passes
from ._alike import found, promised, sited
from ._axis import Axis, Gain, Term, admit, plain
from ._joint import joined
from ._system import Block, Coupling, System


@dataclass
class Norm:
    """A normalisation of an axis as the caller declared it."""

    kind: str
    name: str
    gamma: Array | None
    beta: Array | None
    mean: Array | None
    var: Array | None
    groups: int
    after: bool


class Assembly:
    """Axes, edges and the bookkeeping of a :class:`initcore.symmetry.Graph`."""

    def __init__(self) -> None:
        self._axes: list[Axis] = []
        self._index: dict[str, int] = {}
        self._blocks: list[Block] = []
        self._couplings: list[Coupling] = []
        self._memory: dict[tuple[int, int], list[tuple[Block, Array]]] = {}     # blocks by where their weights lie
        self._owners: dict[tuple[int, int], list[int]] = {}                     # axes by where their parameters lie
        self._plain: set[int] = set()          # axes where only equality is a relation
        self._norms: dict[int, list[Norm]] = {}
        self._streams: set[int] = set()        # axes that layers add to after they were read
        self._joins: list[tuple[int, list[int]]] = []
        self._promised: list[list[int]] = []   # axes that the caller called alike
        self._inputs: set[str] = set()
        self._calls = 0
        self._edges: dict[int, set[int]] = {}
        self._queries: list[tuple[str, int, int, int, int]] = []
        self.normed_weights = False
        self._weight_normed: set[int] = set()
        self._hidden = 0

    # --- axes ----------------------------------------------------------------------------------------

    def inputs(self, name: str, n: int, *, groups: Any = None) -> None:
        """Arbitrary data: all n values differ, unless ``groups`` promises values of one label to be always equal."""
        self._inputs.add(name)
        self._add(Axis(name, integer("n", n, low=0), fixed=self._promise(n, groups)))

    def outputs(self, name: str, n: int, *, groups: Any = None, same_targets: bool = False) -> None:
        """What the loss sees: n arbitrary back-signals.

        groups : outputs of one label are promised to get equal back-signals always; with ``same_targets`` only that
            they have one target, so that they are equal where the outputs themselves are (two towers, one label).
        """
        labels = self._promise(n, groups)
        i = self._add(Axis(name, integer("n", n, low=0), fixed=labels, coloured=bool(same_targets)))
        if same_targets:                       # the k-th outputs of all labels are one tower: equal as wholes or not
            tower = np.array([int((labels[:j] == labels[j]).sum()) for j in range(n)], dtype=np.int64)
            self._couplings.append(Coupling([(i, tower)], n))

    def axis(self, name: str, n: int, activation: Any = "identity", *, dropout: bool = False) -> None:
        """n hidden units with one elementwise activation; "identity" for a residual stream.

        dropout : each unit is dropped (or scaled) by draws of its own, which part it from all others.
        """
        axis = admit(Axis(name, integer("n", n, low=0)), activations.get(activation))
        if dropout:
            axis.colours.append((np.arange(axis.n, dtype=np.float64), f"{name}.draws"))
        self._hide(axis)
        self._add(axis)

    def _hide(self, axis: Axis) -> None:
        axis.layer = self._hidden
        self._hidden += 1

    @staticmethod
    def _promise(n: int, groups: Any) -> Array:
        if groups is None:
            return np.arange(n)
        a = np.asarray(groups)
        if a.shape != (n,):
            raise ShapeError(f"groups must hold one label a unit, shape ({n},), got shape {a.shape}.")
        return np.unique(a, return_inverse=True)[1]

    def _add(self, axis: Axis) -> int:
        if axis.name in self._index:
            raise ArgumentError(f"axis {axis.name!r} exists already; every axis is declared once.")
        self._index[axis.name] = len(self._axes)
        self._axes.append(axis)
        return len(self._axes) - 1

    def _at(self, name: str) -> int:
        if name not in self._index:
            raise unknown_name("axis", name, list(self._index))
        return self._index[name]

    @staticmethod
    def _weights(name: str, w: Any, shape: tuple[int | None, ...]) -> Array:
        """Finite float32 or float64 weights of a shape (None: any length)."""
        a = float_array(name, w, ndim=len(shape))
        if any(want is not None and want != got for want, got in zip(shape, a.shape)):
            hint = " (weights are (source units, target units): transpose PyTorch's)" if a.shape[::-1] == shape else ""
            want = ", ".join("any" if s is None else str(s) for s in shape)
            raise ShapeError(f"{name} has shape {a.shape}, but the axes need ({want}){hint}.")
        if passes.look(a.reshape(-1, a.shape[-1]) if a.ndim > 1 else a[None]) < 0:
            where = tuple(int(i) for i in np.argwhere(~np.isfinite(a))[0])
            raise NonFiniteError(f"{name} holds {a[where]} at index {where}; weights must be finite.")
        return a

    # --- assembly ------------------------------------------------------------------------------------

    def _inner(self, name: str, n: int, activation: activations.Activation, product: str = "", parts: int = 1) -> int:
        self.axis(name, n, activation)
        i = self._at(name)
        self._axes[i].product, self._axes[i].parts = product, parts
        return i

    def _written(self, t: int, name: str) -> None:
        """Refuse a layer that would write to units a cell or a gate makes."""
        if self._axes[t].product:
            raise ArgumentError(f"{name}: {self._axes[t].name!r} is made by a cell, a gate or attention; declare an "
                                "axis that reads it and add there.")

    def _edge(self, s: int, t: int, closing: bool) -> None:
        """Record an edge; one that closes a cycle must be declared residual or recurrent."""
        if closing:
            return
        seen, stack = set(), [t]
        while stack:
            i = stack.pop()
            if i == s:
                raise ArgumentError(f"the layer {self._axes[s].name!r} -> {self._axes[t].name!r} closes a cycle; say "
                                    "recurrent=True (next time step) or residual=True (adds to a stream).")
            if i not in seen:
                seen.add(i)
                stack.extend(self._edges.get(i, ()))
        self._edges.setdefault(s, set()).add(t)

    def _block(self, s: int, t: int, w: Array, name: str, *, mask: Any = None, part: int = 0, frozen: bool = False,
               origin: Array | None = None, site: tuple[object, ...] = (), call: int = -1) -> None:
        if mask is not None:
            keep = np.asarray(mask, dtype=bool)
            if keep.shape != w.shape:
                raise ShapeError(f"mask has shape {keep.shape}, but {name} has shape {w.shape}.")
            w = np.where(keep, w, w.dtype.type(0))
            self._blocks.append(Block(s, t, keep.astype(np.float32), name, part, frozen=True, structural=True,
                                      site=site, call=call))
        block = Block(s, t, w, name, part, frozen, site=site, call=call)
        given = w if origin is None else origin              # what the caller passed, where w is a copy of its parts
        if given.size > 1:
            known = self._memory.setdefault((given.__array_interface__["data"][0], given.nbytes), [])
            for other, array in known:
                if array.shape in (given.shape, given.shape[::-1]):
                    self._share(other, s, t, array.shape == given.shape and array.strides == given.strides)
            known.append((block, given))
        self._blocks.append(block)

    def _share(self, other: Block, s: int, t: int, straight: bool) -> None:
        """One array used twice: both uses share their partitions."""
        for a, b in ((other.source, s), (other.target, t)) if straight else ((other.source, t), (other.target, s)):
            self._alike(a, b)

    def _alike(self, a: int, b: int) -> None:
        """Two axes that share a parameter share their partition, of equalities only."""
        if a != b and not (self._axes[a].fixed is not None and self._axes[b].fixed is not None) and \
                self._axes[a].n == self._axes[b].n:
            every = np.arange(self._axes[a].n)
            self._couplings.append(Coupling([(a, every), (b, every)], len(every), "shared weights"))
            self._plain |= {a, b}

    def _owned(self, i: int, values: Array) -> Array:
        """A per-unit parameter of axis i; where another axis was given the same memory they share it."""
        if values.size > 1:
            for j in self._owners.setdefault((values.__array_interface__["data"][0], values.nbytes), []):
                self._alike(j, i)
            self._owners[values.__array_interface__["data"][0], values.nbytes].append(i)
        return values

    def _bias(self, i: int, b: Any, name: str, part: int = 0, null: bool = False) -> None:
        if b is not None:
            b = self._owned(i, self._weights(name, b, (self._axes[i].n,)))
            self._axes[i].bias.append(Term(b, name, part, null=null))

    def system(self) -> System:
        """What the refinement works on."""
        if not self._axes:
            raise ShapeError("the graph has no axes; declare inputs, axes and outputs first.")
        axes = [replace(a, bias=list(a.bias), colours=list(a.colours), gains=list(a.gains)) for a in self._axes]
        for i in self._weight_normed:          # biases are added after the gain
            axes[i].bias = [t._replace(term=t.term + 1000) for t in axes[i].bias]
        for i, norms in self._norms.items():
            stream = i in self._streams or len(norms) > 1 or bool(axes[i].product) or any(n.after for n in norms)
            if i in self._weight_normed:
                axes[i] = plain(axes[i])
            axes[i] = self._normalised(axes[i], norms, stream or i in self._weight_normed)
        for i in self._plain:
            axes[i] = plain(axes[i])
        return self._joined(axes)

    def _joined(self, axes: list[Axis]) -> System:
        """Axes whose units may be one as joint axes."""
        for k, parts in enumerate(self._promised):
            for i in parts:
                axes[i].like = k
        couplings, joins = list(self._couplings), list(self._joins)
        blocks = sited(self._blocks, axes, self._streams)
        mine = promised(axes, couplings, self._promised, joins)
        mine += found(axes, blocks, couplings, joins + mine, self._streams)
        system = System(axes, blocks, couplings, queries=list(self._queries))
        return joined(system, joins + mine, {target for target, _ in mine})

    @staticmethod
    def _normalised(axis: Axis, norms: list[Norm], stream: bool) -> Axis:
        """An axis with its norms: right after the weights, or (a stream) on the way to some of its readers."""
        axis.homogeneous = axis.homogeneous and all(n.kind == "rms" and n.gamma is n.beta is None for n in norms)
        per_unit = all(n.kind in ("batch", "instance") for n in norms)
        if not per_unit:
            axis.half_line = axis.half_line and not axis.bias
        if stream and any(n.beta is not None for n in norms):      # a shift after the activation lives by itself
            axis.forward_zero = axis.half_line = False
        if per_unit and not stream:
            axis.bias = [t._replace(null=True) if t.term == 0 else t for t in axis.bias]
        for k, n in enumerate(norms):
            if n.kind in ("layer", "group"):
                axis.norm, axis.norm_groups = n.kind, max(axis.norm_groups, n.groups)
            axis.norm = axis.norm or n.kind
            if n.gamma is not None and stream:
                axis.colours.append((n.gamma, f"{n.name}.gamma"))
            elif n.gamma is not None:
                axis.gains.append(Gain(n.gamma, f"{n.name}.gamma"))
            if n.beta is not None:
                axis.bias.append(Term(n.beta, f"{n.name}.beta", term=1 + k))
            if n.mean is not None and n.mean.any():
                axis = plain(axis)
            axis.colours += [(v, f"{n.name}.{word}") for v, word in ((n.mean, "mean"), (n.var, "var")) if v is not None]
        axis.direct = not stream
        return axis
