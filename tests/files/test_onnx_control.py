"""If, Loop and Scan of .onnx: the numbers of ONNX's evaluator, ties through steps and branches, what stays opaque."""

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402
from onnx.reference import ReferenceEvaluator  # noqa: E402

from initcore import _running  # noqa: E402
from initcore.files import check_file, open_weights  # noqa: E402

RNG = np.random.default_rng(41)
HIDDEN, WIDE, ROWS = 6, 5, 3


def drawn(*shape):
    return (RNG.normal(size=shape) / np.sqrt(shape[0])).astype(np.float32)


def told(name, shape=None, kind=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, kind, shape)


def graph(nodes, inputs, outputs, tensors=None, name="body"):
    """A graph of (operation, inputs, outputs, attributes)."""
    return helper.make_graph([helper.make_node(kind, given, made, **(more[0] if more else {}))
                              for kind, given, made, *more in nodes], name, inputs, outputs,
                             [numpy_helper.from_array(np.asarray(a), n) for n, a in (tensors or {}).items()])


def put(folder, nodes, tensors, x, outputs=(("y", (ROWS, 2)),)):
    """The file, ONNX's own results on x and ours."""
    whole = graph(nodes, [told("x", x.shape)], [told(n, s) for n, s in outputs], tensors, "g")
    model = helper.make_model(whole, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.checker.check_model(model)
    path = folder / "net.onnx"
    path.write_bytes(model.SerializeToString())
    weights = open_weights(path)
    program = weights.graph(weights)
    run = _running.forward(program, [{program.inputs[0]: x}], {p.value: np.asarray(p.read())
                                                             for p in program.parameters})
    return path, program, ReferenceEvaluator(model).run(None, {"x": x}), [run.values[v][0] for v in program.outputs]


CELL = [("MatMul", ["x_t", "w"], ["a"]), ("MatMul", ["h", "u"], ["b"]), ("Add", ["a", "b"], ["ab"]),
        ("Add", ["ab", "bias"], ["z"]), ("Split", ["z"], ["i", "f", "g", "o"], {"axis": 1, "num_outputs": 4}),
        ("Sigmoid", ["i"], ["i1"]), ("Sigmoid", ["f"], ["f1"]), ("Tanh", ["g"], ["g1"]), ("Sigmoid", ["o"], ["o1"]),
        ("Mul", ["f1", "c"], ["kept"]), ("Mul", ["i1", "g1"], ["new"]), ("Add", ["kept", "new"], ["c_t"]),
        ("Tanh", ["c_t"], ["c1"]), ("Mul", ["o1", "c1"], ["h_t"]), ("Identity", ["h_t"], ["y_t"])]
HEAD = ("MatMul", ["h_n", "out"], ["y"])


def lstm():
    return {"w": drawn(WIDE, 4 * HIDDEN), "u": drawn(HIDDEN, 4 * HIDDEN), "bias": np.zeros(4 * HIDDEN, np.float32),
            "out": drawn(HIDDEN, 2), "h_0": np.zeros((ROWS, HIDDEN), np.float32),
            "c_0": np.zeros((ROWS, HIDDEN), np.float32)}


def scanned(**more):
    body = graph(CELL, [told("h"), told("c"), told("x_t")], [told("h_t"), told("c_t"), told("y_t")])
    return [("Scan", ["h_0", "c_0", "x"], ["h_n", "c_n", "all"], {"body": body, "num_scan_inputs": 1, **more}), HEAD]


def looped(condition):
    """As TensorFlow's converter writes it: a counter, a comparison, a row of the input."""
    count = [("Gather", ["x", "k"], ["x_t"], {"axis": 0}), ("Add", ["k", "one"], ["next"]), *condition]
    body = graph([*count, *CELL], [told("k", (), TensorProto.INT64), told("on", (), TensorProto.BOOL), told("h"),
                                   told("c")], [told("goes_on", (), TensorProto.BOOL), told("h_t"), told("c_t"),
                                                told("y_t")])
    return [("Shape", ["x"], ["sizes"]), ("Gather", ["sizes", "zero"], ["steps"], {"axis": 0}),
            ("Loop", ["most", "yes", "h_0", "c_0"], ["h_n", "c_n", "all"], {"body": body}), HEAD]


COUNTED = [("Less", ["next", "steps"], ["less"]), ("And", ["less", "on"], ["goes_on"])]
NUMBERS = {"one": np.int64(1), "zero": np.int64(0), "most": np.int64(10**9), "yes": np.bool_(True)}
OUTPUTS = (("y", (ROWS, 2)), ("all", (4, ROWS, HIDDEN)))
X = RNG.normal(size=(4, ROWS, WIDE)).astype(np.float32)


@pytest.mark.parametrize("nodes", [scanned(), looped(COUNTED)], ids=["scan", "loop"])
def test_a_cell_written_out_gives_the_numbers_of_onnx(tmp_path, nodes):
    path, program, theirs, ours = put(tmp_path, nodes, {**lstm(), **NUMBERS}, X, OUTPUTS)
    for a, b in zip(theirs, ours, strict=True):
        # a loop's rows get an axis of their own, says ONNX's inference of shapes; its evaluator lays them side by side
        assert a.size == b.size and np.allclose(a.reshape(b.shape), b, rtol=1e-5, atol=1e-6)
    assert ours[1].shape == (4, ROWS, HIDDEN) and program.coverage.share == 1
    report = check_file(path, optimizer="adam")
    assert report.coverage.network == 1 and not any(f.rule.startswith("SYM") for f in report.findings), str(report)
    assert len(report.network.layers) == 5                  # the steps of a gate are one row


@pytest.mark.parametrize("more, turn, back", [
    ({"scan_input_axes": [1]}, lambda x: x.swapaxes(0, 1), lambda y: y),
    ({"scan_input_directions": [1], "scan_output_directions": [1]}, lambda x: x[::-1], lambda y: y[::-1]),
    ({"scan_output_axes": [2]}, lambda x: x, lambda y: np.moveaxis(y, 2, 0))], ids=["axis", "reverse", "stacked"])
def test_a_scan_another_way_round(tmp_path, more, turn, back):
    """ONNX's evaluator knows the first axis forwards only."""
    w = lstm()
    theirs = put(tmp_path, scanned(), w, X, OUTPUTS)[2]
    whole = graph(scanned(**more), [told("x", turn(X).shape)], [told("y"), told("all")], w, "g")
    path = tmp_path / "other.onnx"
    path.write_bytes(helper.make_model(whole, opset_imports=[helper.make_opsetid("", 21)]).SerializeToString())
    weights = open_weights(path)
    program = weights.graph(weights)
    run = _running.forward(program, [{program.inputs[0]: turn(X)}], {p.value: np.asarray(p.read())
                                                                   for p in program.parameters})
    y, every = (run.values[v][0] for v in program.outputs)
    assert np.allclose(y, theirs[0], atol=1e-6) and np.allclose(back(every), theirs[1], atol=1e-6)


@pytest.mark.parametrize("nodes", [scanned(), looped(COUNTED)], ids=["scan", "loop"])
def test_units_of_a_cell_that_are_drawn_alike_are_found(tmp_path, nodes):
    w = lstm()
    for k in range(4):
        w["w"][:, k * HIDDEN + 1] = w["w"][:, k * HIDDEN]
        w["u"][:, k * HIDDEN + 1] = w["u"][:, k * HIDDEN]
    w["u"][1] = w["u"][0]
    w["out"][1] = w["out"][0]
    path = put(tmp_path, nodes, {**w, **NUMBERS}, X)[0]
    assert any(f.rule == "SYM101" and f.severity == "fail" for f in check_file(path).findings)


def branched(condition, tensors=("left", "right")):
    one, other = (graph([("MatMul", ["a", name], ["made"])], [], [told("made", (ROWS, 2))]) for name in tensors)
    return [("MatMul", ["x", "up"], ["h"]), ("Tanh", ["h"], ["a"]), *condition,
            ("If", ["c"], ["y"], {"then_branch": one, "else_branch": other})]


BY_DATA = [("ReduceSum", ["x"], ["s"], {"keepdims": 0}), ("Greater", ["s", "nought"], ["c"])]


@pytest.mark.parametrize("sign", [1, -1])
def test_of_a_condition_on_data_both_branches_are_judged(tmp_path, sign):
    w = {"up": drawn(WIDE, HIDDEN), "left": drawn(HIDDEN, 2), "right": drawn(HIDDEN, 2), "nought": np.float32(0)}
    path, program, theirs, ours = put(tmp_path, branched(BY_DATA), w, sign * np.abs(X[0]))
    assert np.allclose(theirs[0], ours[0], atol=1e-6) and {p.names[0] for p in program.parameters} == {
        "up", "left", "right"}
    report = check_file(path)
    assert report.ok and report.coverage.network == 1
    for name in ("left", "right"):
        broken = {**w, name: np.full((HIDDEN, 2), np.nan, np.float32)}
        assert not check_file(put(tmp_path, branched(BY_DATA), broken, X[0])[0]).ok


@pytest.mark.parametrize("taken", [True, False])
def test_a_condition_that_is_known_takes_its_branch(tmp_path, taken):
    w = {"up": drawn(WIDE, HIDDEN), "left": drawn(HIDDEN, 2), "right": drawn(HIDDEN, 2), "c": np.bool_(taken)}
    _, program, theirs, ours = put(tmp_path, branched([]), w, X[0])
    assert np.allclose(theirs[0], ours[0], atol=1e-6)
    assert ("left" in {p.names[0] for p in program.parameters}) is taken


def test_two_branches_may_call_their_weights_alike(tmp_path):
    first, second = drawn(HIDDEN, 2), drawn(HIDDEN, 2)
    one, other = (graph([("Constant", [], ["t"], {"value": numpy_helper.from_array(np.float32(k))}),
                         ("MatMul", ["a", "inner"], ["m"]), ("Add", ["m", "t"], ["made"])], [],
                        [told("made", (ROWS, 2))], {"inner": a}) for k, a in ((0.25, first), (0.75, second)))
    nodes = [*branched(BY_DATA)[:-1], ("If", ["c"], ["y"], {"then_branch": one, "else_branch": other})]
    for sign in (1, -1):
        path, program, theirs, ours = put(tmp_path, nodes, {"up": drawn(WIDE, HIDDEN), "nought": np.float32(0)},
                                          sign * np.abs(X[0]))
        assert np.allclose(theirs[0], ours[0], atol=1e-6)
    assert sum(p.value.shape == (HIDDEN, 2) for p in program.parameters) == 2
    assert check_file(path).coverage.network == 1


def test_a_branch_inside_a_loop(tmp_path):
    """Every second step goes another way."""
    inner = branched([], ("u", "v"))[-1][-1]
    inner = {k: graph([("MatMul", ["h", name], ["t"])], [], [told("t", (ROWS, HIDDEN))]) for k, name in zip(
        inner, ("u", "v"), strict=True)}
    nodes = [("Mod", ["k", "two"], ["odd"]), ("Equal", ["odd", "nought"], ["c"]), ("If", ["c"], ["s"], inner),
             ("Tanh", ["s"], ["h_t"]), ("Identity", ["on"], ["goes_on"])]
    body = graph(nodes, [told("k", (), TensorProto.INT64), told("on", (), TensorProto.BOOL), told("h")],
                 [told("goes_on", (), TensorProto.BOOL), told("h_t")])
    whole = [("MatMul", ["x", "w"], ["h_0"]), ("Loop", ["five", "yes", "h_0"], ["h_n"], {"body": body}), HEAD]
    w = {"w": drawn(WIDE, HIDDEN), "u": drawn(HIDDEN, HIDDEN), "v": drawn(HIDDEN, HIDDEN), "out": drawn(HIDDEN, 2),
         "two": np.int64(2), "nought": np.int64(0), "five": np.int64(5), "yes": np.bool_(True)}
    path, program, theirs, ours = put(tmp_path, whole, w, X[0])
    assert np.allclose(theirs[0], ours[0], atol=1e-6) and program.coverage.share == 1
    assert check_file(path).coverage.network == 1


@pytest.mark.parametrize("condition, more", [
    ([("ReduceSum", ["h"], ["s"], {"keepdims": 0}), ("Less", ["s", "bound"], ["goes_on"])], {}),
    ([("Identity", ["on"], ["goes_on"])], {})], ids=["on data", "too long"])
def test_a_loop_without_a_known_end_is_opaque_and_counted(tmp_path, condition, more):
    whole = looped(condition)
    w = {**lstm(), **NUMBERS, "bound": np.float32(1e9)}
    g = graph(whole, [told("x", X.shape)], [told("y", (ROWS, 2)), told("h_n", (ROWS, HIDDEN)),
                                            told("c_n", (ROWS, HIDDEN)), told("all", (4, ROWS, HIDDEN))], w, "g")
    path = tmp_path / "net.onnx"
    path.write_bytes(helper.make_model(g, opset_imports=[helper.make_opsetid("", 21)]).SerializeToString())
    report = check_file(path)
    inside = sum(w[n].size for n in ("w", "u", "bias", "h_0", "c_0"))
    assert report.coverage.tensors == pytest.approx(inside / (inside + w["out"].size)), str(report)
    assert "onnx.Loop" in str(report)
