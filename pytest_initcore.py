"""A pytest fixture: ``assert_trainable(net, x)`` fails the test with the whole verdict.

::

    def test_my_model_starts_well(assert_trainable):
        assert_trainable(net, x, optimizer="adam", fail_level="warn")

A module of its own, apart from the package: pytest loads it in every run, also where nobody asks for initcore,
which must then not be imported, nor NumPy.
"""

from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture
def assert_trainable() -> Callable[..., Any]:
    """Run :func:`initcore.check` and raise for its findings; takes the same arguments, returns the report."""
    def run(net: Any, x: Any = None, y: Any = None, **options: Any) -> Any:
        __tracebackhide__ = True
        from initcore.verdict import check
        return check(net, x, y, **options).raise_for_findings()
    return run
