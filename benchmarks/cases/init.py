"""Initialisers against PyTorch's: orthogonal matrices, and the cost of one small call."""

import numpy as np

import initcore as ic
from initcore import initializers as init

from .._case import case


def _orthogonal(n):
    @case("initialisers", f"orthogonal {n}x{n} f32", target={"torch": 1.5}, rounds=20)
    def _(c):
        key, out = ic.Key(0), np.empty((n, n), np.float32)
        c.ours = lambda: init.orthogonal((n, n), rng=key, out=out, threads=1)

        def check():
            q = init.orthogonal((n, n), rng=key).astype(np.float64)
            assert abs(q.T @ q - np.eye(n)).max() <= 10 * n * np.finfo(np.float32).eps
        c.check = check
        with c.optional("torch") as torch:
            w = torch.empty(n, n)
            c.rival("torch", lambda: torch.nn.init.orthogonal_(w))


for _n in (256, 1024, 2048):
    _orthogonal(_n)
