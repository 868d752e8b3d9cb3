"""The examples in the docstrings run."""

import doctest
import importlib

import pytest


@pytest.mark.parametrize("name", ["fans", "initializers", "_elementary", "_structured", "_orthogonal", "_architectures",
                                  "_trees", "_truncated_moments"])
def test_docstring_examples(name):
    module = importlib.import_module(f"initcore.{name}")
    result = doctest.testmod(module)
    assert result.attempted > 0 and result.failed == 0
