"""A stream of random bits under the loupe: is every bit fair, is every digit as frequent as any other?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import random
from .._checks import integer
from .._types import Floats
from ._display import COLOURS, Display

_CELLS = 64


@dataclass
class StreamDisplay(Display):
    """How far each bit, and each of 64 equal cells of the uniform numbers, is from its share, in standard deviations.

    Attributes
    ----------
    n : words drawn.   bits : ``(32,)``, deviation of the ones of each bit.   cells : ``(64,)``, of each cell's count.
    normal : mean, variance, skewness and excess kurtosis of the normal numbers, each in its standard deviations.
    """

    n: int
    bits: Floats
    cells: Floats
    normal: Floats

    @classmethod
    def from_key(cls, rng: Any, n: int = 1 << 18) -> StreamDisplay:
        """Of the first ``n`` numbers (at least 1024) of a key's, or seed's, streams of bits, uniforms and normals."""
        n = integer("n", n, low=1024)
        key = random.as_key(rng)
        words = random.bits(n, rng=key)
        ones = np.array([np.count_nonzero(words >> np.uint32(k) & np.uint32(1)) for k in range(32)])
        u = random.uniform((n,), rng=key, dtype="float64")
        count = np.bincount(np.minimum((u * _CELLS).astype(int), _CELLS - 1), minlength=_CELLS)
        z = random.normal((n,), rng=key, dtype="float64")
        moments = np.array([z.mean(), np.mean(z ** 2) - 1, np.mean(z ** 3), np.mean(z ** 4) - 3])
        return cls(n, (ones - n / 2) / math.sqrt(n / 4),
                   (count - n / _CELLS) / math.sqrt(n / _CELLS * (1 - 1 / _CELLS)),
                   moments * np.sqrt(n / np.array([1.0, 2.0, 15.0, 96.0])))

    def _draw(self, ax: Any) -> None:
        start, top = 0, max(5.0, 1.1 * float(np.abs(np.concatenate([self.bits, self.cells, self.normal])).max()))
        for k, (name, values) in enumerate((("bits 0 to 31", self.bits), ("64 cells of the uniform", self.cells),
                                            ("moments 1 to 4 of the normal", self.normal))):
            at = start + np.arange(len(values))
            ax.plot(at, values, ("o", "s", "^")[k], color=COLOURS[k], markersize=4, label=name)
            start = at[-1] + 3
        for level, style in ((2, "--"), (4, ":")):
            for sign in (-1, 1):
                ax.axhline(sign * level, color=COLOURS[5], linestyle=style, linewidth=1.0)
        ax.set(xlabel="quantity", ylabel="deviation from chance (standard deviations)", xticks=[], ylim=(-top, top),
               title=f"Quality of a stream, {self.n} numbers: within the dashed lines 95 times in 100")
        ax.title.set_fontsize("medium")
        ax.legend(fontsize="small", ncols=3)
