"""How many lines of a weight differ, and which weights are one another's copies: one pass over memory."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


@torch.no_grad()
def distinct(w: Tensor, dim: int = 0) -> int:
    """Number of different slices of w along a dim, bit for bit (0 = -0).

    Slices are sorted by one projection; neighbours that are close in it are compared in full.

    >>> distinct(torch.tensor([[1.0, 2.0], [3.0, 4.0], [1.0, 2.0]])), distinct(torch.ones(4, 4), 1)
    (2, 1)
    """
    lines = w.detach().movedim(dim, 0).reshape(w.shape[dim], -1)
    if len(lines) < 2 or not lines.shape[1]:
        return len(lines)
    wide = lines if lines.dtype in (torch.float32, torch.float64) else lines.float()
    place, order = (wide @ _direction(wide)).sort()
    near = (place[1:] - place[:-1]).abs() <= 1e-5 * (1e-30 + place.abs().amax())
    i = near.nonzero()[:, 0]
    equal = int((lines[order[i]] == lines[order[i + 1]]).all(1).sum()) if len(i) else 0
    return len(lines) - equal


def _direction(wide: Tensor) -> Tensor:
    """A fixed random direction in the space of the slices."""
    generator = torch.Generator().manual_seed(wide.shape[1])
    return torch.randn(wide.shape[1], generator=generator).to(wide.device, wide.dtype)


@torch.no_grad()
def copies(weights: Sequence[tuple[str, Tensor]]) -> list[tuple[str, str]]:
    """Pairs of names of equal weights, each with the first it equals; constant weights are nobody's copies.

    >>> a = torch.arange(6.0)
    >>> copies([("a", a), ("b", a.clone()), ("c", torch.ones(6)), ("d", torch.ones(6))])
    [('a', 'b')]
    """
    seen: dict[tuple[object, ...], list[tuple[str, Tensor]]] = {}
    out = []
    for name, w in weights:
        flat = w.detach().reshape(-1)
        ends = (tuple(w.shape), w.dtype, *flat[:8].tolist(), *flat[-8:].tolist())
        group = seen.setdefault(ends, [])
        first = next((other for other, v in group if torch.equal(v, w)), None)
        if first is None:
            group.append((name, w))
        elif not bool((flat == flat[0]).all()):
            out.append((first, name))
    return out
