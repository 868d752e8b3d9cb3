"""A false alarm is a bug of the same rank as a miss: sound networks give no fail, and no warn but those listed here."""

import itertools

import numpy as np
import pytest

import initcore as ic
from initcore.data import load_digits

RELU_LIKE = ("relu", "leaky_relu", "elu", "gelu", "gelu_tanh", "silu", "mish", "softplus")
TANH_LIKE = ("tanh", "sigmoid", "softsign", "hard_tanh", "arctan", "erf", "hard_sigmoid")


def inputs(kind, features, rows=256):
    rng = np.random.default_rng(7)
    if kind == "none":
        return None
    if kind == "standard":
        return rng.standard_normal((rows, features)).astype(np.float32)
    if kind == "unit":
        return rng.random((rows, features)).astype(np.float32)
    x, _ = load_digits()
    return x[:rows]


def build(make_w, widths, activation, make_b=None, dtype="float32", last="identity"):
    """A network from ``make_w(layer, fan_in, fan_out)`` and ``make_b`` (zeros unless given)."""
    layers = []
    for i, (n, m) in enumerate(itertools.pairwise(widths)):
        b = np.zeros(m) if make_b is None else make_b(i, n, m)
        layers.append(ic.Dense(np.asarray(make_w(i, n, m), dtype), np.asarray(b, dtype),
                               activation if i < len(widths) - 2 else last))
    return ic.Network(layers)


def alarms(net, x=None, **options):
    """Findings above info, but those a person would agree with."""
    return [f for f in ic.check(net, x, **options).findings if f.severity != "info" and not agreed(f, net)]


def agreed(f, net):
    """Warnings that are right: sigmoid stacks of five and more hidden layers starve their first layers at any usual
    scale (0.24 per layer with Glorot weights, 0.14 with PyTorch's; theory section 5), hard_sigmoid's slope is smaller
    still."""
    if f.rule == "SIG303" and net.layers[0].activation.name in ("sigmoid", "hard_sigmoid"):
        return f.severity == "warn" and f.cause == "activation" and len(net) >= 5
    return False


def show(found):
    return [(f.rule, f.severity, f.layer, f.cause, f.message) for f in found]


OURS = [("he_normal", a) for a in RELU_LIKE] + [("he_uniform", "relu"), ("lecun_normal", "selu"),
        ("lecun_uniform", "selu"), ("orthogonal", "tanh"), ("orthogonal", "relu"), ("torch_default", "relu"),
        ("torch_default", "tanh"), ("lecun_normal", "tanh"), ("small_init", "gelu"), ("eye", "tanh"),
        ("spectral", "relu"), ("mup_std", "relu")] + \
       [("glorot_normal", a) for a in TANH_LIKE] + [("glorot_uniform", a) for a in ("tanh", "sigmoid", "identity")]


@pytest.mark.parametrize("depth", [1, 2, 4, 10])
@pytest.mark.parametrize(("name", "activation"), OURS)
def test_our_defaults(name, activation, depth):
    """Every initialiser at its defaults on the activation it is meant for, square layers, all inputs."""
    make = getattr(ic.init, name, None)
    for seed, kind in enumerate(("none", "standard", "unit", "digits")):
        key = ic.Key(1000 * depth + seed)
        net = build(lambda i, n, m, key=key: make((n, m), rng=key.child(i)), [64] * depth + [10], activation)
        found = alarms(net, inputs(kind, 64))
        assert not found, (name, activation, depth, kind, show(found))


@pytest.mark.parametrize("name, activation", OURS)
@pytest.mark.parametrize("widths", [(64, 128, 128, 10), (20, 50, 1), (784, 256, 10), (16, 300, 40, 3)])
def test_our_defaults_on_networks_that_widen_and_narrow(name, activation, widths):
    if name == "eye":           # an identity map that narrows throws inputs away
        widths = (64, 64, 64, 10)
    make = getattr(ic.init, name)
    for dtype in ("float32", "float64", "bfloat16"):
        net = build(lambda i, n, m, dtype=dtype: make((n, m), rng=ic.Key(3).child(i), dtype=dtype).astype("float32"),
                    widths, activation)
        found = alarms(net)
        assert not found, (name, activation, widths, dtype, show(found))


def torch_linear(rng):
    """nn.Linear: weight and bias U(+-1/sqrt(fan_in))."""
    bound = lambda n: 1 / np.sqrt(n)
    return (lambda i, n, m: rng.uniform(-bound(n), bound(n), (m, n)).T,
            lambda i, n, m: rng.uniform(-bound(n), bound(n), m))


def keras_dense(rng):
    """Dense: Glorot uniform, zero bias."""
    def make(i, n, m):
        a = np.sqrt(6 / (n + m))
        return rng.uniform(-a, a, (n, m))
    return make, None


def flax_dense(rng):
    """Dense: LeCun normal truncated at two sigmas and rescaled, zero bias."""
    def make(i, n, m):
        z = rng.standard_normal((4 * n, m))
        z = z[np.abs(z) < 2][:n * m].reshape(n, m) if n * m >= 16 else np.clip(z[:n], -2, 2)
        return z / 0.87962566103423978 / np.sqrt(n)
    return make, None


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("library", [torch_linear, keras_dense, flax_dense])
@pytest.mark.parametrize("widths", [[64, 10], [64, 16, 10], [64, 128, 64, 10], [64] + [32] * 5 + [10],
                                    [64] + [100] * 9 + [3], [64, 512, 16, 512, 2]], ids=str)
def test_library_defaults(library, widths, dtype):
    for seed, activation in enumerate(("relu", "tanh", "gelu", "sigmoid", "silu", "softsign", "hard_tanh", "elu")):
        make_w, make_b = library(np.random.default_rng(seed))
        net = build(make_w, widths, activation, make_b, dtype)
        for kind in ("none", "standard", "unit", "digits"):
            found = alarms(net, inputs(kind, 64))
            assert not found, (activation, kind, show(found))


@pytest.mark.parametrize(("widths", "activation"), [([4096, 1024, 10], "relu"), ([64, 4096, 16, 10], "tanh"),
                                                    ([16] * 11, "relu"), ([16] * 11, "tanh")], ids=str)
def test_widths(widths, activation):
    key = ic.Key(5)
    make = ic.init.he_normal if activation == "relu" else ic.init.glorot_normal
    net = build(lambda i, n, m, key=key: make((n, m), rng=key.child(i)), widths, activation)
    assert not alarms(net)


def test_narrow_and_deep_is_only_information():
    """Width 16, ten layers, many seeds: the signal wanders, and no warning is due."""
    for seed in range(40):
        key = ic.Key(seed)
        net = build(lambda i, n, m, key=key: ic.init.he_normal((n, m), rng=key.child(i)), [16] * 11, "relu")
        found = alarms(net, inputs("standard", 16))
        assert not found, (seed, show(found))


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
def test_zero_tensors_that_are_meant(optimizer):
    """A zero last layer, softmax regression from zero, a low-rank adapter with one factor zero."""
    key = ic.Key(3)
    he = lambda i, n, m: ic.init.he_normal((n, m), rng=key.child(i))
    zero_head = build(lambda i, n, m: he(i, n, m) if i < 2 else np.zeros((n, m)), [64, 64, 32, 10], "relu")
    regression = build(lambda i, n, m: np.zeros((n, m)), [64, 10], "relu")
    adapter = ic.Network([ic.Dense(ic.init.he_uniform((64, 4), rng=1)), ic.Dense(np.zeros((4, 64), np.float32))])
    inner = ic.Network([ic.Dense(np.zeros((64, 4), np.float32)), ic.Dense(ic.init.he_uniform((4, 64), rng=1))])
    for net in (zero_head, regression, adapter, inner):
        for kind in ("none", "standard", "digits"):
            found = alarms(net, inputs(kind, 64), optimizer=optimizer)
            assert not found, (net, kind, show(found))


def test_siren():
    """SIREN's tiny hidden weights belong to sin(30 z)."""
    key = ic.Key(0)
    for features in (2, 64):
        net = build(lambda i, n, m: ic.init.siren((n, m), first=i == 0, rng=key.child(i)), [features, 64, 64, 64, 1],
                    "sin_30")
        assert not alarms(net)


def test_explicitly_scaled_heads_and_targets():
    """The fixed makemore network (gain 5/3, last layer times 0.01): ln 27 at the start, nothing to say."""
    rng = np.random.default_rng(2147483647)
    net = ic.Network([ic.Dense(rng.standard_normal((30, 200)) * (5 / 3) / 30 ** 0.5,
                               rng.standard_normal(200) * 0.01, "tanh"),
                      ic.Dense(rng.standard_normal((200, 27)) * 0.01, np.zeros(27))])
    x, y = rng.standard_normal((500, 30)), rng.integers(0, 27, 500)
    assert not alarms(net) and not alarms(net, x, y=y, loss="softmax_cross_entropy", optimizer="adam")


@pytest.mark.parametrize("std", [0.02, 0.05, 0.1, 0.2])
@pytest.mark.parametrize("widths", [(64, 32, 10), (64, 100, 10), (64, 200, 10), (100, 256, 10)], ids=str)
def test_hand_picked_deviations_of_a_sane_size(widths, std):
    """N(0, 0.1) may fit fan_out by chance; no layout was mistaken."""
    for activation in ("tanh", "relu"):
        rng = np.random.default_rng(1)
        net = build(lambda i, n, m, rng=rng: std * rng.standard_normal((n, m)), widths, activation)
        assert not [f for f in ic.check(net).findings if f.cause == "layout"]


def test_weight_sharing_is_not_a_repeated_seed():
    w = ic.init.glorot_normal((32, 32), rng=0)
    shared = ic.Network([ic.Dense(w, None, "tanh"), ic.Dense(w, None, "tanh"),
                         ic.Dense(ic.init.glorot_normal((32, 3), rng=1))])
    assert not [f for f in ic.check(shared).findings if f.rule == "RNG501"]


def test_orthogonal_expansions_and_wide_glorot_are_no_wrong_layout():
    """Orthogonal rows have variance 1/fan_out; Glorot's gain 5/3 narrowing by 4 has nearly that by chance."""
    key = ic.Key(5)
    wide = ic.init.orthogonal((64, 512), rng=key.child("wide"))
    narrow = (5 / 3) * ic.init.glorot_normal((64, 16), rng=key.child("narrow"))
    for w in (wide, narrow):
        net = ic.Network([ic.Dense(w, None, "tanh"), ic.Dense(ic.init.glorot_normal((w.shape[1], 3), rng=key))])
        assert [f for f in ic.check(net).findings if f.severity != "info"] == []
