"""The examples in the docstrings of initcore.keras."""

import pytest
from written import check, modules

pytest.importorskip("keras")

import initcore.keras as ik


@pytest.mark.parametrize("name", modules(ik))
def test_doctests(name):
    check(name)
