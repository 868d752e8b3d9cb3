"""Faults that must be found, with rule, layer and cause; the report's forms; repair."""

import json

import jsonschema
import numpy as np
import pytest

import initcore as ic
from initcore.data import load_digits
from initcore.errors import InitcoreError, UntrainableError
from initcore.rules import CAUSES

RNG = np.random.default_rng(42)


def normal(n, m, std=1.0, mean=0.0, dtype="float32"):
    return (mean + std * np.random.default_rng(n * 7919 + m).standard_normal((n, m))).astype(dtype)


def chain(weights, activation, last="identity", bias=None):
    rng = np.random.default_rng(5)
    return ic.Network([ic.Dense(w, None if bias is None else (bias * rng.standard_normal(w.shape[1])).astype(w.dtype),
                                activation if i < len(weights) - 1 else last) for i, w in enumerate(weights)])


def rand(n, m):
    return np.random.default_rng(n + m).random((n, m)).astype(np.float32)


def digits():
    return load_digits()[0]


PIXELS = (255 * np.random.default_rng(0).random((200, 784))).astype(np.float32)
UNIT = PIXELS / np.float32(255)
TORCH = [normal(64, 256, (2 / 256) ** 0.5), normal(256, 64, (2 / 64) ** 0.5), normal(64, 10, 0.1)]
COPIED = normal(64, 32, 0.12)
COPIED[:, 3] = COPIED[:, 9]
HEAD = normal(32, 10, 0.2)
HEAD[3] = HEAD[9]
MIRROR, MIRROR_HEAD = normal(64, 32, 0.12), normal(32, 10, 0.2)
MIRROR[:, 3], MIRROR_HEAD[3] = -MIRROR[:, 9], -MIRROR_HEAD[9]
NEAR, NEAR_HEAD = COPIED.copy(), HEAD.copy()
NEAR[:, 3] += np.float32(1e-7) * normal(64, 1)[:, 0]
NAN = normal(64, 32, 0.1)
NAN[5, 7] = np.nan
DENORMAL = normal(64, 32, 0.1)
DENORMAL[::2] = 1e-40
SAME = normal(64, 64, 0.12)

# name: network, data, (rule, severity, layer, cause) wanted
FAULTS = {
    "784-30-10 sigmoid N(0,1)": (chain([normal(784, 30), normal(30, 10)], "sigmoid", "sigmoid", 1.0), None,
                                 ("SAT201", "warn", 0, "weight_scale")),
    "784-30-10 sigmoid on pixels": (chain([normal(784, 30), normal(30, 10)], "sigmoid", "sigmoid", 1.0), UNIT,
                                    ("SAT201", "warn", 0, "weight_scale")),
    "makemore": (chain([normal(30, 200), normal(200, 27)], "tanh", bias=1.0), None,
                 ("SAT201", "warn", 0, "weight_scale")),
    "makemore, loss": (chain([normal(30, 200), normal(200, 27)], "tanh", bias=1.0), None,
                       ("OUT601", "warn", 1, "weight_scale")),
    "raw pixels": (chain([normal(784, 64, 0.03), normal(64, 10, 0.1)], "sigmoid"), PIXELS,
                   ("SAT201", "warn", 0, "input_scale")),
    "raw pixels, tanh": (chain([normal(784, 64, 0.03), normal(64, 10, 0.1)], "tanh"), PIXELS,
                         ("SAT202", "warn", 0, "input_scale")),
    "off-centre inputs": (chain([normal(784, 64, 0.036), normal(64, 10, 0.1)], "tanh"),
                          (RNG.standard_normal((100, 784)) * 0.5 + 8).astype(np.float32),
                          ("SAT201", "warn", 0, "input_offset")),
    "rand": (chain([rand(784, 64), rand(64, 10)], "sigmoid"), UNIT, ("SAT201", "fail", 0, "weight_mean")),
    "rand, no data": (chain([rand(784, 64), rand(64, 10)], "tanh"), None, ("SAT201", "warn", 0, "weight_mean")),
    "rand "
    "relu": (chain([rand(784, 64), rand(64, 64), rand(64, 10)], "relu"), UNIT, ("SIG305", "warn", 1, "weight_mean")),
    "rand relu grows": (chain([rand(784, 64), rand(64, 64), rand(64, 10)], "relu"), UNIT,
                        ("SIG302", "warn", 0, "weight_mean")),
    "std as mean": (chain([normal(784, 64, 1.0, 0.05), normal(64, 10, 1.0, 0.05)], "tanh"), None,
                    ("SAT201", "warn", 0, "weight_scale")),
    "huge bias": (ic.Network([ic.Dense(normal(64, 32, 0.12), np.full(32, 12, np.float32), "tanh"),
                              ic.Dense(normal(32, 10, 0.2))]), None, ("SAT201", "fail", 0, "bias")),
    "relu N(0,1)": (chain([normal(784, 256), normal(256, 256), normal(256, 10)], "relu"), None,
                    ("SIG302", "warn", 0, "weight_scale")),
    "relu N(0,1), loss": (chain([normal(784, 256), normal(256, 256), normal(256, 10)], "relu"), None,
                          ("OUT601", "warn", 2, "weight_scale")),
    "starved": (chain([normal(784, 256, 0.01), normal(256, 256, 0.01), normal(256, 255, 0.01),
                normal(255, 256, 0.01), normal(256, 10, 0.01)], "relu"), None,
                ("SIG301", "warn", None, "weight_scale")),
    "starved tanh, gradient": (chain([normal(100, 100, 0.01), normal(100, 101, 0.005), normal(101, 99, 0.005),
                               normal(99, 100, 0.01), normal(100, 102, 0.01), normal(102, 10, 0.1)], "tanh"), None,
                               ("SIG303", "fail", None, "weight_scale")),
    "torch layout": (chain(TORCH, "relu"), None, ("SIG305", "warn", 0, "layout")),
    "torch layout, second": (chain(TORCH, "relu"), None, ("SIG305", "warn", 1, "layout")),
    "deep sigmoid": (chain([normal(64 + i, 65 + i, 0.125) for i in range(10)], "sigmoid"), None,
                     ("SIG303", "warn", None, "activation")),
    "exploding gradient": (chain([normal(64 + i, 65 + i, 1.5) for i in range(8)], "relu"), None,
                           ("SIG304", "fail", None, "weight_scale")),
    "zeros, tanh": (chain([np.zeros((64, 32)), np.zeros((32, 10))], "tanh"), None, ("SYM104", "fail", 0, "symmetry")),
    "zeros, "
    "sigmoid": (chain([np.zeros((64, 32)), np.zeros((32, 10))], "sigmoid"), None, ("SYM101", "fail", 0, "symmetry")),
    "constant": (chain([np.full((64, 32), 0.1), np.full((32, 10), 0.1)], "tanh"), None,
                 ("SYM101", "fail", 0, "symmetry")),
    "copied unit": (chain([COPIED, HEAD], "tanh"), None, ("SYM101", "fail", 0, "symmetry")),
    "nearly copied unit": (chain([NEAR, NEAR_HEAD], "tanh"), None, ("SYM102", "warn", 0, "symmetry")),
    "mirrored unit": (chain([MIRROR, MIRROR_HEAD], "tanh"), None, ("SYM103", "fail", 0, "symmetry")),
    "same rows only": (chain([COPIED, normal(32, 10, 0.2)], "tanh"), None, ("SYM105", "info", 0, "symmetry")),
    "zero head": (chain([normal(64, 32, 0.12), np.zeros((32, 10), np.float32)], "tanh"), None,
                  ("SYM106", "info", None, "symmetry")),
    "dead relu": (ic.Network([ic.Dense(normal(64, 32, 0.17), np.full(32, -9, np.float32), "relu"),
                              ic.Dense(normal(32, 10, 0.2))]), None, ("SAT203", "fail", 0, "bias")),
    "denormals": (chain([DENORMAL, normal(32, 10, 0.2)], "tanh"), None, ("NUM402", "fail", 0, "data")),
    "garbage": (chain([normal(64, 32, 1e20), normal(32, 10, 0.2)], "tanh"), None, ("NUM402", "fail", 0, "data")),
    "half": (chain([normal(64, 32, 1e5), normal(32, 10, 0.2)], "tanh"), None, ("NUM403", "warn", 0, "weight_scale")),
    "same seed": (chain([SAME, 2 * SAME, normal(64, 10, 0.1)], "relu"), None, ("RNG501", "warn", 1, "data")),
    "too deep": (chain([normal(8, 8, 0.5, dtype="float64") + 0.01 * np.eye(8) * i for i in range(9)], "relu"), None,
                 ("SIG306", "info", None, None)),
    "saturated head": (chain([normal(64, 32, 0.12), normal(32, 10, 9.0)], "tanh", "sigmoid"), None,
                       ("OUT602", "warn", 1, "weight_scale")),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_found(name):
    net, x, (rule, severity, layer, cause) = FAULTS[name]
    found = ic.check(net, x).findings
    hits = [f for f in found if f.rule == rule and f.severity == severity and (layer is None or f.layer == layer)]
    assert hits, [(f.rule, f.severity, f.layer, f.cause) for f in found]
    if cause is not None:
        assert cause in {f.cause for f in hits}, [(f.cause, f.cure) for f in hits]
    for f in hits:
        assert f.message and (f.cure or rule == "SIG306") and (f.cause in CAUSES or f.cause is None)


@pytest.mark.parametrize("name", [n for n, (_, _, want) in FAULTS.items() if want[1] != "info"])
def test_repair_passes_its_own_check(name):
    net, x, _ = FAULTS[name]
    report = ic.check(net, x)
    mended = report.repair(rng=0)
    assert mended.widths == net.widths and mended.dtype == net.dtype
    again = ic.check(mended, x)
    assert again.ok and not [f for f in again.findings if f.severity != "info"], str(again)
    same = report.repair(rng=0)
    assert all(np.array_equal(a.w, b.w) for a, b in zip(mended.layers, same.layers, strict=True))


def test_repair_leaves_sound_layers_and_networks_alone():
    good = chain([normal(64, 32, 0.15), normal(32, 10, 0.2)], "tanh")
    assert ic.check(good).repair(rng=0) is good
    bad = chain([normal(64, 32, 4.0), normal(32, 33, 0.2), normal(33, 10, 0.2)], "tanh")
    mended = ic.check(bad).repair(rng=0)
    assert np.array_equal(mended.layers[1].w, bad.layers[1].w)
    assert not np.array_equal(mended.layers[0].w, bad.layers[0].w)
    broken = ic.Network([ic.Dense(NAN, None, "tanh"), ic.Dense(normal(32, 10, 0.2))], check_finite=False)
    assert np.isfinite(ic.check(broken).repair(rng=0).layers[0].w).all()


def test_a_repaired_sigmoid_stack_is_a_tanh_network():
    net = chain([normal(64 + i, 65 + i, 0.125) for i in range(10)], "sigmoid")
    mended = ic.check(net).repair(rng=1)
    twin = ic.Network([ic.Dense(ic.init.glorot_normal((64 + i, 65 + i), rng=ic.Key(1).child(f"layer{i}.weight"),
                                                      dtype="float64"), None, "tanh") for i in range(9)])
    x = np.random.default_rng(0).standard_normal((5, 64)).astype(np.float32)
    hidden = ic.Network(mended.layers[:9])
    np.testing.assert_allclose(2 * hidden.forward(x) - 1, twin.forward(x.astype(np.float64)), atol=2e-5)


def test_predicted_or_measured():
    net = chain([normal(64, 32, 4.0), normal(32, 10, 0.2)], "tanh")
    assert ic.check(net).signal.kind == "predicted" and ic.check(net, digits()).signal.kind == "measured"
    assert "variance 1" in str(ic.check(net)) and len(ic.check(net).layers) == 2
    assert ic.check(net, (digits() * 16).astype(np.uint8)).signal.kind == "measured"


def test_initial_loss_is_measured_with_labels():
    net = chain([normal(64, 32, 0.15), normal(32, 10, 6.0)], "tanh")
    x, y = load_digits()
    for loss in (None, "softmax_cross_entropy"):
        [f] = [f for f in ic.check(net, x, y, loss=loss).findings if f.rule == "OUT601"]
        assert f.measured == pytest.approx(net.gradients(x, y)[0], rel=1e-6)
    binary = chain([normal(64, 32, 0.15), normal(32, 1, 30.0)], "tanh")
    [f] = [f for f in ic.check(binary, x, (y > 4)[:, None].astype(np.float32), loss="binary_cross_entropy").findings
           if f.rule == "OUT601"]
    assert f.measured > 2 and f.expected == pytest.approx(np.log(2) + 1)
    assert not [f for f in ic.check(net, x, loss="mse").findings if f.rule.startswith("OUT")]


def test_not_finite():
    net = ic.Network([ic.Dense(NAN, np.zeros(32, np.float32), "tanh"), ic.Dense(normal(32, 10))], check_finite=False)
    report = ic.check(net, digits())
    [f] = [f for f in report.findings if f.rule == "NUM401"]
    assert (f.severity, f.layer, f.tensor) == ("fail", 0, "layers[0].w") and "(5, 7)" in f.message
    assert report.layers == () and not report.ok and json.loads(report.to_json())["layers"] == []
    good = chain([normal(64, 32, 0.1), normal(32, 10, 0.1)], "tanh")
    x = digits().copy()
    x[3, 4] = np.inf
    assert [f.cause for f in ic.check(good, x).findings if f.rule == "NUM401"] == ["data"]
    big = chain([normal(64, 32, 1e30), normal(32, 33, 1e30), normal(33, 2)], "relu")
    assert [f.layer for f in ic.check(big, digits()).findings if f.rule == "NUM401"] == [1]


# --- the report --------------------------------------------------------------------------------------------------

BAD = chain([normal(784, 30, 200.0), normal(30, 10, 3.0)], "sigmoid")


def test_text_is_80_columns_worst_first():
    text = str(ic.check(BAD, optimizer="momentum"))
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80 and lines[0].startswith("NOT OK")
    severities = [line[:4].strip() for line in lines if line[:4] in ("FAIL", "WARN", "INFO")]
    assert severities == sorted(severities, key=["FAIL", "WARN", "INFO"].index) and "FAIL" in severities
    for word in ("measured", "expected", "cause", "cure", "weight_scale", "ic.init.glorot_normal((784, 30), rng=key)"):
        assert word in text
    assert str(ic.check(chain([normal(64, 32, 0.1), normal(32, 10, 0.1)], "tanh"))).startswith("ok")


@pytest.mark.parametrize("name", FAULTS)
def test_every_form_of_every_report(name):
    net, x, _ = FAULTS[name]
    report = ic.check(net, x)
    assert max(map(len, str(report).splitlines())) <= 80
    document = json.loads(report.to_json())
    assert document["schema"] == "initcore-report/1" and document["ok"] is report.ok
    assert len(document["findings"]) == len(report) and len(document["layers"]) == len(net)
    validate_sarif(json.loads(report.to_sarif(uri="model.npz")))


def test_cures_run():
    """A cure that is a call makes weights of the layer's shape."""
    [f] = [f for f in ic.check(BAD).findings if f.rule == "SAT201"]
    call = f.cure[f.cure.index("ic.init"):]
    assert eval(call, {"ic": ic, "key": ic.Key(0)}).shape == (784, 30)


def test_raise_for_findings():
    report = ic.check(BAD)
    with pytest.raises(UntrainableError, match="SAT201") as caught:
        report.raise_for_findings()
    assert caught.value.report is report and isinstance(caught.value, AssertionError)
    assert isinstance(caught.value, InitcoreError)
    good = ic.check(chain([normal(64, 32, 0.1), normal(32, 10, 0.1)], "tanh"))
    assert good.raise_for_findings() is good


def test_fail_level():
    net = chain(TORCH, "relu")
    assert ic.check(net).ok and not ic.check(net, fail_level="warn").ok
    narrow = chain([normal(8, 8, 0.5), normal(8, 9, 0.5), normal(9, 7, 0.5), normal(7, 8, 0.5), normal(8, 6, .5),
                    normal(6, 4, .5)], "relu")
    assert ic.check(narrow, fail_level="warn", select="SIG306").ok
    assert not ic.check(narrow, fail_level="info", select="SIG306").ok


def test_select_ignore_thresholds():
    rules = lambda **k: {f.rule for f in ic.check(BAD, **k).findings}
    assert rules(select="SAT") == {"SAT201", "SAT202"} and rules(select=["SAT202"]) == {"SAT202"}
    assert rules(ignore="SAT,OUT,SIG") == set() and "SAT201" in rules(ignore="SAT202")
    assert rules(select="SAT201", thresholds={"SAT201": {"fail_share": 1, "warn_share": 1, "warn_slope": 0}}) == set()
    [f] = ic.check(BAD, select="SAT201", thresholds={"SAT201.fail_share": 0.9999}).findings
    assert f.severity == "warn"


def test_baseline(tmp_path):
    first = ic.check(BAD)
    path = tmp_path / "baseline.json"
    path.write_text(first.to_json())
    for baseline in (first, json.loads(first.to_json()), str(path), path):
        report = ic.check(BAD, baseline=baseline)
        assert report.ok and not report.findings and len(report.suppressed) == len(first)
        assert "in the baseline" in str(report)
    worse = ic.Network([BAD.layers[0], BAD.layers[1].replace(w=np.zeros_like(BAD.layers[1].w) + np.float32(1e6))])
    assert ic.check(worse, baseline=first).findings


def test_bad_arguments(tmp_path):
    net = chain([normal(64, 32, 0.1), normal(32, 10, 0.1)], "tanh")
    broken = tmp_path / "broken.json"
    broken.write_text("{")
    for options, kind, message in (
            ({"select": "SAX"}, ValueError, "SAX"), ({"ignore": [3]}, TypeError, "identifiers"),
            ({"fail_level": "error"}, ValueError, "fail_level"), ({"loss": "hinge"}, ValueError, "loss"),
            ({"thresholds": {"SAT201.x": 1}}, ValueError, "fail_share"),
            ({"thresholds": {"SAT201.fail_share": "1"}}, TypeError, "real"),
            ({"x": np.zeros((3, 5), np.float32)}, ValueError, "64 features"),
            ({"y": np.zeros(3, int)}, ValueError, "without x"),
            ({"x": digits(), "y": np.zeros(3, int)}, ValueError, "rows"), ({"optimizer": "adem"}, ValueError, "adam"),
            ({"baseline": {"a": 1}}, ValueError, "findings"), ({"baseline": str(broken)}, ValueError, "JSON"),
            ({"baseline": str(tmp_path / "none")}, OSError, "none")):
        with pytest.raises(kind, match=message):
            ic.check(net, **options)
    with pytest.raises(TypeError, match="Network"):
        ic.check([1, 2])


def test_inputs_are_untouched():
    x = digits().copy()
    before, w = x.copy(), BAD.layers[0].w.copy()
    net = chain([normal(64, 32, 3.0), normal(32, 10, 3.0)], "sigmoid")
    state = np.random.get_state()[1].copy()     # noqa: NPY002 - the global state is what must not change
    ic.check(net, x).repair(rng=0)
    assert np.array_equal(x, before) and np.array_equal(BAD.layers[0].w, w)
    assert np.array_equal(np.random.get_state()[1], state)     # noqa: NPY002


# --- SARIF 2.1.0, the part of the OASIS schema our documents use ---------------------------------------------------

TEXT = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string"}}}
SARIF = {
    "type": "object", "required": ["version", "runs"], "additionalProperties": False,
    "properties": {
        "$schema": {"type": "string", "format": "uri"}, "version": {"enum": ["2.1.0"]},
        "runs": {"type": "array", "items": {
            "type": "object", "required": ["tool"], "additionalProperties": False, "properties": {
                "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                "tool": {"type": "object", "required": ["driver"], "additionalProperties": False, "properties": {
                    "driver": {"type": "object", "required": ["name"], "additionalProperties": False, "properties": {
                        "name": {"type": "string"}, "version": {"type": "string"},
                        "semanticVersion": {"type": "string"},
                        "rules": {"type": "array", "uniqueItems": True, "items": {
                            "type": "object", "required": ["id"], "additionalProperties": False, "properties": {
                                "id": {"type": "string"}, "name": {"type": "string"}, "shortDescription": TEXT,
                                "fullDescription": TEXT, "help": TEXT, "defaultConfiguration": {
                                    "type": "object", "additionalProperties": False,
                                    "properties": {"level": {"enum": ["none", "note", "warning", "error"]}}}}}}}}}},
                "results": {"type": "array", "items": {
                    "type": "object", "required": ["message"], "additionalProperties": False, "properties": {
                        "ruleId": {"type": "string"}, "ruleIndex": {"type": "integer", "minimum": -1},
                        "level": {"enum": ["none", "note", "warning", "error"]}, "message": TEXT,
                        "locations": {"type": "array", "items": {
                            "type": "object", "additionalProperties": False, "properties": {
                                "physicalLocation": {"type": "object", "required": ["artifactLocation"],
                                                     "additionalProperties": False, "properties": {
                                    "artifactLocation": {"type": "object", "additionalProperties": False,
                                                         "properties": {"uri": {"type": "string"}}}}},
                                "logicalLocations": {"type": "array", "items": {
                                    "type": "object", "additionalProperties": False, "properties": {
                                        "fullyQualifiedName": {"type": "string"}, "kind": {"type": "string"}}}}}}},
                        "properties": {"type": "object"}}}}}}}}}


def validate_sarif(document):
    jsonschema.validate(document, SARIF, cls=jsonschema.Draft7Validator)
    for run in document["runs"]:
        for result in run["results"]:
            assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]


@pytest.mark.parametrize("seed", range(12))
def test_he_weights_of_784_pixels_read_the_wrong_way(seed):
    """sqrt(2/784) = 0.0505 is near the round 0.05, and still He's."""
    rng = np.random.default_rng([seed, 784])
    w = rng.standard_normal((64, 784)) * (2 / 784) ** 0.5
    w *= (2 / 784) ** 0.5 / w.std()                      # its own sampling error is no matter of the rule
    net = ic.Network([ic.Dense(w, None, "relu"), ic.Dense(rng.standard_normal((784, 64)) * 0.03)])
    assert [(f.rule, f.layer, f.cause) for f in ic.check(net).findings] == [("SIG305", 0, "layout")]


def test_an_offset_of_the_inputs_is_told_from_their_scale():
    rng = np.random.default_rng(0)
    net = ic.Network([ic.Dense(normal(64, 100, 0.125), None, "relu"), ic.Dense(normal(100, 10, 0.1))])
    targets = rng.integers(0, 10, 200)
    offset = ic.check(net, rng.standard_normal((200, 64)) + 100, targets, loss="softmax_cross_entropy")
    scaled = ic.check(net, 255 * rng.random((200, 64)), targets, loss="softmax_cross_entropy")
    assert {f.cause for f in offset.findings if f.rule == "OUT601"} == {"input_offset"}
    assert {f.cause for f in scaled.findings if f.rule == "OUT601"} == {"input_scale"}


def test_a_negative_mean_is_blamed_for_silent_relu_layers():
    net = ic.Network([ic.Dense(normal(64, 100, 0.125), None, "relu"),
                      ic.Dense(normal(100, 100, 0.14, mean=-0.3), None, "relu"), ic.Dense(normal(100, 10, 0.1))])
    found = {f.rule: (f.layer, f.cause) for f in ic.check(net).findings if f.severity != "info"}
    assert found["SAT203"] == found["SIG301"] == (1, "weight_mean")


def test_random_rand_weights_on_pixels_blame_the_mean():
    """Centring the inputs would help as much; the weights are the fault."""
    for seed in range(4):
        rng = np.random.default_rng(seed)
        for name in ("sigmoid", "tanh"):
            net = ic.Network([ic.Dense(rng.random((784, 100)), None, name), ic.Dense(rng.random((100, 10)))])
            found = ic.check(net, rng.random((200, 784))).findings
            assert {f.cause for f in found if f.rule == "SAT201"} == {"weight_mean"}, (seed, name)
