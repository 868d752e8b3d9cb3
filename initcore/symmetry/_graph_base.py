"""What a graph is made of: axes, blocks of weights between them, cycles that are declared, weights that are shared."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import activations
from .._checks import float_array, integer
from ..errors import ArgumentError, NonFiniteError, ShapeError, unknown_name
from . import _weight_passes as passes
from ._system import Axis, Block, Coupling, System, admit

Array = np.ndarray


class Assembly:
    """Axes, edges and the bookkeeping of a :class:`initcore.symmetry.Graph`."""

    def __init__(self) -> None:
        self._axes: list[Axis] = []
        self._index: dict[str, int] = {}
        self._blocks: list[Block] = []
        self._couplings: list[Coupling] = []
        self._plain: set[int] = set()          # axes where only equality is a relation
        self._edges: dict[int, set[int]] = {}
        self._hidden = 0

    # --- axes ----------------------------------------------------------------------------------------

    def inputs(self, name: str, n: int, *, groups: Any = None) -> None:
        """Arbitrary data: all n values differ, unless ``groups`` promises values of one label to be always equal."""
        self._add(Axis(name, integer("n", n, low=0), fixed=self._promise(n, groups)))

    def outputs(self, name: str, n: int, *, groups: Any = None) -> None:
        """What the loss sees: n arbitrary back-signals."""
        self._add(Axis(name, integer("n", n, low=0), fixed=self._promise(n, groups)))

    def axis(self, name: str, n: int, activation: Any = "identity") -> None:
        """n hidden units with one elementwise activation; "identity" for a residual stream."""
        axis = admit(Axis(name, integer("n", n, low=0)), activations.get(activation))
        axis.layer = self._hidden
        self._hidden += 1
        self._add(axis)

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
            raise unknown_name("axis", name, self._index)
        return self._index[name]

    def _weights(self, name: str, w: Any, shape: tuple[int | None, ...]) -> Array:
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

    def _inner(self, name: str, n: int, activation: activations.Activation, product: str = "") -> int:
        self.axis(name, n, activation)
        i = self._at(name)
        self._axes[i].product = product
        return i

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

    def _block(self, s: int, t: int, w: Array, name: str, *, mask: Any = None, part: int = 0,
               frozen: bool = False) -> None:
        if mask is not None:
            keep = np.asarray(mask, dtype=bool)
            if keep.shape != w.shape:
                raise ShapeError(f"mask has shape {keep.shape}, but {name} has shape {w.shape}.")
            w = np.where(keep, w, w.dtype.type(0))
            self._blocks.append(Block(s, t, keep.astype(np.float32), name, part, frozen=True, structural=True))
        for other in self._blocks:
            if not other.structural and other.w.shape in (w.shape, w.shape[::-1]) and _same_memory(other.w, w):
                self._share(other, s, t, w)
        self._blocks.append(Block(s, t, w, name, part, frozen))

    def _share(self, other: Block, s: int, t: int, w: Array) -> None:
        """One array used twice: both uses share their partitions."""
        straight = other.w.strides == w.strides and other.w.shape == w.shape
        for a, b in ((other.source, s), (other.target, t)) if straight else ((other.source, t), (other.target, s)):
            if a != b and not (self._axes[a].fixed is not None and self._axes[b].fixed is not None):
                every = np.arange(self._axes[a].n)
                self._couplings.append(Coupling([(a, every), (b, every)], len(every), "shared weights"))
                self._plain |= {a, b}

    def _bias(self, i: int, b: Any, name: str, part: int = 0) -> None:
        if b is not None:
            self._axes[i].bias.append((self._weights(name, b, (self._axes[i].n,)), name, part))

    def _colour(self, i: int, values: Array, name: str) -> None:
        self._plain.add(i)
        self._axes[i].colours.append((values, name))

    def system(self) -> System:
        """What the refinement works on."""
        if not self._axes:
            raise ShapeError("the graph has no axes; declare inputs, axes and outputs first.")
        for i in self._plain:
            axis = self._axes[i]
            axis.zero = axis.forward_zero = axis.half_line = axis.odd = axis.homogeneous = False
        return System(self._axes, self._blocks, self._couplings)


def _same_memory(a: Array, b: Array) -> bool:
    return a.size > 1 and a.ctypes.data == b.ctypes.data and a.nbytes == b.nbytes
