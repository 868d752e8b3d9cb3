"""CUDA tensors filled by the kernel: which distribution it is, one launch for each two-dimensional part.

Truncation deep in a tail (a probability below e^-45.5) and constants are left to the CPU, which is exact there too.
Triton's interpreter (TRITON_INTERPRET=1) runs the same on CPU tensors.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import triton
from torch import Tensor

from ... import random
from ...random import Key, _truncation
from .._coefficients import DOUBLES, OCTAVES
from ._kernel import fill_kernel

_BLOCK = 1024
_ROWS = 65535                   # programs along the second axis of a grid
_BITS, _UNIFORM, _NORMAL, _TRUNCATED, _TRUNCATED_F64 = range(5)
_DEEPEST = 1.8e-20              # e^-45.5: probabilities below need more than the tail's polynomial


def fill(draw: Any, tensor: Tensor, key: Key, first: int, strides: Sequence[int]) -> bool:
    """Fill a CUDA tensor with a distribution of :mod:`initcore.random`; False: this one is the CPU's."""
    found = _request(draw, tensor.dtype)
    if found is None:
        return False
    launch(tensor, key, first, strides, *found)
    return True


def _request(draw: Any, dtype: torch.dtype) -> tuple[int, tuple[float, ...]] | None:
    """(distribution, parameters) of the kernel."""
    if not isinstance(draw, functools.partial):
        return None
    given, single = draw.keywords, dtype is not torch.float64
    work = np.float32 if single else np.float64
    if draw.func is random.uniform:
        low, high = work(given["low"]), work(given["high"])
        return _UNIFORM, (float(low), float(high - low), float(np.nextafter(high, work(-np.inf))), 0.0)
    scale = float(work(given["mean"])), float(work(given["std"]))
    if draw.func is random.normal:
        return _NORMAL, (*scale, 0.0, 0.0)
    method, bounds = _truncation.plan(float(given["lower"]), float(given["upper"]), single)
    if method > 1 or (method == 1 and min(bounds[2:4]) + bounds[4] * 2.0 ** -65 < _DEEPEST):
        return None
    return _TRUNCATED_F64 if method else _TRUNCATED, (*scale, *bounds)


@functools.lru_cache(maxsize=8)
def _tables(device: torch.device) -> tuple[Tensor, Tensor]:
    return torch.from_numpy(OCTAVES.copy()).to(device), torch.from_numpy(DOUBLES.copy()).to(device)


def launch(tensor: Tensor, key: Key, first: int, strides: Sequence[int], distribution: int,
           params: Sequence[float]) -> None:
    """One launch for each two-dimensional part of what the tensor is after merging axes."""
    if tensor.numel() == 0:
        return
    axes = merged(tensor.shape, strides, tensor.stride())
    tensor = tensor.detach()
    (n, step, place), (rows, row_step, row_place) = axes[-1], axes[-2] if len(axes) > 1 else (1, 0, 0)
    numbers = torch.tensor([*params, *[0.0] * (8 - len(params))], dtype=torch.float64, device=tensor.device)
    unit = step == 1
    grid = triton.cdiv(n + 3 if unit else n, _BLOCK)
    for outer in np.ndindex(*(axis[0] for axis in axes[:-2])):
        for row in range(0, rows, _ROWS):
            number = first + row * row_step + sum(i * axis[1] for i, axis in zip(outer, axes))
            offset = tensor.storage_offset() + row * row_place + sum(i * axis[2] for i, axis in zip(outer, axes))
            with torch.cuda.device(tensor.device) if tensor.is_cuda else contextlib.nullcontext():
                fill_kernel[(grid, min(_ROWS, rows - row))](
                    tensor.as_strided((1,), (1,), offset), *_tables(tensor.device), numbers, _signed(number), step,
                    place, n, row_step, row_place, *key.words, DIST=distribution, F64=tensor.dtype is torch.float64,
                    BF16=tensor.dtype is torch.bfloat16, UNIT=unit, EVEN=place == 1, BLOCK=_BLOCK,
                    enable_fp_fusion=False)


def _signed(number: int) -> int:
    """A number below 2^64 as the int64 of the same bits."""
    return (number + (1 << 63)) % (1 << 64) - (1 << 63)


def merged(shape: Sequence[int], numbers: Sequence[int], places: Sequence[int]) -> list[tuple[int, int, int]]:
    """(size, number step, memory step) of each axis, neighbours joined where both steps go on."""
    out: list[tuple[int, int, int]] = []
    for n, s, p in zip(shape, numbers, places):
        if n == 1:
            continue
        if out and out[-1][1] == n * s and out[-1][2] == n * p:
            out[-1] = (out[-1][0] * n, s, p)
        else:
            out.append((n, s, p))
    return out or [(1, 1, 1)]
