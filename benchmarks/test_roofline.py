"""The roofline runs, and every kernel it draws lies under the machine's own figures' keys."""

from . import roofline


def test_the_table():
    found = roofline.table(rounds=1, size=4096)
    assert set(roofline.OPERATIONS) < set(found["kernels"])
    assert all(per_byte > 0 and rate > 0 for per_byte, rate in found["kernels"].values())
    assert (found["peak"] is None) == (found["copies"] == {})
