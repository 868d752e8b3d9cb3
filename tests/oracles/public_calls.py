"""One valid call for every public function, by module: what a test of all of them varies, argument by argument."""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

import initcore as ic
from initcore import activations, config, data, fans, files, gains, lab, meanfield, network, random, rules
from initcore import initializers as init
from initcore import kernels as kn
from initcore import saturation as sat
from initcore import symmetry as sym

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((6, 4)), np.array([0, 1, 2, 0, 1, 2])
NET = ic.Network([ic.Dense(RNG.standard_normal((4, 5)), np.zeros(5), "tanh"), ic.Dense(RNG.standard_normal((5, 3)))])
TRACE, GRADS = NET.trace(X), NET.gradients(X, Y)[1]
W, Z = RNG.standard_normal((4, 5)), RNG.standard_normal((6, 5))
REPORT, PROOF = ic.check(NET), sym.analyze(NET)
SIGMAS = {"sigma_w2": 1.5, "sigma_b2": 0.1}


def graph() -> Any:
    """Inputs and units of a graph that methods may add to."""
    g = sym.Graph()
    g.linear("in", "h", W, None)
    return g


# Every argument of a call that is not given keeps its default.
CALLS: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "Dense": (ic.Dense, {"w": W}),
    "Dense.forward": (NET.layers[0].forward, {"x": X}),
    "Dense.backward": (NET.layers[0].backward, {"x": X, "z": Z, "dy": Z}),
    "Dense.replace": (NET.layers[0].replace, {}),
    "Key": (ic.Key, {"seed": 1}),
    "Network": (ic.Network, {"layers": NET.layers}),
    "Network.backward": (NET.backward, {"trace": TRACE, "dy": np.ones((6, 3))}),
    "Network.forward": (NET.forward, {"x": X}),
    "Network.gradients": (NET.gradients, {"x": X, "y": Y}),
    "Network.input": (NET.input, {"x": X}),
    "Network.scaled": (NET.scaled, {"factor": 2.0}),
    "Network.target": (NET.target, {"y": Y}),
    "Network.trace": (NET.trace, {"x": X}),
    "Report.repair": (REPORT.repair, {"rng": 0}),
    "Report.standardise": (REPORT.standardise, {"x": X}),
    "Report.to_json": (REPORT.to_json, {}),
    "Report.to_sarif": (REPORT.to_sarif, {}),
    "SymmetryReport.explain": (PROOF.explain, {"layer": 0, "unit_a": 0, "unit_b": 1}),
    "check": (ic.check, {"net": NET}),
    "check data": (ic.check, {"net": NET, "x": X, "y": Y}),
    "gain": (ic.gain, {"activation": "tanh"}),
    "set_num_threads": (lambda n: (ic.set_num_threads(n), ic.set_num_threads(1)), {"n": 1}),
    "show_config": (ic.show_config, {"mode": "dicts"}),
    "activations.Activation": (activations.Activation, {"name": "mine", "code": None, "phi": np.tanh,
                                                        "dphi": lambda z: 1 - np.tanh(z) ** 2}),
    "activations.from_callable": (activations.from_callable, {"phi": np.tanh}),
    "activations.get": (activations.get, {"activation": "tanh"}),
    "fans.axes": (fans.axes, {"shape": (3, 4)}),
    "fans.fan": (fans.fan, {"shape": (3, 4)}),
    "fans.fans": (fans.fans, {"shape": (3, 4)}),
    "files.network_from_arrays": (files.network_from_arrays, {"arrays": {"W1": W, "W2": W.T}}),
    "gains.kumar_variance": (gains.kumar_variance, {"activation": "tanh"}),
    "gains.torch_gain": (gains.torch_gain, {"name": "leaky_relu"}),
    "initializers.Spec": (init.Spec, {"init": "normal", "shape": (2, 3)}),
    "initializers.get": (init.get, {"name": "normal"}),
    "initializers.init_params": (init.init_params, {"tree": {"a": init.Spec("normal", (2, 3))}, "rng": 0}),
    "initializers.mup_sigma": (init.mup_sigma, {"fan_in": 3}),
    "lab.Adam": (lab.Adam, {}),
    "lab.AdamW": (lab.AdamW, {}),
    "lab.Momentum": (lab.Momentum, {}),
    "lab.Optimizer.step": (lab.SGD().step, {"net": NET, "grads": GRADS}),
    "lab.SGD": (lab.SGD, {}),
    "lab.accuracy": (lab.accuracy, {"net": NET, "x": X, "y": Y}),
    "lab.distinct_units": (lab.distinct_units, {"net": NET}),
    "lab.gradient_norms": (lab.gradient_norms, {"net": NET, "x": X, "y": Y}),
    "lab.optimizer": (lab.optimizer, {"name": "sgd"}),
    "lab.permutation": (lab.permutation, {"n": 5, "rng": 0}),
    "lab.train": (lab.train, {"net": NET, "x": X, "y": Y, "optimizer": lab.SGD(), "epochs": 1}),
    "meanfield.chi": (meanfield.chi, {"activation": "tanh", "q": 1.0, "sigma_w2": 1.5}),
    "meanfield.correlation_map": (meanfield.correlation_map, {"activation": "tanh", "c": 0.5, **SIGMAS}),
    "meanfield.covariance": (meanfield.covariance, {"activation": "tanh", "q": 1.0, "c": 0.5}),
    "meanfield.critical_line": (meanfield.critical_line, {"activation": "tanh", "q": 1.0}),
    "meanfield.critical_sigma_w2": (meanfield.critical_sigma_w2, {"activation": "tanh"}),
    "meanfield.finite_width": (meanfield.finite_width, {"activation": "relu", "n": 9}),
    "meanfield.fixed_point": (meanfield.fixed_point, {"activation": "tanh", **SIGMAS}),
    "meanfield.fixed_points": (meanfield.fixed_points, {"activation": "tanh", **SIGMAS}),
    "meanfield.gaussian_moments": (meanfield.gaussian_moments, {"activation": "tanh", "mean": 0.0, "variance": 1.0}),
    "meanfield.half_stable_points": (meanfield.half_stable_points, {"activation": "tanh"}),
    "meanfield.jacobian_moments": (meanfield.jacobian_moments, {"activation": "tanh"}),
    "meanfield.length_map": (meanfield.length_map, {"activation": "tanh", "q": 1.0, **SIGMAS}),
    "meanfield.log_slope": (meanfield.log_slope, {"activation": "tanh", "q": 1.0}),
    "meanfield.mean_slope": (meanfield.mean_slope, {"activation": "tanh", "q": 1.0}),
    "meanfield.mean_square_slope": (meanfield.mean_square_slope, {"activation": "tanh", "q": 1.0}),
    "meanfield.output_share": (meanfield.output_share, {"activation": "tanh", "q": 1.0, "t": 0.9}),
    "meanfield.phase_diagram": (meanfield.phase_diagram, {"activation": "tanh", "sigma_w2": [1.5], "sigma_b2": [0.1]}),
    "meanfield.q_variance": (meanfield.q_variance, {"activation": "tanh", **SIGMAS, "n": 9}),
    "meanfield.rakitianskaia": (meanfield.rakitianskaia, {"activation": "tanh", "q": 1.0}),
    "meanfield.slope_share": (meanfield.slope_share, {"activation": "tanh", "q": 1.0, "r": 0.1}),
    "meanfield.v_prime": (meanfield.v_prime, {"activation": "tanh", "q": 1.0, "sigma_w2": 1.5}),
    "random.as_key": (random.as_key, {"rng": 0}),
    "random.bits": (random.bits, {"shape": 5, "rng": 0}),
    "random.blocks": (lambda shape, elements=4: next(random.blocks(shape, elements=elements), None), {"shape": (2, 3)}),
    "random.normal": (random.normal, {"shape": (2, 3), "rng": 0}),
    "random.truncated_normal": (random.truncated_normal, {"shape": (2, 3), "rng": 0}),
    "random.uniform": (random.uniform, {"shape": (2, 3), "rng": 0}),
    "rules.get": (rules.get, {"rule_id": "SAT201"}),
    "rules.chosen": (rules.chosen, {"select": None, "ignore": None}),
    "rules.thresholds": (rules.thresholds, {}),
    "saturation.at": (sat.at, {"activation": "tanh", "z": Z}),
    "saturation.lesson": (sat.lesson, {"n": 5, "std": 1.0}),
    "saturation.measure": (sat.measure, {"net": NET, "x": X}),
    "saturation.predict": (sat.predict, {"net": NET}),
    "symmetry.Graph.concat": (lambda **k: graph().concat(**k), {"target": "c"}),
    "symmetry.Graph.linear": (lambda **k: graph().linear(**k), {"source": "h", "target": "o", "w": W.T}),
    "symmetry.Graph.norm": (lambda **k: graph().norm(**k), {"axis": "h"}),
    "symmetry.Graph.scale": (lambda **k: graph().scale(**k), {"axis": "h", "value": np.ones(5)}),
    "symmetry.analyze": (sym.analyze, {"net": NET}),
    "symmetry.break_ties": (sym.break_ties, {"net": NET, "rng": 0}),
    "symmetry.invariance": (sym.invariance, {"optimizer": "sgd"}),
    "symmetry.quotient": (sym.quotient, {"net": NET}),
    "kernels.activation_backward": (kn.activation_backward, {"activation": "tanh", "z": X, "dy": X}),
    "kernels.activation_forward": (kn.activation_forward, {"activation": "tanh", "z": X}),
    "kernels.dense_backward": (kn.dense_backward, {"x": X, "w": W, "b": None, "activation": "tanh", "dy": Z, "z": Z}),
    "kernels.dense_forward": (kn.dense_forward, {"x": X, "w": W, "b": None, "activation": "tanh"}),
    "kernels.loss": (kn.loss, {"name": "mse", "prediction": X, "target": X}),
    "kernels.matmul": (kn.matmul, {"a": X, "b": W}),
    "kernels.signals": (kn.signals, {"activation": "tanh", "z": Z, "a": np.tanh(Z)}),
}
# Every initialiser, with what it cannot do without.
for _name in [*init.names, *(n for n in init.__all__ if n.startswith(("kaiming", "xavier")))]:
    _more = {"constant": {"value": 1.0}, "sparse": {"sparsity": 0.5}, "wang_init": {"n_layers": 2}}.get(_name, {})
    _shape = (3, 4, 3, 3) if _name in ("dirac", "delta_orthogonal") else (3, 4)
    _layout = "oihw" if len(_shape) == 4 else None
    CALLS[f"initializers.{_name}"] = (getattr(init, _name), {"shape": _shape, "rng": 0, "layout": _layout, **_more})
del _name, _more, _shape, _layout

# Functions that read files have a table of their own, since they need files; what takes no argument needs no row.
OF_FILES = {"check_file", "compare", "load_data", "load_network", "open_weights", "read_arrays"}
# Changes the process; is judged by tests of its own; stands below the errors; takes what only the package makes.
APART = {"register", "random_fill", "split_digits", "in_words", "judge_arrays"}
MODULES = (ic, activations, config, data, fans, files, gains, init, kn, lab, meanfield, network, random, rules, sat,
           sym)


def uncovered() -> set[str]:
    """Public functions with arguments that no row calls, not even under another module's name."""
    rows = {name.split()[0].rsplit(".", 1)[-1] for name in CALLS} | OF_FILES | APART
    return {f"{m.__name__}.{n}" for m in MODULES for n in (getattr(m, "__all__", None) or dir(m))
            if not n.startswith("_") and inspect.isroutine(getattr(m, n)) and n not in rows
            and inspect.signature(getattr(m, n)).parameters}
