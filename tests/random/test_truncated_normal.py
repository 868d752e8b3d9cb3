"""Truncated normals: their law, their quantiles, bounds a hair apart and far out."""

import mpmath
import numpy as np
import pytest
from scipy import special, stats

from initcore import random as icr
from initcore.random import Key
from initcore.reference import philox as twin

KEY = Key(7)


BOUNDS = [(-2, 2), (-1, 3), (0.5, 0.75), (-np.inf, 1), (1, np.inf), (-np.inf, np.inf), (3, 4), (-4, -3), (4.9, np.inf),
          (5.5, 1e6), (-1e6, -5.5), (37, 38), (-38, -37), (20, 20.01), (-1e-3, 40), (-40, 0)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("lower", "upper"), BOUNDS)
def test_truncated_distribution(lower, upper, dtype):
    n = 40_000
    z = icr.truncated_normal(n, lower=lower, upper=upper, rng=KEY, dtype=dtype)
    assert lower <= float(z.min()) and float(z.max()) <= upper
    # The exact CDF of what was drawn, by log tails; uniform if the distribution is right.
    x = np.sort(z.astype(float))
    if lower >= 0:
        la, lb, lx = special.log_ndtr([-lower, -upper, 0.0])[:2].tolist() + [special.log_ndtr(-x)]
        u = -np.expm1(lx - la) / -np.expm1(lb - la)
    elif upper <= 0:
        la, lb = special.log_ndtr(lower), special.log_ndtr(upper)
        u = (np.exp(special.log_ndtr(x) - lb) - np.exp(la - lb)) / -np.expm1(la - lb)
    else:
        u = (special.ndtr(x) - special.ndtr(lower)) / (special.ndtr(upper) - special.ndtr(lower))
    assert stats.kstest(u, "uniform").pvalue > 1e-4
    # No pile-up: the share within one thousandth of the mass at each end is a thousandth.
    for share in ((u < 1e-3).mean(), (u > 1 - 1e-3).mean()):
        assert abs(share - 1e-3) < 6e-4


def test_truncated_f64_quantiles():
    index = np.arange(200, dtype=np.uint64)
    words = twin.words64_of(KEY.words, index).tolist()
    for lower, upper in ((-2.0, 2.0), (3.0, 4.0), (5.5, 1e6), (37.0, 38.0), (-38.0, -37.0), (-9.0, 1.0)):
        z = icr.truncated_normal(200, lower=lower, upper=upper, rng=KEY, dtype="float64")
        with mpmath.workdps(60):
            tail = [mpmath.erfc(b / mpmath.sqrt(2)) / 2 for b in (mpmath.mpf(lower), mpmath.mpf(upper))]
            for word, value in zip(words, z.tolist()):
                u = (mpmath.mpf(word) + 0.5) / mpmath.mpf(2)**64
                want = tail[0] - (tail[0] - tail[1]) * u                  # Q of the exact value
                x = mpmath.mpf(value)
                off = (mpmath.erfc(x / mpmath.sqrt(2)) / 2 - want) / mpmath.npdf(x)
                assert abs(off) <= 8 * np.spacing(abs(value)) + 1e-15


@pytest.mark.parametrize(("lower", "ulps_wide", "dtype"), [
    (1.0, 1, "float32"), (1.0, 4, "float64"), (37.0, 2, "float64"), (-3.0, 8, "float64"), (1e7, 2, "float64"),
    (0.3, 3, "float32")])
def test_truncated_a_hair_apart(lower, ulps_wide, dtype):
    work = np.dtype(dtype).type
    low = high = work(lower)
    for _ in range(ulps_wide):
        high = np.nextafter(high, work(np.inf))
    z = icr.truncated_normal(20_000, lower=float(low), upper=float(high), rng=KEY, dtype=dtype)
    values, counts = np.unique(z, return_counts=True)
    assert low <= values[0] and values[-1] <= high and values.size == ulps_wide + 1
    if lower < 1e6:                              # half a share at either end
        want = np.full(ulps_wide + 1, 20_000 / ulps_wide)
        want[[0, -1]] /= 2
        assert stats.chisquare(counts, want).pvalue > 1e-4


def test_truncated_extremes():
    assert (icr.truncated_normal(9, lower=1e200, upper=np.inf, rng=KEY, dtype="float64") == 1e200).all()
    tiny = icr.truncated_normal(1000, lower=-1e-300, upper=1e-300, rng=KEY, dtype="float64")
    assert np.unique(tiny).size == 1000 and abs(tiny).max() <= 1e-300 and abs(tiny.mean()) < 1e-301
    far = icr.truncated_normal(10_000, lower=1e6, upper=1e7, rng=KEY, dtype="float64") - 1e6
    assert far.min() >= 0 and abs(far.mean() * 1e6 - 1) < 0.05             # exponential with rate 1e6
