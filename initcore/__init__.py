"""initcore: neural-network weights, made fast and reproducibly, and proved able to learn."""

try:
    from . import kernels
except ImportError as error:
    if error.name == "initcore.kernels":
        raise ImportError(
            "initcore's compiled kernels are not in this directory: it is the source tree. Install it "
            "(pip install .) and start Python elsewhere, or build in place: python setup.py build_ext --inplace.",
            name=error.name) from error
    raise
from . import activations, errors, fans, gains, meanfield, random, rules, saturation, symmetry
from . import initializers as init
from ._threads import get_num_threads, set_num_threads
from .config import get_include, show_config
from .gains import gain
from .network import Dense, Network
from .random import Key

__version__ = "0.1.0"
__all__ = ["Dense", "Key", "Network", "activations", "errors", "fans", "gain", "gains", "get_include",
           "get_num_threads", "init", "kernels", "meanfield", "random", "rules", "saturation", "set_num_threads",
           "show_config", "symmetry"]
