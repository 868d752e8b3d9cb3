"""Weights and networks on disk: read safely and lazily, judged as far as the file tells what they are."""

from .._doors import called_by
from ._chains import Loaded, load_data, load_network, network_from_arrays, read_arrays
from ._compare import LIMITS, Comparison, compare
from ._judge import check_file, judge_arrays
from ._open import open_weights
from ._report import Coverage, FileReport
from ._tensor import Tensor, Weights

__all__ = ["LIMITS", "Comparison", "Coverage", "FileReport", "Loaded", "Tensor", "Weights", "check_file", "compare",
           "judge_arrays", "load_data", "load_network", "network_from_arrays", "open_weights", "read_arrays"]

called_by(globals())
