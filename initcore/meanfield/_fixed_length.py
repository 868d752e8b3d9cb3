"""The smallest attracting fixed point of the length map ``V(q) = sigma_w2 E phi^2 + sigma_b2``, for many parameters.

Design
------
A. V depends on (sigma_w2, sigma_b2) linearly: ``A(q) = E phi^2`` and ``A'(q)`` on one logarithmic grid of q bracket
   the fixed points of any number of parameter pairs; exact Newton steps, kept inside the bracket, finish.
B. The fixed point reported is the smallest that attracts: where V increases, that is where iteration from small q ends.
"""


import numpy as np

from .._gaussian.moments import moments, one
from .._gaussian.profile import Profile
from .._types import Array, Floats
from ._length_map import CALLABLE, grid, homogeneous_slope, reaching, slope_at_zero, square_at_zero

_ROUND = 4e-15        # |V(q) - q| below this times q is rounding
TOUCH = 4e-14        # an extremum of V - q closer to 0 than this times q is a half-stable point
FARTHEST = 1e6       # a callable is not explored beyond


def smallest(p: Profile, sw2: Floats, sb2: Floats) -> tuple[Floats, Profile]:
    """The smallest attracting fixed point of each (sw2, sb2), NaN where there is none (1-d arrays)."""
    k = homogeneous_slope(p)
    if k is not None:
        gap = 1 - sw2 * k
        flat = np.abs(gap) <= 4e-16
        with np.errstate(divide="ignore", invalid="ignore"):
            q = np.where(gap > 0, sb2 / gap, np.nan)
        q = np.where(flat, np.where(sb2 == 0, 1.0, np.nan), q)
        return np.where((sb2 == 0) & (sw2 == 0), 0.0, q), p
    high = CALLABLE[1]
    while True:
        p = reaching(p, high) if p.name is None else p
        qs, second, growth = grid(p, high)
        q, open_end = _search(p, sw2, sb2, qs, second, growth)
        if p.name is not None or not open_end.any() or high >= FARTHEST:
            return q, p
        high *= 16


def _search(p: Profile, sw2: Floats, sb2: Floats, qs: Floats, second: Floats, growth: Floats) -> tuple[Floats, Floats]:
    out = np.full(sw2.shape, np.nan)
    floor = sb2 + sw2 * square_at_zero(p)            # V(0)
    at_zero = (floor == 0) & _zero_attracts(p, sw2, qs, second)
    out[at_zero | (sw2 == 0)] = 0.0
    out = np.where(sw2 == 0, sb2, out)
    todo = np.flatnonzero(~at_zero & (sw2 > 0))
    open_end = np.zeros(sw2.shape, dtype=bool)
    for block in np.array_split(todo, max(1, -(-todo.size // 512))):
        if not block.size:
            continue
        w, b = sw2[block], sb2[block]
        excess = w[:, None] * second + b[:, None] - qs
        below = excess < -_ROUND * qs
        first = below.argmax(axis=1)
        some = below[np.arange(block.size), first]
        open_end[block] = ~some
        found = np.full(block.size, np.nan)
        right, pick = first[some], np.flatnonzero(some)
        left = np.maximum(right - 1, 0)
        low = np.where(right > 0, qs[left], 0.0)
        start = _cubic_root(qs[left], qs[right], excess[pick, left], excess[pick, right],
                            w[some] * growth[left] - 1, w[some] * growth[right] - 1)
        # Where V' is close to 1 a second root may lie in the cell; from its left end Newton meets the first one first.
        steep = np.maximum(w[some] * growth[left], w[some] * growth[right]) < 0.99
        start = np.where(steep, start, low)
        start = np.where(right > 0, start, np.minimum(np.maximum(b[some], 1e-300), qs[0]))
        found[some] = _newton(p, w[some], b[some], low, qs[right], start)
        touch = _touching(p, w, b, qs, excess, growth, found)
        out[block] = np.where(np.isnan(touch), found, touch)
    return out, open_end


def _zero_attracts(p: Profile, sw2: Floats, qs: Floats, second: Floats) -> Array:
    """Whether q = 0 attracts where V(0) = 0; at V'(0) = 1 the next order decides: the first q at which V leaves q."""
    slope = sw2 * slope_at_zero(p)
    near = np.abs(slope - 1) <= (4e-16 if p.name is not None else 1e-11)
    out = slope < 1
    for i in np.flatnonzero(near):
        gap = sw2[i] * second - qs
        clear = np.flatnonzero((np.abs(gap) > (_ROUND if p.name is not None else 1e-10) * qs) & (qs > 1e-9))
        out[i] = not clear.size or gap[clear[0]] < 0
    return out


def _cubic_root(left: Floats, right: Floats, f0: Floats, f1: Floats, d0: Floats, d1: Floats) -> Floats:
    """Root of the cubic with these values and slopes at the ends of the cell (f0 >= 0 > f1), by Newton from the chord.

    A start for the exact iteration only, which keeps its own bracket.
    """
    h = right - left
    t = np.where(h > 0, f0 / np.where(h > 0, f0 - f1, 1.0), 0.0)
    # f0 + t (b + t (c + t d)) on [0, 1]
    b = h * d0
    c = 3 * (f1 - f0) - h * (2 * d0 + d1)
    d = 2 * (f0 - f1) + h * (d0 + d1)
    for _ in range(4):
        slope = b + t * (2 * c + 3 * t * d)
        value = f0 + t * (b + t * (c + t * d))
        t = np.clip(t - np.where(slope < 0, value / np.where(slope < 0, slope, -1.0), 0.0), 0.0, 1.0)
    return left + h * t


def _newton(p: Profile, w: Floats, b: Floats, low: Floats, high: Floats, start: Floats) -> Floats:
    """The root of V(q) - q in (low, high], V - q > 0 on the left: Newton kept inside a shrinking bracket."""
    low, high, q = low.copy(), high.copy(), start.copy()
    active = np.arange(q.size)
    for _ in range(100):
        if not active.size:
            break
        x = q[active]
        m = moments(p, x, ("second", "growth"))
        f = w[active] * m["second"] + b[active] - x
        low[active] = np.where(f > 0, x, low[active])
        high[active] = np.where(f > 0, high[active], x)
        slope = w[active] * m["growth"] - 1
        with np.errstate(divide="ignore", invalid="ignore"):
            step = x - f / slope
        lo, hi = low[active], high[active]
        inside = (step >= lo) & (step <= hi) & np.isfinite(step)
        new = np.where(inside, step, np.where(lo > 0, np.sqrt(lo * hi), hi / 16))
        q[active] = new
        # The error after a Newton step is about its square, enlarged where V' is close to 1.
        small = np.abs(new - x) <= np.where(inside & (slope < -1e-3), 1e-10, 3e-16) * np.abs(new)
        touching = (np.abs(f) <= TOUCH * x) & (np.abs(slope) < 1e-6) & (x > 1e-3)
        q[active[touching]] = x[touching]
        active = active[~small & ~touching]
    return q


def _touching(p: Profile, w: Floats, b: Floats, qs: Floats, excess: Floats, growth: Floats, found: Floats) -> Floats:
    """A root (pair) the grid stepped over: a minimum of V - q, below ``found``, that reaches 0 to rounding."""
    out = np.full(w.shape, np.nan)
    slopes = w[:, None] * growth - 1
    span = qs[1:] - qs[:-1]
    # The least value the cell can hold: the lower of the two tangents, where they meet at the latest.
    reach = np.minimum(excess[:, :-1], excess[:, 1:]) + np.minimum(slopes[:, :-1], 0) * span
    cells = ((excess[:, :-1] > 0) & (excess[:, 1:] > 0) & (slopes[:, :-1] < 0) & (slopes[:, 1:] > 0) & (reach < 0))
    for row in np.flatnonzero(cells.any(axis=1)):
        for cell in np.flatnonzero(cells[row]):
            if qs[cell] > found[row]:
                break
            low, high = float(qs[cell]), float(qs[cell + 1])
            for _ in range(60):
                middle = (low + high) / 2
                low, high = (middle, high) if w[row] * one(p, middle, "growth") < 1 else (low, middle)
            value = float(w[row]) * one(p, high, "second") + float(b[row]) - high
            if value < -TOUCH * high:
                out[row] = _newton(p, w[row:row + 1], b[row:row + 1], qs[cell:cell + 1], np.array([high]),
                                   np.array([(float(qs[cell]) + high) / 2]))[0]
                break
            if value <= TOUCH * high:
                out[row] = high
                break
    return out
