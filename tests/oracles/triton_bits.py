"""The CUDA kernel in Triton's interpreter against the CPU's kernels; started by tests/torch/test_torch_triton.py.

Run with TRITON_INTERPRET=1: it ends with 0 where all bits are equal.
"""

import math

import numpy as np
import torch

import initcore as ic
from initcore import random
from initcore.torch import _draw, _triton
from initcore.torch._places.place import View
from initcore.torch._triton import _launch

KEY = ic.Key(4)
DTYPES = (torch.float32, torch.float16, torch.bfloat16, torch.float64)


def draws(dtype):
    yield "uniform", _draw.uniform(-1.0, 2.5, dtype)
    yield "plain uniform", _draw.uniform(0.0, 1.0, dtype)
    yield "normal", _draw.normal(0.3, 2.0)
    yield "plain normal", _draw.normal(0.0, 1.0)
    yield "two sigma", _draw.truncated(0.0, 0.02, -0.04, 0.04, dtype)
    yield "one side", _draw.truncated(1.0, 0.5, 1.25, math.inf, dtype)
    yield "tail", _draw.truncated(0.0, 1.0, 4.0, 8.0, dtype)
    yield "other tail", _draw.truncated(0.0, 1.0, -7.0, -3.0, dtype)


def check(tensor, draw, first, strides, what):
    """Device and CPU fill the same view; nothing around it is touched."""
    base = tensor if tensor._base is None else tensor._base
    other = base.clone()
    twin = torch.as_strided(other, tensor.shape, tensor.stride(), tensor.storage_offset())
    assert _triton.fill(draw, tensor, KEY, first, strides), what
    _draw.fill(draw, [View(twin, first, strides)], KEY, tensor.dtype)
    bits = {2: torch.int16, 4: torch.int32, 8: torch.int64}[tensor.element_size()]
    assert torch.equal(base.view(bits), other.view(bits)), what


def main():
    words = torch.empty(37, 45, dtype=torch.int32)
    for first in (0, 5, 2**34 - 100, 2**64 - 37 * 45):
        _launch.launch(words, KEY, first, (45, 1), 0, (0.0,) * 4)
        want = random.bits((37, 45), rng=KEY, start=first)
        assert (words.numpy().view(np.uint32) == want).all(), first
    for dtype in DTYPES:
        for name, draw in draws(dtype):
            if dtype is torch.float64 and name == "one side":
                continue                            # the CPU's: a word may reach beyond the tail's polynomial
            if dtype.itemsize == 2 and name not in ("normal", "uniform"):
                continue                            # float32's values, rounded
            check(torch.full((20, 50), 7.0, dtype=dtype), draw, 7, (50, 1), (dtype, name))
        if dtype in (torch.float16, torch.float64):
            continue
        draw = _draw.normal(0.0, 0.02)
        check(torch.full((40, 50), 7.0, dtype=dtype).t(), draw, 3, (40, 1), (dtype, "transposed memory"))
        check(torch.full((40, 50), 7.0, dtype=dtype), draw, 3, (1, 40), (dtype, "transposed numbers"))
        check(torch.full((20, 30), 7.0, dtype=dtype)[3:9, 4:15], draw, 2**40 + 1, (100, 1), (dtype, "a shard"))
        check(torch.full((3, 4, 5, 6), 7.0, dtype=dtype)[:, ::2, :, 1::3], draw, 11, (700, 90, 17, 2), (dtype, "four"))
        check(torch.full((), 7.0, dtype=dtype), draw, 5, (), (dtype, "scalar"))
        check(torch.full((0, 3), 7.0, dtype=dtype), draw, 5, (3, 1), (dtype, "empty"))
        check(torch.full((9,), 7.0, dtype=dtype), draw, 5, (0,), (dtype, "one number"))
    deep = _draw.truncated(0.0, 1.0, 9.5, 12.0, torch.float32)
    assert not _triton.fill(deep, torch.empty(4), KEY, 0, (1,)) and not _triton.fill(
        _draw.uniform(1.0, 1.0, torch.float32), torch.empty(4), KEY, 0, (1,))
    extremes()


def extremes():
    """The words that make the furthest values: found, not drawn: the largest and least of many."""
    z = random.normal(1 << 21, rng=KEY)
    for at in (int(z.argmax()), int(z.argmin()), int(abs(z).argmin())):
        w = torch.empty(8)
        check(w, _draw.normal(0.0, 1.0), at, (1,), "extreme")
        assert w[0] == z[at]


if __name__ == "__main__":
    main()
