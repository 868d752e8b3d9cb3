"""The examples in the docstrings of initcore.dask."""

import doctest
import importlib
import pkgutil

import pytest
from written import Written

pytest.importorskip("dask")

import initcore.dask as lazy

NAMES = [m.name for m in pkgutil.walk_packages(lazy.__path__, "initcore.dask.")]


@pytest.mark.parametrize("name", ["initcore.dask", *NAMES])
def test_doctests(name):
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    for case in Written().find(importlib.import_module(name), name):
        runner.run(case)
    assert runner.summarize().failed == 0
