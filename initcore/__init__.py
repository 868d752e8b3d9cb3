"""initcore: neural-network weights, made fast and reproducibly, and proved able to learn.

Design
A. What every embedder needs (kernels, networks, keys) is imported; the diagnostics and initialisers are
   loaded at first use, so that ``import initcore`` costs little more than ``import numpy``.
B. ``initcore.check`` is the function, although the module of that name holds it: see ``_Package``.
"""

import importlib.util
import sys
import types
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
from . import activations, errors, random
from ._threads import get_num_threads, set_num_threads
from .config import get_include, show_config
from .network import Dense, Network
from .random import Key

if TYPE_CHECKING:
    from . import fans, gains, meanfield, rules, saturation, symmetry
    from . import initializers as init
    from .check import check
    from .gains import gain

__version__ = "0.1.0"
__all__ = ["Dense", "Key", "Network", "activations", "check", "errors", "fans", "gain", "gains", "get_include",
           "get_num_threads", "init", "kernels", "meanfield", "random", "rules", "saturation", "set_num_threads",
           "show_config", "symmetry"]

# public name -> module, and the attribute in it where the name is not the module itself
_LAZY = {"check": ("check", "check"), "fans": ("fans", ""), "gain": ("gains", "gain"), "gains": ("gains", ""),
         "init": ("initializers", ""), "meanfield": ("meanfield", ""), "rules": ("rules", ""),
         "saturation": ("saturation", ""), "symmetry": ("symmetry", "")}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'initcore' has no attribute {name!r}")
    module, attribute = _LAZY[name]
    loaded = importlib.import_module(f"{__name__}.{module}")
    value = getattr(loaded, attribute) if attribute else loaded
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Package(types.ModuleType):
    """The package's own type: importing the module initcore.check does not hide the function check."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "check" and isinstance(value, types.ModuleType):
            value = value.check
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
