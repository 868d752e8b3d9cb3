"""Mean-field theory of wide, fully connected networks."""

from ._units import UnitMoments, gaussian_moments

__all__ = ["UnitMoments", "gaussian_moments"]
