"""Programs with a gate whose unit 1 is dead, or with a recurrent cell whose unit 3 is the negative of unit 1."""

import numpy as np
from program_builder import Builder

from initcore.program import Op, Value


def gated(phi, zero, seed=0):
    """``phi(gate x) (up x)``, the factors ``zero`` of unit 1 all 0."""
    rng = np.random.default_rng(seed)
    b = Builder(rng)
    x = b.input(9, 5)
    gate, up, down = rng.normal(size=(4, 5)), rng.normal(size=(4, 5)), rng.normal(size=(3, 4))
    for rows in ({"gate": gate, "up": up, "down": down.T}[z] for z in zero):
        rows[1] = 0
    h = b.mul(b.act(b.linear(x, b.weight("gate", gate)), phi), b.linear(x, b.weight("up", up)))
    return b.program(b.linear(h, b.weight("down", down)))


def negated(kind, change=None, seed=1):
    """A cell whose unit 3 is unit 1 with what makes the state, and all readers, negated; ``change``: of a gate."""
    rng = np.random.default_rng(seed)
    b = Builder(rng)
    x = b.input(3, 4, 5)
    per, n = {"lstm": 4, "gru": 3}[kind], 4
    w, u, b_ih, b_hh = (rng.normal(size=(per, n, *k)) for k in ((5,), (n,), (), ()))
    v = rng.normal(size=(2, n))
    for q in range(per):
        t = -1.0 if q == 2 else 1.0
        for a in (w, b_ih, b_hh):
            a[q, 3] = t * a[q, 1]
        u[q, :, 3] = -u[q, :, 1]
        u[q, 3] = t * u[q, 1]
    v[:, 3] = -v[:, 1]
    if change is not None:
        w[change, 3, 0] += 0.5
    ws = [b.weight(name, a.reshape(-1, *a.shape[2:])) for name, a in
          (("w_ih", w), ("w_hh", u), ("b_ih", b_ih), ("b_hh", b_hh))]
    y = Value((3, 4, n), "float64")
    rest = [Value((1, 3, n), "float64") for _ in range(2 if kind == "lstm" else 1)]
    b.ops.append(Op("recur", (x, None, None, *ws), (y, *rest), {"cell": kind, "batch_first": True}))
    return b.program(b.linear(y, b.weight("v", v)))
