"""What the predictor carries from layer to layer."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .._types import Array
from ._layer_moments import Moments
from ._statistics import Statistics


class State(NamedTuple):
    """Moments of a layer's input: ``mean (units,)``; ``cov (units, units)`` or ``(units,)`` variances.

    ``cells`` names perfectly correlated units when only variances are kept (None: all units on their own).
    ``sample (draws, units)``, where there is one, is what the layer above computes on instead of the moments.
    """

    mean: Array
    cov: Array
    cells: Array | None = None
    sample: Array | None = None

    @property
    def variance(self) -> Array:
        """Variance of every unit."""
        return np.diagonal(self.cov) if self.cov.ndim == 2 else self.cov

    @property
    def second_moment(self) -> float:
        """Mean over the units of E x^2."""
        with np.errstate(all="ignore"):
            return float(np.mean(np.square(self.mean) + self.variance)) if self.mean.size else 0.0

    @property
    def nbytes(self) -> int:
        """Memory it holds."""
        return sum(a.nbytes for a in self if a is not None)


class Step(NamedTuple):
    """One layer: moments of z per unit, of phi(z), and the state handed on; ``drawn``: statistics over draws of z."""

    before: State
    mean: Array
    std: Array
    found: Moments
    after: State
    drawn: Statistics | None = None


class Glance(NamedTuple):
    """One layer without what the next needs: moments of z per unit, and of phi(z)."""

    mean: Array
    std: Array
    found: Moments
