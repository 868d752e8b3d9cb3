"""The examples in the docstrings of initcore.torch."""

import doctest
import importlib
import pkgutil

import pytest
from written import Written

pytest.importorskip("torch")

import initcore.torch as it

NAMES = [m.name for m in pkgutil.walk_packages(it.__path__, "initcore.torch.") if not m.name.endswith("_triton")]


@pytest.mark.parametrize("name", ["initcore.torch", *NAMES])
def test_doctests(name):
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    for case in Written().find(importlib.import_module(name), name):
        runner.run(case)
    assert runner.summarize().failed == 0
