"""Mean-field theory of wide, fully connected networks: what signal and gradient do with depth.

``h^l_i = sum_j W_ij phi(h^{l-1}_j) + b_i`` with ``W_ij ~ N(0, sigma_w2/fan_in)``, ``b_i ~ N(0, sigma_b2)``. In a wide
network the pre-activations are Gaussian, their variance q follows the *length map* ``V(q)``, the correlation c of two
inputs the *correlation map* ``C(c)``, and the mean-square gradient changes by the factor ``chi`` a layer
(Poole et al. 2016; Schoenholz et al. 2017). All expectations to 1e-10 or better, for every activation and any callable.

Arguments, the same everywhere
------------------------------
activation : name, :class:`initcore.activations.Activation`, or any function of one number or of an array.
sigma_w2 : ``fan_in Var(W)``, >= 0. A gain g is sigma_w2 = g^2; Xavier with equal widths is 1, He is 2.
sigma_b2 : variance of the biases, >= 0. Default 0.
q : variance of the pre-activations, >= 0, a number or an array. c : correlation of two of them, in [-1, 1].
mean : mean of the pre-activations, broadcast against q. Default 0.

What takes arrays returns a float for numbers, else a float64 array of the broadcast shape.

Common errors: UnknownNameError (activation, with the nearest name), ArgumentTypeError (what is no number, or no
function of one), ArgumentError (out of the range above, NaN), ShapeError (q and c that do not broadcast),
NonFiniteError (a callable that gives NaN).

>>> fp = fixed_point("tanh", sigma_w2=2.0, sigma_b2=0.1)
>>> fp.phase, round(fp.q, 9), round(fp.chi, 9), round(fp.c, 9)
('chaotic', 0.81464401, 1.003006915, 0.987999155)
>>> fixed_point("relu", sigma_w2=2.0, sigma_b2=0.1).phase
'none'
"""

from .._doors import called_by
from .._gaussian.units import UnitMoments, gaussian_moments
from ._critical_line import CriticalPoint, critical_line, critical_sigma_w2, fixed_points, half_stable_points
from ._finite_width import FiniteWidth, JacobianMoments, finite_width, jacobian_moments
from ._maps import FixedPoint, chi, correlation_map, covariance, fixed_point, length_map, q_variance, v_prime
from ._phase_diagram import PhaseDiagram, phase_diagram
from ._saturation_laws import (
    log_slope,
    mean_slope,
    mean_square_slope,
    output_share,
    rakitianskaia,
    slope_share,
)

__all__ = [
    "CriticalPoint", "FiniteWidth", "FixedPoint", "JacobianMoments", "PhaseDiagram", "UnitMoments", "chi",
    "correlation_map", "covariance", "critical_line", "critical_sigma_w2", "finite_width", "fixed_point",
    "fixed_points", "gaussian_moments", "half_stable_points", "jacobian_moments", "length_map", "log_slope",
    "mean_slope", "mean_square_slope", "output_share", "phase_diagram", "q_variance", "rakitianskaia", "slope_share",
    "v_prime",
]

called_by(globals())
