"""What the predictor carries from layer to layer."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .._types import Array
from ..activations import Activation
from ._layer_moments import Moments, moments, relative_slope
from ._statistics import Statistics


class Sample(NamedTuple):
    """Draws of a layer's output: ``values (draws, distinct)``, units with equal weights drawn once.

    ``labels (units,)`` names each unit's column (None: every unit has its own).
    """

    values: Array
    labels: Array | None = None

    @property
    def whole(self) -> Array:
        """``(draws, units)``."""
        return self.values if self.labels is None else self.values[:, self.labels]

    @property
    def nbytes(self) -> int:
        """Memory it holds."""
        return sum(a.nbytes for a in self if a is not None)


class State(NamedTuple):
    """Moments of a layer's input: ``mean (units,)``; ``cov (units, units)`` or ``(units,)`` variances.

    ``cells`` names perfectly correlated units when only variances are kept (None: all units on their own).
    ``sample``, where there is one, is what the layer above computes on instead of the moments.
    """

    mean: Array
    cov: Array
    cells: Array | None = None
    sample: Sample | None = None

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
    """One layer without what the next needs: moments of z per unit; those of phi(z) are made when asked for."""

    mean: Array
    std: Array
    activation: Activation

    @property
    def found(self) -> Moments:
        """All moments of phi(z)."""
        with np.errstate(all="ignore"):
            return moments(self.activation, self.mean, self.std)

    @property
    def slope(self) -> Array:
        """E |phi'| / max |phi'| per unit."""
        with np.errstate(all="ignore"):
            return relative_slope(self.activation, self.mean, self.std)
