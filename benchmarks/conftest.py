"""Benchmarks are tests of correctness unless they are asked to be timed: an addopts line would forbid the asking."""

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    asked = config.option.benchmark_only or config.option.benchmark_enable
    config.option.benchmark_disable = config.option.benchmark_disable or not asked
