"""Equal rows, columns and parts of a tensor: lines by hashes of every one, parts of lines by hashes of hashes.

Design
A. A row's hash is a pair of sums of its 32-bit words times random 64-bit numbers, modulo 2^64 (Dietzfelbinger 1996:
   two different rows collide with probability 2^-32 a sum). A column is found by four products with random numbers,
   computed by kernels.matmul, which gives equal columns equal bits (guarantee G1), and confirmed by its words.
B. Rows that repeat by chance (few distinct values, short rows) are expected and not counted: the collision
   probability of single values is estimated from a sample.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from .. import kernels
from .._types import Array
from ..rules._tensor_facts import TensorFacts
from ._tensor import Tensor

BLOCK = 1 << 17             # values a block
_ODD = np.uint64(0x9E3779B97F4A7C15)
_MOST_PARTS = 4096


@lru_cache(maxsize=4)
def _numbers(length: int, seed: int) -> Array:
    """Two rows of odd random 64-bit numbers; longer ones begin as shorter ones do."""
    rows = [np.random.Generator(np.random.PCG64([seed, i])).integers(0, 1 << 63, length, np.uint64) for i in (0, 1)]
    return np.array(rows) * np.uint64(2) + np.uint64(1)


def row_hashes(words: Array, width: int) -> Array:
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


def collision(words: Array) -> float:
    """Estimated probability that two values are the same bits."""
    sample = words[:: max(1, words.size // 4096)][:4096]
    _, counts = np.unique(sample, return_counts=True)
    n = len(sample)
    pairs = float(np.sum(counts.astype(np.float64) * (counts - 1)))
    return (pairs + 2) / (n * (n - 1)) if n > 2 else 1.0


def _by_chance(lines: int, length: int, chance: float) -> float:
    """Expected number of equal pairs among lines of independent values."""
    return 0.5 * lines * lines * min(chance, 1.0) ** length


def equal_rows(facts: TensorFacts, found: Array, chance: float, columns: int) -> None:
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


class ColumnSums:
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


def equal_columns(facts: TensorFacts, tensor: Tensor, sums: ColumnSums, chance: float, rows: int) -> None:
    suspects = sums.candidates()
    if not len(suspects) or _by_chance(len(sums.sums[0]), rows, chance) > 1e-3:
        return
    columns = sums.sums.shape[1]
    sure = np.zeros((2, len(suspects)), np.uint64)
    start, step = 0, max(1, BLOCK // columns)
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
