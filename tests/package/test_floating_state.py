"""No public entry depends on the caller's floating-point state: all of them under seterr(all="raise") and -W error.

The suite turns warnings into errors everywhere; here NumPy raises as well, with ordinary arguments and with weights
from 1e-320 to 1e300. An error of the package's own is an answer; one of NumPy's is not.
"""

import contextlib
import math

import numpy as np
import pytest

import initcore as ic
from initcore import fans, gains, kernels, lab, meanfield, random, saturation, symmetry
from initcore import initializers as init

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((33, 5)), RNG.integers(0, 3, 33)
SIZES = (1e-320, 1e-300, 1e-160, 1e-44, 1e-30, 1e-8, 1.0, 1e8, 1e19, 1e37, 1e155, 1e300)


def network(size=1.0, activation="tanh", dtype="float64", seed=0):
    """5 -> 7 -> 6 -> 3 with weights and biases of that size."""
    rng = np.random.default_rng(seed)
    with np.errstate(all="ignore"):
        return ic.Network([ic.Dense((rng.standard_normal((n, m)) * size).astype(dtype),
                                    (rng.standard_normal(m) * size).astype(dtype), activation)
                           for n, m in ((5, 7), (7, 6), (6, 3))])


@contextlib.contextmanager
def raising():
    """NumPy raises on everything, and finds its state as it was."""
    with np.errstate(all="raise"):
        before = np.geterr()
        yield
        assert np.geterr() == before


NET = network()
STRONG = {"sigma_w2": 300.0, "sigma_b2": 1e-12}
CALLS = {
    meanfield: {
        "gaussian_moments": lambda: [meanfield.gaussian_moments(a, [0.0, 30.0, 1e5], [1e-12, 1e4, 1.0])
                                     for a in ic.activations.names],
        "chi": lambda: meanfield.chi("tanh", [0.0, 1e-300, 1e4, 1e12], sigma_w2=1e-300),
        "correlation_map": lambda: meanfield.correlation_map("tanh", [0.0, 1e-12, 1.0], **STRONG),
        "covariance": lambda: [meanfield.covariance(a, [1e-9, 1e6], [0.999999999999, -1.0])
                               for a in ("tanh", "gelu", "erf", "sin", "relu")],
        "critical_line": lambda: [meanfield.critical_line(a, q=q) for a in ("tanh", "gelu") for q in (1e-9, 1e9)],
        "critical_sigma_w2": lambda: [meanfield.critical_sigma_w2(a) for a in ("sigmoid", "selu")],
        "finite_width": lambda: meanfield.finite_width("relu", 2000),
        "fixed_point": lambda: [meanfield.fixed_point(a, sigma_w2=w, sigma_b2=b) for a in ("tanh", "softsign", "selu")
                                for w in (1e-9, 1e9) for b in (0.0, 1e6)],
        "fixed_points": lambda: meanfield.fixed_points("tanh", sigma_w2=1.5),
        "half_stable_points": lambda: meanfield.half_stable_points("silu"),
        "jacobian_moments": lambda: meanfield.jacobian_moments("tanh", 1e9, depth=400),
        "length_map": lambda: meanfield.length_map("gelu", [0.0, 1e-300, 1e100], sigma_w2=1e100),
        "log_slope": lambda: [meanfield.log_slope(a, [1e-9, 1e4], 3.0) for a in ic.activations.names],
        "mean_slope": lambda: meanfield.mean_slope("sigmoid", 1e6, -800.0),
        "mean_square_slope": lambda: meanfield.mean_square_slope("tanh", [1e-300, 1e6]),
        "output_share": lambda: [meanfield.output_share(a, [0.0, 1e-300, 1e6], 1 - 1e-12) for a in ("erf", "sin")],
        "phase_diagram": lambda: meanfield.phase_diagram("tanh", [0.0, 1e-9, 50.0], [0.0, 1e-9, 1e3]),
        "q_variance": lambda: meanfield.q_variance("tanh", sigma_w2=1.5, sigma_b2=1e-9, n=100),
        "rakitianskaia": lambda: meanfield.rakitianskaia("sigmoid", [0.0, 1e-300, 1e12], 1e5),
        "slope_share": lambda: [meanfield.slope_share(a, [0.0, 1e-300, 1e12], 0.01, 40.0)
                                for a in ic.activations.names],
        "v_prime": lambda: meanfield.v_prime("silu", [1e-300, 1e12], sigma_w2=2.0),
    },
    saturation: {
        "at": lambda: [saturation.at(a, z) for a in ic.activations.names for z in (X * 1e-300, X * 1e30, X)],
        "lesson": lambda: [saturation.lesson(n, s, activation=a) for a in ("tanh", "erf") for n in (1, 1e300)
                           for s in (1e-300, 1e300)],
        "measure": lambda: str(saturation.measure(NET, X)),
        "predict": lambda: saturation.predict(NET, second_moment=1e-320).expected_loss,
    },
    symmetry: {
        "analyze": lambda: str(symmetry.analyze(NET, optimizer="adam")),
        "break_ties": lambda: symmetry.break_ties(network(0.0), rng=0),
        "quotient": lambda: symmetry.quotient(NET),
    },
    gains: {
        "gain": lambda: [gains.gain(a, criterion=c, q=q) for a in ic.activations.names for c in gains.CRITERIA
                         for q in (0.01, 50.0) if (a, q) != ("sin", 50.0)],
        "kumar_variance": lambda: gains.kumar_variance("sigmoid"),
        "torch_gain": lambda: gains.torch_gain("leaky_relu", 1e-200),
    },
    lab: {
        "accuracy": lambda: lab.accuracy(NET, X, Y),
        "distinct_units": lambda: lab.distinct_units(NET),
        "gradient_norms": lambda: lab.gradient_norms(NET, X, Y),
        "optimizer": lambda: [lab.optimizer(n).step(NET, NET.gradients(X, Y)[1]) for n in lab.OPTIMIZERS],
        "permutation": lambda: lab.permutation(9, rng=0),
        "train": lambda: [lab.train(NET, X, Y, optimizer=lab.optimizer(n, lr=1e3), epochs=2) for n in lab.OPTIMIZERS],
    },
    random: {
        "as_key": lambda: random.as_key(3),
        "bits": lambda: random.bits(7, rng=0),
        "blocks": lambda: [b.make(random.normal, rng=0) for b in random.blocks((5, 3), elements=6)],
        "normal": lambda: [random.normal(50, mean=m, std=s, rng=0, dtype=d) for d in ("float16", "float32", "float64")
                           for m in (0.0, 6e4) for s in (0.0, 1e-300, 1e4)],
        "truncated_normal": lambda: random.truncated_normal(50, rng=0),
        "uniform": lambda: [random.uniform(50, low=0.0, high=h, rng=0, dtype=d) for h in (1e-3, 6e4)
                            for d in ("float16", "float32", "float64")],
    },
    kernels: {
        "matmul": lambda: kernels.matmul(np.full((3, 4), 1e-200), np.full((4, 2), 1e-200)),
        "dense_forward": lambda: kernels.dense_forward(X * 1e200, np.full((5, 2), 1e200), None, "sigmoid"),
        "dense_backward": lambda: kernels.dense_backward(X, np.full((5, 2), 1e-200), None, "tanh",
                                                         np.full((33, 2), 1e-300), z=np.full((33, 2), 400.0)),
        "activation_forward": lambda: [kernels.activation_forward(a, np.array([1e300, -1e300, 1e-320, 700.0, -745.0]))
                                       for a in ic.activations.names],
        "activation_backward": lambda: [kernels.activation_backward(a, np.array([1e300, -1e300, 1e-320]), None)
                                        for a in ic.activations.names],
        "loss": lambda: [kernels.loss(n, np.array([[1e3, -1e3]]), np.array([[0.0, 1.0]]))
                         for n in ("mse", "binary_cross_entropy", "softmax_cross_entropy")],
        "signals": lambda: kernels.signals("tanh", X * 1e9, np.tanh(X)),
    },
    fans: {"fan": lambda: fans.fan((3, 4), "fan_geo_avg"), "fans": lambda: fans.fans((3, 4)),
           "axes": lambda: fans.axes((3, 4))},
}
# Classes that only hold what a call above returns, exceptions, constants, and what makes no number.
PASSIVE = {kernels: {"variants", "build_info", "random_fill"}, symmetry: {"invariance"}}


def public(module):
    """The functions of a module's public list."""
    names = getattr(module, "__all__", None) or [n for n in dir(module) if not n.startswith("_")]
    return {n for n in names if callable(getattr(module, n)) and not isinstance(getattr(module, n), type)
            and (getattr(module, n).__module__ or "").startswith("initcore")} - PASSIVE.get(module, set())


@pytest.mark.parametrize("module", list(CALLS), ids=lambda m: m.__name__)
def test_every_function_is_called(module):
    assert public(module) <= CALLS[module].keys()


@pytest.mark.parametrize(("module", "name"), [(m, n) for m, calls in CALLS.items() for n in calls],
                         ids=lambda v: getattr(v, "__name__", v))
def test_functions(module, name):
    with raising():
        assert CALLS[module][name]() is not None


@pytest.mark.parametrize("name", init.names)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_initialisers(name, dtype):
    more = {"dirac": {"layout": "oihw"}, "delta_orthogonal": {"layout": "oihw"}}
    known = {"constant": {"value": 3.0}, "sparse": {"sparsity": 0.5}, "wang_init": {"n_layers": 2}}
    shape = (6, 4, 3, 3) if name in more else (6, 4)
    with raising(), contextlib.suppress(ic.errors.InitcoreError):
        init.get(name)(shape, rng=0, dtype=dtype, **more.get(name, {}), **known.get(name, {}))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("activation", ic.activations.names)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_networks_of_every_size(size, activation, dtype):
    if size > float(np.finfo(dtype).max) / 10:
        return                                        # no such weights
    net = network(size, activation, dtype)
    with raising():
        symmetry.analyze(net)
        report = saturation.predict(net)
        assert str(report) and not math.isinf(report.expected_loss)
        assert str(saturation.measure(net, X))
        assert str(ic.check(net)) and ic.check(net, X, Y, optimizer="adam").to_json()
        _, grads = net.gradients(X, Y)
        lab.optimizer("adam").step(net, grads)
        net.scaled(0.5)


def test_a_callable_meets_its_own_state():
    """An activation that overflows or divides by 0 says so by infinity or NaN, not by NumPy's exceptions."""
    net = network(30.0, lambda z: 1 / (1 + np.exp(-z)))
    with raising():
        assert saturation.predict(net).layers[0].units == 7 and saturation.measure(net, X).layers[0].units == 7
        assert net.forward(X).shape == (33, 3) and net.gradients(X, Y)[0] > 0
        assert str(ic.check(net, X, Y))
        assert gains.gain(lambda z: z / (1 + np.exp(-z))) > 0


def test_repair_under_raising():
    for size in (1e-300, 1e8, 1e37):
        net = network(size, "sigmoid")
        with raising():
            mended = ic.check(net, X, Y).repair(rng=0)
        assert np.isfinite(mended.forward(X)).all()
