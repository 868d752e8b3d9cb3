"""The examples in the docstrings of initcore.dask."""

import pytest
from written import check, modules

pytest.importorskip("dask")

import initcore.dask as lazy


@pytest.mark.parametrize("name", modules(lazy))
def test_doctests(name):
    check(name)
