"""Fan-in and fan-out of a weight array, from its shape and its layout.

A layout names each axis with one letter: ``i`` input channels, ``o`` output channels (units), ``d h w`` space, and

* ``b`` a batch of independent arrays (experts, scanned layers, an ensemble): "bio" is (n, in, out),
* ``m`` the multiplier of a depthwise kernel, in the place of ``o``: "hwim" is Keras' DepthwiseConv2D,
* ``t x y z`` further space, for kernels of six dimensions and more.

========= ============================== ===================================== ==================================
rank      PyTorch                        JAX/Flax, Keras                       transposed convolution
========= ============================== ===================================== ==================================
2         ``"oi"`` nn.Linear             ``"io"`` Dense (the default)
3         ``"oiw"`` nn.Conv1d            ``"wio"`` Conv(1-D), Conv1D           ``"iow"`` PyTorch, ``"woi"`` Keras
4         ``"oihw"`` nn.Conv2d           ``"hwio"`` Conv(2-D), Conv2D          ``"iohw"`` PyTorch, ``"hwoi"`` Keras
5         ``"oidhw"`` nn.Conv3d          ``"dhwio"`` Conv(3-D), Conv3D         ``"iodhw"`` PyTorch, ``"dhwoi"`` Keras
========= ============================== ===================================== ==================================

Where no letters fit (attention kernels of shape (d, heads, k)), ``in_axis=`` and ``out_axis=`` say which axes are
which, one each or several, as in ``jax.nn.initializers``; the others are space, and ``batch_axis=`` those of a batch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, SupportsIndex

from . import _checks
from ._types import Shape
from .errors import ArgumentError, ArgumentTypeError, ShapeError, unknown_name

__all__ = ["LAYOUTS", "MODES", "Axes", "Fans", "axes", "fan", "fans"]

_KIN = ("oi{}", "{}io", "io{}", "{}oi")       # PyTorch, JAX/Keras, and their transposed convolutions
_BY_RANK: dict[int, tuple[str, ...]] = {2: ("io", "oi")} | {
    rank: tuple(kin.format(space) for kin in _KIN) for rank, space in ((3, "w"), (4, "hw"), (5, "dhw"))}
LAYOUTS: tuple[str, ...] = tuple(name for group in _BY_RANK.values() for name in group)
MODES = ("fan_in", "fan_out", "fan_avg", "fan_geo_avg")
_SPACE = frozenset("dhwtxyz")
AxisLike = SupportsIndex | Sequence[SupportsIndex] | None


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
    """Where a checked array has its axes: inputs ``i``, outputs ``o``, ``space``, ``batch``, each any number of them.

    ``grouped`` is the kind, "i" or "o", that ``groups`` divides. A depthwise kernel has no ``i``: its channels are
    a batch.
    """

    i: tuple[int, ...]
    o: tuple[int, ...]
    space: tuple[int, ...]
    batch: tuple[int, ...]
    grouped: str


def axes(shape: tuple[int, ...], layout: str | None = None, groups: int = 1, in_axis: AxisLike = None,
         out_axis: AxisLike = None, batch_axis: AxisLike = None, *, name: str = "shape") -> Axes:
    """Check that the layout, or the axes, and ``groups`` fit ``shape``, and tell where the axes are.

    Two dimensions without a layout are "io"; above two the layout must be given.
    """
    shape, groups = _checks.shape(name, shape), _checks.integer("groups", groups, low=1)
    if in_axis is not None or out_axis is not None:
        return _numbered(shape, layout, groups, in_axis, out_axis, batch_axis, name)
    batch = _axis("batch_axis", batch_axis, shape, name)
    rest = [k for k in range(len(shape)) if k not in batch]
    letters = _letters(shape, tuple(shape[k] for k in rest), layout, name)
    at = {c: rest[k] for k, c in enumerate(letters)}
    space = tuple(at[c] for c in letters if c in _SPACE)
    if "m" in at:
        if groups != 1:
            raise ShapeError(f"groups={groups} does not go with layout={layout!r}: the m says that every input channel "
                             "is a group of its own.")
        return Axes((), (at["m"],), space, (*batch, *(at[c] for c in "bi" if c in at)), "o")
    # A grouped convolution stores (out, in/groups), a transposed one (in, out/groups).
    dense = letters.replace("b", "")
    grouped = "i" if len(dense) > 2 and (dense.startswith("io") or dense.endswith("oi")) else "o"
    found = Axes((at["i"],), (at["o"],), space, (*batch, *((at["b"],) if "b" in at else ())), grouped)
    axis = at[grouped]
    if shape[axis] % groups:
        raise ShapeError(f"groups={groups} does not divide the {'input' if grouped == 'i' else 'output'} axis "
                         f"{axis} of {name}={shape} (layout {letters!r}), which has {shape[axis]} channels.")
    return found


def _letters(shape: tuple[int, ...], sizes: tuple[int, ...], layout: str | None, name: str) -> str:
    """The checked layout of ``sizes``, the axes of ``shape`` that ``batch_axis`` leaves."""
    if layout is not None and not isinstance(layout, str):
        raise ArgumentTypeError(f"layout must be a string such as 'io' or 'oihw', got {_checks.describe(layout)}.")
    if layout is not None and not _is_layout(layout.lower()):
        raise unknown_name("layout", layout, LAYOUTS)
    rank = len(sizes)
    if rank < 2:
        raise ShapeError(f"{name}={shape} has {rank} dimension(s); a fan needs 2 (dense) or more. "
                         "A bias has no fan of its own: use zeros, or torch_default(shape, fan_in=...).")
    if layout is None:
        if rank > 2:
            raise ShapeError(f"{name}={shape} has {rank} dimensions and no layout, and the fan is never guessed: "
                             + _which_layout(rank))
        return "io"
    if len(layout) != rank:
        raise ShapeError(f"layout={layout!r} names {len(layout)} axes, but {name}={shape} has {rank} dimensions"
                         + (" beside batch_axis; " if sizes != shape else "; ")
                         + (f"layouts of {rank} axes: {', '.join(map(repr, _BY_RANK[rank]))}." if rank in _BY_RANK else
                            "name every axis: i, o, b (a batch), and d h w t x y z for space."))
    return layout.lower()


def _is_layout(letters: str) -> bool:
    """One i, one o or m, at most one b, each letter of space at most once."""
    return (len(set(letters)) == len(letters) and "i" in letters and ("o" in letters) != ("m" in letters)
            and set(letters) <= _SPACE | set("iomb"))


def _which_layout(rank: int) -> str:
    if rank not in _BY_RANK:
        return "give layout= with a letter an axis (i, o, b, and d h w t x y z for space), or in_axis= and out_axis=."
    torch, jax, torch_t, keras_t = _BY_RANK[rank]
    return (f"give layout={torch!r} for PyTorch nn.Conv{rank - 2}d, layout={jax!r} for JAX/Flax Conv or Keras "
            f"Conv{rank - 2}D, layout={torch_t!r} for PyTorch nn.ConvTranspose{rank - 2}d, layout={keras_t!r} for "
            f"Keras Conv{rank - 2}DTranspose"
            + (", layout='bio' for a stack of (in, out), or in_axis= and out_axis= for attention kernels." if rank == 3
               else ", or in_axis= and out_axis=."))


def _numbered(shape: tuple[int, ...], layout: Any, groups: int, in_axis: AxisLike, out_axis: AxisLike,
              batch_axis: AxisLike, name: str) -> Axes:
    if layout is not None:
        raise ArgumentError(f"layout={_checks.describe(layout)} and in_axis=, out_axis= both say which axis is "
                            "which: give one.")
    if in_axis is None or out_axis is None:
        given, missing = ("out_axis", "in_axis") if in_axis is None else ("in_axis", "out_axis")
        raise ArgumentError(f"{given}= needs {missing}= beside it: axes that are neither count as space.")
    if groups != 1:
        raise ArgumentError(f"groups={groups} goes with a layout, not with in_axis= and out_axis=.")
    i, o = _axis("in_axis", in_axis, shape, name), _axis("out_axis", out_axis, shape, name)
    batch = _axis("batch_axis", batch_axis, shape, name)
    used = [*i, *o, *batch]
    twice = [k for k in used if used.count(k) > 1]
    if twice:
        raise ArgumentError(f"axis {twice[0]} of {name}={shape} is named twice by in_axis={in_axis}, "
                            f"out_axis={out_axis}, batch_axis={batch_axis}.")
    return Axes(i, o, tuple(k for k in range(len(shape)) if k not in used), batch, "o")


def _axis(argument: str, value: Any, shape: tuple[int, ...], name: str) -> tuple[int, ...]:
    """Axes by their numbers, negative ones from the end."""
    if value is None:
        return ()
    try:
        numbers = tuple(value) if not hasattr(value, "__index__") else (value,)
    except TypeError:
        raise ArgumentTypeError(f"{argument} must be an axis or a sequence of axes, got "
                                f"{_checks.describe(value)}.") from None
    found = []
    for k in numbers:
        n = _checks.integer(argument, k)
        if not -len(shape) <= n < len(shape):
            raise ShapeError(f"{argument}={n} is no axis of {name}={shape}, which has {len(shape)} dimensions.")
        found.append(n % len(shape))
    if len(set(found)) < len(found):
        raise ArgumentError(f"{argument}={value!r} names an axis twice.")
    return tuple(found)


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
    a fraction too (the mean degree of a graph, the share of inputs that dropout or a mask leaves).
    Raises ShapeError where a fan that enters is 0.

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
