"""Dense and Network: chaining, forward, trace, gradients against central differences, bad input."""

import pickle

import numpy as np
import pytest

import initcore as ic
from initcore import reference
from initcore.errors import ArgumentTypeError, DTypeError, NonFiniteError, ShapeError, UnknownNameError


def make(widths=(5, 7, 6, 3), hidden="tanh", last="identity", dtype="float64", seed=0, bias=True):
    rng = np.random.default_rng(seed)
    layers = []
    for i, (n, m) in enumerate(zip(widths, widths[1:])):
        w = (rng.standard_normal((n, m)) / np.sqrt(n)).astype(dtype)
        b = rng.standard_normal(m).astype(dtype) * dtype_of(dtype)(0.1) if bias else None
        layers.append(ic.Dense(w, b, last if i == len(widths) - 2 else hidden))
    return ic.Network(layers)


def dtype_of(name):
    return np.dtype(name).type


def test_forward_is_the_chain_of_layers():
    net = make()
    x = np.random.default_rng(1).standard_normal((4, 5))
    a = x
    for layer in net.layers:
        a = reference.dense_forward(a, layer.w, layer.b, layer.activation)
    np.testing.assert_allclose(net.forward(x), a, rtol=1e-13)
    assert net.widths == (5, 7, 6, 3) and len(net) == 3
    assert repr(net) == "Network(5 -> 7 -> 6 -> 3, float64)"


def test_trace_holds_z_and_a_of_every_layer():
    net = make()
    x = np.random.default_rng(1).standard_normal((4, 5))
    t = net.trace(x)
    assert [z.shape for z in t.z] == [(4, 7), (4, 6), (4, 3)]
    np.testing.assert_allclose(t.a[0], np.tanh(t.z[0]), rtol=1e-14)
    np.testing.assert_array_equal(t.y, net.forward(x))
    np.testing.assert_array_equal(t.y, t.z[-1])


TARGETS = {"mse": lambda r, n, c: r.standard_normal((n, c)),
           "softmax_cross_entropy": lambda r, n, c: r.integers(0, c, n),
           "binary_cross_entropy": lambda r, n, c: r.random((n, c))}


@pytest.mark.parametrize("loss", TARGETS)
@pytest.mark.parametrize("hidden", ["tanh", "sigmoid", "gelu", "softplus", "sin", "leaky_relu_0.2"])
def test_gradients_are_central_differences(loss, hidden):
    net = make(hidden=hidden)
    rng = np.random.default_rng(2)
    x, y = rng.standard_normal((6, 5)), TARGETS[loss](rng, 6, 3)
    value, grads = net.gradients(x, y, loss=loss)
    assert value == pytest.approx(getattr(reference, loss)(net.forward(x), y)[0], rel=1e-13)
    h = 2.0 ** -9
    for i in range(3):
        for which in ("w", "b"):
            array = getattr(net.layers[i], which)
            index = tuple(rng.integers(0, n) for n in array.shape)

            def at(step, i=i, which=which, array=array, index=index):
                moved = array.copy()
                moved[index] += step
                layers = list(net.layers)
                layers[i] = layers[i].replace(**{which: moved})
                return ic.Network(layers).gradients(x, y, loss=loss)[0]

            numeric = (8 * (at(h) - at(-h)) - (at(2 * h) - at(-2 * h))) / (12 * h)
            assert getattr(grads[i], which)[index] == pytest.approx(numeric, rel=1e-7, abs=1e-9)


def test_a_layer_without_bias_has_no_bias_gradient():
    net = make(bias=False)
    _, grads = net.gradients(np.ones((2, 5)), np.zeros((2, 3)), loss="mse")
    assert all(g.b is None for g in grads) and grads[0].w.shape == (5, 7)


def test_a_users_own_callable_is_an_activation():
    net = make(hidden=lambda z: np.tanh(z) * 2)
    x, y = np.random.default_rng(3).standard_normal((6, 5)), np.zeros((6, 3))
    twin = make(hidden=ic.activations.from_callable(lambda z: 2 * np.tanh(z), lambda z: 2 / np.cosh(z) ** 2))
    np.testing.assert_allclose(net.forward(x), twin.forward(x), rtol=1e-14)
    for a, b in zip(net.gradients(x, y, loss="mse")[1], twin.gradients(x, y, loss="mse")[1]):
        np.testing.assert_allclose(a.w, b.w, rtol=1e-9, atol=1e-12)


def test_inputs_are_never_modified_and_may_be_read_only():
    net = make()
    x, y = np.random.default_rng(4).standard_normal((6, 5)), np.array([0, 1, 2, 0, 1, 2])
    x.flags.writeable = y.flags.writeable = False
    for layer in net.layers:
        layer.w.flags.writeable = layer.b.flags.writeable = False
    net.gradients(x, y)


def test_float32_inputs_of_a_float64_network_are_widened():
    net = make()
    x = np.ones((2, 5), np.float32)
    assert net.forward(x).dtype == np.float64


@pytest.mark.parametrize("loss", ["mse", "binary_cross_entropy", "softmax_cross_entropy"])
def test_targets_are_cast_as_the_inputs_are(loss):
    rng = np.random.default_rng(4)
    net = ic.Network([ic.Dense(rng.standard_normal((5, 3)).astype(np.float32))])
    x, y = rng.standard_normal((6, 5)), np.eye(3)[rng.integers(0, 3, 6)]
    value, grads = net.gradients(x, y, loss=loss)
    same, expected = net.gradients(x.astype(np.float32), y.astype(np.float32), loss=loss)
    assert value == same and np.array_equal(grads[0].w, expected[0].w) and grads[0].w.dtype == np.float32
    assert ic.check(net, x, y, loss=loss).ok
    with pytest.raises(DTypeError, match="class indices"):
        net.gradients(x, rng.random(6))


def test_empty_batch():
    net = make()
    assert net.forward(np.zeros((0, 5))).shape == (0, 3)


def test_activations_pickle():
    for name in (*ic.activations.names, "leaky_relu_0.3", "leaky_relu_-0.3", "elu_1e-05"):
        assert pickle.loads(pickle.dumps(ic.activations.get(name))).name == ic.activations.get(name).name


W = np.ones((3, 2))


@pytest.mark.parametrize("call, error, says", [
    (lambda: ic.Dense(np.ones(3)), ShapeError, "w must have 2 dimension"),
    (lambda: ic.Dense(np.ones((3, 2), int)), DTypeError, "w must hold float32 or float64.*int64.*astype"),
    (lambda: ic.Dense(np.ones((3, 2), object)), DTypeError, "object"),
    (lambda: ic.Dense(np.ones((3, 2), complex)), DTypeError, "complex"),
    (lambda: ic.Dense(W, np.ones(3)), ShapeError, r"needs \(2,\).*PyTorch"),
    (lambda: ic.Dense(W, np.ones(2, np.float32)), DTypeError, "b has dtype float32"),
    (lambda: ic.Dense(W, None, "tanhh"), UnknownNameError, "did you mean 'tanh'"),
    (lambda: ic.Dense(W, None, 3), ArgumentTypeError, "activation must be"),
    (lambda: ic.Network([]), ShapeError, "empty"),
    (lambda: ic.Network(ic.Dense(W)), ArgumentTypeError, "layers must be a list of initcore.Dense"),
    (lambda: ic.Network(None), ArgumentTypeError, "layers must be a list of initcore.Dense"),
    (lambda: ic.saturation.predict(make(), second_moment=-1), ic.errors.ArgumentError, "at least 0, got -1"),
    (lambda: ic.saturation.predict(make(), mean="a"), ArgumentTypeError, "mean must be a number"),
    (lambda: ic.saturation.predict([W]), ArgumentTypeError, "net must be an initcore.Network, got list"),
    (lambda: ic.saturation.measure(None, W), ArgumentTypeError, "net must be an initcore.Network, got NoneType"),
    (lambda: ic.saturation.predict(make(), covariance="a"), ArgumentTypeError, "covariance must be a matrix"),
    (lambda: ic.check(make(), select=True), ArgumentTypeError, "select must be rule identifiers"),
    (lambda: ic.check(make(), thresholds=True), ArgumentTypeError, "thresholds must be a mapping"),
    (lambda: ic.Network([W]), ArgumentTypeError, r"layers\[0\] must be an initcore.Dense"),
    (lambda: ic.Network([ic.Dense(W), ic.Dense(W)]), ShapeError, r"layers\[0\] has 2 units but layers\[1\] takes 3"),
    (lambda: ic.Network([ic.Dense(np.array([[1.0], [np.nan]]))]), NonFiniteError,
     r"layers\[0\].w holds nan at index \(1, 0\)"),
    (lambda: ic.Network([ic.Dense(W, np.array([0.0, np.inf]))]), NonFiniteError, r"layers\[0\].b holds inf"),
    (lambda: make().forward(np.ones((2, 4))), ShapeError, r"x has shape \(2, 4\).*5 features"),
    (lambda: make().forward(np.ones(5)), ShapeError, "x must have 2 dimension"),
    (lambda: make().gradients(np.ones((2, 5)), np.ones((2, 3)), loss="msee"), UnknownNameError, "did you mean 'mse'"),
    (lambda: make().gradients(np.ones((2, 5)), np.ones((3, 3)), loss="mse"), ShapeError, "target"),
    (lambda: make().gradients(np.ones((2, 5)), np.array([0, 3])), ic.errors.ArgumentError, "3"),
])
def test_bad_input(call, error, says):
    with pytest.raises(error, match=says):
        call()


def test_errors_are_also_the_builtins_users_expect():
    with pytest.raises(ValueError):
        ic.Dense(np.ones(3))
    with pytest.raises(TypeError):
        ic.Dense(np.ones((3, 2), int))
