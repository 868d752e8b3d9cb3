"""A training step in one call has the bits of the doors it stands for, and leaves to them what is not plain."""

import numpy as np
import pytest

import initcore as ic

K = ic.kernels


def network(sizes, dtype, activations, bias=True):
    rng = np.random.default_rng(7)
    return ic.Network([ic.Dense((rng.standard_normal((a, b)) / a ** 0.5).astype(dtype),
                                rng.standard_normal(b).astype(dtype) if bias or i % 2 else None, f)
                       for i, (a, b, f) in enumerate(zip(sizes, sizes[1:], activations))])


def by_doors(net, x, labels):
    """Forward, loss and backward, layer by layer."""
    trace = net.trace(x)
    value, dy = K.loss("softmax_cross_entropy", trace.y, labels)
    return value, net.backward(trace, dy)


def data(net, batch):
    rng = np.random.default_rng(batch)
    x = rng.standard_normal((batch, net.widths[0])).astype(net.dtype)
    return x, rng.integers(0, net.widths[-1], batch)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("batch", [1, 5, 33])
@pytest.mark.parametrize(("sizes", "activations", "bias"), [
    ((7, 3), ("identity",), True), ((64, 128, 70, 10), ("tanh", "relu", "identity"), True),
    ((5, 9, 9, 1), ("gelu", "sigmoid", "softplus"), False), ((1, 40, 2), (ic.activations.get("elu"), "sin"), True)])
def test_same_bits_as_the_doors(sizes, activations, bias, batch, dtype):
    net = network(sizes, dtype, activations, bias)
    x, labels = data(net, batch)
    value, pairs = K._chain_gradients(net.layers, x, labels, None)
    again, grads = net.gradients(x, labels)
    want, expected = by_doors(net, x, labels)
    assert value == again == want and len(pairs) == len(expected)
    for pair, gradient, other in zip(pairs, grads, expected):
        for one, two, three in zip(pair, gradient, other):
            assert (one is two is three is None) or one.tobytes() == two.tobytes() == three.tobytes()


def test_what_is_not_plain_is_left_to_the_doors():
    net = network((6, 8, 4), np.float32, ("tanh", "identity"))
    x, labels = data(net, 9)
    refused = [(x.astype(np.float64), labels, None), (x[:, ::-1][:, :5], labels, None), (x[:0], labels[:0], None),
               (x, labels.astype(np.int32), None), (x, labels[:8], None), (x, np.full(9, 4), None),
               (x, np.eye(4, dtype=np.float32)[labels], None), (x.tolist(), labels, None)]
    for arguments in refused:
        assert K._chain_gradients(net.layers, *arguments) is None
    assert K._chain_gradients(net.layers * 20, x, labels, None) is None
    cube = ic.activations.from_callable(lambda z: z ** 3, lambda z: 3 * z ** 2)
    own = ic.Network([net.layers[0].replace(activation=cube), net.layers[1]])
    assert K._chain_gradients(own.layers, x, labels, None) is None and np.isfinite(own.gradients(x, labels)[0])
    value, grads = net.gradients(x.astype(np.float64), labels.astype(np.int32))
    want, expected = net.gradients(x, labels)
    assert value == want and all(a.w.tobytes() == b.w.tobytes() for a, b in zip(grads, expected))
    with pytest.raises(ic.errors.ArgumentError, match="class index"):
        net.gradients(x, np.full(9, 4))
    with pytest.raises(ic.errors.ArgumentError, match="threads"):
        net.gradients(x, labels, threads=0)


def test_strided_operands_and_threads():
    net = network((40, 24, 6), np.float32, ("tanh", "identity"))
    turned = ic.Network([layer.replace(w=np.asfortranarray(layer.w)) for layer in net.layers], check_finite=False)
    x, labels = data(net, 300)
    want = [g.tobytes() for pair in net.gradients(x, labels)[1] for g in pair]
    for threads in (1, 2, 3, 16):
        got = turned.gradients(np.asfortranarray(x), labels, threads=threads)[1]
        assert [g.tobytes() for pair in got for g in pair] == want
