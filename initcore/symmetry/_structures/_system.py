"""What the refinement works on: axes (sets of units that share one partition) and the weights between them.

A chain of dense layers is one axis a layer and one block a weight matrix; :class:`Graph` builds
richer systems (taps of a convolution are blocks, a residual stream is one axis with many writers and readers).
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ..._types import Array
from .. import _weight_passes as passes
from ._axis import Axis, Term, admit


@dataclass
class Block:
    """Weights ``w (source units, target units)`` between two axes; ``name`` says whose they are in reports.

    part : which of its target's parts they feed.
    frozen : they take part in the conditions, but receive no gradient.
    structural : no weights but a mask: where weights of that name exist.
    rows, cols : the source and target units they cover, where not all (a joint axis has several writers).
    kin : blocks of equal kin play one role for different units of a joint axis.
    var : the step of its source that it reads, where units run a program of their own.
    site : what the layer is besides its weights; units are compared by blocks of one site only.
    call : the layer's number, where the graph does not know all of that (-1 where it does).
    """

    source: int
    target: int
    w: Array
    name: str
    part: int = 0
    frozen: bool = False
    structural: bool = False
    rows: slice | None = None
    cols: slice | None = None
    kin: int | None = None
    var: int = 0
    site: tuple[object, ...] = ()
    call: int = -1
    _constant: bool | None = None

    @property
    def constant(self) -> bool:
        """Are all entries equal?"""
        if self._constant is None:
            self._constant = passes.look(self.w) == 1
        return self._constant

    @property
    def partial(self) -> bool:
        """Does it cover some units of its axes only?"""
        return self.rows is not None or self.cols is not None


@dataclass
class Coupling:
    """Units whose labels must also agree on something made of other labels.

    Group g of every axis in ``members`` (axis index -> group of each unit) takes as its colour the multiset of
    its units' labels; a unit takes its group's colour. ``one_to_one``: the groups are single units, so the
    axes share one partition.
    together : units of a group are zero only all of them.
    rest : the last group is no group, but the units of no group.
    parts : names of some of the groups (the heads of each module).
    """

    members: list[tuple[int, Array]]
    groups: int
    name: str = ""
    together: bool = False
    rest: bool = False
    parts: tuple[tuple[str, slice], ...] = ()

    @cached_property
    def places(self) -> list[tuple[int, Array]]:
        """The members; those of one axis as one where each unit is in one of them only (copies of a shared weight)."""
        by_axis: dict[int, list[Array]] = {}
        for i, owner in self.members:
            by_axis.setdefault(i, []).append(owner)
        out: list[tuple[int, Array]] = []
        for i, owners in by_axis.items():
            inside = np.stack([o < self.groups - 1 for o in owners])
            if self.rest and len(owners) > 1 and (inside.sum(axis=0) <= 1).all():
                owners = [np.min(owners, axis=0)]
            out += [(i, o) for o in owners]
        return out


class Slice(NamedTuple):
    """A reported axis that is part of a joint one; ``own``: among the layers, in the joint one's place."""

    name: str
    layer: int
    axis: int
    units: slice
    own: bool = False


@dataclass
class System:
    """Axes, blocks and couplings of one network.

    slices : reported axes that are part of joint ones.
    queries : attention with grouped queries: name, axes of scores and values, queries a group, groups.
    networks : of networks judged together, the units of each: joint axis and range, layer by layer.
    links : sums over units without weights, and what units share: for the flow of gradients.
    idle : parameters that no gradient reaches by the way the operations go.
    null : parameters on which the loss does not depend, besides those of ``Term.null``.
    norms : layer and group norms and softmax over units: axis, step of its program, group of each unit.
    apart : joint axes that are reported by their slices alone.
    """

    axes: list[Axis]
    blocks: list[Block]
    couplings: list[Coupling] = field(default_factory=list)
    slices: list[Slice] = field(default_factory=list)
    queries: list[tuple[str, int, int, int, int]] = field(default_factory=list)
    networks: list[list[tuple[int, slice]]] = field(default_factory=list)
    links: list[Block] = field(default_factory=list)
    idle: tuple[str, ...] = ()
    null: tuple[str, ...] = ()
    norms: list[tuple[int, int, Array]] = field(default_factory=list)
    apart: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        self._incoming: list[list[Block]] = [[] for _ in self.axes]
        self._outgoing: list[list[Block]] = [[] for _ in self.axes]
        for b in self.blocks:
            self._incoming[b.target].append(b)
            self._outgoing[b.source].append(b)

    def incoming(self, axis: int) -> list[Block]:
        """Blocks that write to an axis."""
        return self._incoming[axis]

    def outgoing(self, axis: int) -> list[Block]:
        """Blocks that read from an axis."""
        return self._outgoing[axis]


def chain(layers: Any, input_labels: Array | None = None, output_labels: Array | None = None) -> System:
    """The system of a chain of dense layers: axis 0 the inputs, axis l the units of layer l - 1."""
    first, last = layers[0], layers[-1]
    fixed = np.arange(first.fan_in) if input_labels is None else input_labels
    axes = [Axis("inputs", first.fan_in, fixed=fixed)]
    blocks = []
    for i, layer in enumerate(layers):
        axis = Axis(f"layers[{i}]", layer.fan_out)
        if layer is last:
            axis.activation = layer.activation
            axis.fixed = np.arange(last.fan_out) if output_labels is None else output_labels
        else:
            admit(axis, layer.activation)
            axis.layer = i
        if layer.b is not None:
            axis.bias.append(Term(layer.b, f"layers[{i}].b"))
        axes.append(axis)
        blocks.append(Block(i, i + 1, layer.w, f"layers[{i}].w"))
    return System(axes, blocks)
