"""Which units a block of weights leads to, as it learns."""

import numpy as np

from ..._types import Array
from .. import _weight_passes as passes
from .._structures._system import Block


class Reach:
    """Is there a non-zero weight from some live source to each target? Weights grow non-zero where they learn."""

    def __init__(self, block: Block, mask: Array | None) -> None:
        self.block, self.mask = block, mask
        self.rows, self.cols = block.rows or slice(None), block.cols or slice(None)
        self.learnt: list[tuple[Array, Array]] = []
        self._all: bool | None = None

    def onto(self, out: Array, live: Array, backward: bool = False) -> None:
        """Mark in ``out`` what a live unit on the other side reaches."""
        there, here = (self.cols, self.rows) if backward else (self.rows, self.cols)
        out[here] |= self(live[there], backward)

    def __call__(self, live: Array, backward: bool = False) -> Array:
        w = self.block.w.T if backward else self.block.w
        if not live.any():
            return np.zeros(w.shape[1], dtype=bool)
        if self.block.constant:
            out = np.full(w.shape[1], w.size > 0 and bool(w[0, 0] != 0))
        elif live.all() and self._full():
            out = np.ones(w.shape[1], dtype=bool)
        else:
            out = _touched(w, live)
        for x, d in self.learnt:
            if backward:
                x, d = d, x
            if (x & live).any():
                out = out | (d if self.mask is None else d & _touched(self.mask.T if backward else self.mask, x & live))
        return out

    def _full(self) -> bool:
        """Has every row and column a non-zero entry? Looked up on the diagonal, which a random matrix satisfies."""
        if self._all is None:
            n, m = self.block.w.shape
            k = np.arange(max(n, m))
            self._all = bool((self.block.w[k % n, k % m] != 0).all())
        return self._all

    def learn(self, x: Array, d: Array) -> bool:
        """Record a gradient on the block x by d; True if it adds anything."""
        x, d = x[self.rows], d[self.cols]
        if not (x.any() and d.any()) or any((x <= a).all() and (d <= b).all() for a, b in self.learnt):
            return False
        self.learnt.append((x.copy(), d.copy()))
        return True


def _touched(w: Array, live: Array) -> Array:
    """Which columns have a non-zero entry in a live row?"""
    return passes.project(w, live[None].astype(np.float64))[1] > 0
