"""One pass over a tensor: counts, sums, extremes, and hashes of its rows and columns.

Design
A. Blocks of about 2^17 values stay in the second-level cache while a dozen vectorised passes go over them.
B. A row's hash is a pair of sums of its 32-bit words times random 64-bit numbers, modulo 2^64 (Dietzfelbinger 1996:
   two different rows collide with probability 2^-32 a sum). A column is found by four products with random numbers,
   computed by kernels.matmul, which gives equal columns equal bits (guarantee G1), and confirmed by its words.
C. Rows that repeat by chance (few distinct values, short rows) are expected and not counted: the collision
   probability of single values is estimated from a sample.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np

from .. import kernels
from .._types import Array
from ..rules._tensor_facts import TensorFacts
from ._roles import fans_of
from ._tensor import Tensor, widened

_BLOCK = 1 << 17            # values a block
_LONGEST = 1 << 21          # values of a row; longer ones are hashed in pieces and not compared
_HEAD = 64
_ODD = np.uint64(0x9E3779B97F4A7C15)
_ABSURD, _HALF = 1e10, 2.0 ** -25
_TINY = {"float16": 2.0 ** -14, "bfloat16": 2.0 ** -126, "float32": 2.0 ** -126, "float64": 2.0 ** -1022}
_MOST_PARTS = 4096


@lru_cache(maxsize=4)
def _numbers(length: int, seed: int) -> Array:
    """Two rows of odd random 64-bit numbers; longer ones begin as shorter ones do."""
    rows = [np.random.Generator(np.random.PCG64([seed, i])).integers(0, 1 << 63, length, np.uint64) for i in (0, 1)]
    return np.array(rows) * np.uint64(2) + np.uint64(1)


def scan(tensor: Tensor, role: str) -> TensorFacts:
    """The facts of a tensor whose values can be read."""
    facts = TensorFacts(tensor.name, tensor.shape, tensor.dtype, role, fans_of(tensor, role), tensor.size)
    rows, columns = _as_matrix(tensor)
    if tensor.size == 0:
        return facts
    compare = columns <= _LONGEST and rows > 1
    width = columns if columns <= _LONGEST else _BLOCK
    step = max(1, _BLOCK // width)
    hashes: list[Array] = []
    sums = _ColumnSums(columns) if compare and 1 < columns <= _BLOCK and tensor.dtype != "float64" else None
    facts.low, facts.high = np.inf, -np.inf
    first: list[Array] = []
    chance, seen = 1.0, 0
    for words in tensor.blocks(step * width):
        values = widened(words, tensor.dtype)
        if values.dtype == np.float16:
            values = values.astype(np.float32)
        if seen == 0:
            chance = _collision(words)
            facts.heads = (values[:min(_HEAD, columns)].astype(np.float64),)
        if columns and sum(map(len, first)) < _HEAD and compare:
            first.append(values[::columns][:_HEAD].astype(np.float64))
        _count(facts, values, tensor.dtype, seen)
        hashes.append(_row_hashes(words, width))
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
            _rows(facts, found, chance, columns)
            if sums is not None and facts.largest < _ABSURD:
                _columns(facts, tensor, sums, chance, rows)
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


def _row_hashes(words: Array, width: int) -> Array:
    """(rows, 2) hashes; a last row that is not whole is hashed as far as it goes."""
    whole = words.size // width * width
    parts = [words[:whole].reshape(-1, width)] if whole else []
    if whole < words.size:
        parts.append(words[whole:].reshape(1, -1))
    return np.concatenate([_hash(np.ascontiguousarray(part)) for part in parts])


def _hash(rows: Array) -> Array:
    size = rows.shape[1] * rows.itemsize
    words = rows.view(np.uint32 if size % 4 == 0 else f"u{rows.itemsize}")
    numbers = _numbers(1 << max(words.shape[1] - 1, 1).bit_length(), 1)[:, :words.shape[1]]
    wide = words.astype(np.uint64)
    return np.stack([np.einsum("ij,j->i", wide, one) for one in numbers], axis=1)


def _collision(words: Array) -> float:
    """Estimated probability that two values are the same bits."""
    sample = words[:: max(1, words.size // 4096)][:4096]
    _, counts = np.unique(sample, return_counts=True)
    n = len(sample)
    pairs = float(np.sum(counts.astype(np.float64) * (counts - 1)))
    return (pairs + 2) / (n * (n - 1)) if n > 2 else 1.0


def _by_chance(lines: int, length: int, chance: float) -> float:
    """Expected number of equal pairs among lines of independent values."""
    return 0.5 * lines * lines * min(chance, 1.0) ** length


def _rows(facts: TensorFacts, found: Array, chance: float, columns: int) -> None:
    hashes = found[:, 0] ^ (found[:, 1] * _ODD)
    zero = np.asarray(~found.any(axis=1))
    facts.zero_rows = int(np.count_nonzero(zero))
    if facts.role == "embedding":
        keep = np.flatnonzero(~zero)
    else:
        keep = np.arange(len(hashes))
    equal, pair = _repeats(hashes[keep])
    expected = _by_chance(len(keep), columns, chance)
    if equal and (expected < 1e-3 or equal > 10 + 100 * expected):
        facts.equal_rows, facts.rows_pair = equal, (int(keep[pair[0]]), int(keep[pair[1]]))
        _blocks(facts, 0, hashes, zero)


def _repeats(hashes: Array) -> tuple[int, tuple[int, int]]:
    """How many repeat an earlier one, and the first such pair."""
    order = np.argsort(hashes, kind="stable")
    same = hashes[order][1:] == hashes[order][:-1]
    count = int(np.count_nonzero(same))
    if not count:
        return 0, (0, 0)
    at = np.flatnonzero(same)
    first = at[np.argmin(order[at + 1])]
    return count, (int(order[first]), int(order[first + 1]))


def _blocks(facts: TensorFacts, axis: int, hashes: Array, zero: Array) -> None:
    """The largest equal parts that lines fall into: shards, heads, experts."""
    n = len(hashes)
    leading = facts.shape[0] if axis == 0 and len(facts.shape) == 3 else 0
    counts = sorted({d for r in range(1, min(int(n ** 0.5), _MOST_PARTS) + 1) if n % r == 0 for d in (r, n // r)}
                    | ({leading} if leading else set()))
    for parts in counts:
        length = n // max(parts, 1)
        if parts < 2 or (length < 2 and parts != leading):
            continue
        numbers = _numbers(1 << max(length - 1, 1).bit_length(), 2)[0, :length]
        whole = (hashes.reshape(parts, length) * numbers).sum(axis=1, dtype=np.uint64)
        used = np.flatnonzero(~zero.reshape(parts, length).all(axis=1))
        equal, pair = _repeats(whole[used])
        # Parts made of one repeated line are equal lines, no repeated draw.
        if equal and len(np.unique(hashes.reshape(parts, length)[used[pair[0]]])) > length // 2:
            facts.blocks = axis, parts, equal, (int(used[pair[0]]), int(used[pair[1]]))
            return


class _ColumnSums:
    """Four products of every column with random numbers, over blocks of rows."""

    def __init__(self, columns: int) -> None:
        self.sums = np.zeros((4, columns), np.float32)
        self.rng = np.random.Generator(np.random.PCG64(3))

    def add(self, values: Array) -> None:
        factors = self.rng.standard_normal((4, len(values)), dtype=np.float32)
        with np.errstate(all="ignore"):
            self.sums += kernels.matmul(factors, np.ascontiguousarray(values, dtype=np.float32))

    def candidates(self) -> Array:
        """Columns whose four sums are the bits of another's."""
        keys = (self.sums + np.float32(0)).view(np.uint32).astype(np.uint64)
        mixed = (keys[0] << np.uint64(32) | keys[1]) ^ (keys[2] << np.uint64(32) | keys[3]) * _ODD
        _, inverse, counts = np.unique(mixed, return_inverse=True, return_counts=True)
        return np.flatnonzero(counts[inverse] > 1)


def _columns(facts: TensorFacts, tensor: Tensor, sums: _ColumnSums, chance: float, rows: int) -> None:
    suspects = sums.candidates()
    if not len(suspects) or _by_chance(len(sums.sums[0]), rows, chance) > 1e-3:
        return
    columns = sums.sums.shape[1]
    sure = np.zeros((2, len(suspects)), np.uint64)
    start, step = 0, max(1, _BLOCK // columns)
    for words in tensor.blocks(step * columns):
        block = words.view(f"u{words.itemsize}").reshape(-1, columns)[:, suspects].astype(np.uint64)
        numbers = np.random.Generator(np.random.PCG64([4, start])).integers(0, 1 << 63, (2, len(block)), np.uint64)
        sure += (numbers * np.uint64(2) + np.uint64(1)) @ block
        start += len(block)
    hashes = sure[0] ^ (sure[1] * _ODD)
    zero = ~sure.any(axis=0)
    equal, pair = _repeats(hashes)
    if not equal:
        return
    facts.equal_columns, facts.columns_pair = equal, (int(suspects[pair[0]]), int(suspects[pair[1]]))
    if facts.blocks is None and len(facts.shape) == 2:
        every = np.arange(1, columns + 1, dtype=np.uint64) * np.uint64(0xD1342543DE82EF95)      # all different
        every[suspects] = hashes
        none = np.zeros(columns, bool)
        none[suspects] = zero
        _blocks(facts, 1, every, none)


def scan_all(tensors: Sequence[tuple[Tensor, str]], threads: int = 2,
             progress: Callable[[str], None] | None = None) -> list[TensorFacts]:
    """The facts of many tensors, in order; two at a time, since NumPy's loops run beside each other.

    ``progress`` is told each tensor's name and number before it is read.
    """
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
