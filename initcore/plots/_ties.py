"""Which units are one unit: a map of the proof."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._types import Array
from ..errors import ArgumentError
from ._display import COLOURS, Display

STATUSES = ("free", "tied", "sign-tied", "proportional", "dead", "undetermined")
_SHADES = (5, 1, 3, 4, 2, 0)            # colour of each status


def proof_of(report: Any) -> Any:
    """The :class:`~initcore.symmetry.SymmetryReport` given, or the one that a report holds."""
    proof = getattr(report, "symmetry", None) or report
    if not hasattr(proof, "zero_flow"):
        raise ArgumentError("report holds no proof of symmetry: its weights are not finite, or it is no report of "
                            "initcore.check or symmetry.analyze.")
    return proof


@dataclass
class TiesDisplay(Display):
    """Every hidden layer as a bar of its units, ordered by cell, the largest cell first; a colour a status.

    Attributes
    ----------
    names : of the layers.   sizes : the cells' sizes of each layer, largest first.
    status : of each cell, one of free, tied, sign-tied, proportional, dead, undetermined.
    order : of each layer, its units in the order drawn.   widths : effective widths.
    near : of each layer, how many units are close to a tie.
    """

    names: tuple[str, ...]
    sizes: tuple[Array, ...]
    status: tuple[tuple[str, ...], ...]
    order: tuple[Array, ...]
    widths: tuple[int, ...]
    near: tuple[int, ...]

    @classmethod
    def from_report(cls, report: Any) -> TiesDisplay:
        """From a report of :func:`initcore.check` or :func:`initcore.symmetry.analyze`."""
        layers = proof_of(report).layers
        sizes, status, order = [], [], []
        for la in layers:
            large = np.argsort(-np.asarray(la.cell_sizes), kind="stable")
            rank = np.empty(len(large), dtype=np.int64)
            rank[large] = np.arange(len(large))
            cells = np.unique(la.labels, return_inverse=True)[1]
            order.append(np.argsort(rank[cells], kind="stable"))
            sizes.append(np.asarray(la.cell_sizes)[large])
            status.append(tuple(la.status[int(la.representative[c])] for c in large))
        near = [sum(len(t.units) for t in la.near_ties) for la in layers]
        return cls(tuple(la.name for la in layers), tuple(sizes), tuple(status), tuple(order),
                   tuple(la.effective_width for la in layers), tuple(near))

    def shares(self) -> list[list[float]]:
        """Of each layer, the share of its units in every status."""
        return [[float(sum(s for s, w in zip(sizes, words) if w == status) / max(sizes.sum(), 1))
                 for status in STATUSES] for sizes, words in zip(self.sizes, self.status)]

    def seams(self, most: int) -> list[list[float]]:
        """Of each layer, where a cell of several units ends, as a share of its units, in the order of
        :meth:`shares`; at most ``most`` of a layer, of its largest cells."""
        out = []
        for sizes, words in zip(self.sizes, self.status):
            total, at, here = max(int(sizes.sum()), 1), 0, []
            for status in STATUSES:
                for size in (int(s) for s, w in zip(sizes, words) if w == status):
                    at += size
                    if size > 1:
                        here.append((size, at / total))
            out.append(sorted(y for _, y in sorted(here, reverse=True)[:most] if y < 1))
        return out

    def cells(self, layer: int, most: int = 8) -> str:
        """The sizes of a layer's cells in words, largest first.

        >>> from initcore import symmetry, Dense, Network
        >>> import numpy as np
        >>> w = np.array([[1.0, 1.0, 1.0, 2.0, 3.0]])
        >>> net = Network([Dense(w, np.zeros(5), "tanh"), Dense(np.array([[1.0], [1], [1], [2], [4]]), np.zeros(1))])
        >>> TiesDisplay.from_report(symmetry.analyze(net)).cells(0)
        '3 tied, 2 units alone'
        """
        counts = Counter((int(s), w) for s, w in zip(self.sizes[layer], self.status[layer]))
        alone = sum(n for (s, w), n in counts.items() if s == 1 and w == "free")
        kinds = sorted((kind for kind in counts if kind != (1, "free")), key=lambda kind: -kind[0])
        told = [(f"{counts[k]} x " if counts[k] > 1 else "") + f"{k[0]} {k[1]}" for k in kinds]
        more = [f"{len(told) - most} kinds more"] * (len(told) > most)
        return ", ".join([*told[:most], *more, *([f"{alone} unit{'s' * (alone > 1)} alone"] * (alone > 0))])

    def _draw(self, ax: Any) -> None:
        seen: set[str] = set()
        for row, (sizes, words) in enumerate(zip(self.sizes, self.status)):
            total = max(int(sizes.sum()), 1)
            left = np.concatenate([[0], np.cumsum(sizes)]) / total
            for word in dict.fromkeys(words):
                here = [i for i, w in enumerate(words) if w == word]
                if word == "free":          # cells of one unit each: one block, without a line for every unit
                    blocks = [(left[here[0]], left[here[-1] + 1] - left[here[0]])] if here else []
                else:
                    blocks = [(left[i], left[i + 1] - left[i]) for i in here]
                ax.broken_barh(blocks, (row - 0.4, 0.8), facecolor=COLOURS[_SHADES[STATUSES.index(word)]],
                               edgecolor="white", linewidth=0.4 if len(self.names) <= 60 else 0.0,
                               label=word if word not in seen else "_")
                seen.add(word)
        n = len(self.names)
        if n <= 20:
            for row, (width, near, sizes) in enumerate(zip(self.widths, self.near, self.sizes)):
                close = f", {near} near a tie" if near else ""
                ax.text(1.01, row, f"{width} of {int(sizes.sum())}{close}", va="center", fontsize="small",
                        transform=ax.get_yaxis_transform())
        shown = range(0, n, max(1, -(-n // 20)))
        ax.set_yticks(list(shown), [self.names[i] for i in shown])
        ax.set(xlabel="units, ordered by cell (share of the layer)", xlim=(0, 1), ylim=(n - 0.5, -0.5),
               title="Ties: units that are one unit for ever")
        if seen:
            ax.legend(fontsize="small")
