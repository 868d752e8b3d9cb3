"""Where an array has its inputs, outputs, space and batch: read from the letters of its layout, or from numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, SupportsIndex

from .. import _checks
from ..errors import ArgumentError, ArgumentTypeError, ShapeError, unknown_name

_KIN = ("oi{}", "{}io", "io{}", "{}oi")       # PyTorch, JAX/Keras, and their transposed convolutions
_BY_RANK: dict[int, tuple[str, ...]] = {2: ("io", "oi")} | {
    rank: tuple(kin.format(space) for kin in _KIN) for rank, space in ((3, "w"), (4, "hw"), (5, "dhw"))}
LAYOUTS: tuple[str, ...] = tuple(name for group in _BY_RANK.values() for name in group)
_SPACE = frozenset("dhwtxyz")
AxisLike = SupportsIndex | Sequence[SupportsIndex] | None


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

    Two dimensions without a layout are "io"; above two the layout must be given. Arguments and errors as :func:`fans`;
    ``name`` is what errors call the shape.

    >>> axes((3, 3, 16, 32), "hwio")
    Axes(i=(2,), o=(3,), space=(0, 1), batch=(), grouped='o')
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
