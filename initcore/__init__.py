"""initcore: neural-network weights, made fast and reproducibly, and proved able to learn.

Design
A. What every embedder needs (kernels, networks, keys) is imported; the diagnostics and initialisers are
   loaded at first use, so that ``import initcore`` costs little more than ``import numpy``.
"""

import importlib.util
import os
from typing import TYPE_CHECKING, Any

try:
    from . import kernels
except ImportError as error:
    if importlib.util.find_spec("initcore.kernels") is None:
        raise ImportError(
            "initcore's compiled kernels are not in this directory: it is the source tree. Install it "
            "(pip install .) and start Python elsewhere, or build in place: python setup.py build_ext --inplace.",
            name=error.name) from error
    raise
from . import _doors, activations, errors, random
from ._threads import get_num_threads, set_num_threads
from ._version import __version__
from .config import get_include, show_config
from .network import Dense, Network
from .random import Key

if TYPE_CHECKING:
    from . import fans, gains, meanfield, rules, saturation, symmetry
    from . import initializers as init
    from .gains import gain
    from .verdict import check

__all__ = ["Dense", "Key", "Network", "__version__", "activations", "check", "errors", "fans", "gain", "gains",
           "get_include", "get_num_threads", "init", "kernels", "meanfield", "random", "rules", "saturation",
           "set_num_threads", "show_config", "symmetry"]

# public name -> module, and the attribute in it where the name is not the module itself
_LAZY = {"check": ("verdict", "check"), "fans": ("fans", ""), "gain": ("gains", "gain"), "gains": ("gains", ""),
         "init": ("initializers", ""), "meanfield": ("meanfield", ""), "rules": ("rules", ""),
         "saturation": ("saturation", ""), "symmetry": ("symmetry", ""),
         # each needs its framework, and is no part of ``from initcore import *``
         "torch": ("torch", ""), "jax": ("jax", ""), "keras": ("keras", ""), "dask": ("dask", "")}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'initcore' has no attribute {name!r}")
    module, attribute = _LAZY[name]
    loaded = importlib.import_module(f"{__name__}.{module}")
    value = getattr(loaded, attribute) if attribute else loaded
    globals()[name] = value
    return value


# A framework's class of modules -> the room that judges them.
_MODULES = {("torch.nn.modules.module", "Module"): "torch", ("initcore.jax", "Model"): "jax",
            ("flax.nnx.module", "Module"): "jax", ("flax.linen.module", "Module"): "jax",
            ("equinox._module._module", "Module"): "jax",
            ("keras.src.models.model", "Model"): "keras", ("keras.src.layers.layer", "Layer"): "keras"}


def _judge(net: Any) -> _doors.Judge | None:
    """What judges a file, or what a framework calls a module, alone or with its state; None for anything else."""
    if isinstance(net, (str, os.PathLike)):
        judge: _doors.Judge = importlib.import_module(f"{__name__}.files").check_file
        return judge
    kinds = type(net[0] if isinstance(net, tuple) and len(net) == 2 else net).__mro__
    room = next((room for kind in kinds if (room := _MODULES.get((kind.__module__, kind.__name__)))), None)
    return None if room is None else __getattr__(room).check


_doors.JUDGES.append(_judge)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
