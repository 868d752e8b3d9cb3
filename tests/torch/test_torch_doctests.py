"""The examples in the docstrings of initcore.torch."""

import pytest
from written import check, modules

pytest.importorskip("torch")

import initcore.torch as it


@pytest.mark.parametrize("name", [name for name in modules(it) if "_triton" not in name])
def test_doctests(name):
    check(name)
