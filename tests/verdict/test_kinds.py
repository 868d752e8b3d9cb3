"""Kinds of faults that a verdict once missed or blamed on the wrong thing, and kinds of sound networks it blamed."""

import datetime
import re

import numpy as np
import pytest

import initcore as ic
from initcore.data import load_digits
from initcore.errors import (
    ArgumentError,
    ArgumentTypeError,
    FileFormatError,
    InitcoreWarning,
    NonFiniteError,
    ShapeError,
)


def normal(seed, n, m, std=None):
    return np.random.default_rng(seed).normal(0, std or n ** -0.5, (n, m))


def net(*layers):
    return ic.Network([ic.Dense(w, b, phi) for w, b, phi in layers])


def found(report, *severities):
    return {(f.rule, f.severity, f.layer, f.cause) for f in report.findings
            if f.severity in (severities or ("fail", "warn"))}


def two(phi, n=20, m=40, out=3):
    return net((normal(1, n, m), np.zeros(m), phi), (normal(2, m, out), np.zeros(out), "identity"))


# --- the inputs, by themselves ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("phi", ["relu", "tanh", "sin", "identity", "gelu"])
@pytest.mark.parametrize("fault", ["one feature", "all", "offset", "tiny", "constant", "zero"])
def test_inputs_are_judged_before_the_activation(phi, fault):
    x = np.random.default_rng(5).standard_normal((200, 20))
    if fault == "one feature":
        x[:, 13] *= 700
    elif fault == "offset":
        x[:, 4] += 90
    else:
        x = {"all": x * 80, "tiny": x * 1e-3, "constant": x[:1].repeat(200, 0), "zero": 0 * x}[fault]
    report = ic.check(two(phi), x)
    rule, cause = {"one feature": ("INP701", "input_scale"), "all": ("INP701", "input_scale"),
                   "offset": ("INP701", "input_offset"), "tiny": ("INP701", "input_scale")}.get(fault,
                                                                                                ("INP702", "data"))
    hits = [f for f in report.findings if f.rule == rule]
    assert [f.cause for f in hits] == [cause] and hits[0].layer is None and hits[0].tensor == "x"
    assert not [f for f in report.findings if f.cause == "activation"]
    if fault == "one feature":
        assert "feature 13" in hits[0].message and "feature 13" in hits[0].cure
    if fault == "offset":
        assert "feature 4" in hits[0].message
    assert report.verdict == "cannot learn" or rule == "INP701"


def test_ordinary_inputs_are_no_finding():
    rng = np.random.default_rng(0)
    sparse = (rng.random((300, 20)) < 0.02) * 1.0
    for x in (rng.random((300, 20)), rng.standard_normal((300, 20)), sparse, load_digits()[0][:, :20],
              np.hstack([np.ones((300, 1)), rng.standard_normal((300, 19))]), rng.standard_normal((300, 20)) * 4):
        assert not [f for f in ic.check(two("relu"), x).findings if f.rule.startswith("INP")]


def test_repair_undoes_inputs_feature_by_feature():
    x = np.random.default_rng(5).standard_normal((200, 20))
    x[:, 2] = 1000 * x[:, 2] + 5000
    y = (x[:, 0] > 0).astype(int)
    report = ic.check(two("relu"), x, y, loss="softmax_cross_entropy")
    # The start is sound; its gradient keeps the raw scale: that is said, and what learns instead.
    with pytest.warns(InitcoreWarning, match=r"unfit \(SIG307\) and explains \d+% .* repair\(fold=False\)") as told:
        mended = report.repair(rng=3)
    assert told[0].filename == __file__
    again = ic.check(mended, x, y, loss="softmax_cross_entropy")
    assert ic.check(mended, x, y, loss="softmax_cross_entropy", ignore="SIG307").verdict == "fit to train", str(again)
    assert {(f.rule, f.cause) for f in again.findings if f.severity != "info"} <= {("SIG307", "input_scale")}
    shares = np.std(x, axis=0) * np.sqrt(np.mean(mended.layers[0].w ** 2, axis=1))
    assert shares.max() < 3 * shares.min()
    plain = report.repair(rng=3, fold=False)
    z = report.standardise(x)
    assert np.allclose(z.mean(0), 0, atol=1e-9) and np.allclose(z.std(0), 1)
    assert not found(ic.check(plain, z, y, loss="softmax_cross_entropy"))


# --- dead on the data ------------------------------------------------------------------------------------------------

def test_outputs_that_are_flat_on_all_the_data():
    x = np.random.default_rng(5).random((90, 12))
    n = net((normal(1, 12, 30), np.zeros(30), "tanh"), (normal(2, 30, 2), np.full(2, -7.0), "relu"))
    for y, loss in ((None, None), (np.ones((90, 2)), "mse")):
        report = ic.check(n, x, y, loss=loss)
        assert ("OUT602", "fail", 1, "bias") in found(report) and report.verdict == "cannot learn"
        _, grads = report.repair(rng=0).gradients(x, np.ones((90, 2)), loss="mse")
        assert all(np.any(g.w) for g in grads)


def test_four_rows_are_the_whole_data_when_targets_come_with_them():
    x, y = np.array([[0, 0], [0, 1], [1, 0], [1, 1.0]]), np.array([[0], [1], [1], [0.0]])
    n = net((normal(1, 2, 3), np.full(3, -4.0), "relu"), (normal(2, 3, 1), np.zeros(1), "identity"))
    assert ("SAT203", "fail", 0, "bias") in found(ic.check(n, x, y, loss="mse"))
    assert not found(ic.check(n.__class__([n.layers[0].replace(b=np.zeros(3)), n.layers[1]]), x, y, loss="mse"), "fail")


def test_softmax_traps():
    x, y = np.random.default_rng(1).standard_normal((50, 8)), np.arange(50) % 3
    body = (normal(1, 8, 16), np.zeros(16), "tanh")
    equal = net(body, (np.repeat(normal(2, 16, 1), 3, 1), np.zeros(3), "identity"))
    [f] = [f for f in ic.check(equal, x, y, loss="softmax_cross_entropy").findings if f.rule == "OUT602"]
    assert f.severity == "warn" and "errors cancel" in f.message
    one = net(body, (normal(2, 16, 1), np.zeros(1), "identity"))
    report = ic.check(one, x, 0 * y, loss="softmax_cross_entropy")
    assert ("OUT602", "fail", 1, "activation") in found(report)


def test_a_head_that_saturates_in_part():
    n = net((normal(1, 30, 50), None, "tanh"), (normal(2, 50, 6, 1.0), None, "sigmoid"))
    share = ic.check(n).layers[-1].slope_below_1pct
    assert 0.1 < share < 0.5 and "OUT602" in {f.rule for f in ic.check(n).findings}


# --- small starts ----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("phi", ["sigmoid", "tanh"])
def test_small_starts(phi):
    for widths, std in (((2, 4, 1), 0.01), ((64, 32, 10), 2 / 784), ((3, 3, 3, 1), 0.01)):
        n = net(*[(normal(i, a, b, std), np.zeros(b), phi if i < len(widths) - 2 else "identity")
                  for i, (a, b) in enumerate(zip(widths, widths[1:]))])
        assert ("SIG305", "warn", 0, "weight_scale") in found(ic.check(n))


def test_small_layers_of_the_usual_size_are_sound():
    for seed in range(300):
        n = net((normal(seed, 2, 2), np.zeros(2), "tanh"), (normal(seed + 999, 2, 1), np.zeros(1), "identity"))
        assert not [f for f in ic.check(n, select="SIG305").findings]


def test_twenty_sigmoid_layers_cannot_learn():
    n = net(*[(normal(i, 30, 30), np.zeros(30), "sigmoid") for i in range(20)],
            (normal(99, 30, 5), np.zeros(5), "identity"))
    report = ic.check(n)
    assert report.verdict == "cannot learn" and str(report).startswith("NOT OK, cannot learn")
    assert "use tanh" in next(f.cure for f in report.findings if f.rule == "SIG303")


# --- causes ----------------------------------------------------------------------------------------------------------

def test_a_bias_is_blamed_for_a_layer_it_kills():
    n = net((normal(1, 40, 40), np.zeros(40), "relu"), (normal(2, 40, 40, 0.2), np.full(40, -30.0), "relu"),
            (normal(3, 40, 40, 0.2), np.zeros(40), "relu"), (normal(4, 40, 4), np.zeros(4), "identity"))
    x = np.random.default_rng(0).standard_normal((100, 40))
    for data in (None, x):
        assert {(layer, cause) for _, _, layer, cause in found(ic.check(n, data))} == {(1, "bias")}


def test_layers_around_a_zero_one_are_not_blamed():
    n = net((normal(1, 10, 20), np.zeros(20), "tanh"), (np.zeros((20, 20)), np.zeros(20), "tanh"),
            (np.zeros((20, 20)), np.zeros(20), "tanh"), (normal(2, 20, 20), np.zeros(20), "tanh"),
            (normal(4, 20, 4), np.zeros(4), "identity"))
    assert {layer for _, _, layer, _ in found(ic.check(n))} <= {1, 2}


def test_a_sound_head_is_not_blamed_for_the_layer_below_it():
    n = net((np.full((20, 30), 0.8), np.zeros(30), "relu"), (normal(4, 30, 4, 0.3), np.zeros(4), "identity"))
    x = np.random.default_rng(0).random((100, 20))
    assert {f.layer for f in ic.check(n, x, select="OUT").findings if f.cause.startswith("weight")} <= {0}


CHAINS = [(phi, std, depth) for phi in ("tanh", "sigmoid", "relu", "elu", "softsign")
          for std in (0.02, 0.7, 1.3, 4.0) for depth in (2, 8)]


@pytest.mark.parametrize(("phi", "gain", "depth"), CHAINS)
def test_texts_say_something(phi, gain, depth):
    """No number replaced by itself, none that only means 0, no advice to take what is there already."""
    layers = [(normal(i, 48, 48, gain * 48 ** -0.5), np.zeros(48), phi) for i in range(depth)]
    n = net(*layers, (normal(77, 48, 4), np.zeros(4), "identity"))
    for f in ic.check(n, np.random.default_rng(0).standard_normal((64, 48))).findings:
        for a, b in re.findall(r"standard deviation ([\d.e+-]+) instead of ([\d.e+-]+)", f.cure):
            assert abs(float(a) / float(b) - 1) > 0.15, f.cure
        assert not re.search(r"e-1[5-9]\d|e-[23]\d\d|\binf\b|\bnan\b", f.message + f.cure), f.message
        assert not (phi == "tanh" and "use tanh" in f.cure) and f.message.endswith(".")


def test_no_scale_mends_only_where_none_does():
    deep = net(*[(normal(i, 40, 40, 0.72 * 40 ** -0.5), None, "tanh") for i in range(30)],
               (normal(77, 40, 4), None, "identity"))
    [f] = [f for f in ic.check(deep).findings if f.rule == "SIG303"]
    assert f.cause == "weight_scale" and set(f.layers) == set(range(30))


# --- cures -----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("phi", ["relu", "leaky_relu_0.3", "elu", "selu", "gelu", "silu", "tanh", "sigmoid", "softsign",
                                 "sin_30", "sin", "softplus", "mish", "hard_tanh"])
def test_number_call_and_repair_are_one(phi):
    n = net((normal(1, 90, 400, 1e-6), None, phi), (normal(2, 400, 60, 1e-6), None, phi),
            (normal(3, 60, 4), None, "identity"))
    report = ic.check(n)
    mended = report.repair(rng=0)
    hits = [f for f in report.findings if f.rule == "SIG305"]
    assert [f.layer for f in hits] == [0, 1]
    for f in hits:
        said = float(re.search(r"standard deviation ([\d.e+-]+)", f.cure)[1])
        call = eval(f.cure.split(": ", 1)[1], {"ic": ic, "key": ic.Key(4)})
        assert call.std() == pytest.approx(said, rel=0.03)
        assert mended.layers[f.layer].w.std() == pytest.approx(said, rel=0.03)


# --- layouts ---------------------------------------------------------------------------------------------------------

def sound_scales():
    rng = np.random.default_rng(3)

    def cut(n, m, std):
        z = rng.standard_normal(2 * n * m)
        return std * z[np.abs(z) < 2][:n * m].reshape(n, m)

    yield "fan_out", [rng.normal(0, (2 / m) ** 0.5, (n, m)) for n, m in ((64, 256), (256, 64), (64, 10))]
    for m in (64, 128, 256, 512):
        for std in (0.1, 0.05):
            yield f"cut {m} {std}", [cut(32, m, std), cut(m, 32, std), rng.normal(0, .1, (32, 5))]
    for m in (64, 256):
        yield f"binary {m}", [np.sign(rng.standard_normal((32, m))) / m ** 0.5, rng.normal(0, .1, (m, 5))]
        yield f"ternary {m}", [np.rint(rng.uniform(-1.5, 1.5, (32, m))) * (1.5 / m) ** 0.5, rng.normal(0, .1, (m, 5))]


@pytest.mark.parametrize(("name", "weights"), list(sound_scales()), ids=lambda v: v if isinstance(v, str) else "")
def test_no_wrong_layout(name, weights):
    for phi in ("relu", "tanh"):
        n = ic.Network([ic.Dense(w, None, phi) for w in weights[:-1]] + [ic.Dense(weights[-1])])
        assert not [f for f in ic.check(n).findings if f.cause == "layout"]


# --- trained, pruned, rounded ----------------------------------------------------------------------------------------

def trained():
    x, y = load_digits()
    n = two("relu", 64, 48, 10)
    for _ in range(250):
        _, grads = n.gradients(x, y)
        n = ic.Network([ic.Dense(a.w - 0.5 * g.w, a.b - 0.5 * g.b, a.activation) for a, g in zip(n.layers, grads)])
    return n, x, y


def test_a_trained_network_may_be_certain():
    n, x, y = trained()
    sharp = ic.Network([n.layers[0], n.layers[1].replace(w=8 * n.layers[1].w)])
    x, y = x[sharp.forward(x).argmax(1) == y], y[sharp.forward(x).argmax(1) == y]
    report = ic.check(sharp, x, y, loss="softmax_cross_entropy")
    assert not found(report) and "a trained network" in str(report)
    assert not found(ic.check(sharp, x, stage="trained"))
    assert found(ic.check(sharp, x, y, stage="start"))
    with pytest.raises(ArgumentError, match="stage"):
        ic.check(sharp, stage="end")


def test_a_lost_share_is_a_warning_with_names():
    w, v = normal(1, 30, 500), normal(2, 500, 6)
    w[:, 7], v[7] = w[:, 400], v[400]
    n = net((w, np.zeros(500), "tanh"), (v, np.zeros(6), "identity"))
    report = ic.check(n, optimizer="adam")
    [f] = report.findings
    assert (f.rule, f.severity) == ("SYM101", "warn") and "7 = 400" in f.message and "break_ties" in f.cure
    assert report.ok and report.verdict == "will learn badly or slowly"
    mended = report.repair(rng=0)
    assert not ic.check(mended).findings and np.array_equal(mended.layers[1].w, v)
    assert np.array_equal(np.delete(mended.layers[0].w, [7, 400], 1), np.delete(w, [7, 400], 1))


def test_structured_pruning_is_seen_as_such():
    w, v, b = normal(1, 30, 100), normal(2, 100, 6), np.full(100, 0.1)
    gone = np.arange(5, 35)
    w[:, gone], v[gone], b[gone] = 0, 0, 0
    report = ic.check(net((w, b, "relu"), (v, np.zeros(6), "identity")))
    [f] = [f for f in report.findings if f.severity != "info"]
    assert (f.rule, f.severity, f.measured) == ("SYM104", "warn", 70) and "pruning" in f.message and report.ok


# --- what an answer rests on -----------------------------------------------------------------------------------------

def test_conditions_are_asked_and_told():
    w = np.hstack([normal(1, 6, 5)] * 2)
    v = np.vstack([normal(2, 5, 3)] * 2)
    v[:5] *= 2.0                                                          # proportional: one for SGD only
    w[:, :5] *= 2.0
    n = net((w, None, "relu"), (v, None, "identity"))
    assert "SYM101" in {f.rule for f in ic.check(n).findings}
    for options in ({"l1": 0.01}, {"clip_value": 0.5}, {"hidden_dropout": True}, {"optimizer": "adam"}):
        assert "SYM101" not in {f.rule for f in ic.check(n, **options).findings}, options
    text = str(ic.check(n, l2=0.1, l1=0.01, optimizer="momentum"))
    assert "Rests on: optimiser momentum, L2 0.1, L1 0.01" in text
    report = ic.check(n, np.ones((9, 6)) * np.arange(9)[:, None], np.arange(9) % 3)
    assert any(c.startswith("loss softmax_cross_entropy, taken from the form of y") for c in report.conditions)
    assert report.to_dict()["conditions"] == list(report.conditions)
    for options in ({"l2": -1}, {"l1": np.nan}, {"clip_value": 0}):
        with pytest.raises(ArgumentError, match=next(iter(options))):
            ic.check(n, **options)


@pytest.mark.parametrize(("y", "kind"), [
    (np.full((40, 3), np.nan), NonFiniteError), (np.array(["cat"] * 40), ArgumentTypeError),
    (np.array([datetime.date(2020, 1, 1)] * 40), ArgumentTypeError), (np.zeros(40, "M8[D]"), ArgumentTypeError),
    ([None] * 40, ArgumentTypeError), ([[1], [1, 2]] * 20, ArgumentTypeError), (np.arange(40), ArgumentError),
    (np.zeros(40, complex), ArgumentTypeError), (np.zeros((40, 2)), ShapeError), (np.zeros(39, int), ShapeError)],
    ids=lambda v: str(getattr(v, "dtype", ""))[:12])
def test_targets_that_are_none(y, kind):
    x = np.random.default_rng(0).standard_normal((40, 20))
    loss = "mse" if isinstance(y, np.ndarray) and y.ndim == 2 else "softmax_cross_entropy"
    with pytest.raises(kind, match="y"):
        ic.check(two("tanh"), x, y, loss=loss)


@pytest.mark.parametrize("baseline", [{"findings": [3]}, {"findings": [{"rule": [1]}]}, {"findings": {}}, 7, [],
                                      {"findings": [], "suppressed": 4}, {"findings": [{"layer": {}}]}])
def test_foreign_baselines(baseline):
    with pytest.raises(FileFormatError, match="baseline"):
        ic.check(two("tanh"), baseline=baseline)


def test_absurd_thresholds():
    for value in (np.inf, np.nan, -1, "x", None, 10 ** 400, [1], True):
        with pytest.raises((ArgumentError, ArgumentTypeError), match=r"SAT201\.fail_share"):
            ic.check(two("tanh"), thresholds={"SAT201.fail_share": value})


# --- callables -------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("phi", "name"), [(np.tanh, "tanh"), (lambda z: 1 / (1 + np.exp(-z)), "sigmoid"),
                                           (lambda z: max(z, 0.0), "relu"), (np.arctan, "arctan")])
@pytest.mark.parametrize("std", [None, 3.0, 1e-3])
def test_a_callable_is_judged_as_its_name_is(phi, name, std):
    x = np.random.default_rng(0).standard_normal((50, 20))
    verdicts = [found(ic.check(net((normal(1, 20, 24, std), np.zeros(24), p), (normal(2, 24, 22, std), np.zeros(22), p),
                                   (normal(3, 22, 4), np.zeros(4), "identity")), x)) for p in (phi, name)]
    assert verdicts[0] == verdicts[1]


def test_softmax_between_layers_is_refused():
    def softmax(z):
        e = np.exp(z - z.max(axis=-1, keepdims=True))
        return e / e.sum(axis=-1, keepdims=True)
    for phi in (softmax, "softmax", "LogSoftmax", lambda z: z - z.mean()):
        with pytest.raises(ArgumentError, match="not elementwise"):
            ic.Dense(np.ones((3, 2)), None, phi)


def test_numpy_settings_change_nothing():
    n = net((normal(1, 20, 40, 1e-200), np.zeros(40), "sigmoid"), (normal(2, 40, 3, 1e160), np.zeros(3), "tanh"))
    x = np.random.default_rng(0).standard_normal((30, 20))
    plain = ic.check(n, x)
    with np.errstate(all="raise"):
        assert ic.check(n, x).to_json() == plain.to_json()
        plain.repair(rng=0)
        plain.standardise(x)


def test_the_command_line_takes_what_an_answer_rests_on(tmp_path):
    from typer.testing import CliRunner

    from initcore.cli._commands import app
    np.savez(tmp_path / "net.npz", w1=normal(1, 20, 40, 900.0), w2=normal(2, 40, 3))
    run = lambda *options: CliRunner().invoke(app, ["check", str(tmp_path / "net.npz"), *options])
    assert run().exit_code == 1 and "cannot learn" in run().output
    assert run("--stage", "trained", "--l2", "0.1", "--hidden-dropout").exit_code == 1
    assert run("--stage", "end").exit_code == 2 and run("--l2", "-1").exit_code == 2


def test_the_cure_of_a_signal_that_dies_names_every_layer_that_is_too_small():
    """A variance passed as standard deviation, in all eight layers: those above the one where it shows as well."""
    layers = [(normal(k, 48, 48, 2 / 48), np.zeros(48), "relu") for k in range(8)]
    report = ic.check(net(*layers, (normal(9, 48, 4), np.zeros(4), "identity")), select="SIG301")
    (vanishing,) = report.findings
    assert sorted(vanishing.layers) == list(range(8)) and vanishing.cause == "weight_scale"
    assert "the variance 2/fan_in itself" in vanishing.cure
    assert ic.check(report.repair(rng=0)).verdict == "fit to train"


@pytest.mark.parametrize(("variance", "word"), [
    (1 / 200, "1/fan_in"), (2 / 200, "2/fan_in"), (2 / 320, "2/(fan_in + fan_out)"), (1 / 150, None), (0.004, None)])
def test_a_variance_passed_as_a_deviation_is_named(variance, word):
    """Of one scheme's and no other's; a number picked by hand is none."""
    n = net((normal(1, 200, 120, variance), None, "relu"), (normal(2, 120, 3), None, "identity"))
    cures = [f.cure for f in ic.check(n) if f.cause == "weight_scale"]
    assert cures and all((f"the variance {word} itself" in cure) is (word is not None) for cure in cures), cures


@pytest.mark.parametrize(("lower", "cause"), [("bias", "bias"), ("weights", "weight_mean")])
def test_a_share_of_dead_units_is_told_with_their_numbers(lower, cause):
    """Eight of 24, off by their own biases or weights; as many by chance of a deep draw are not."""
    off, x = [2, 3, 8, 11, 12, 17, 19, 23], np.random.default_rng(8).random((100, 40)) + 0.2
    w, b = normal(3, 40, 24, (2 / 40) ** 0.5), np.zeros(24)
    sound = net((w.copy(), b.copy(), "relu"), (normal(4, 24, 3), np.zeros(3), "identity"))
    assert "SAT203" not in {f.rule for f in ic.check(sound, x)}
    if lower == "bias":
        b[off] = -20
    else:
        w[:, off] -= 1.5
    bad = net((w, b, "relu"), (normal(4, 24, 3), np.zeros(3), "identity"))
    report = ic.check(bad, x)
    (f,) = [f for f in report.findings if f.rule == "SAT203"]
    assert (f.severity, f.cause, round(f.measured, 2)) == ("warn", cause, 0.33)
    assert "units 2, 3, 8, 11, 12, 17 and 2 more" in f.message
    assert "SAT203" not in {f.rule for f in ic.check(report.repair(rng=0), x)}
    assert not [f for f in ic.check(bad, x, stage="trained") if f.rule == "SAT203" and f.severity != "info"]
    deep = [(normal(k, 40, 40, (2 / 40) ** 0.5), np.zeros(40), "relu") for k in range(12)]
    assert "SAT203" not in {f.rule for f in ic.check(net(*deep, (normal(40, 40, 3), None, "identity")), x)}
