"""The examples in the docstrings of initcore.jax."""

import pytest
from written import check, modules

pytest.importorskip("jax")

import initcore.jax as ij


@pytest.mark.parametrize("name", modules(ij))
def test_doctests(name):
    check(name)
