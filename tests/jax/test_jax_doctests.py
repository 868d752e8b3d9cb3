"""The examples in the docstrings of initcore.jax."""

import doctest
import importlib
import pkgutil

import pytest
from written import Written

pytest.importorskip("jax")

import initcore.jax as ij

NAMES = [m.name for m in pkgutil.walk_packages(ij.__path__, "initcore.jax.")]


@pytest.mark.parametrize("name", ["initcore.jax", *NAMES])
def test_doctests(name):
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    for case in Written().find(importlib.import_module(name), name):
        runner.run(case)
    assert runner.summarize().failed == 0
