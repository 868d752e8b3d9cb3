"""A rehearsal: the first steps of the training that is meant, on the rows at hand, beside those of a good start.

Whether a network learns is decided by many things at once (gradients too small for the learning rate, inputs that all
look alike from the last layer, steps that overshoot), and every static measure of one of them misjudges the others.
A few dozen steps of the named optimiser see them all. The rows may hold nothing that can be learnt; therefore a
network that gets nowhere is to blame only where a good start of the same architecture gets somewhere on the same rows.
"""

from .._doors import called_by
from ._chains import Rows, beside, compare, good_start, rehearse, rows, standardised
from ._modules import Trainee, Trial, beside_repaired, constant, lowest
from ._progress import Outcome, Progress, least

__all__ = ["Outcome", "Progress", "Rows", "Trainee", "Trial", "beside", "beside_repaired", "compare", "constant",
           "good_start", "least", "lowest", "rehearse", "rows", "standardised"]

called_by(globals())
