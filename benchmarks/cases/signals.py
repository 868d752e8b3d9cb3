"""What a measurement costs beside the forward pass it watches, and how fast a prediction is."""

import itertools

import numpy as np

import initcore as ic
from initcore import activations, saturation
from initcore.reference import signals as twin

from .._case import case


def _overhead(name):
    @case("signals", f"signals {name} 256x1024 beside forward 256x1024x1024", target={"forward": 0.15}, at_most=True)
    def _(c):
        rng = np.random.default_rng(0)
        x = rng.standard_normal((256, 1024)).astype(np.float32)
        w = (rng.standard_normal((1024, 1024)) / 32).astype(np.float32)
        b = np.zeros(1024, np.float32)
        z, y = np.empty((256, 1024), np.float32), np.empty((256, 1024), np.float32)
        ic.kernels.dense_forward(x, w, b, name, out=y, z_out=z)
        c.ours = lambda: ic.kernels.signals(name, z, y)
        c.rival("forward", lambda: ic.kernels.dense_forward(x, w, b, name, out=y))

        def check():
            got, _ = ic.kernels.signals(name, z, y)
            want, _ = twin.signals(activations.get(name), z, y, (-np.inf, np.inf))
            for k in ("z2", "slope", "slope2", "below_10pct", "a2"):
                np.testing.assert_allclose(got[k], want[k], rtol=1e-4, atol=1e-3)
        c.check = check


for _name in ("tanh", "sigmoid", "relu"):
    _overhead(_name)


@case("signals", "predict 784-512-512-10 tanh, beside one forward pass of 4096 rows", rounds=5)
def _(c):
    key = ic.Key(0)
    widths = (784, 512, 512, 10)
    net = ic.Network([ic.Dense(ic.init.glorot_normal((n, m), rng=key.child(i)), None, "tanh")
                      for i, (n, m) in enumerate(itertools.pairwise(widths))])
    x = np.random.default_rng(0).standard_normal((4096, 784)).astype(np.float32)
    c.ours = lambda: saturation.predict(net, second_moment=1.0)
    c.rival("forward", lambda: net.forward(x))

    def check():
        p, m = saturation.predict(net, second_moment=1.0), saturation.measure(net, x)
        for a, b in zip(p.layers, m.layers):
            assert abs(a.slope_below_10pct - b.slope_below_10pct) < 0.03
    c.check = check
