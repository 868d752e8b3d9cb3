"""``check`` of modules that hold more than weights: states, running statistics, keys, counters, large tables."""

import numpy as np
import pytest

pytest.importorskip("jax")

import jax
import jax.numpy as jnp

import initcore as ic
import initcore.jax as ij
from initcore import errors

X = np.random.default_rng(8).normal(size=(40, 12)).astype("float32")


def too_large(report, name):
    return {f.tensor for f in report.findings if f.severity != "info"} == {name}


def test_equinox_with_a_state_and_with_keys():
    eqx = pytest.importorskip("equinox")

    class Net(eqx.Module):
        up: eqx.nn.Linear
        norm: eqx.nn.BatchNorm
        drop: eqx.nn.Dropout
        down: eqx.nn.Linear

        def __init__(self, key):
            a, b = jax.random.split(key)
            self.up, self.down = eqx.nn.Linear(12, 20, key=a), eqx.nn.Linear(20, 3, key=b)
            self.norm, self.drop = eqx.nn.BatchNorm(20, axis_name="rows", mode="batch"), eqx.nn.Dropout(0.2)

        def __call__(self, x, state, *, key):
            x, state = self.norm(self.up(x), state)
            return self.down(self.drop(jax.nn.relu(x), key=key)), state
    whole = Net(jax.random.key(4))
    assert ic.check(whole, X).ok
    net, state = eqx.nn.make_with_state(Net)(jax.random.key(4))
    assert ic.check((net, state), X).ok
    bad = eqx.tree_at(lambda m: m.down.weight, net, jnp.zeros_like(net.down.weight) + 0.1)
    report = ij.check((bad, state), X)
    assert {"down.weight"} <= {f.tensor for f in report.findings}
    mended, kept = report.repair(rng=0)
    assert isinstance(mended, Net) and ic.check((mended, kept), X).ok
    with pytest.raises(errors.UsageError, match=r"give both, check\(\(model, state\), x\)"):
        ic.check(net, X)
    with pytest.raises(errors.ArgumentTypeError, match=r"model must be an initcore.jax.Model"):
        ij.check((3, state), X)


def test_flax_nnx_with_statistics_streams_and_counters():
    nnx = pytest.importorskip("flax.nnx")

    class Net(nnx.Module):
        def __init__(self, rngs):
            self.up, self.norm = nnx.Linear(12, 24, rngs=rngs), nnx.BatchNorm(24, rngs=rngs)
            self.drop, self.down = nnx.Dropout(0.3, rngs=rngs), nnx.Linear(24, 5, rngs=rngs)
            self.calls = nnx.Variable(jnp.array(0))

        def __call__(self, x):
            self.calls[...] = self.calls[...] + 1
            return self.down(self.drop(jax.nn.gelu(self.norm(self.up(x)))))
    net = Net(nnx.Rngs(3))
    assert ic.check(net, X).ok and int(net.calls[...]) == 0 and not net.norm.mean[...].any()
    net.up.kernel[...] = jnp.zeros((12, 24))
    net.down.kernel[...] = jnp.zeros((24, 5))
    report = ic.check(net, X)
    assert {"up.kernel", "down.kernel"} & {f.tensor for f in report.findings if f.rule == "SYM104"}, report
    mended = report.repair(rng=1)
    assert isinstance(mended, Net) and ic.check(mended, X).ok
    net.eval()
    assert not ic.check(net, X).ok


def test_flax_linen_with_collections_that_change():
    nn = pytest.importorskip("flax.linen")

    class Net(nn.Module):
        @nn.compact
        def __call__(self, x, train=True):
            x = nn.relu(nn.BatchNorm(use_running_average=not train)(nn.Dense(18)(x)))
            self.sow("intermediates", "hidden", x)
            calls = self.variable("cache", "calls", lambda: jnp.zeros((), jnp.int32))
            calls.value = calls.value + 1
            return nn.Dense(3)(nn.Dropout(0.4, deterministic=not train)(x))
    net = Net()
    variables = net.init({"params": jax.random.key(0), "dropout": jax.random.key(1)}, X)
    variables = {k: v for k, v in variables.items() if k != "intermediates"}
    streams = {"dropout": jax.random.key(2)}
    for bound in (net.bind(variables), net.bind(variables, mutable=["batch_stats"], rngs=streams)):
        assert ic.check(bound, X).ok
    variables["params"]["Dense_1"]["kernel"] = 70.0 * variables["params"]["Dense_1"]["kernel"]
    report = ij.check(net.bind(variables), X, np.arange(40) % 3)
    assert too_large(report, "params.Dense_1.kernel"), report
    mended = report.repair(rng=5)
    assert isinstance(mended, Net) and ic.check(mended, X, np.arange(40) % 3).ok
    assert (mended.variables["batch_stats"]["BatchNorm_0"]["var"] == 1).all()


def test_a_function_that_holds_a_large_table_and_masks_weights_with_it():
    mask = jnp.asarray(np.random.default_rng(1).integers(0, 2, (300, 300)), jnp.float32)
    w = {"a": jnp.asarray(ic.init.he_normal((12, 300), rng=2)), "b": jnp.asarray(ic.init.he_normal((300, 300), rng=3)),
         "c": jnp.asarray(ic.init.glorot_normal((300, 4), rng=4))}

    def fn(p, x):
        return jax.nn.relu(jax.nn.relu(x @ p["a"]) @ (2 ** 0.5 * p["b"] * mask)) @ p["c"]
    report = ij.check(ij.Model(fn, w), X)
    assert report.ok and len([s for s in report.way if s.weights]) == 3


def test_layers_that_are_scanned_are_judged_one_by_one():
    def fn(p, x):
        return jax.lax.scan(lambda h, w: (jnp.tanh(h @ w), None), x, p["stack"])[0] @ p["out"]
    stack = jnp.asarray(np.stack([ic.init.glorot_normal((12, 12), rng=k) for k in range(3)]))
    out = jnp.asarray(ic.init.glorot_normal((12, 2), rng=9))

    def told(stack):
        report = ij.check(ij.Model(fn, {"stack": stack, "out": out}), X)
        return [(f.rule, f.tensor, f.message[:8]) for f in report.findings
                if f.severity != "info" and f.rule.startswith(("TEN", "RNG"))]
    assert told(stack) == []
    assert told(stack.at[2].set(0.07)) == [("TEN802", "stack", "Layer 2:")]
    assert told(stack.at[1, :, 5].set(stack[1, :, 8])) == [("TEN803", "stack", "Layer 1:")]
    assert [row[:2] for row in told(stack.at[1].set(stack[0]))] == [("RNG501", "stack")]
