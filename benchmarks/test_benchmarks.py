"""Every case as a pytest-benchmark test: right first, then timed; ratios to the rivals go to extra_info.

Without `--benchmark-only` or `--benchmark-enable` these are tests of correctness only (conftest.py).
"""

import pytest

from . import harness
from ._case import Case

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


def test_a_rival_that_is_missing_is_no_rival():
    def build(c):
        with c.optional("no_such_package_of_anyone", "stranger") as stranger:
            c.rival("stranger", lambda: stranger.work())           # named only when it is called
        with c.optional("math") as math:
            c.rival("math", lambda: math.sqrt(2.0))
        c.ours, c.check = (lambda: None), (lambda: None)
    made = Case("group", "name", {}, build).prepare()
    assert list(made.rivals) == ["math"] and list(made.missing) == ["stranger"]
