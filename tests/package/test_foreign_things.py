"""Anything for any argument of networks, lab, mean field and saturation: an answer, or an error of the package."""

import numpy as np
import pytest

import initcore as ic
from initcore import Dense, Network, lab
from initcore import meanfield as mf
from initcore import saturation as st

net = Network([Dense(np.ones((3, 2)), None, "tanh"), Dense(np.ones((2, 2)))])
x, y = np.ones((4, 3)), np.array([0, 1, 0, 1])
JUNK = [
    None,
    True,
    "x",
    b"x",
    object(),
    10**400,
    -(10**400),
    1j,
    [1, [2]],
    [10**400],
    float("nan"),
    float("inf"),
    -1,
    1.5,
    {},
    np.array([None]),
    np.zeros(0),
    np.zeros((2, 2, 2)),
    len,
    np.array("2020", "M8[D]"),
    [[1.0], [2.0, 3.0]],
    lambda *a: None,
    lambda z: "a",
    2**70,
    (1, 2, 3, 4),
]


def few(j):
    """Integers that would only mean a long wait are taken as -1."""
    return -1 if isinstance(j, int) and j > 5 else j


CALLS = {
    "Dense.w": lambda j: Dense(j),
    "Dense.b": lambda j: Dense(np.ones((2, 2)), j),
    "Dense.act": lambda j: Dense(np.ones((2, 2)), None, j).forward(np.ones((1, 2))),
    "Network": lambda j: Network(j),
    "Network2": lambda j: Network([j]),
    "forward": lambda j: net.forward(j),
    "trace": lambda j: net.trace(j),
    "grad.x": lambda j: net.gradients(j, y),
    "grad.y": lambda j: net.gradients(x, j),
    "grad.y mse": lambda j: net.gradients(x, j, loss="mse"),
    "grad.loss": lambda j: net.gradients(x, y, loss=j),
    "scaled": lambda j: net.scaled(j),
    "scaled.l": lambda j: net.scaled(2.0, j),
    "threads": lambda j: net.forward(x, threads=j),
    "grad.trace": lambda j: net.gradients(x, y, trace=j),
    "replace": lambda j: net.layers[0].replace(w=j),
    "lab.opt": lambda j: lab.optimizer(j),
    "lab.lr": lambda j: lab.SGD(lr=j),
    "lab.mom": lambda j: lab.SGD(momentum=j),
    "lab.betas": lambda j: lab.Adam(betas=j),
    "lab.eps": lambda j: lab.Adam(eps=j),
    "opt.kw2": lambda j: lab.optimizer("adam", foo=1),
    "step.net": lambda j: lab.SGD().step(j, []),
    "step.grads": lambda j: lab.SGD().step(net, j),
    "perm": lambda j: lab.permutation(few(j), rng=0),
    "perm.rng": lambda j: lab.permutation(3, rng=j),
    "train.net": lambda j: lab.train(j, x, y, optimizer=lab.SGD(), epochs=1),
    "train.x": lambda j: lab.train(net, j, y, optimizer=lab.SGD(), epochs=1),
    "train.y": lambda j: lab.train(net, x, j, optimizer=lab.SGD(), epochs=1),
    "train.opt": lambda j: lab.train(net, x, y, optimizer=j, epochs=1),
    "train.ep": lambda j: lab.train(net, x, y, optimizer=lab.SGD(), epochs=few(j)),
    "train.cb": lambda j: lab.train(net, x, y, optimizer=lab.SGD(), epochs=1, callback=j),
    "train.batch": lambda j: lab.train(net, x, y, optimizer=lab.SGD(), epochs=1, batch_size=j),
    "acc.net": lambda j: lab.accuracy(j, x, y),
    "acc.x": lambda j: lab.accuracy(net, j, y),
    "acc.y": lambda j: lab.accuracy(net, x, j),
    "du": lambda j: lab.distinct_units(j),
    "gn": lambda j: lab.gradient_norms(j, x, y),
    "gm.a": lambda j: mf.gaussian_moments(j, 0.0, 1.0),
    "gm.m": lambda j: mf.gaussian_moments("tanh", j, 1.0),
    "gm.v": lambda j: mf.gaussian_moments("tanh", 0.0, j),
    "fp.a": lambda j: mf.fixed_point(j, sigma_w2=1.0),
    "fp.w": lambda j: mf.fixed_point("tanh", sigma_w2=j),
    "fp.b": lambda j: mf.fixed_point("tanh", sigma_w2=1.0, sigma_b2=j),
    "lm.q": lambda j: mf.length_map("tanh", j, sigma_w2=1.0),
    "vp": lambda j: mf.v_prime("tanh", j, sigma_w2=1.0),
    "chi": lambda j: mf.chi("tanh", j, sigma_w2=1.0),
    "cov.q": lambda j: mf.covariance("tanh", j, 0.5),
    "cov.c": lambda j: mf.covariance("tanh", 1.0, j),
    "cm.c": lambda j: mf.correlation_map("tanh", j, sigma_w2=2.0),
    "cm.q": lambda j: mf.correlation_map("tanh", 0.5, sigma_w2=2.0, q=j),
    "cl.q": lambda j: mf.critical_line("tanh", q=j),
    "cl.b": lambda j: mf.critical_line("tanh", sigma_b2=j),
    "cs": lambda j: mf.critical_sigma_w2(j),
    "cs.b": lambda j: mf.critical_sigma_w2("tanh", j),
    "hs": lambda j: mf.half_stable_points(j),
    "fps": lambda j: mf.fixed_points("tanh", sigma_w2=j),
    "fw.a": lambda j: mf.finite_width(j, 3),
    "fw.n": lambda j: mf.finite_width("relu", few(j)),
    "jm": lambda j: mf.jacobian_moments(j),
    "jm.q": lambda j: mf.jacobian_moments("tanh", j),
    "jm.d": lambda j: mf.jacobian_moments("tanh", depth=j),
    "jm.w": lambda j: mf.jacobian_moments("tanh", weights=j),
    "jm.s": lambda j: mf.jacobian_moments("tanh", sigma_w2=j),
    "pd.w": lambda j: mf.phase_diagram("tanh", j, [0.1]),
    "pd.b": lambda j: mf.phase_diagram("tanh", [1.0], j),
    "pd.a": lambda j: mf.phase_diagram(j, [1.0], [0.1]),
    "qv.n": lambda j: mf.q_variance("tanh", sigma_w2=1.5, n=j),
    "ss.a": lambda j: mf.slope_share(j, 1.0, 0.1),
    "ss.q": lambda j: mf.slope_share("tanh", j, 0.1),
    "ss.r": lambda j: mf.slope_share("tanh", 1.0, j),
    "ss.m": lambda j: mf.slope_share("tanh", 1.0, 0.1, j),
    "os.t": lambda j: mf.output_share("tanh", 1.0, j),
    "os.q": lambda j: mf.output_share("tanh", j, 0.5),
    "os.m": lambda j: mf.output_share("tanh", 1.0, 0.5, j),
    "ms": lambda j: mf.mean_slope("tanh", j),
    "ms.m": lambda j: mf.mean_slope("tanh", 1.0, j),
    "ls": lambda j: mf.log_slope(j, 1.0),
    "rk": lambda j: mf.rakitianskaia("tanh", j, j),
    "le.n": lambda j: st.lesson(j, 1.0),
    "le.s": lambda j: st.lesson(3, j),
    "le.m": lambda j: st.lesson(3, 1.0, j),
    "le.a": lambda j: st.lesson(3, 1.0, activation=j),
    "le.t": lambda j: st.lesson(3, 1.0, t=j),
    "pr.n": lambda j: st.predict(j),
    "pr.x": lambda j: st.predict(net, j),
    "pr.sm": lambda j: st.predict(net, second_moment=j),
    "pr.m": lambda j: st.predict(net, mean=j),
    "pr.v": lambda j: st.predict(net, variance=j),
    "pr.c": lambda j: st.predict(net, covariance=j),
    "me.n": lambda j: st.measure(j, x),
    "me.x": lambda j: st.measure(net, j),
    "me.t": lambda j: st.measure(net, x, trace=j),
}


@pytest.mark.filterwarnings("ignore::initcore.errors.InitcoreWarning")
@pytest.mark.parametrize("name", CALLS)
def test_anything_for_any_argument(name):
    for junk in JUNK:
        try:
            CALLS[name](junk)
        except ic.errors.InitcoreError as error:
            assert str(error)
