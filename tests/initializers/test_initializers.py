"""Every initialiser against theory: moments, supports, layouts, dtypes, what the other libraries draw."""

import math

import numpy as np
import pytest
from scipy import stats

import initcore as ic
from initcore import errors
from initcore import initializers as init
from initcore.fans import LAYOUTS, fans
from initcore.initializers._variance_scaling import SQRT2

KEY = ic.Key(20240229)
IN, OUT = 300, 200          # 60 000 values: a variance is known to 0.6% (normal), tested at 5 standard errors
TRUNC2 = 0.87962566103423978

# name, arguments, distribution, standard deviation
CASES = [
    ("uniform", {"low": -2.0, "high": 1.0}, ("uniform", -0.5), 3 / math.sqrt(12)),
    ("normal", {"mean": 0.25, "std": 0.02}, ("normal", 0.25), 0.02),
    ("embedding", {"std": 0.3}, ("normal", 0), 0.3),
    ("glorot_uniform", {}, ("uniform", 0), math.sqrt(2 / (IN + OUT))),
    ("glorot_uniform", {"gain": "tanh"}, ("uniform", 0), 1.5925374197228312 * math.sqrt(2 / (IN + OUT))),
    ("glorot_normal", {"gain": 3}, ("normal", 0), 3 * math.sqrt(2 / (IN + OUT))),
    ("glorot_normal", {"truncate": 2}, ("truncated", 2), math.sqrt(2 / (IN + OUT))),
    ("he_uniform", {}, ("uniform", 0), math.sqrt(2 / IN)),
    ("he_uniform", {"mode": "fan_out", "gain": "leaky_relu_0.2"}, ("uniform", 0), math.sqrt(2 / 1.04 / OUT)),
    ("he_normal", {}, ("normal", 0), math.sqrt(2 / IN)),
    ("he_normal", {"gain": "relu", "mode": 50}, ("normal", 0), 0.2),
    ("he_normal", {"truncate": 1.5, "std_of": "result"}, ("truncated", 1.5), math.sqrt(2 / IN)),
    ("he_normal", {"truncate": 2, "std_of": "parent"}, ("truncated", 2), TRUNC2 * math.sqrt(2 / IN)),
    ("lecun_uniform", {}, ("uniform", 0), math.sqrt(1 / IN)),
    ("lecun_normal", {}, ("normal", 0), math.sqrt(1 / IN)),
    ("lecun_normal", {"truncate": 2}, ("truncated", 2), math.sqrt(1 / IN)),
    ("variance_scaling", {}, ("normal", 0), math.sqrt(1 / IN)),
    ("variance_scaling", {"scale": 2.5, "mode": "fan_geo_avg", "distribution": "uniform"}, ("uniform", 0),
     math.sqrt(2.5 / math.sqrt(IN * OUT))),
    ("variance_scaling", {"mode": "fan_avg", "distribution": "truncated_normal"}, ("truncated", 2), math.sqrt(1 / 250)),
    ("torch_default", {}, ("uniform", 0), math.sqrt(1 / (3 * IN))),
    ("torch_default", {"fan_in": 12}, ("uniform", 0), 1 / 6),
    ("small_init", {}, ("normal", 0), math.sqrt(2 / (5 * IN))),
    ("small_init", {"dim": 64}, ("normal", 0), math.sqrt(2 / 320)),
    ("wang_init", {"n_layers": 4}, ("normal", 0), 2 / (4 * math.sqrt(IN))),
    ("wang_init", {"n_layers": 12, "dim": 100}, ("normal", 0), 2 / 120),
    ("siren", {}, ("uniform", 0), math.sqrt(2 / IN) / 30),
    ("siren", {"omega": 5, "first": False}, ("uniform", 0), math.sqrt(2 / IN) / 5),
    ("siren", {"first": True}, ("uniform", 0), 1 / IN / math.sqrt(3)),
    ("mup_std", {}, ("normal", 0), 1 / math.sqrt(IN)),
    ("mup_std", {"role": "input", "gain": 2.0}, ("normal", 0), 2 / math.sqrt(IN)),
    ("mup_std", {"role": "output"}, ("normal", 0), 1 / IN),
    ("mup_std", {"role": "output", "base_fan_in": 64}, ("normal", 0), 8 / IN),
]


def standard(distribution):
    """The distribution scaled to mean 0, standard deviation 1."""
    if distribution[0] == "truncated":
        cut = stats.truncnorm(-distribution[1], distribution[1])
        return stats.truncnorm(-distribution[1], distribution[1], scale=1 / cut.std())
    return {"normal": stats.norm(), "uniform": stats.uniform(-math.sqrt(3), 2 * math.sqrt(3))}[distribution[0]]


@pytest.mark.parametrize("name, kwargs, distribution, std", CASES, ids=lambda v: v if isinstance(v, str) else None)
def test_distribution(name, kwargs, distribution, std):
    w = init.get(name)((IN, OUT), rng=KEY.child(repr((name, kwargs))), **kwargs).astype(np.float64)
    z = (w - (0 if distribution[0] == "truncated" else distribution[1])) / std
    law, n = standard(distribution), w.size
    for k in (1, 2, 3, 4):
        error = math.sqrt((law.moment(2 * k) - law.moment(k) ** 2) / n)
        assert abs(np.mean(z ** k) - law.moment(k)) < 5 * error, k
    assert stats.kstest(z.ravel(), law.cdf).pvalue > 1e-4
    low, high = law.support()
    assert z.min() >= low - 1e-6 and z.max() <= high + 1e-6
    # Entries do not go together: neither along a row nor along a column.
    for pair in (z[:, 1:] * z[:, :-1], z[1:] * z[:-1]):
        assert abs(pair.mean()) < 5 / math.sqrt(pair.size)


@pytest.mark.parametrize("lower, upper", [(-2, 2), (-1, 3), (0.5, math.inf), (-math.inf, -1), (2, 2.5), (5.5, 1e6)])
@pytest.mark.parametrize("std_of", ["parent", "result"])
def test_trunc_normal(lower, upper, std_of):
    w = init.trunc_normal((30000,), mean=1.5, std=0.5, lower=lower, upper=upper, std_of=std_of, rng=3, dtype="float64")
    law = stats.truncnorm(lower, upper)
    sigma = 0.5 / law.std() if std_of == "result" else 0.5
    z = (w - 1.5) / sigma
    slack = 1e-13 * max(1, abs(lower if lower > 0 else upper))
    assert z.min() >= lower - slack and z.max() <= upper + slack
    if upper < 100:      # scipy's variance loses all digits further out
        assert abs(w.std() / (sigma * law.std()) - 1) < 5 / math.sqrt(2 * w.size) * 1.5
    assert stats.kstest(z, law.cdf).pvalue > 1e-4


def test_truncated_std_against_high_precision():
    import mpmath as mp

    from initcore.random._truncated_moments import truncated_moments
    with mp.workdps(800):
        for a, b in [(-2, 2), (-1, 1), (-3, 3), (-1, 3), (0, 40), (5.5, 30), (37, 38), (-38, -37), (4.99, 5.01),
                     (1, 1 + 0.9e-8), (1, 1 + 1.1e-8), (7, 7 + 1.5e-9), (2, np.nextafter(2.0, 3)), (5, 5 + 1e-7)]:
            x, y = mp.mpf(float(a)), mp.mpf(float(b))
            z = (mp.erfc(x / mp.sqrt(2)) - mp.erfc(y / mp.sqrt(2))) / 2
            mean = (mp.npdf(x) - mp.npdf(y)) / z
            std = mp.sqrt(1 + (x * mp.npdf(x) - y * mp.npdf(y)) / z - mean ** 2)
            got = truncated_moments(float(a), float(b))
            assert abs(got[0] - mean) <= 3e-16 * abs(mean) and abs(got[1] / std - 1) < 3e-16
    # Half a normal; exponential far out; no cut at all.
    half = (math.sqrt(2 / math.pi), math.sqrt(1 - 2 / math.pi))
    assert truncated_moments(0.0, math.inf) == pytest.approx(half, 1e-15)
    assert truncated_moments(-math.inf, math.inf) == (0.0, 1.0)
    assert truncated_moments(1e300, math.inf) == pytest.approx((1e300, 1e-300), 1e-15)
    assert truncated_moments(-1e300, 1e300) == (0.0, 1.0)


FANNED = [("he_normal", lambda f: 2 / f[0]), ("glorot_uniform", lambda f: 2 / (f[0] + f[1])),
          ("lecun_uniform", lambda f: 1 / f[0]), ("torch_default", lambda f: 1 / (3 * f[0])),
          ("siren", lambda f: 2 / f[0] / 900), ("small_init", lambda f: 2 / (5 * f[0])),
          ("mup_std", lambda f: 1 / f[0])]


@pytest.mark.parametrize("groups", [1, 4])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_and_groups(layout, groups):
    sizes = {"i": 16, "o": 24, "d": 2, "h": 3, "w": 5}
    shape = tuple(sizes[c] * (12 if len(layout) == 2 else 1) for c in layout)
    both = fans(shape, layout=layout, groups=groups)
    for name, variance in FANNED:
        w = init.get(name)(shape, layout=layout, groups=groups, rng=KEY.child(layout), dtype="float64")
        assert w.shape == shape
        assert abs(np.mean(w ** 2) / variance(both) - 1) < 5 * math.sqrt(2 / w.size), name


def test_deterministic_ones():
    assert (init.zeros((3, 4), rng=1) == 0).all() and (init.ones((3,)) == 1).all()
    assert (init.constant((2, 3), 0.1, dtype="float64") == 0.1).all()
    assert (init.constant((2, 3), 0.1) == np.float32(0.1)).all()
    assert np.array_equal(init.eye((4, 6), gain=2.0), 2 * np.eye(4, 6, dtype=np.float32))
    assert init.zeros(()).shape == () and init.ones((0, 3)).shape == (0, 3) and init.eye((0, 3)).shape == (0, 3)


def convolve_same(x, w):
    """A grouped correlation with 'same' padding of odd kernels, from the definition; x (channels, h, w), w oihw."""
    groups = x.shape[0] // w.shape[1]
    step = w.shape[0] // groups
    pad = np.pad(x, ((0, 0), (w.shape[2] // 2,) * 2, (w.shape[3] // 2,) * 2))
    y = np.zeros((w.shape[0], *x.shape[1:]))
    for o in range(w.shape[0]):
        for i in range(w.shape[1]):
            for a in range(w.shape[2]):
                for b in range(w.shape[3]):
                    source = pad[o // step * w.shape[1] + i]
                    y[o] += w[o, i, a, b] * source[a:a + x.shape[1], b:b + x.shape[2]]
    return y


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_dirac_copies(groups):
    x = np.random.default_rng(0).standard_normal((8, 5, 6))
    w = init.dirac((8, 8 // groups, 3, 5), groups, layout="oihw", dtype="float64")
    assert np.array_equal(convolve_same(x, w), x)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_dirac_in_every_layout(layout):
    sizes = {"i": 4, "o": 6, "d": 2, "h": 3, "w": 5}
    w = init.dirac(tuple(sizes[c] for c in layout), groups=2, layout=layout)
    transposed = layout in ("iow", "woi", "iohw", "hwoi", "iodhw", "dhwoi")
    want = set()
    for g in range(2):
        for d in range(2 if transposed else 3):
            if d < (6 if transposed else 4):
                at = {"i": g * 2 + d, "o": d} if transposed else {"i": d, "o": g * 3 + d}
                want.add(tuple(at[c] if c in "io" else sizes[c] // 2 for c in layout))
    assert {tuple(int(k) for k in row) for row in np.argwhere(w)} == want and set(w[w != 0]) == {1}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("groups", [1, 2])
def test_sparse_counts(layout, groups):
    sizes = {"i": 6, "o": 8, "d": 2, "h": 3, "w": 5}
    shape = tuple(sizes[c] * (4 if len(layout) == 2 else 1) for c in layout)
    w = init.sparse(shape, 0.7, std=0.5, layout=layout, groups=groups, rng=1)
    units = w.transpose([layout.index("o"), layout.index("i"), *(k for k, c in enumerate(layout) if c in "dhw")])
    if layout in ("iow", "woi", "iohw", "hwoi", "iodhw", "dhwoi"):      # here groups divide the input channels
        units = units.reshape(len(units) * groups, -1)
    units = units.reshape(len(units), -1)
    n = fans(shape, layout=layout, groups=groups).fan_in
    assert units.shape[1] == n
    assert ((units == 0).sum(axis=1) == math.ceil(round(0.7 * n, 6))).all()


def test_sparse_moments_and_places():
    w = init.sparse((50, 4000), 0.8, std=0.5, rng=9, dtype="float64")
    kept = w != 0
    assert (kept.sum(axis=0) == 10).all()
    values = w[kept] / 0.5
    assert abs(np.mean(values ** 2) - 1) < 5 * math.sqrt(2 / values.size)
    assert abs(w.var() / (0.25 * 0.2) - 1) < 5 * math.sqrt((3 / 0.2 - 1) / w.size)
    each = kept.sum(axis=1)                     # every input is kept by a fifth of the units
    assert abs(each - 800).max() < 5 * math.sqrt(4000 * 0.2 * 0.8)
    pairs = kept[0] & kept[1]                   # hypergeometric: 10/50 * 9/49
    assert abs(pairs.mean() - 10 * 9 / (50 * 49)) < 5 * math.sqrt(0.0367 / 4000)
    assert (init.sparse((5, 3), 0.0, rng=0) != 0).all() and (init.sparse((5, 3), 1.0, rng=0) == 0).all()


def test_embedding_padding():
    table = init.embedding((10, 4), padding_idx=-3, rng=0)
    plain = init.embedding((10, 4), rng=0)
    assert (table[7] == 0).all() and np.array_equal(np.delete(table, 7, 0), np.delete(plain, 7, 0))


def test_the_same_name_elsewhere():
    """JAX and Keras cut at two deviations of the parent, rescaled; PyTorch does not cut."""
    std = math.sqrt(2 / 400)
    plain = init.he_normal((400, 400), rng=5)
    cut = init.he_normal((400, 400), rng=5, truncate=2)
    assert abs(cut).max() <= 2 * std / TRUNC2 * (1 + 1e-6) and abs(plain).max() > 4 * std
    for w in (plain, cut):
        assert abs(w.astype(np.float64).std() / std - 1) < 5 / math.sqrt(2 * w.size)
    assert np.array_equal(cut, init.variance_scaling((400, 400), scale=2.0, distribution="truncated_normal", rng=5))


def test_aliases_and_names():
    assert init.xavier_uniform is init.glorot_uniform and init.kaiming_normal is init.he_normal
    assert init.get("Kaiming_Normal_") is init.he_normal and init.get(init.siren) is init.siren
    for name in ("zeros ones constant eye dirac uniform normal trunc_normal variance_scaling glorot_uniform "
                 "glorot_normal xavier_uniform xavier_normal he_uniform he_normal kaiming_uniform kaiming_normal "
                 "lecun_uniform lecun_normal torch_default orthogonal delta_orthogonal sparse embedding small_init "
                 "wang_init siren mup_std spectral").split():
        assert init.get(name) is getattr(init, name) and name in init.__all__
    with pytest.raises(errors.UnknownNameError, match="did you mean 'glorot_normal'"):
        init.get("glorot_norml")
    with pytest.raises(errors.ArgumentTypeError, match="name or a callable"):
        init.get(3)


@pytest.mark.parametrize("activation", ["tanh", "gelu", "selu", lambda z: np.maximum(z, 0)])
def test_gain_takes_an_activation(activation):
    want = ic.gain(activation)
    got = init.he_normal((64, 64), gain=activation, rng=0, dtype="float64")
    assert np.allclose(got, init.he_normal((64, 64), gain=want, rng=0, dtype="float64"), rtol=1e-14)
    assert SQRT2 == pytest.approx(ic.gain("relu"), rel=1e-15)
