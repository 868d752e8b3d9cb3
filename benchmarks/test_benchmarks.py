"""Every case as a pytest-benchmark test: right first, then timed; ratios to the rivals go to extra_info.

Without `--benchmark-only` or `--benchmark-enable` these are tests of correctness only (conftest.py).
"""

import pytest

from . import harness

CASES = harness.load()


@pytest.mark.parametrize("case", CASES, ids=[f"{c.group}: {c.name}" for c in CASES])
@pytest.mark.filterwarnings("ignore")       # the rivals' own deprecations are not ours to fail on
def test_case(case, benchmark):
    benchmark.group = case.group
    if not benchmark.disabled:
        measured = harness.measure(case)
        benchmark.extra_info.update(rows=measured["rows"], seconds=measured["seconds"], correct=measured["correct"],
                                    missing=measured["missing"], **harness.machine())
    case.prepare()
    with harness.threads(case.threads):
        benchmark(case.ours)
    case.ours = case.check = None
    case.rivals = {}


def test_every_case_is_named_once():
    names = [(c.group, c.name) for c in CASES]
    assert len(names) == len(set(names))
