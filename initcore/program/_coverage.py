"""Which share of a network the vocabulary reaches."""

from collections import Counter
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from ._program import Op, Parameter

LEAST = 0.9                 # share of the parameters that must be understood for an "ok"


@dataclass(frozen=True)
class Coverage:
    """``share`` (0 to 1) of the trainable parameters' elements; ``opaque``: (operation, place, how often).

    >>> print(Coverage(0.96, (("aten.foo.default", "model.py:41", 2),)))
    96% of the parameters covered; not understood: aten.foo.default x2 at model.py:41
    """

    share: float
    opaque: tuple[tuple[str, str, int], ...] = ()

    @property
    def enough(self) -> bool:
        """Is so much understood (90%) that a verdict may speak of the whole?"""
        return self.share >= LEAST

    @property
    def percent(self) -> str:
        """The share in words; 100% only where it is all."""
        return f"{0.99 if 0.99 < self.share < 1 else self.share:.0%}"

    def __str__(self) -> str:
        lost = [f"{name}{f' x{n}' if n > 1 else ''}{f' at {place}' if place else ''}" for name, place, n in self.opaque]
        more = f" and {len(lost) - 4} more" if len(lost) > 4 else ""
        return f"{self.percent} of the parameters covered" + \
            (f"; not understood: {', '.join(lost[:4])}{more}" if lost else "")


def coverage(parameters: Sequence[Parameter], ops: Sequence[Op], lost: AbstractSet[Parameter],
             opaque: Sequence[int]) -> Coverage:
    """A parameter counts unless something not understood takes it: operation numbers ``opaque``."""
    every = sum(p.size for p in parameters if p.trainable)
    seen = sum(p.size for p in parameters if p.trainable and p not in lost)
    counted = Counter((ops[i].source or ops[i].kind, str(ops[i].place)) for i in opaque)
    return Coverage(seen / every if every else 1.0, tuple((*k, n) for k, n in counted.items()))
