"""Facts of an activation stand in its one object: nobody else knows one by name, and a new one is taken whole."""

import ast
import math
from pathlib import Path

import numpy as np
import pytest

import initcore as ic
from initcore import activations, gains, initializers, meanfield, saturation

PACKAGE = Path(ic.__file__).parent
NAMES = {*activations.names, *(f"{name}_{alpha}" for name in activations.names for alpha in ("0.01", "0.2", "1", "30"))}
# Where a name is the subject itself; beside defaults of parameters and texts.
SUBJECT = {
    "activations": "the facts",
    "_gaussian/special.py": "the two families that closed forms share",
    "_gaussian/closed_forms.py": "closed forms", "_gaussian/pair_forms.py": "closed forms",
    "_gaussian/unit_forms.py": "closed forms",
    "reference/layers.py": "the twin of a loss, which contains the logistic function",
    "reference/signals.py": "the twin of src/variant/signals.pxi, which names these",
    "initializers/_registry.py": "Keras calls the matrix so",
    "files/_chains.py": "what is assumed of a file of weights, and said",
    "torch/init/_fans.py": "PyTorch's table, name for name",
    "_aten/_activations.py": "PyTorch's operations, name for name",
    "_signals/_activations.py": "activations that are written out in other operations",
    "_signals/_cells.py": "the gates of recurrent cells",
    "jax/_program/_primitives.py": "JAX's primitives, name for name",
    "files/_graphs/_keras/_cells.py": "what Keras's cells are without being told otherwise",
    "files/_graphs/_keras/_layer.py": "Keras's activations, name for name",
    "files/_graphs/_keras/_layers.py": "as above",
    "files/_graphs/_onnx/_table.py": "ONNX's operations, name for name",
    "files/_graphs/_transformers/_config.py": "transformers' hidden_act, name for name",
    "files/_graphs/_transformers/_model.py": "as above", "files/_graphs/_transformers/_more.py": "as above",
    "program/_vocabulary.py": "elementary functions, of which two are activations too",
    "_running/_pointwise.py": "elementary functions of the vocabulary, of which two are activations too",
    "_running/_unrolled.py": "the gates of the vocabulary's cells",
    "demo": "the story names its actors",
}


def literals(tree):
    """String constants that are no docstring and no default of a parameter."""
    texts, defaults = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            texts.add(node.value)
        if isinstance(node, ast.FunctionDef | ast.Lambda):
            defaults |= {c for d in (*node.args.defaults, *node.args.kw_defaults) if d for c in ast.walk(d)}
    return [n for n in ast.walk(tree) if isinstance(n, ast.Constant) and n not in texts | defaults
            and isinstance(n.value, str)]


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_no_activation_is_known_by_its_name(path):
    here = path.relative_to(PACKAGE).as_posix()
    if any(here == place or here.startswith(f"{place}/") for place in SUBJECT):
        return
    found = [f"line {n.lineno}: {n.value!r}" for n in literals(ast.parse(path.read_text())) if n.value in NAMES]
    assert not found


@pytest.fixture
def half_relu():
    """phi(z) = 1.5 z for z > 0, else 0: nobody has heard of it."""
    f = activations.Activation(
        "ramp_of_the_test", None, lambda z: np.where(np.asarray(z) > 0, 1.5 * np.asarray(z), 0.0),
        lambda z: np.where(np.asarray(z) > 0, 1.5, 0.0), low=0.0, max_slope=1.5, dphi0=0.0, homogeneous=True,
        kinks=(0.0,), knots=(0.0,), flat_pieces=((-math.inf, 0.0),))
    activations.register(f)
    yield f
    del activations._table._REGISTERED[f.name]


def test_a_new_member_of_the_relu_family_is_taken_whole(half_relu):
    name = half_relu.name
    gain2 = 2 / 1.5 ** 2
    assert ic.gain(name) == pytest.approx(math.sqrt(gain2), rel=1e-12) == gains.gain(half_relu)
    assert half_relu.squared_gain == pytest.approx(gain2, rel=1e-15)
    start = half_relu.start(400, 300)
    w = initializers.get(start.initializer)((400, 300), rng=0, **start.arguments)
    assert float(w.std()) == pytest.approx(start.std, rel=0.01) == math.sqrt(gain2 / 400)
    # mean field: a homogeneous map of slope one at its gain, log slopes -inf, units dead where z < 0
    assert meanfield.gaussian_moments(name, 0.0, 4.0).second == pytest.approx(0.5 * 2.25 * 4, rel=1e-12)
    assert meanfield.log_slope(name, 1.0) == -math.inf
    fixed = meanfield.fixed_point(name, sigma_w2=gain2 / 2, sigma_b2=0.3)
    assert fixed.q == pytest.approx(0.6, rel=1e-9)


def test_the_rules_judge_a_new_member_of_the_relu_family(half_relu):
    key = ic.Key(3)
    start = half_relu.start(64, 64)
    make = initializers.get(start.initializer)
    sizes = (64, 64, 64, 64)
    net = ic.Network([ic.Dense(make((64, n), rng=key.child(i), **start.arguments), np.zeros(n, np.float32),
                               half_relu.name) for i, n in enumerate(sizes)]
                     + [ic.Dense(ic.init.lecun_normal((64, 5), rng=key), np.zeros(5, np.float32))])
    x = ic.random.normal((256, 64), rng=key.child("x"))
    assert ic.check(net, x).ok
    dead = net.layers[1].replace(b=np.full(64, -40, np.float32))
    report = ic.check(ic.Network([net.layers[0], dead, *net.layers[2:]]), x)
    assert any(f.rule == "SAT203" for f in report.findings)
    large = net.layers[2].replace(w=100 * net.layers[2].w)
    report = ic.check(ic.Network([*net.layers[:2], large, *net.layers[3:]]), x)
    [found] = [f for f in report.findings if f.rule == "SIG305"]
    assert start.call((64, 64)) in str(found.cure)


@pytest.mark.parametrize("name", [*activations.names, "leaky_relu_0.2", "elu_0.5", "sin_30"])
@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("shape", [(300, 200), (100, 700)])
def test_the_call_draws_the_number_beside_it(name, first, shape):
    start = activations.get(name).start(*shape, first=first)
    w = initializers.get(start.initializer)(shape, rng=1, dtype="float64", **start.arguments)
    assert w.std() == pytest.approx(start.std, rel=0.02)
    again = eval(start.call(shape), {"ic": ic, "key": 1})
    np.testing.assert_allclose(again, w, rtol=2e-6, atol=1e-6 * start.std)


@pytest.mark.parametrize("name", [n for n in activations.names if activations.get(n).output_inverse])
def test_the_lesson_of_every_saturating_activation(name):
    f = activations.get(name)
    share = saturation.lesson(40, 0.7, activation=name, t=0.8)
    edge = f.output_inverse(0.8)
    assert share == pytest.approx(math.erfc(edge / (0.7 * math.sqrt(2 * 40))), rel=1e-12)
    assert meanfield.output_share(name, 40 * 0.49, 0.8) == pytest.approx(share, rel=1e-9)
