"""The table of what went where."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple


class Row(NamedTuple):
    """One tensor: its name, shape and dtype, what it is drawn by, and the rule that said so."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    drawn_by: str
    rule: str


class Table:
    """What ``initialize`` did: ``rows``; printed with equal layers in one line.

    >>> rows = [Row(f"layers.{i}.weight", (4, 4), "float32", "zeros", "*") for i in range(3)]
    >>> print(Table(rows))
    parameter             shape   dtype    drawn by  rule
    layers.{0-2}.weight   (4, 4)  float32  zeros     *
    """

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = tuple(rows)

    def __str__(self) -> str:
        groups: dict[tuple[str, ...], list[list[str]]] = {}
        for row in self.rows:
            stem = re.sub(r"\d+", "#", row.name, count=1) if re.search(r"\.\d+\.", row.name) else row.name
            key = (stem, str(row.shape), row.dtype, row.drawn_by, row.rule)
            groups.setdefault(key, []).append(re.findall(r"\d+", row.name))
        lines = [("parameter", "shape", "dtype", "drawn by", "rule")]
        for (stem, *rest), numbers in groups.items():
            if len(numbers) > 1:
                stem = stem.replace("#", "{" + f"{numbers[0][0]}-{numbers[-1][0]}" + "}", 1)
            elif "#" in stem:
                stem = stem.replace("#", numbers[0][0], 1)
            lines.append((stem, *rest))       # type: ignore[arg-type]
        widths = [max(len(line[k]) for line in lines) + 2 for k in range(5)]
        return "\n".join("".join(text.ljust(n) for text, n in zip(line, widths)).rstrip() for line in lines)

    def __repr__(self) -> str:
        return f"<Table of {len(self.rows)} tensors>"
