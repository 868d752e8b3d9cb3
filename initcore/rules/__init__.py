"""The rules of a verdict: identifier, severity, thresholds and words of each, and the families that run them."""

from .._doors import called_by

from . import symmetry, saturation, signal, learning, numeric, output, inputs, tensors  # isort: skip   # as printed
from . import nodes  # isort: skip   # their entries stand above
from ._catalogue import CATALOGUE, SEVERITIES, VERDICTS, Rule, chosen, get, thresholds
from ._finding import CAUSES, Finding, in_words

__all__ = ["CATALOGUE", "CAUSES", "SEVERITIES", "VERDICTS", "Finding", "Rule", "chosen", "get", "in_words", "inputs",
           "learning", "nodes", "numeric", "output", "saturation", "signal", "symmetry", "tensors", "thresholds"]

called_by(globals())
