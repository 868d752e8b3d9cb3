"""The compiled signals kernel against its NumPy twin, against counting by hand, and on every shape of strip."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from initcore import activations, kernels
from initcore._gaussian import shares as _shares
from initcore.reference import signals as twin

# float32 slopes may underflow to 0 where float64's do not; z beyond these points is left to the exact tests below.
REACH = {"erf": 9.0, "gelu": 4.0, "gelu_tanh": 4.0, "silu": 20.0, "mish": 20.0, "softplus": 20.0}
# Slopes that cross 0: the logarithm there magnifies the rounding of z itself.
CROSSING = ("gelu", "gelu_tanh", "silu", "mish", "sin")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", activations.names)
def test_against_the_twin(name, dtype):
    phi = activations.get(name)
    rng = np.random.default_rng(0)
    reach = REACH.get(name, 40.0)
    for shape in ((1, 1), (5, 3), (9, 127), (65, 129)):
        z = np.clip(6 * rng.standard_normal(shape), -reach, reach).astype(dtype)
        if name in CROSSING:
            z[np.abs(phi.dphi(z.astype(np.float64))) < 1e-2] = 1
        a = kernels.activation_forward(name, z)
        got, histogram = kernels.signals(name, z, a, zero=(-3.0, 2.0))
        want, bins = twin.signals(phi, z, a, (-3.0, 2.0))
        rtol = 3e-5 if dtype == "float32" else 1e-11
        for k in want:
            infinite = np.isinf(want[k])
            assert np.array_equal(np.isinf(got[k]), infinite), (name, dtype, shape, k)
            g, w = got[k][~infinite], want[k][~infinite]
            # a slope within rounding of a threshold may fall on either side
            slack = 2 if k.startswith("below") else 0 if k in ("zero", "positive", "flat") else \
                rtol * (np.abs(w) + (np.abs(w).mean() if w.size else 0))
            if k == "log_slope":                        # ln d inherits the relative rounding of d, also where d is 1
                slack = slack + 4 * np.finfo(dtype).eps * shape[0]
            assert np.all(np.abs(g - w) <= slack), (name, dtype, shape, k)
        if bins is not None:
            assert histogram.sum() == z.size and np.abs(histogram - bins).sum() <= 4


def test_log_slope_survives_underflow():
    """ln tanh'(60) = ln 4 - 120: the float32 slope itself is 0."""
    z = np.full((4, 1), 60, np.float32)
    for name, want in (("tanh", math.log(4) - 120), ("sigmoid", -60.0),
                       ("erf", math.log(2 / math.sqrt(math.pi)) - 3600)):
        sums, _ = kernels.signals(name, z, kernels.activation_forward(name, z))
        assert sums["log_slope"][0] == pytest.approx(4 * want, rel=1e-6)


def test_exact_zero_slopes_are_where_frameworks_lose_them():
    """1 - y y and y (1 - y) of correctly rounded y, counted element by element."""
    for dtype in (np.float32, np.float64):
        z = np.linspace(-50, 50, 200_001).astype(dtype)
        for name, slope in (("tanh", lambda y: 1 - y * y), ("sigmoid", lambda y: y * (1 - y))):
            exact = np.asarray(activations.get(name).phi(z.astype(np.longdouble))).astype(dtype)
            lost = slope(exact) == 0
            inside = np.zeros(z.shape, bool)
            for low, high in _shares.zero_intervals(activations.get(name), np.dtype(dtype).name):
                inside |= (z > low) & (z < high)
            assert abs(int(lost.sum()) - int(inside.sum())) <= 2, (name, dtype)


@settings(max_examples=40, deadline=None)
@given(rows=st.integers(1, 70), cols=st.integers(1, 140), seed=st.integers(0, 2**31))
def test_columns_do_not_mix(rows, cols, seed):
    """A column's sums depend on that column only; rows in any order count the same."""
    rng = np.random.default_rng(seed)
    z = (4 * rng.standard_normal((rows, cols))).astype(np.float32)
    a = kernels.activation_forward("tanh", z)
    whole, _ = kernels.signals("tanh", z, a)
    j = int(rng.integers(cols))
    one, _ = kernels.signals("tanh", z[:, j:j + 1], a[:, j:j + 1])
    order = rng.permutation(rows)
    mixed, _ = kernels.signals("tanh", z[order], a[order])
    for k in whole:
        assert one[k][0] == pytest.approx(whole[k][j], rel=1e-6, abs=1e-6), k
        np.testing.assert_allclose(mixed[k], whole[k], rtol=1e-4, atol=1e-4)


def test_layouts_empty_arrays_and_errors():
    z = np.asfortranarray(np.random.default_rng(0).standard_normal((6, 5)))
    before = z.copy()
    sums, _ = kernels.signals("tanh", z, np.tanh(z))
    np.testing.assert_allclose(sums["z"], z.sum(axis=0))
    assert np.array_equal(z, before)
    assert kernels.signals("relu", np.zeros((0, 4)), np.zeros((0, 4)))[0]["z2"].tolist() == [0] * 4
    assert kernels.signals("tanh", np.zeros((3, 0)), np.zeros((3, 0)))[0]["z"].shape == (0,)
    with pytest.raises(ValueError, match="a has shape"):
        kernels.signals("tanh", z, z[:3])
    with pytest.raises(TypeError, match="dtype"):
        kernels.signals("tanh", z, z.astype(np.float32))
    with pytest.raises(TypeError, match="callable without a compiled kernel"):
        kernels.signals(lambda v: v, z, z)


def test_nan_and_infinity_do_not_crash():
    z = np.array([[np.nan, np.inf, -np.inf, 1.0]], np.float32)
    with np.errstate(all="ignore"):
        sums, histogram = kernels.signals("tanh", z, kernels.activation_forward("tanh", z))
    assert math.isnan(sums["z"][0]) and histogram.sum() == 4
