"""The rules on the nodes of any network: activations, weights, residual sums and the main way through them."""

from ..._doors import called_by
from ._facts import TORCH, Activity, Feature, NodeContext, Outputs, Residual, Step, Weight, Words
from ._judge import judge, knows_better

__all__ = ["TORCH", "Activity", "Feature", "NodeContext", "Outputs", "Residual", "Step", "Weight", "Words", "judge",
           "knows_better"]

called_by(globals())
