"""What the refinement works on: axes (sets of units that share one partition) and the weights between them.

A chain of dense layers is one axis a layer and one block a weight matrix; :mod:`initcore._graph` builds
richer systems (taps of a convolution are blocks, a residual stream is one axis with many writers and readers).
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..activations import Activation
from . import _weight_passes as passes

Array = np.ndarray


@dataclass
class Block:
    """Weights ``w (source units, target units)`` between two axes; ``name`` says whose they are in reports."""

    source: int
    target: int
    w: Array
    name: str
    part: int = 0                     # which factor of a product unit it feeds (gate 0, up 1; query 0, key 1)
    frozen: bool = False              # takes part in the conditions, receives no gradient
    structural: bool = False          # not weights but a mask: where weights of that name exist
    _constant: bool | None = None

    @property
    def constant(self) -> bool:
        """Are all entries equal?"""
        if self._constant is None:
            self._constant = passes.look(self.w) == 1
        return self._constant


@dataclass
class Axis:
    """Units that share one partition, and which relations other than equality they admit.

    fixed : labels that hold by promise (inputs, outputs), else None.
    bias : per-unit terms added to the pre-activation, each ``(values, name, part)``.
    colours : per-unit parameters that must simply be equal (norm gains, depthwise taps), ``(values, name)``.
    zero : a unit whose pre-activation and back-signal are 0 stays so (phi(0) = 0).
    forward_zero : its back-signal is then 0 by itself (phi'(0) = 0, or a product of two zeros).
    half_line : the same holds for every pre-activation <= 0 (ReLU).
    odd : units may be each other's negative.   homogeneous : ... or multiples by a positive factor.
    """

    name: str
    n: int
    activation: Activation | None = None
    fixed: Array | None = None
    bias: list[tuple[Array, str, int]] = field(default_factory=list)
    colours: list[tuple[Array, str]] = field(default_factory=list)
    zero: bool = False
    forward_zero: bool = False
    half_line: bool = False
    odd: bool = False
    homogeneous: bool = False
    product: str = ""                 # "", "gated" or "attention": units are products of two parts
    partner: int | None = None        # attention: the axis of the values its scores weigh
    layer: int | None = None          # position among the reported layers


@dataclass
class Coupling:
    """Units whose labels must also agree on something made of other labels.

    Group g of every axis in ``members`` (axis index -> group of each unit) takes as its colour the multiset of
    its units' labels; a unit takes its group's colour. ``one_to_one``: the groups are single units, so the
    axes share one partition.
    """

    members: list[tuple[int, Array]]
    groups: int
    name: str = ""


@dataclass
class System:
    """Axes, blocks and couplings of one network."""

    axes: list[Axis]
    blocks: list[Block]
    couplings: list[Coupling] = field(default_factory=list)

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


def admit(axis: Axis, activation: Activation) -> Axis:
    """Set the relations an elementwise activation allows between units."""
    axis.activation = activation
    axis.zero = activation.phi0 == 0.0
    axis.half_line = axis.zero and activation.low == 0.0 and activation.homogeneous and activation.dphi0 == 0.0
    axis.forward_zero = axis.zero and activation.dphi0 == 0.0
    axis.odd = activation.odd and axis.zero
    axis.homogeneous = activation.homogeneous
    return axis


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
            axis.bias.append((layer.b, f"layers[{i}].b", 0))
        axes.append(axis)
        blocks.append(Block(i, i + 1, layer.w, f"layers[{i}].w"))
    return System(axes, blocks)
