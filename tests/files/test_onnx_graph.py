"""Graphs of .onnx: what is proved of them, what is opaque, and what lies."""

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from initcore import errors  # noqa: E402
from initcore.files import check_file, open_weights  # noqa: E402

RNG = np.random.default_rng(23)


def drawn(*shape):
    return (RNG.normal(size=shape) / np.sqrt(shape[0])).astype(np.float32)


def put(folder, nodes, tensors, inputs=(("x", ("n", 8)),), outputs=(("y", None),), opset=23):
    """An .onnx file of (operation, inputs, outputs, attributes) and arrays."""
    graph = helper.make_graph(
        [helper.make_node(kind, given, made, name=f"node{i}", **more) for i, (kind, given, made, more) in
         enumerate(nodes)], "g", [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in inputs],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in outputs],
        [numpy_helper.from_array(a, n) for n, a in tensors.items()])
    path = folder / "net.onnx"
    path.write_bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)]).SerializeToString())
    return path


CHAIN = [("Gemm", ["x", "up", "b"], ["h"], {}), ("Tanh", ["h"], ["a"], {}), ("MatMul", ["a", "down"], ["y"], {})]


def weights():
    return {"up": drawn(8, 16), "b": np.zeros(16, np.float32), "down": drawn(16, 4)}


def test_a_chain_with_an_open_batch_is_the_network_it_is(tmp_path):
    tensors = weights()
    report = check_file(put(tmp_path, CHAIN, tensors))
    assert report.ok and report.coverage.network == 1 and report.network.net.widths == (8, 16, 4)
    assert np.array_equal(report.network.net.layers[0].w, tensors["up"])
    assert report.network.net.layers[0].activation.name == "tanh"


def test_an_unknown_operation_is_opaque_and_counted(tmp_path):
    nodes = [*CHAIN[:2], ("Frobnicate", ["a", "odd"], ["f"], {"domain": "mine"}), ("MatMul", ["f", "down"], ["y"], {})]
    path = put(tmp_path, nodes, {**weights(), "odd": drawn(16, 16)}, outputs=(("y", ("n", 4)), ("f", ("n", 16))))
    report = check_file(path)
    total = 8 * 16 + 16 + 16 * 4 + 256
    assert report.coverage.network == pytest.approx((total - 256) / total)
    assert "mine.Frobnicate" in str(report) or "onnx.Frobnicate" in str(report)
    assert "odd" in " ".join(report.notes)


def test_what_a_subgraph_reads_from_outside_is_taken(tmp_path):
    """Of branches whose results have different shapes there is no one result."""
    branches = [helper.make_graph([helper.make_node(kind, ["a", *more], ["z"])], "b", [],
                                  [helper.make_tensor_value_info("z", TensorProto.FLOAT, None)])
                for kind, more in (("MatMul", ["inner"]), ("ReduceMean", []))]
    nodes = [*CHAIN[:2], ("ReduceSum", ["x"], ["s"], {"keepdims": 0}), ("Cast", ["s"], ["which"], {"to": 9}),
             ("If", ["which"], ["z1"], {"then_branch": branches[0], "else_branch": branches[1]}),
             ("MatMul", ["z1", "down"], ["y"], {})]
    path = put(tmp_path, nodes, {**weights(), "inner": np.ones((16, 16), np.float32)},
               outputs=(("y", ("n", 4)), ("z1", ("n", 16))))
    weights_ = open_weights(path)
    program = weights_.graph(weights_)
    opaque = next(op for op in program.ops if op.kind == "opaque")
    assert {v.name for v in opaque.inputs} >= {"inner"} and program.coverage.share < 0.6


@pytest.mark.parametrize("kind, tensors, more", [
    ("LayerNormalization", {"g": np.ones(16, np.float32), "s": np.zeros(16, np.float32)}, {"axis": -1}),
    ("RMSNormalization", {"g": np.ones(16, np.float32)}, {"axis": -1}),
    ("HardSigmoid", {}, {"alpha": 1 / 6}), ("Gelu", {}, {"approximate": "tanh"}), ("Selu", {}, {}), ("Mish", {}, {}),
    ("Elu", {}, {"alpha": 0.5}), ("LeakyRelu", {}, {"alpha": 0.2}), ("Softsign", {}, {}), ("Dropout", {}, {}),
    ("PRelu", {"g": np.full(16, 0.25, np.float32)}, {}), ("Softmax", {}, {}), ("Identity", {}, {}),
])
def test_one_layer_between_two_keeps_free_units_free_and_tied_ones_tied(tmp_path, kind, tensors, more):
    nodes = [CHAIN[0], (kind, ["h", *tensors], ["a"], more), CHAIN[2]]
    report = check_file(put(tmp_path, nodes, {**weights(), **tensors}), optimizer="adam")
    assert report.coverage.network == 1 and not any(f.rule.startswith("SYM") for f in report.findings), str(report)
    tied = {k: np.full_like(v, 0.1) if k in ("up", "down") else v for k, v in weights().items()}
    report = check_file(put(tmp_path, nodes, {**tied, **tensors}), optimizer="adam")
    assert any(f.rule in ("SYM101", "SYM104") and f.severity == "fail" for f in report.findings), str(report)


def test_attention_by_one_operation_and_by_hand(tmp_path):
    """Two heads of four channels: the second drawn as the first is found, in either form."""
    def head(copied):
        w = {name: drawn(8, 8) for name in ("q", "k", "v", "o")}
        if copied:
            w |= {n: np.concatenate([w[n][:, :4]] * 2, axis=1) for n in "qkv"} | {"o": np.concatenate([w["o"][:4]] * 2)}
        return w
    whole = [("MatMul", ["x", n], [n.upper()], {}) for n in "qkv"] + [
        ("Attention", ["Q", "K", "V"], ["a"], {"q_num_heads": 2, "kv_num_heads": 2}), ("MatMul", ["a", "o"], ["y"], {})]
    split = [step for n in "qkv" for step in (
        ("MatMul", ["x", n], [f"{n}1"], {}), ("Reshape", [f"{n}1", "four"], [f"{n}2"], {}),
        ("Transpose", [f"{n}2"], [n.upper()], {"perm": [0, 2, 3, 1] if n == "k" else [0, 2, 1, 3]}))]
    byhand = [*split, ("MatMul", ["Q", "K"], ["s"], {}), ("Div", ["s", "two"], ["s2"], {}),
              ("Softmax", ["s2"], ["p"], {}), ("MatMul", ["p", "V"], ["m"], {}),
              ("Transpose", ["m"], ["m2"], {"perm": [0, 2, 1, 3]}), ("Reshape", ["m2", "three"], ["a"], {}),
              ("MatMul", ["a", "o"], ["y"], {})]
    more = {"four": np.array([0, 0, 2, 4]), "three": np.array([0, 0, 8]), "two": np.array(2.0, np.float32)}
    for nodes, extra in ((whole, {}), (byhand, more)):
        for copied in (False, True):
            report = check_file(put(tmp_path, nodes, {**head(copied), **extra}, inputs=(("x", ("n", 3, 8)),)))
            assert report.coverage.network == 1
            assert any(f.rule == "SYM101" for f in report.findings) is copied, str(report)


@pytest.mark.parametrize("nodes, tensors, said", [
    ([CHAIN[2], *CHAIN[:2]], {}, "before anything makes"), ([CHAIN[0], CHAIN[0], *CHAIN[1:]], {}, "twice"),
    ([("Tanh", ["y"], ["h"], {}), ("Tanh", ["h"], ["y"], {})], {}, "before anything makes"),
    ([("MatMul", ["x", "gone"], ["y"], {})], {}, "before anything makes"),
    ([CHAIN[0], ("Split", ["h"], ["y"] + [f"p{i}" for i in range(40)], {"axis": 1})], {}, ""),
], ids=["order", "twice", "cycle", "missing", "split"])
def test_a_graph_that_lies_is_refused_or_opaque(tmp_path, nodes, tensors, said):
    path = put(tmp_path, nodes, {**weights(), **tensors})
    if said:
        with pytest.raises(errors.FileFormatError, match=said):
            check_file(path)
    else:
        assert check_file(path).coverage.nothing == 0


@pytest.mark.parametrize("kind, tensors, more", [
    ("Reshape", {"n": np.array([-1, -1])}, {}), ("Reshape", {"n": np.array([1 << 40, 1 << 40])}, {}),
    ("Expand", {"n": np.array([1 << 40, 2, 16])}, {}), ("Tile", {"n": np.array([1 << 40, 1 << 40])}, {}),
    ("Gather", {"n": np.array(99)}, {"axis": 1}), ("Gather", {"n": np.array([7] * 3)}, {"axis": 9}),
    ("Transpose", {}, {"perm": [5, 5]}),
    ("Squeeze", {"n": np.array([0])}, {}), ("Slice", {"n": np.array([1])}, {}),
    ("Conv", {"n": drawn(3, 3, 3, 3)}, {"strides": [0, 0]}), ("Concat", {}, {"axis": 40}),
    ("Softmax", {}, {"axis": 77}),
    ("MaxPool", {}, {"kernel_shape": [9, 9]}), ("Einsum", {"n": drawn(2)}, {"equation": "->->,,"}),
    ("LSTM", {"n": drawn(1, 8, 8)}, {"hidden_size": -4}), ("Pad", {"n": np.array([-5, 1, 1, 1 << 50])}, {}),
    ("ConstantOfShape", {}, {}), ("Constant", {}, {}),
    ("Range", {"n": np.array(1), "m": np.array(1)}, {}), ("Resize", {"n": drawn(2)}, {}),
    ("Clip", {"n": drawn(3)}, {}), ("Pow", {"n": drawn(3)}, {}), ("Cast", {}, {"to": 9999}), ("Where", {}, {}),
], ids=lambda v: v if isinstance(v, str) else "")
def test_nonsense_is_not_understood(tmp_path, kind, tensors, more):
    nodes = [CHAIN[0], (kind, ["h", *tensors], ["a"], more), CHAIN[2]]
    path = put(tmp_path, nodes, {**weights(), **tensors}, outputs=(("y", ("n", 4)), ("a", ("n", 16))))
    report = check_file(path)
    assert report.coverage.nothing == 0 and report.line and "\n" not in report.line


def quantised(a):
    scale = np.float32(np.abs(a).max() / 127)
    return np.round(a / scale).astype(np.int8), scale


@pytest.mark.parametrize("wide", [16, 300])
def test_quantised_weights_are_counted_and_not_judged(tmp_path, wide):
    """A share that no rule looked at is no "ok", however small it is; scales and zero points count for nothing."""
    (up, s), (down, t) = quantised(drawn(8, wide)), quantised(drawn(wide, 4))
    nodes = [("DequantizeLinear", ["up", "s", "z"], ["w"], {}), ("Gemm", ["x", "w", "b"], ["h"], {}),
             ("Relu", ["h"], ["a"], {}), ("DequantizeLinear", ["down", "t", "z"], ["v"], {}),
             ("MatMul", ["a", "v"], ["y"], {})]
    tensors = {"up": up, "s": s, "z": np.int8(0), "b": np.zeros(wide, np.float32), "down": down, "t": t}
    report = check_file(put(tmp_path, nodes, tensors))
    total = 13 * wide
    assert report.coverage.parameters == total and report.coverage.nothing == pytest.approx(12 / 13)
    assert not report.enough and "NO VERDICT" in report.line
    assert any("Not judged (int8): 'up', 'down'" in note for note in report.notes), report.notes


def test_weights_that_the_exporter_turned_round_are_weights(tmp_path):
    """PyTorch's exporter numbers the weights of an LSTM anew (val_7), as it does constants."""
    tensors = {"val_7": drawn(1, 16, 8), "val_8": drawn(1, 16, 4), "val_9": np.zeros((1, 32), np.float32),
               "down": drawn(4, 4), "val_2": np.float32(0.5), "val_3": np.ones((1, 1, 4), np.float32)}
    nodes = [("LSTM", ["x", "val_7", "val_8", "val_9"], ["all", "h", "c"], {"hidden_size": 4}),
             ("Mul", ["h", "val_2"], ["s"], {}), ("Add", ["s", "val_3"], ["t"], {}),
             ("MatMul", ["t", "down"], ["y"], {})]
    report = check_file(put(tmp_path, nodes, tensors, inputs=(("x", (5, "n", 8)),)))
    assert report.coverage.network == 1 and report.coverage.parameters == 16 * 14 + 16


@pytest.mark.parametrize("name", ["up", "b", "down", "g", "running"])
def test_a_nan_that_signals_is_a_finding_and_no_warning(tmp_path, name):
    tensors = {**weights(), "g": np.ones(16, np.float32), "running": np.ones(16, np.float32)}
    tensors[name] = tensors[name].copy()
    tensors[name].reshape(-1)[1:2].view(np.uint32)[:] = 0x7F800001
    nodes = [CHAIN[0], ("BatchNormalization", ["h", "g", "b", "b", "running"], ["n"], {}), ("Tanh", ["n"], ["a"], {}),
             CHAIN[2]]
    assert any(f.rule == "NUM401" for f in check_file(put(tmp_path, nodes, tensors)).findings)
