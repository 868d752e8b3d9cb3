"""Our initialisers and those installed beside them: the same distributions, fans and edge cases.

Needs the `bench` extra: `pytest benchmarks/test_init_parity.py`.
"""

import math

import numpy as np
import pytest
from scipy import stats

from initcore import initializers as init
from initcore.fans import fans

torch = pytest.importorskip("torch", reason="the bench extra has it")
jax = pytest.importorskip("jax", reason="the bench extra has it")
jax_fans = pytest.importorskip("jax._src.nn.initializers", reason="the bench extra has it")._compute_fans


def same(ours, theirs, std_tolerance=5.0):
    """Two samples from one distribution: two-sample Kolmogorov-Smirnov, standard deviations within 5 errors."""
    a, b = np.asarray(ours, np.float64).ravel(), np.asarray(theirs, np.float64).ravel()
    assert stats.ks_2samp(a, b).pvalue > 1e-4
    assert abs(a.std() / b.std() - 1) < std_tolerance * math.sqrt(1 / a.size + 1 / b.size)


TORCH = {
    "xavier_uniform_": lambda s, k: init.xavier_uniform(s, rng=0, **k),
    "xavier_normal_": lambda s, k: init.xavier_normal(s, rng=0, **k),
    "kaiming_uniform_": lambda s, k: init.kaiming_uniform(s, rng=0, **k),
    "kaiming_normal_": lambda s, k: init.kaiming_normal(s, rng=0, **k),
    "orthogonal_": lambda s, k: init.orthogonal(s, rng=0, **k),
}


@pytest.mark.parametrize("shape, layout", [((200, 300), "oi"), ((64, 32, 5), "oiw"), ((64, 16, 3, 3), "oihw"),
                                           ((32, 8, 3, 3, 3), "oidhw")])
@pytest.mark.parametrize("name", TORCH)
def test_torch(name, shape, layout):
    torch.manual_seed(0)
    theirs = torch.empty(shape)
    if name.startswith("kaiming"):
        getattr(torch.nn.init, name)(theirs, nonlinearity="relu")
    else:
        getattr(torch.nn.init, name)(theirs)
    same(TORCH[name](shape, {"layout": layout}), theirs)
    assert fans(shape, layout=layout)[:2] == torch.nn.init._calculate_fan_in_and_fan_out(theirs)


def test_torch_layers():
    torch.manual_seed(0)
    linear, conv = torch.nn.Linear(400, 300), torch.nn.Conv2d(64, 64, 3, groups=2)
    same(init.torch_default((300, 400), layout="oi", rng=0), linear.weight.detach())
    same(init.torch_default((300,), fan_in=400, rng=1), linear.bias.detach())
    same(init.torch_default((64, 32, 3, 3), layout="oihw", groups=2, rng=2), conv.weight.detach())
    turned = torch.nn.ConvTranspose2d(64, 32, 3)
    same(init.torch_default((64, 32, 3, 3), layout="iohw", fan_in=32 * 9, rng=3), turned.weight.detach())
    same(init.embedding((500, 64), rng=4), torch.nn.Embedding(500, 64).weight.detach())


def test_torch_patterns():
    for groups in (1, 2):
        want = torch.nn.init.dirac_(torch.empty(8, 4, 3, 4), groups)
        assert np.array_equal(init.dirac((8, 4, 3, 4), groups, layout="oihw"), want)
    assert np.array_equal(init.eye((4, 6)), torch.nn.init.eye_(torch.empty(4, 6)))
    torch.manual_seed(0)
    theirs = torch.nn.init.sparse_(torch.empty(300, 200), 0.9, std=0.5).numpy()
    ours = init.sparse((300, 200), 0.9, std=0.5, rng=0)             # "io": both count down the columns
    assert ((theirs == 0).sum(axis=0) == 270).all() and ((ours == 0).sum(axis=0) == 270).all()
    same(ours[ours != 0], theirs[theirs != 0])
    cut = torch.nn.init.trunc_normal_(torch.empty(200, 300), std=0.02, a=-0.04, b=0.04)
    same(init.trunc_normal((200, 300), std=0.02, rng=0), cut)


@pytest.mark.parametrize("shape, layout", [((200, 300), "io"), ((5, 32, 64), "wio"), ((3, 3, 16, 64), "hwio"),
                                           ((3, 3, 3, 8, 32), "dhwio")])
@pytest.mark.parametrize("name", ["glorot_uniform", "glorot_normal", "he_uniform", "he_normal", "lecun_uniform",
                                  "lecun_normal", "orthogonal"])
def test_jax(name, shape, layout):
    theirs = getattr(jax.nn.initializers, name)()(jax.random.key(0), shape)
    cut = {"truncate": 2} if name.endswith("_normal") else {}
    same(init.get(name)(shape, layout=layout, rng=0, **cut), theirs)
    assert fans(shape, layout=layout)[:2] == jax_fans(shape)


def test_jax_the_rest():
    key, of = jax.random.key(1), jax.nn.initializers
    same(init.trunc_normal((200, 300), std=0.02, rng=0), of.truncated_normal(0.02)(key, (200, 300)))
    for mode in ("fan_in", "fan_out", "fan_avg", "fan_geo_avg"):
        for distribution in ("normal", "uniform", "truncated_normal"):
            same(init.variance_scaling((100, 400), scale=3.0, mode=mode, distribution=distribution, rng=0),
                 of.variance_scaling(3.0, mode, distribution)(key, (100, 400)))
    theirs = np.asarray(of.delta_orthogonal()(key, (3, 3, 64, 64)))
    ours = init.delta_orthogonal((3, 3, 64, 64), layout="hwio", rng=0)
    assert np.array_equal(theirs != 0, ours != 0)
    same(ours[1, 1], theirs[1, 1])
