"""The examples in the docstrings of initcore.torch."""

import doctest
import importlib
import pkgutil

import pytest

pytest.importorskip("torch")

import initcore.torch as it

NAMES = [m.name for m in pkgutil.walk_packages(it.__path__, "initcore.torch.") if not m.name.endswith("_triton")]


@pytest.mark.parametrize("name", ["initcore.torch", *NAMES])
def test_doctests(name):
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.failed == 0
