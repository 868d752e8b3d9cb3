"""Moments of an activation under ``x ~ N(mean, variance)``, one row a unit: the engine of all such expectations.

Design
------
A. The caller names the moments it needs and the number of nodes a panel (:mod:`initcore._gaussian.quadrature`); all
   of them come from one set of nodes. Rows go in blocks of like span that fit the cache; equal rows once.
B. Closed forms (:mod:`initcore._gaussian.unit_forms`) where they are exact and no slower: piecewise linear
   activations by truncated normal moments, sin over many periods by its characteristic function.
C. phi and phi' of the package's activations are the compiled kernels (within 4 units in the last place).
D. E ln phi'^2 uses ln|phi'| in its own right: phi' underflows where its logarithm is still an ordinary number.

==========  ==========================================================================================
key         value
==========  ==========================================================================================
mean        E phi
second      E phi^2
variance    Var phi, by centred squares
slope       E phi'
size        E|phi'|
slope2      E phi'^2
log_slope   E ln phi'^2, -inf where the slope is 0 with a probability above 1e-17
output      E|phi - centre|/half range (NaN where phi is unbounded)
hermite     E[phi(m + s Z) He_k(Z)]/sqrt(k!), k = 1 .. HERMITE, shape (units, HERMITE)
==========  ==========================================================================================
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from .. import activations
from .._checks import quiet
from .._types import Array
from ..activations import Activation
from ..errors import ArgumentError, ArgumentTypeError
from .nodes import HERMITE, Nodes
from .profile import Profile, family, profile
from .quadrature import FAR, normal_nodes
from .shares import crossings, share
from .special import SINE
from .unit_forms import log_slope_form, piecewise_forms, sin_forms

ORDER = 10          # with panels of width 2 in z and doubling in x: below 1e-12
_BLOCK = 256
_REACH = 9.0        # the normal density beyond is 2e-19 of the mass
_SHRINK = 20        # panels towards a logarithmic singularity, each a third of the one before
_LARGEST = 1e150    # means and deviations beyond are taken as this: their squares must be finite


class UnitMoments(NamedTuple):
    """Arrays of one shape, one value a unit, from :func:`gaussian_moments`.

    ``mean`` E phi; ``second`` E phi^2; ``slope`` E phi'; ``slope2`` E phi'^2; ``log_slope`` E ln phi'^2 (-inf where
    the slope is 0 with a probability above 1e-17); ``share10``, ``share1`` ``P(|phi'| < 0.1 max|phi'|)`` and 0.01;
    ``output`` = ``E|phi~|``, the measure of Rakitianskaia and Engelbrecht 2015 (NaN where phi is unbounded).
    """

    mean: Array
    second: Array
    slope: Array
    slope2: Array
    log_slope: Array
    share10: Array
    share1: Array
    output: Array


@quiet
def gaussian_moments(activation: Any, mean: Any, variance: Any) -> UnitMoments:
    """Every moment a layer needs, for pre-activations ``x_j ~ N(mean_j, variance_j)``, one unit an element.

    Parameters
    ----------
    activation : name, Activation, or any function of one number or of an array, acting elementwise.
    mean, variance : numbers or arrays that broadcast against each other, finite; variance >= 0, and variance 0 puts
        all the mass at the mean.

    Returns
    -------
    UnitMoments : arrays of the broadcast shape, to a relative accuracy of 1e-10.

    Raises ArgumentTypeError for what is no array of numbers, ArgumentError for NaN, infinity or a negative variance.

    >>> m = gaussian_moments("tanh", [0.0, 0.5], 1.0)
    >>> m.second.round(6), float(m.share1[0].round(6))
    (array([0.394294, 0.438007]), 0.00276)
    """
    mean, variance = _broadcast(mean, variance)
    if not (np.isfinite(mean).all() and np.isfinite(variance).all() and (variance >= 0).all()):
        raise ArgumentError("mean and variance must be finite and variance >= 0; "
                            f"got mean in [{mean.min()}, {mean.max()}], variance in [{variance.min()}, "
                            f"{variance.max()}].")
    m, s = mean.ravel(), np.sqrt(variance.ravel())
    p = profile(activation, reach=float(np.max(np.abs(m) + FAR * s, initial=1.0))
                if callable(activation) and not isinstance(activation, Activation) else 64.0)
    keys = ("mean", "second", "slope", "slope2", "log_slope", "output")
    found = expectations(p, m, s, keys)
    found |= {"share10": share(p.activation, 0.1, m, s), "share1": share(p.activation, 0.01, m, s)}
    return UnitMoments(**{k: v.reshape(mean.shape) for k, v in found.items()})


def _broadcast(mean: Any, variance: Any) -> list[Array]:
    try:
        return list(np.broadcast_arrays(np.asarray(mean, dtype=np.float64), np.asarray(variance, dtype=np.float64)))
    except (TypeError, ValueError, OverflowError) as error:
        raise ArgumentTypeError(f"mean and variance must be numbers or arrays of numbers that broadcast against each "
                                f"other: {error}.") from None


def expectations(p: Profile, mean: Array, std: Array, keys: Iterable[str], *, order: int = ORDER,
                 shrink: int = _SHRINK) -> dict[str, Array]:
    """The moments ``keys`` (table above) of every row, ``mean, std (units,)``.

    ``order`` nodes a panel; ``shrink`` panels on each side of a zero of phi', where ln phi'^2 is singular: 20 leave
    1e-10 of that moment, 2 about 1e-3. A mean that is NaN gives NaN; infinite means and deviations stand for 1e150.
    """
    keys = tuple(keys)
    with np.errstate(all="ignore"):
        both = np.empty(len(mean), dtype=np.complex128)
        both.real, both.imag = mean, std
        pairs, back = np.unique(both, return_inverse=True)
        m, s = np.clip(pairs.real, -_LARGEST, _LARGEST), np.clip(pairs.imag, 0, _LARGEST)
        found = _closed(p, m, s, keys)
        rest = [k for k in keys if k not in found]
        for group, ends in _panels(p, rest, shrink):
            found |= zip(group, _integrate(p, group, m, s, ends, order), strict=True)
    return {k: found[k][back] for k in keys}


def _closed(p: Profile, m: Array, s: Array, keys: tuple[str, ...]) -> dict[str, Array]:
    """The moments that need no quadrature."""
    found: dict[str, Array] = {}
    a, (name, alpha) = p.activation, family(p)
    if "output" in keys and not (math.isfinite(a.low) and math.isfinite(a.high)):
        found["output"] = np.full_like(m, np.nan)
    if "log_slope" in keys:
        logs = log_slope_form(p, m, s)
        found |= {} if logs is None else {"log_slope": logs}
    if name == SINE and m.size and float(np.nanmax(s, initial=0.0)) * abs(alpha) > 0.5:
        wide = s * abs(alpha) > 0.5
        forms = sin_forms(alpha, m, s, HERMITE)
        if not wide.all():
            near = [k for k in forms if k in keys]
            ends = np.concatenate([_zeros(p, False), _zeros(p, True)])
            for k, column in zip(near, _integrate(p, near, m[~wide], s[~wide], ends, ORDER), strict=True):
                forms[k][~wide] = column
        found = {**forms, **found}
    elif {"variance", "size", "hermite"}.isdisjoint(keys):
        found = {**piecewise_forms(p, m, s), **found}
    return {k: v for k, v in found.items() if k in keys}


def _panels(p: Profile, keys: list[str], shrink: int) -> list[tuple[list[str], Array]]:
    """Moments that share a set of nodes, and the panel ends they need beside the kinks of phi."""
    ends = [_zeros(p, False)] if "output" in keys else []
    ends += [_zeros(p, True)] if "size" in keys or "log_slope" in keys else []
    if "log_slope" not in keys:
        return [(keys, np.concatenate([np.empty(0), *ends]))] if keys else []
    zeros = _zeros(p, True)
    steps = 3.0 ** -np.arange(shrink)
    towards = np.concatenate([np.empty(0), *(np.concatenate([z - steps, z + steps]) for z in zeros)])
    low = [k for k in keys if k != "log_slope"]
    if shrink > 2 and low and towards.size:
        return [(low, np.concatenate([np.empty(0), *ends])), (["log_slope"], np.concatenate([zeros, towards]))]
    return [(keys, np.concatenate([towards, *ends]))]


def _zeros(p: Profile, of_slope: bool) -> Array:
    """The points of [-64, 64] where the slope, or the output less its centre, changes sign."""
    a = p.activation
    if a.code is not None:
        return _own_zeros(a.code, a.alpha, of_slope)
    found = _sign_changes(p.dphi if of_slope else lambda x: p.phi(x) - a.center, a.kinks)
    return found if len(found) <= 64 else np.empty(0)      # noise has no zeros worth a panel


@lru_cache(maxsize=256)
def _own_zeros(code: int, alpha: float, of_slope: bool) -> Array:
    a = activations.get(activations.names[code], alpha)
    found = _sign_changes(a.dphi if of_slope else lambda x: a.phi(x) - a.center, a.kinks)
    found.flags.writeable = False
    return found


def _sign_changes(f: Callable[[Array], Array], kinks: tuple[float, ...]) -> Array:
    return np.array(crossings(lambda x: f(x) > 0, 64.0, kinks))


def _integrate(p: Profile, keys: list[str], m: Array, s: Array, extra: Array, order: int) -> list[Array]:
    """The moments of every row, blocks of rows of like span; the far reach where the mean is far from 0.

    A row whose mean or deviation is NaN is NaN, and no other row's panels know of it.
    """
    far = np.abs(m) > 4 * s
    order_of = np.lexsort((np.abs(m) + s, far))
    order_of = order_of[np.isfinite(m[order_of]) & np.isfinite(s[order_of])]
    out = [np.full((len(m), HERMITE) if k == "hermite" else len(m), np.nan) for k in keys]
    size = max(1, int(_BLOCK * 24 / (24 + len(extra))))
    for block in np.array_split(order_of, -(-order_of.size // size)) if order_of.size else ():
        reach = FAR if far[block].any() else _REACH
        nodes = Nodes(p, *normal_nodes(p, m[block], s[block], order=order, reach=reach, extra=extra))
        for column, k in zip(out, keys):
            column[block] = getattr(nodes, k)()
    return out


__all__ = ["HERMITE", "ORDER", "UnitMoments", "expectations", "gaussian_moments"]
