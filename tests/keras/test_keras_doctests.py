"""The examples in the docstrings of initcore.keras."""

import doctest
import importlib
import pkgutil

import pytest
from written import Written

pytest.importorskip("keras")

import initcore.keras as ik

NAMES = [m.name for m in pkgutil.walk_packages(ik.__path__, "initcore.keras.")]


@pytest.mark.parametrize("name", ["initcore.keras", *NAMES])
def test_doctests(name):
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    for case in Written().find(importlib.import_module(name), name):
        runner.run(case)
    assert runner.summarize().failed == 0
