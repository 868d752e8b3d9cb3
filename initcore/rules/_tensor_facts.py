"""What one pass over a tensor finds out, for the rules that judge tensors by themselves."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ._catalogue import Rule
from ._finding import Finding


@dataclass
class TensorFacts:
    """Counts and sums of one tensor, and where it repeats itself.

    ``role`` is what it is by name and shape (dense, conv, norm, embedding, ...); ``fans`` the numbers of inputs a unit
    may have, one where the layout is known. ``denormals``, ``absurd`` and ``lost`` count non-zero values below the
    smallest normal number of the type, beyond 1e10, and below what float16 can hold. ``equal_rows`` and
    ``equal_columns`` count those that repeat an earlier one, beyond what chance would bring, with a pair of them.
    ``blocks``: (axis, number of blocks, equal ones, a pair). ``head``: the first values along the last axis and along
    the first; ``digest`` is equal for equal contents.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    role: str
    fans: tuple[int, ...] = ()
    size: int = 0
    nonfinite: int = 0
    first_bad: int | None = None
    zeros: int = 0
    denormals: int = 0
    absurd: int = 0
    lost: int = 0
    low: float = 0.0
    high: float = 0.0
    total: float = 0.0
    squares: float = 0.0
    equal_rows: int = 0
    equal_columns: int = 0
    rows_pair: tuple[int, int] | None = None
    columns_pair: tuple[int, int] | None = None
    zero_rows: int = 0
    blocks: tuple[int, int, int, tuple[int, int]] | None = None
    heads: tuple[np.ndarray, ...] = ()
    digest: bytes = b""

    @property
    def mean(self) -> float:
        """Of the finite values."""
        return self.total / max(self.size - self.nonfinite, 1)

    @property
    def mean_square(self) -> float:
        """Of the finite values."""
        return self.squares / max(self.size - self.nonfinite, 1)

    @property
    def std(self) -> float:
        """Of the finite values; infinite where their squares are."""
        variance = self.mean_square - self.mean * self.mean      # a product may be infinite, where a power would raise
        return math.sqrt(max(variance, 0.0)) if math.isfinite(variance) else math.inf

    @property
    def largest(self) -> float:
        """The largest absolute value of the finite ones."""
        return max(abs(self.low), abs(self.high))

    @property
    def matrix(self) -> bool:
        """Has it two axes or more of more than one entry?"""
        return sum(n > 1 for n in self.shape) >= 2

    @property
    def constant(self) -> bool:
        """Is every value the same?"""
        return self.size > 1 and not self.nonfinite and self.low == self.high

    def to_dict(self) -> dict[str, Any]:
        """A row of the report's table."""
        return {"name": self.name, "shape": list(self.shape), "dtype": self.dtype, "role": self.role,
                "mean": self.mean, "std": self.std, "low": self.low, "high": self.high, "zeros": self.zeros,
                "nonfinite": self.nonfinite, "equal_rows": self.equal_rows, "equal_columns": self.equal_columns}


@dataclass
class TensorContext:
    """What the rules for tensors look at."""

    tensors: tuple[TensorFacts, ...]
    numbers: dict[str, dict[str, float]]
    normed: bool = False                  # is there any normalisation among the tensors?
    rule: Rule | None = None
    seen: set[str] = field(default_factory=set)

    @property
    def limits(self) -> dict[str, float]:
        """Thresholds of the running rule."""
        assert self.rule is not None
        return self.numbers[self.rule.id]

    def finding(self, t: TensorFacts, text: str, *, severity: str | None = None, measured: Any = None,
                expected: Any = None, cause: str | None = None, cure: str = "") -> Finding:
        """A finding of the running rule about a tensor."""
        assert self.rule is not None
        return Finding(self.rule.id, severity or self.rule.severity, None, text, measured, expected, cause, cure,
                       t.name)
