"""Fan-in and fan-out of a weight array, from its shape and its layout.

A layout names each axis with one letter: ``i`` input channels, ``o`` output channels (units), ``d h w`` space.

========= ============================== ===================================== ==================================
rank      PyTorch                        JAX/Flax, Keras                       transposed convolution
========= ============================== ===================================== ==================================
2         ``"oi"`` nn.Linear             ``"io"`` Dense (the default)
3         ``"oiw"`` nn.Conv1d            ``"wio"`` Conv(1-D), Conv1D           ``"iow"`` PyTorch, ``"woi"`` Keras
4         ``"oihw"`` nn.Conv2d           ``"hwio"`` Conv(2-D), Conv2D          ``"iohw"`` PyTorch, ``"hwoi"`` Keras
5         ``"oidhw"`` nn.Conv3d          ``"dhwio"`` Conv(3-D), Conv3D         ``"iodhw"`` PyTorch, ``"dhwoi"`` Keras
========= ============================== ===================================== ==================================
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from . import _checks
from .errors import ArgumentError, ArgumentTypeError, ShapeError, unknown_name

__all__ = ["LAYOUTS", "Axes", "Fans", "axes", "fan", "fans"]

_KIN = ("oi{}", "{}io", "io{}", "{}oi")       # PyTorch, JAX/Keras, and their transposed convolutions
_BY_RANK: dict[int, tuple[str, ...]] = {2: ("io", "oi")} | {
    rank: tuple(kin.format(space) for kin in _KIN) for rank, space in ((3, "w"), (4, "hw"), (5, "dhw"))}
LAYOUTS: tuple[str, ...] = tuple(name for group in _BY_RANK.values() for name in group)


class Fans(NamedTuple):
    """What one unit sees.

    fan_in : inputs summed by one output, ``channels in / groups * receptive_field``.
    fan_out : outputs fed by one input, ``channels out / groups * receptive_field``.
    receptive_field : product of the spatial sizes, 1 for a dense layer.
    """

    fan_in: int
    fan_out: int
    receptive_field: int


class Axes(NamedTuple):
    """Where a checked layout has its axes: ``i``, ``o``, ``space``, and ``grouped``, the axis ``groups`` divides."""

    layout: str
    i: int
    o: int
    space: tuple[int, ...]
    grouped: int


def axes(shape: tuple[int, ...], layout: str | None = None, groups: int = 1, *, name: str = "shape") -> Axes:
    """Check that ``layout`` and ``groups`` fit ``shape`` and tell where the axes are.

    Two dimensions without a layout are "io"; above two the layout must be given.
    """
    rank = len(shape)
    if layout is not None and not isinstance(layout, str):
        raise ArgumentTypeError(f"layout must be a string such as 'io' or 'oihw', got {_checks.describe(layout)}.")
    if layout is not None and layout.lower() not in LAYOUTS:
        raise unknown_name("layout", layout, LAYOUTS)
    if rank not in _BY_RANK:
        raise ShapeError(f"{name}={shape} has {rank} dimension(s); a fan needs 2 (dense) to 5 (3-D convolution). "
                         + ("A bias has no fan of its own: use zeros, or torch_default(shape, fan_in=...)."
                            if rank < 2 else "Reshape it to (space..., in, out) and give layout='dhwio'."))
    if layout is None:
        if rank > 2:
            torch, jax, torch_t, keras_t = _BY_RANK[rank]
            raise ShapeError(
                f"{name}={shape} has {rank} dimensions and no layout, and the fan is never guessed: give "
                f"layout={torch!r} for PyTorch nn.Conv{rank - 2}d, layout={jax!r} for JAX/Flax Conv or Keras "
                f"Conv{rank - 2}D, layout={torch_t!r} for PyTorch nn.ConvTranspose{rank - 2}d, "
                f"layout={keras_t!r} for Keras Conv{rank - 2}DTranspose.")
        layout = "io"
    layout = layout.lower()
    if len(layout) != rank:
        raise ShapeError(f"layout={layout!r} names {len(layout)} axes, but {name}={shape} has {rank}; "
                         f"layouts of {rank} axes: {', '.join(map(repr, _BY_RANK[rank]))}.")
    i, o = layout.index("i"), layout.index("o")
    space = tuple(k for k in range(rank) if k not in (i, o))
    # A grouped convolution stores (out, in/groups), a transposed one (in, out/groups).
    grouped = i if rank > 2 and layout in (_BY_RANK[rank][2], _BY_RANK[rank][3]) else o
    groups = _checks.integer("groups", groups, low=1)
    if shape[grouped] % groups:
        raise ShapeError(f"groups={groups} does not divide the {'input' if grouped == i else 'output'} axis "
                         f"{grouped} of {name}={shape} (layout {layout!r}), which has {shape[grouped]} channels.")
    return Axes(layout, i, o, space, grouped)


def fans(shape: Any, *, layout: str | None = None, groups: int = 1) -> Fans:
    """``fan_in = in/groups * prod(space)``, ``fan_out = out/groups * prod(space)``.

    Parameters
    ----------
    shape : int or tuple, 2 to 5 dimensions.
    layout : see :mod:`initcore.fans`; default "io" for two dimensions, required above.
    groups : number of channel groups. As in the frameworks the array itself holds ``in/groups`` input channels
        (transposed convolution: ``out/groups`` output channels); ``groups`` divides the other channel axis.

    Returns :class:`Fans`. Raises ShapeError where layout, rank or groups do not fit, UnknownNameError for an
    unknown layout.

    PyTorch (``_calculate_fan_in_and_fan_out``) always reads the shape as (out, in, space...) and does not know of
    groups: its fan_out of a grouped convolution is ``groups`` times too large and its transposed convolutions have
    their fans swapped. JAX and Keras read (space..., in, out), without groups either.

    >>> fans((784, 256)).fan_in, fans((256, 784), layout="oi").fan_in
    (784, 784)
    >>> fans((64, 32, 3, 3), layout="oihw")
    Fans(fan_in=288, fan_out=576, receptive_field=9)
    >>> fans((64, 1, 3, 3), layout="oihw", groups=64)
    Fans(fan_in=9, fan_out=9, receptive_field=9)
    """
    shape = _checks.shape("shape", shape)
    where = axes(shape, layout, groups)
    field = math.prod(shape[k] for k in where.space)
    channels = {k: shape[k] // groups if k == where.grouped else shape[k] for k in (where.i, where.o)}
    return Fans(channels[where.i] * field, channels[where.o] * field, field)


def fan(shape: Any, mode: Any = "fan_in", *, layout: str | None = None, groups: int = 1) -> float:
    """The denominator of variance scaling: one of the fans, a mean of both, or a number given outright.

    ``mode``: "fan_in", "fan_out", "fan_avg" (arithmetic mean), "fan_geo_avg" (geometric mean) or a positive integer.
    Raises ShapeError where a fan that enters is 0.

    >>> fan((4, 16), "fan_avg"), fan((4, 16), "fan_geo_avg"), fan((4, 16), 100)
    (10.0, 8.0, 100.0)
    """
    if not isinstance(mode, str):
        if isinstance(mode, bool) or not hasattr(mode, "__index__"):
            raise ArgumentTypeError(f"mode must be one of {', '.join(_MODES)} or a positive integer, "
                                    f"got {_checks.describe(mode)}.")
        return float(_checks.integer("mode", mode, low=1))
    if mode not in _MODES:
        raise unknown_name("mode", mode, _MODES)
    both = fans(shape, layout=layout, groups=groups)
    used = {"fan_in": both[:1], "fan_out": both[1:2]}.get(mode, both[:2])
    if 0 in used:
        name = "fan_in" if both.fan_in == 0 and mode != "fan_out" else "fan_out"
        raise ShapeError(f"{name} is 0 for shape {tuple(_checks.shape('shape', shape))}: a variance of 1/{name} does "
                         "not exist. Give every channel and spatial axis a size, or use zeros for an empty array.")
    return math.sqrt(both.fan_in * both.fan_out) if mode == "fan_geo_avg" else sum(used) / len(used)


_MODES = ("fan_in", "fan_out", "fan_avg", "fan_geo_avg")


def require_fan(fan_in: Any) -> int:
    """A fan given by hand: a positive integer."""
    n = _checks.integer("fan_in", fan_in)
    if n < 1:
        raise ArgumentError(f"fan_in must be at least 1, got {n}: it is the number of inputs of the layer.")
    return n
