"""The two fans of an array, and the denominator of variance scaling that is made of them."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from .. import _checks
from .._types import Shape
from ..errors import ArgumentError, ArgumentTypeError, ShapeError, unknown_name
from ._axes import Axes, AxisLike, axes

MODES = ("fan_in", "fan_out", "fan_avg", "fan_geo_avg")


class Fans(NamedTuple):
    """What one unit sees.

    fan_in : inputs summed by one output, ``channels in / groups * receptive_field``.
    fan_out : outputs fed by one input, ``channels out / groups * receptive_field``.
    receptive_field : product of the spatial sizes, 1 for a dense layer.
    """

    fan_in: int
    fan_out: int
    receptive_field: int


def fans(shape: Shape, *, layout: str | None = None, groups: int = 1, in_axis: AxisLike = None,
         out_axis: AxisLike = None, batch_axis: AxisLike = None) -> Fans:
    """``fan_in = in/groups * prod(space)``, ``fan_out = out/groups * prod(space)``.

    Parameters
    ----------
    shape : int or tuple.
    layout : see :mod:`initcore.fans`; default "io" for two dimensions, required above.
    groups : number of channel groups. As in the frameworks the array itself holds ``in/groups`` input channels
        (transposed convolution: ``out/groups`` output channels); ``groups`` divides the other channel axis.
    in_axis, out_axis : in the place of a layout, the number of an axis or several; both or none.
    batch_axis : axes over which independent arrays are stacked, beside a layout of the others or beside in_axis,
        out_axis; they enter no fan.

    Returns :class:`Fans`. Raises ShapeError where layout, rank, axes or groups do not fit, UnknownNameError for an
    unknown layout, ArgumentError for axes named twice.

    PyTorch (``_calculate_fan_in_and_fan_out``) always reads the shape as (out, in, space...) and does not know of
    groups: its fan_out of a grouped convolution is ``groups`` times too large and its transposed convolutions have
    their fans swapped. JAX and Keras read (space..., in, out), without groups either; JAX takes ``in_axis``,
    ``out_axis`` and ``batch_axis`` as here.

    >>> fans((784, 256)).fan_in, fans((256, 784), layout="oi").fan_in
    (784, 784)
    >>> fans((64, 32, 3, 3), layout="oihw")
    Fans(fan_in=288, fan_out=576, receptive_field=9)
    >>> fans((64, 1, 3, 3), layout="oihw", groups=64)
    Fans(fan_in=9, fan_out=9, receptive_field=9)
    >>> fans((512, 8, 64), in_axis=0, out_axis=(1, 2)), fans((6, 512, 256), batch_axis=0).fan_in
    (Fans(fan_in=512, fan_out=512, receptive_field=1), 512)
    """
    sizes = _checks.shape("shape", shape)
    return _count(sizes, axes(sizes, layout, groups, in_axis, out_axis, batch_axis), groups)


def _count(shape: tuple[int, ...], where: Axes, groups: int) -> Fans:
    field = math.prod(shape[k] for k in where.space)
    channels = {"i": math.prod(shape[k] for k in where.i), "o": math.prod(shape[k] for k in where.o)}
    channels[where.grouped] //= groups
    return Fans(channels["i"] * field, channels["o"] * field, field)


def fan(shape: Shape, mode: str | float = "fan_in", *, layout: str | None = None, groups: int = 1,
        in_axis: AxisLike = None, out_axis: AxisLike = None, batch_axis: AxisLike = None) -> float:
    """The denominator of variance scaling: one of the fans, a mean of both, or a number given outright.

    ``mode``: "fan_in", "fan_out", "fan_avg" (arithmetic mean), "fan_geo_avg" (geometric mean) or a positive number,
    a fraction too (the mean degree of a graph, the share of inputs that dropout or a mask leaves). Other arguments as
    :func:`fans`. Raises ShapeError where a fan that enters is 0, UnknownNameError for another mode, else as
    :func:`fans`.

    >>> fan((4, 16), "fan_avg"), fan((4, 16), "fan_geo_avg"), fan((4, 16), 12.5)
    (10.0, 8.0, 12.5)
    """
    if not isinstance(mode, str):
        return positive_fan("mode", mode, f"one of {', '.join(MODES)} or ")
    if mode not in MODES:
        raise unknown_name("mode", mode, MODES)
    both = fans(shape, layout=layout, groups=groups, in_axis=in_axis, out_axis=out_axis, batch_axis=batch_axis)
    used = {"fan_in": both[:1], "fan_out": both[1:2]}.get(mode, both[:2])
    if 0 in used:
        name = "fan_in" if both.fan_in == 0 and mode != "fan_out" else "fan_out"
        raise ShapeError(f"{name} is 0 for shape {tuple(_checks.shape('shape', shape))}: a variance of 1/{name} does "
                         "not exist. Give every channel and spatial axis a size.")
    try:
        return math.sqrt(both.fan_in * both.fan_out) if mode == "fan_geo_avg" else sum(used) / len(used)
    except OverflowError:
        raise ShapeError(f"the fans of shape {tuple(_checks.shape('shape', shape))} are beyond what float64 "
                         "holds.") from None


def positive_fan(name: str, value: Any, instead: str = "") -> float:
    """A fan given by hand: a positive number."""
    try:
        n = _checks.number(name, value)
    except ArgumentTypeError:
        raise ArgumentTypeError(f"{name} must be {instead}a positive number, got {_checks.describe(value)}.") from None
    if n <= 0:
        raise ArgumentError(f"{name} must be at least 1, or a positive fraction, got {value}: it is how many inputs or "
                            "outputs a unit has.")
    return n
