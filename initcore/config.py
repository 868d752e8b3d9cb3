"""What is installed and what runs: instruction sets, compiler, flags, threads, include directory."""

from __future__ import annotations

import os
import platform
from typing import Any

import numpy as np

from . import _threads, kernels
from ._checks import one_of
from ._version import __version__

__all__ = ["get_include", "show_config"]


def get_include() -> str:
    """The directory to give Cython's ``include_path`` for ``from initcore cimport kernels``.

    >>> os.path.exists(os.path.join(get_include(), "initcore", "kernels.pxd"))
    True
    """
    return os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def _facts() -> dict[str, Any]:
    return {"initcore": __version__, "numpy": np.__version__, "python": platform.python_version(),
            "machine": platform.machine(), "isa": kernels.isa, "variants": kernels.variants(),
            **kernels.build_info(), "threads": _threads.get_num_threads(), "include": get_include()}


def show_config(mode: str = "stdout") -> dict[str, Any] | None:
    """Print which variant runs, which exist, compiler, flags and threads.

    Parameters
    ----------
    mode : "stdout" prints and returns None, "dicts" returns the facts as a dict (as ``numpy.show_config``).

    >>> show_config(mode="dicts")["threads"]
    1
    """
    one_of("mode", mode, ("stdout", "dicts"))
    facts = _facts()
    if mode == "dicts":
        return facts
    for key, value in facts.items():
        if isinstance(value, dict):
            value = ", ".join(f"{k} ({v})" for k, v in value.items())
        print(f"{key:9} {value}")
    return None
