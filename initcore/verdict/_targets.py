"""Targets as ``check`` takes them: what may be given, and the loss they are measured with."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import kernels
from .._checks import describe
from .._types import Array
from ..errors import ArgumentError, ArgumentTypeError, InitcoreError, NonFiniteError, ShapeError
from ..network import Network

LOSSES = ("softmax_cross_entropy", "mse", "binary_cross_entropy")


def targets(net: Network, x: Array, y: Any, loss: str | None) -> tuple[Array, str | None]:
    """``y`` as the losses take it, and the loss it is measured with: the one given, else what y's form says.

    Integers in one dimension are classes where the network has several linear outputs; anything of the outputs' shape
    is a regression; otherwise no loss is measured (None). Numbers only: a NaN, a string or a date is an error.
    """
    try:
        a = np.asarray(y)
    except (TypeError, ValueError):
        raise ArgumentTypeError(f"y must be one array of targets, got a ragged {type(y).__name__}.") from None
    if a.dtype.kind not in "fiub" and a.dtype.name != "bfloat16":
        raise ArgumentTypeError(f"y must hold class indices or numbers, got {_kind(a)}; np.unique(y, "
                                "return_inverse=True)[1] numbers labels from 0.")
    if a.ndim not in (1, 2) or len(a) != len(x):
        raise ShapeError(f"y has shape {a.shape}, but x has {len(x)} rows.")
    if a.dtype.kind not in "iub":
        bad = ~np.isfinite(a)
        if bad.any():
            where = tuple(int(k) for k in np.argwhere(bad)[0])
            raise NonFiniteError(f"y holds {a[where]} at index {where} ({int(bad.sum())} non-finite value(s)); "
                                 "drop or fill these rows.")
    outputs = net.widths[-1]
    classes = a.ndim == 1 and a.dtype.kind in "iub"
    if loss is None:
        if classes and outputs > 1:
            loss = "softmax_cross_entropy" if net.layers[-1].activation.linear else None
        elif a.shape in ((len(x), outputs), (len(x),)) and a.size == len(x) * outputs:
            loss = "mse"
    if classes and loss in (None, "softmax_cross_entropy"):
        return a.astype(np.int64) if a.dtype.kind == "b" else a, loss
    a = a.astype(net.dtype)
    return (a[:, None] if a.ndim == 1 and outputs == 1 and loss is not None else a), loss


def _kind(a: Array) -> str:
    first = a.ravel()[0] if a.size else None
    return f"{describe(a)}" + (f", the first {first!r}" if a.size and a.dtype.kind in "OUSM" else "")


def measured(name: str, prediction: Array, y: Array) -> tuple[float, Array]:
    """The loss and its gradient at the outputs; errors speak of ``y``."""
    try:
        value, dy = kernels.loss(name, prediction, y)
    except (ArgumentError, ArgumentTypeError, InitcoreError) as error:
        raise type(error)(str(error).replace("target", "y", 1)) from None
    return float(value), dy


def learnt(name: str | None, value: float | None, y: Array | None, outputs: int) -> bool:
    """Is a measured loss below half of what knowing nothing costs? Then the network has been trained."""
    if value is None or y is None or not len(y) or name is None:
        return False
    if name == "mse":
        nothing = float(np.mean(np.var(y.astype(np.float64), axis=0)))
    else:
        nothing = math.log(2 if name == "binary_cross_entropy" else max(outputs, 1))
    return value < 0.5 * nothing
