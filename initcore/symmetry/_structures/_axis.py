"""An axis: units that share one partition, what is a number of their own, and the relations they admit."""

from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from ..._types import Array
from ...activations import Activation
from ._local import Local


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
