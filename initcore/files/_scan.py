"""One pass over a tensor: counts, sums, extremes, and (:mod:`._lines`) hashes of its rows and columns.

Blocks of about 2^17 values stay in the second-level cache while a dozen vectorised passes go over them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence

import numpy as np

from .._checks import describe
from .._types import Array
from ..errors import ArgumentTypeError
from ..rules._tensor_facts import TensorFacts
from ._lines import BLOCK, ColumnSums, collision, equal_columns, equal_rows, row_hashes
from ._roles import fans_of
from ._tensor import Tensor, widened

_LONGEST = 1 << 21          # values of a row; longer ones are hashed in pieces and not compared
_HEAD = 64
_ABSURD, _HALF = 1e10, 2.0 ** -25
_TINY = {"float16": 2.0 ** -14, "bfloat16": 2.0 ** -126, "float32": 2.0 ** -126, "float64": 2.0 ** -1022}


@np.errstate(all="ignore")              # a NaN that signals does so when it is widened
def scan(tensor: Tensor, role: str) -> TensorFacts:
    """The facts of a tensor whose values can be read."""
    facts = TensorFacts(tensor.name, tensor.shape, tensor.dtype, role, fans_of(tensor, role), tensor.size)
    rows, columns = _as_matrix(tensor)
    if tensor.size == 0:
        return facts
    compare = columns <= _LONGEST and rows > 1
    width = columns if columns <= _LONGEST else BLOCK
    step = max(1, BLOCK // width)
    hashes: list[Array] = []
    sums = ColumnSums(columns) if compare and 1 < columns <= BLOCK and tensor.dtype != "float64" else None
    facts.low, facts.high = np.inf, -np.inf
    first: list[Array] = []
    chance, seen = 1.0, 0
    for words in tensor.blocks(step * width):
        values = widened(words, tensor.dtype)
        if values.dtype == np.float16:
            values = values.astype(np.float32)
        if seen == 0:
            chance = collision(words)
            facts.heads = (values[:min(_HEAD, columns)].astype(np.float64),)
        if columns and sum(map(len, first)) < _HEAD and compare:
            first.append(values[::columns][:_HEAD].astype(np.float64))
        _count(facts, values, tensor.dtype, seen)
        hashes.append(row_hashes(words, width))
        if sums is not None:
            sums.add(values.reshape(-1, columns))
        seen += words.size
    if not np.isfinite(facts.low):
        facts.low = facts.high = 0.0
    found = np.concatenate(hashes)
    facts.digest = hashlib.blake2b(found.tobytes(), digest_size=16).digest()
    if compare:
        facts.heads = (*facts.heads, np.concatenate(first)[:_HEAD])
        if not facts.constant and not facts.nonfinite:
            equal_rows(facts, found, chance, columns)
            if sums is not None and facts.largest < _ABSURD:
                equal_columns(facts, tensor, sums, chance, rows)
    return facts


def _as_matrix(tensor: Tensor) -> tuple[int, int]:
    """(rows, columns) of the tensor's C order: the last axis are columns, of kernels (out, in, taps) all but the
    first."""
    shape = tensor.shape
    if tensor.ndim < 2:
        return 1, tensor.size
    if tensor.ndim >= 4 and shape[0] >= shape[-1]:
        return shape[0], tensor.size // max(shape[0], 1)
    return tensor.size // max(shape[-1], 1), shape[-1]


def _count(facts: TensorFacts, values: Array, dtype: str, seen: int) -> None:
    with np.errstate(all="ignore"):
        low, high = float(values.min()), float(values.max())
        if not (np.isfinite(low) and np.isfinite(high)):
            bad = ~np.isfinite(values)
            if facts.first_bad is None:
                facts.first_bad = seen + int(np.argmax(bad))
            facts.nonfinite += int(np.count_nonzero(bad))
            values = values[~bad]
            if not values.size:
                return
            low, high = float(values.min()), float(values.max())
        facts.low, facts.high = min(facts.low, low), max(facts.high, high)
        large = max(-low, high) > 1e15
        squares = values.astype(np.float64) if large else values
        facts.total += float(np.sum(squares))
        facts.squares += float(np.dot(squares, squares))
        size = np.abs(values)
        small = np.count_nonzero(size < _HALF)
        if small:
            zeros = small - np.count_nonzero((size < _HALF) & (size > 0))
            facts.zeros += int(zeros)
            facts.lost += int(small - zeros)
            if small > zeros:
                facts.denormals += int(np.count_nonzero((size > 0) & (size < _TINY[dtype])))
        if max(-low, high) > _ABSURD:
            facts.absurd += int(np.count_nonzero(size > _ABSURD))


def scan_all(tensors: Sequence[tuple[Tensor, str]], threads: int = 2,
             progress: Callable[[str], None] | None = None) -> list[TensorFacts]:
    """The facts of many tensors, in order; two at a time, since NumPy's loops run beside each other.

    ``progress`` is told each tensor's name and number before it is read.
    """
    if progress is not None and not callable(progress):
        raise ArgumentTypeError(f"progress must be a function that takes a text, got {describe(progress)}.")

    def one(numbered: tuple[int, tuple[Tensor, str]]) -> TensorFacts:
        number, (tensor, role) = numbered
        if progress is not None:
            progress(f"reading {tensor.name} ({number} of {len(tensors)})")
        return scan(tensor, role)

    if threads < 2 or sum(t.size for t, _ in tensors) < 1 << 20:
        return list(map(one, enumerate(tensors, 1)))
    from concurrent.futures import ThreadPoolExecutor
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(one, enumerate(tensors, 1)))
