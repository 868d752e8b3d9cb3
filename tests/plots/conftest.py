"""Figures need matplotlib; their data do not."""

import pytest


@pytest.fixture
def matplotlib():
    return pytest.importorskip("matplotlib")
