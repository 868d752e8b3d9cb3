"""``check`` of JAX's models: planted faults by name and cause, no false alarms, repairs that hold, what is refused."""

import functools
import json

import numpy as np
import pytest

pytest.importorskip("jax")

import jax
import jax.numpy as jnp

import initcore as ic
import initcore.jax as ij
from initcore import errors

KEY = ic.Key(11)
RNG = np.random.default_rng(5)
X = RNG.normal(size=(64, 20)).astype("float32")
Y = RNG.integers(0, 4, 64)


def mlp(p, x):
    for name in ("a", "b"):
        x = jnp.tanh(x @ p[name]["kernel"] + p[name]["bias"])
    return x @ p["c"]["kernel"] + p["c"]["bias"]


def fresh(sizes=(20, 30, 30, 4), kind=ic.init.glorot_normal):
    return {n: {"kernel": jnp.asarray(kind((i, o), rng=KEY.child(n))), "bias": jnp.zeros(o)}
            for n, i, o in zip("abc", sizes, sizes[1:])}


def changed(name, f):
    p = fresh()
    layer, what = name.split(".")
    p[layer][what] = f(p[layer][what])
    return ij.Model(mlp, p)


FAULTS = {
    "a.kernel x 30": ("a.kernel", lambda w: 30 * w, "SAT201", "weight_scale"),
    "b.kernel off centre": ("b.kernel", lambda w: w + 3.0, "SAT201", "weight_mean"),
    "a.bias 9": ("a.bias", lambda b: b + 9.0, "SAT201", "bias"),
    "c.kernel x 80": ("c.kernel", lambda w: 80 * w, "OUT602", "weight_scale"),
    "b.kernel nan": ("b.kernel", lambda w: w.at[3, 4].set(jnp.nan), "NUM401", None),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_found_named_and_mended(name):
    tensor, f, rule, cause = FAULTS[name]
    model = changed(tensor, f)
    report = ic.check(model, X, Y)
    assert isinstance(report, ic.verdict.ModuleReport)
    hits = [g for g in report.findings if g.rule == rule and tensor in (g.tensor, *g.tensors)]
    assert hits and (cause is None or hits[0].cause == cause), report
    if rule != "NUM401":
        assert hits[0].place.file.endswith("test_jax_check.py") and hits[0].place.line > 0
        assert "torch" not in hits[0].cure
        mended = report.repair(rng=3)
        assert isinstance(mended, ij.Model) and ic.check(mended, X, Y).ok, ic.check(mended, X, Y)


def test_a_constant_start_is_tied_by_proof():
    model = ij.Model(mlp, jax.tree.map(lambda w: jnp.full_like(w, 0.1), fresh()))
    report = ij.check(model, X, Y, optimizer="adam")
    found = {f.tensor: f for f in report.findings if f.rule == "SYM101"}
    assert {"a.kernel", "b.kernel"} <= set(found) and found["a.kernel"].severity == "fail"
    assert ic.symmetry.analyze(ij.program(mlp, report.repair(rng=2).params, X)).ok


def test_a_good_start_has_no_finding_and_a_seed_gives_its_repair_again():
    assert not ic.check(ij.Model(mlp, fresh()), X, Y, optimizer="adam").findings
    report = ic.check(changed("a.kernel", lambda w: 30 * w), X, Y)
    a, b = (report.repair(rng=ic.Key(5)).params["a"]["kernel"] for _ in range(2))
    assert (a == b).all()
    assert (report.repair(rng=1).params["b"]["kernel"] == fresh()["b"]["kernel"]).all()         # the others stay


def test_inputs_that_are_not_scaled_are_folded_into_the_first_layer():
    model, x = ij.Model(mlp, fresh()), 40 + 25 * X
    report = ij.check(model, x, Y)
    assert {"input_scale", "input_offset"} & {f.cause for f in report.findings}
    mended = report.repair(rng=0).params
    want = fresh()["a"]["kernel"] / x.std()
    np.testing.assert_allclose(mended["a"]["kernel"], want, rtol=1e-4)
    h = x @ np.asarray(mended["a"]["kernel"]) + np.asarray(mended["a"]["bias"])
    assert 0.3 < h.std() < 3


def test_the_signal_at_every_activation_is_that_of_the_numbers():
    report = ij.check(MODEL, X, Y)
    z = X @ np.asarray(fresh()["a"]["kernel"])
    assert [la.activation for la in report.layers] == ["tanh", "tanh"]
    assert report.layers[0].q == pytest.approx((z ** 2).mean(), rel=1e-4)
    steps = report._mend.context.steps
    assert len(steps) == 5

    def tail(h):
        logits = mlp({"a": {"kernel": jnp.eye(30), "bias": jnp.zeros(30)}, **{k: fresh()[k] for k in "bc"}}, h)
        return -jax.nn.log_softmax(logits)[jnp.arange(64), Y].mean()
    want = jnp.linalg.norm(jax.grad(tail)(jnp.asarray(z)))
    assert steps[0].gradient_after == pytest.approx(float(want), rel=1e-3)


def test_sarif_names_file_and_line():
    report = ij.check(changed("a.kernel", lambda w: 30 * w), X, Y)
    found = json.loads(report.to_sarif())["runs"][0]["results"]
    places = [r["locations"][0]["physicalLocation"] for r in found]
    assert any(p["artifactLocation"]["uri"].endswith("tests/jax/test_jax_check.py") and p["region"]["startLine"] > 20
               for p in places)


def test_a_loop_is_one_activation_and_relus_derivative_at_0_counts():
    def loop(p, x):
        return jax.lax.scan(lambda h, r: (jnp.tanh(h @ p["u"] + r @ p["w"]), None), jnp.zeros((8, 6)), x)[0] @ p["v"]
    sizes = {"u": (6, 6), "w": (3, 6), "v": (6, 2)}
    p = {n: jnp.asarray(ic.init.glorot_normal(s, rng=KEY.child(n))) for n, s in sizes.items()}
    report = ij.check(ij.Model(loop, p), RNG.normal(size=(5, 8, 3)).astype("float32"))
    assert len(report.layers) == 1 and report.ok
    zero = {"w": jnp.zeros((20, 16)), "v": jnp.zeros((16, 4))}
    report = ij.check(ij.Model(lambda p, x: jax.nn.relu(x @ p["w"]) @ p["v"], zero), X, Y)
    assert {"w", "v"} <= {f.tensor for f in report.findings if f.rule == "SYM104"} | {
        t for f in report.findings if f.rule == "SYM104" for t in f.message.replace(",", "").split()}, report


def test_modules_of_flax_and_equinox_and_their_repairs():
    nn, nnx, eqx = (pytest.importorskip(n) for n in ("flax.linen", "flax.nnx", "equinox"))

    class Net(nnx.Module):
        def __init__(self):
            self.up, self.norm = nnx.Linear(20, 30, rngs=nnx.Rngs(0)), nnx.BatchNorm(30, rngs=nnx.Rngs(1))
            self.down = nnx.Linear(30, 4, rngs=nnx.Rngs(2))

        def __call__(self, x):
            return self.down(jnp.tanh(self.norm(self.up(x))))
    net = Net()
    assert ic.check(net, X, Y).ok
    net.down.kernel[...] = 90 * net.down.kernel[...]
    report = ic.check(net, X, Y)
    assert "down.kernel" in {f.tensor for f in report.findings if f.rule == "OUT602"}
    assert isinstance(report.repair(rng=0), Net) and ic.check(report.repair(rng=0), X, Y).ok

    bound = nn.Sequential([nn.Dense(30), nn.tanh, nn.Dense(4)])
    variables = jax.tree.map(lambda w: 30 * w, bound.init(jax.random.key(0), X))
    report = ic.check(bound.bind(variables), X, Y)
    first = next(f for f in report.findings if f.rule == "SAT201")
    assert first.tensor == "params.layers_0.kernel" and first.place.module.endswith("layers_0")
    mended = report.repair(rng=0)
    assert ic.check(mended, X, Y).ok and mended(X).shape == (64, 4)
    with pytest.raises(errors.UsageError, match=r"bind\(variables\)"):
        ic.check(bound, X)

    mlp3 = eqx.nn.MLP(20, 4, 30, 2, jnp.tanh, key=jax.random.key(0))
    assert ic.check(mlp3, X, Y).ok
    mlp3 = eqx.tree_at(lambda m: m.layers[1].weight, mlp3, replace_fn=lambda w: 60 * w)
    report = ic.check(mlp3, X, Y)
    assert "layers.1.weight" in {f.tensor for f in report.findings}
    assert isinstance(report.repair(rng=0), eqx.nn.MLP) and ic.check(report.repair(rng=0), X, Y).ok


def test_running_statistics_are_not_trained():
    nn = pytest.importorskip("flax.linen")
    model = nn.Sequential([nn.Dense(8), nn.BatchNorm(use_running_average=True), nn.relu, nn.Dense(2)])
    p = ij.program(model.apply, model.init(jax.random.key(0), X), X)
    assert {n for q in p.parameters if not q.trainable for n in q.names} == {
        "batch_stats.layers_1.mean", "batch_stats.layers_1.var"}


def test_a_loss_of_the_users_own_and_a_named_one():
    model = ij.Model(mlp, fresh())

    def mine(output, y):
        return jnp.square(output[:, 0] - y).mean()
    report = ij.check(model, X, Y.astype("float32"), loss=mine)
    assert any("loss mine" in c for c in report.conditions)
    assert any("loss mse (" in c for c in ij.check(model, X, np.zeros((64, 4), "float32"), loss="mse").conditions)
    assert ij.check(model, (64, 20)).ok                  # a shape is enough
    assert any("drawn" in c for c in ij.check(model, (64, 20)).conditions)


MODEL = ij.Model(mlp, fresh())


def branchy(p, x):
    return x @ p["w"] if float(x.sum()) > 0 else x


def test_what_cannot_be_traced_is_judged_by_its_weights():
    report = ij.check(ij.Model(branchy, {"w": jnp.ones((20, 4))}), X)
    assert report.verdict != "fit to train" and "branchy cannot be read" in report.notes[0]


REFUSED = [
    (lambda: ij.check(mlp, X), errors.ArgumentTypeError, r"mlp is a function without its parameters.*Model\(fn"),
    (lambda: ij.check(3, X), errors.ArgumentTypeError, "model must be an initcore.jax.Model"),
    (lambda: ij.Model({}, {}), errors.ArgumentTypeError, "fn must be a function"),
    (lambda: ij.check(MODEL), errors.ArgumentError, "x is missing"),
    (lambda: ij.check(MODEL, "x"), errors.ArgumentTypeError, "x must be an array"),
    (lambda: ij.check(MODEL, jax.ShapeDtypeStruct((4, 20), "float32")), errors.UsageError,
     "x is a ShapeDtypeStruct"),
    (lambda: ij.check(ij.Model(mlp, jax.eval_shape(fresh)), X), errors.UsageError, r"a.*ShapeDtypeStruct.*init_params"),
    (lambda: jax.jit(lambda p: ij.check(ij.Model(mlp, p), X))(fresh()), errors.UsageError, "a.bias is a tracer"),
    (lambda: jax.jit(lambda p: ij.program(mlp, p, X))(fresh()), errors.UsageError, "a.bias is a tracer"),
    (lambda: jax.jit(lambda x: ij.check(MODEL, x))(X), errors.UsageError, "x is a tracer"),
    (lambda: ij.program(mlp, {"a": "weights"}, X), errors.ArgumentTypeError, "its leaf a is a str"),
    (lambda: ij.check(MODEL, X, Y, loss="hinge"), errors.InitcoreError, "hinge"),
    (lambda: ij.check(MODEL, X, Y, loss=3), errors.ArgumentTypeError, "loss must be a function"),
    (lambda: ij.check(MODEL, X, Y, loss=lambda o, y: o[:, 0]), errors.ArgumentError, "one number"),
    (lambda: ij.check(MODEL, X, Y + 2), errors.ArgumentError, "classes from"),
    (lambda: ij.check(MODEL, X, Y[:9]), errors.ArgumentError, "no loss goes with"),
    (lambda: ij.check(MODEL, X, ["a"] * 64), errors.ArgumentTypeError, "y must be an array"),
]


@pytest.mark.parametrize(("call", "error", "text"), REFUSED, ids=lambda v: v if isinstance(v, str) else "")
def test_what_is_refused(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_functions_that_jit_and_partials_are_functions_too():
    model = ij.Model(jax.jit(functools.partial(lambda scale, p, x: scale * mlp(p, x), 1.0)), fresh())
    assert ij.check(model, X, Y).ok
