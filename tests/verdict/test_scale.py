"""Deep and wide networks: no recursion, and memory that grows with the units."""

import itertools
import tracemalloc

import numpy as np
import pytest

import initcore as ic
from initcore import saturation
from initcore.saturation import _walk
from initcore.saturation._input_moments import input_state


def network(widths, seed=0):
    rng = np.random.default_rng(seed)
    return ic.Network([ic.Dense((rng.standard_normal((n, m)) / np.sqrt(n)).astype(np.float32), np.zeros(m, np.float32),
                                "tanh") for n, m in itertools.pairwise(widths)])


def peak(call):
    """Bytes allocated at the most while a call runs."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_deeper_than_the_recursion_limit():
    report = ic.check(network([4] * 1300))
    assert len(report.layers) == 1299 and str(report)


@pytest.mark.parametrize("call", [ic.check, saturation.predict], ids=["check", "predict"])
def test_a_wide_layer_takes_a_kilobyte_a_unit(call):
    net = network([64, 60_000, 10])
    call(network([4, 3, 2]))                            # what is made once stays out of the count
    assert peak(lambda: call(net)) < 1000 * 60_074


def test_states_are_kept_within_a_bound():
    """Going back to any layer gives what going up gave, whatever is kept."""
    net = network([30] * 40)
    state, _ = input_state(net)
    whole = [step.mean for step in _walk.steps(net, state)]
    small = _walk.Walk(net, state)
    small._limit = 2 * state.nbytes + 300_000
    list(small)
    assert len(small._kept) < 40
    for i in (38, 3, 17, 16, 0, 25):
        np.testing.assert_array_equal(small[i].mean, whole[i])
        assert small.before(i).mean.shape == (30,)
