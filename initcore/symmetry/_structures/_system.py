"""What the refinement works on: axes (sets of units that share one partition) and the weights between them.

A chain of dense layers is one axis a layer and one block a weight matrix; :class:`Graph` builds
richer systems (taps of a convolution are blocks, a residual stream is one axis with many writers and readers).
"""

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from ..._types import Array
from ...activations import Activation
from .. import _weight_passes as passes
from ._local import Local


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


class Term(NamedTuple):
    """A per-unit number added to a unit: ``term`` 0 in its pre-activation, others elsewhere (a norm's shift).

    Terms of one part and number enter as a sum only. ``null``: the loss does not depend on them.
    """

    values: Array
    name: str
    part: int = 0
    term: int = 0
    null: bool = False
    span: slice | None = None         # the units that have it, where not all


class Gain(NamedTuple):
    """Per-unit numbers ``(..., n)`` that multiply a unit before its activation, or after; ``scalar``: one for all."""

    values: Array
    name: str
    after: bool = False
    scalar: bool = False
    span: slice | None = None


@dataclass
class Axis:
    """Units that share one partition, and which relations other than equality they admit.

    A unit is a function of its parts (its pre-activation; the gates of a cell). Parts in ``plain`` agree literally
    in units of one cell, the others and the output up to the unit's multiplier.

    fixed : labels that hold by promise (inputs, outputs), else None.
    bias : per-unit terms.
    colours : per-unit parameters that must simply be equal in units that are not zero, ``(values, name)``.
    gains : such parameters that multiply the unit, and so count as factors.
    zero : a unit whose pre-activation and back-signal are 0 stays so (phi(0) = 0).
    forward_zero : its back-signal is then 0 by itself (phi'(0) = 0, or a product of two zeros).
    half_line : the same holds for every pre-activation <= 0 (ReLU).
    odd : units may be each other's negative.   homogeneous : ... or multiples by a positive factor.
    even : pre-activations may be each other's negative, outputs are then equal.
    gate : a plain part that is 0 makes the unit 0 (a gate of phi(0) = 0).   shut : and keeps it so, by phi'(0) = 0.
    """

    name: str
    n: int
    activation: Activation | None = None
    fixed: Array | None = None
    bias: list[Term] = field(default_factory=list)
    colours: list[tuple[Array, str]] = field(default_factory=list)
    gains: list[Gain] = field(default_factory=list)
    zero: bool = False
    forward_zero: bool = False
    half_line: bool = False
    odd: bool = False
    homogeneous: bool = False
    even: bool = False
    plain: frozenset[int] = frozenset()
    gate: int | None = None
    shut: bool = False
    coloured: bool = False            # fixed labels are colours, not promises: refined by what comes in
    norm: str = ""                    # the normalisation before its activation, or on its way to its readers
    norm_groups: int = 1
    direct: bool = False              # the normalisation is followed by everything that reads the axis
    product: str = ""                 # "", "gated", "attention", "lstm", "gru", "router": how parts make the unit
    parts: int = 1
    groups: int = 1                   # attention: heads of keys; what the units are split into
    lone: bool = False                # its function is not known to be another's (recurrent, convolutional)
    turned: bool = False              # rotary positions: what is added to a key varies from key to key
    stops: int = 0                    # a step before which its back-signal is 0 (the router of equal experts)
    partner: int | None = None        # attention: the axis of the values its scores weigh
    layer: int | None = None          # position among the reported layers
    local: Local | None = None        # the program its units run, where it is more than an activation
    made: tuple[object, ...] = ()     # norms and scales, in their order: what else its function is
    like: int = -1                    # the class of axes that the caller called alike
    turns: tuple[Any, ...] = ()       # other ways of signs (:class:`._turns.Turn`)
    one: bool = False                 # not data: a number that is always the same

    @property
    def shifted(self) -> bool:
        """Is a trained number added after the gains?"""
        return bool(self.gains) and any(t.term for t in self.bias)


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


def is_even(activation: Activation) -> bool:
    """Is phi(-z) = phi(z), bit for bit at 211 points without a pattern, and not constant?"""
    if activation.odd:
        return False
    z = np.modf(np.arange(1, 212) * 0.6180339887498949)[0] * 9.0
    with np.errstate(all="ignore"):
        if activation(z[:1]) != activation(-z[:1]):
            return False
        y = activation(z)
        return bool(np.array_equal(y, activation(-z)) and np.ptp(y) > 0)


def admit(axis: Axis, activation: Activation) -> Axis:
    """Set the relations an elementwise activation allows between units."""
    axis.activation = activation
    axis.zero = activation.phi0 == 0.0
    axis.half_line = axis.zero and activation.low == 0.0 and activation.homogeneous and activation.dphi0 == 0.0
    axis.forward_zero = axis.zero and activation.dphi0 == 0.0
    axis.odd = activation.odd and axis.zero
    axis.homogeneous = activation.homogeneous
    axis.even = is_even(activation)
    axis.homogeneous = axis.homogeneous and not axis.even
    return axis


def plain(axis: Axis) -> Axis:
    """The axis with equality for its only relation."""
    return replace(axis, zero=False, forward_zero=False, half_line=False, odd=False, homogeneous=False, even=False,
                   turns=())


def dropped(axis: Axis) -> Axis:
    """The axis with draws of each unit's own: no two units agree, but 0 times a draw is 0."""
    return replace(axis, colours=[*axis.colours, (np.arange(axis.n, dtype=np.float64), f"{axis.name}.draws")])


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
