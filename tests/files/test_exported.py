"""The graph of a .pt2 file, read without PyTorch: the network it is, its faults, and graphs that lie."""

import copy

import file_makers as makers
import numpy as np
import pytest
from file_makers import ARRAYS

from initcore import errors
from initcore.files import check_file

TIED = {**ARRAYS, "fc1.weight": np.full((16, 8), 0.25, np.float32), "fc2.weight": np.full((4, 16), 0.1, np.float32)}


@pytest.fixture
def put(tmp_path):
    """Writes an archive; its path."""
    def write(**options):
        (tmp_path / "net.pt2").write_bytes(makers.exported(**options))
        return tmp_path / "net.pt2"
    return write


def changed(change):
    """The document, changed by a function of its graph."""
    document = copy.deepcopy(makers.exported_document())
    change(document["graph_module"]["graph"], document)
    return document


def sized(graph, name, *sizes):
    """Say of a tensor that it has these sizes."""
    graph["tensor_values"][name]["sizes"] = [n if isinstance(n, dict) else {"as_int": n} for n in sizes]


def specs(document):
    """What the document says of its inputs."""
    return document["graph_module"]["signature"]["input_specs"]


def test_a_chain_is_the_network_it_is(put):
    report = check_file(put())
    assert report.ok and report.coverage.network == 1 and report.network.net.widths == (8, 16, 4)
    assert report.network.net.layers[0].activation.name == "tanh"
    assert np.array_equal(report.network.net.layers[1].w, ARRAYS["fc2.weight"].T)
    assert not any("tanh is assumed" in note for note in report.notes)


def test_data_are_measured_through_a_chain(put, tmp_path):
    np.savez(tmp_path / "data.npz", x=np.random.default_rng(0).normal(size=(20, 8)))
    assert check_file(put(), data=tmp_path / "data.npz").network.signal.kind == "measured"


def test_what_pytorch_pickled_is_read_by_the_machine(put):
    report = check_file(put(packed=("fc1.weight",)))
    assert report.ok and np.array_equal(report.network.net.layers[0].w, ARRAYS["fc1.weight"].T)


def test_tied_units_are_found(put):
    report = check_file(put(arrays=TIED))
    assert not report.ok and any(f.rule == "SYM101" and f.severity == "fail" for f in report.findings)


def residual(graph, document):
    """down(tanh(up(x))) with the table's other words: a skip around the activation."""
    node = copy.deepcopy(graph["nodes"][1])
    node.update(target="torch.ops.aten.add.Tensor", outputs=[{"as_tensor": {"name": "sum"}}], inputs=[
        {"name": "self", "arg": {"as_tensor": {"name": "up"}}, "kind": 1},
        {"name": "other", "arg": {"as_tensor": {"name": "phi"}}, "kind": 1}])
    graph["nodes"].insert(2, node)
    graph["nodes"][3]["inputs"][0]["arg"] = {"as_tensor": {"name": "sum"}}
    graph["tensor_values"]["sum"] = graph["tensor_values"]["phi"]


def test_a_graph_that_is_no_chain_is_proved(put):
    report = check_file(put(document=changed(residual)), optimizer="adam")
    assert report.ok and report.loaded is None and report.coverage.network == 1
    assert "ok, fit to train: a network of" in report.line and report.network.symmetry.ok
    assert "judged as a network: 100% of 212 parameters; tensor by tensor: 0%" in " ".join(str(report).split())
    tied = check_file(put(arrays=TIED, document=changed(residual)), optimizer="adam")
    found = next(f for f in tied.findings if f.rule == "SYM101")
    assert found.tensor == "fc1.weight" and found.place.module == "up" and found.place.file == "/u/net.py"
    assert "16 of 16 units of up" in found.message
    assert "SYM101" in tied.to_sarif() and "SYM101" in tied.to_html() and tied.to_dict()["widths"] == []


def test_signals_of_a_graph_that_is_no_chain_are_measured(put, tmp_path):
    """On drawn inputs without data; on the user's rows, of which the graph takes as many as it was exported for."""
    drawn = check_file(put(document=changed(residual)))
    assert drawn.network.signal.kind == "measured" and drawn.network.way
    assert "inputs drawn: normal, mean 0, variance 1" in drawn.network.conditions
    rng = np.random.default_rng(1)
    np.savez(tmp_path / "data.npz", x=rng.normal(size=(41, 8)), y=rng.normal(size=(41, 4)))
    given = check_file(put(document=changed(residual)), data=tmp_path / "data.npz")
    assert given.ok and any("rows of" in c and "data.npz" in c for c in given.network.conditions)
    assert any(c.startswith("loss mse (") for c in given.network.conditions)
    np.savez(tmp_path / "raw.npz", x=200 + rng.normal(size=(41, 8)))
    raw = check_file(put(document=changed(residual)), data=tmp_path / "raw.npz")
    assert "INP701" in {f.rule for f in raw.findings}
    large = {**ARRAYS, "fc1.weight": 50 * ARRAYS["fc1.weight"]}
    found = next(f for f in check_file(put(arrays=large, document=changed(residual))).findings if f.rule == "SAT201")
    assert found.tensor == "fc1.weight" and found.cause == "weight_scale"


@pytest.mark.parametrize("arrays, said", [
    ({"x": np.zeros((40, 9))}, "takes"), ({"y": np.zeros(40)}, "no inputs"), ({"x": np.zeros((1, 8))}, "batches of"),
    ({"x": np.zeros((40, 8)), "y": np.zeros(3)}, "40 rows"), ({"x": np.array([["a"] * 8] * 40)}, "holds"),
    ({"x": np.zeros((40, 8)), "y": np.full(40, 7)}, "classes from 7 to 7")])
def test_data_that_do_not_fit_are_refused_in_a_sentence(put, tmp_path, arrays, said):
    np.savez(tmp_path / "data.npz", **arrays)
    with pytest.raises(errors.InitcoreError, match=said):
        check_file(put(document=changed(residual)), data=tmp_path / "data.npz")


def test_what_cannot_be_evaluated_says_so(put, tmp_path):
    def unknown(graph, document):
        residual(graph, document)
        graph["nodes"][1]["target"] = "torch.ops.mine.phi.default"
    report = check_file(put(document=changed(unknown)))
    assert any("no signal was measured: mine.phi.default" in c for c in report.network.conditions)
    assert "no verdict on learning" in report.line
    np.save(tmp_path / "x.npy", np.zeros((40, 8)))
    with pytest.raises(errors.ArgumentError, match=r"--data needs a network that can be evaluated: mine\.phi"):
        check_file(put(document=changed(unknown)), data=tmp_path / "x.npy")


def test_a_network_that_is_too_much_to_evaluate_says_so(put, monkeypatch):
    monkeypatch.setattr("initcore.files._signals._check.MOST_PRODUCTS", 100)
    report = check_file(put(document=changed(residual)))
    assert any("too much to evaluate" in c for c in report.network.conditions) and report.network.signal is None


def test_a_graph_that_no_network_is_leaves_the_tensors_to_be_judged(put, monkeypatch):
    def none(*_):
        raise LookupError
    monkeypatch.setattr("initcore.files._signals._check.MOST_PRODUCTS", 100)
    monkeypatch.setattr("initcore.files._wiring.unmeasured", none)
    large = {**ARRAYS, "fc1.weight": np.full((16, 8), np.nan, np.float32)}
    report = check_file(put(arrays=large, document=changed(residual)))
    assert "no signal was measured: one batch" in " ".join(report.network.conditions)
    assert any(f.tensor == "fc1.weight" and f.severity == "fail" for f in report.findings)


def test_what_is_not_understood_is_no_part_of_the_network(put):
    def unknown(graph, document):
        graph["nodes"][1]["target"] = "torch.ops.mine.phi.default"
        graph["nodes"][2]["target"] = "torch.ops.mine.head.default"
    report = check_file(put(document=changed(unknown)))
    weights = 16 * 8 + 16
    assert report.coverage.network == pytest.approx(weights / (weights + 68)) and report.coverage.tensors > 0.3
    assert "mine.head.default" in str(report) and "Judged by themselves" in " ".join(report.notes)


@pytest.mark.parametrize("change, said", [
    (lambda g, d: d["schema_version"].update(major=99), "has the form 99"),
    (lambda g, d: sized(g, "up", 3, {"as_expr": {"expr_str": "u0"}}), "depends on"),
    (lambda g, d: specs(d).append({"custom_obj": {"arg": {"name": "up"}}}), "kind"),
], ids=["newer", "unbacked", "object"])
def test_what_may_be_sound_but_is_not_read_leaves_the_weights(put, change, said):
    report = check_file(put(document=changed(change)))
    assert any("The wiring is not read" in note and said in note for note in report.notes), report.notes
    assert report.coverage.tensors + report.coverage.network == 1


@pytest.mark.parametrize("change, said", [
    (lambda g, d: g["nodes"].reverse(), "before anything makes it"),
    (lambda g, d: g["nodes"][0]["inputs"][0].update(arg={"as_tensor": {"name": "down"}}), "before anything makes it"),
    (lambda g, d: specs(d)[0]["parameter"].update(parameter_name="gone"),
     "not among its weights"),
    (lambda g, d: sized(g, "p_fc1_weight", 8, 16), "shape"),
    (lambda g, d: sized(g, "up", 1 << 40, 1 << 40), "impossible shape"),
    (lambda g, d: sized(g, "up", -3), "impossible shape"),
    (lambda g, d: g["tensor_values"].pop("phi"), "phi"),
    (lambda g, d: g.update(nodes={"a": 1}), "nodes"),
    (lambda g, d: g["nodes"][1].update(inputs=[{"arg": 7}]), "arg"),
    (lambda g, d: g["nodes"][1].update(inputs=[{"arg": {"as_int": 1, "as_tensor": 2}}]), "torch.export.save"),
    (lambda g, d: g["nodes"].extend(g["nodes"][1:2] * 50_001), "operations"),
    (lambda g, d: d.pop("graph_module"), "graph_module"),
], ids=["reversed", "cycle", "missing", "turned", "huge", "negative", "unlisted", "mapping", "argument", "union",
        "many", "empty"])
def test_a_graph_that_lies_is_refused_in_a_sentence(put, change, said):
    with pytest.raises(errors.FileFormatError, match=said) as caught:
        check_file(put(document=changed(change)))
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


@pytest.mark.parametrize("arguments", [
    {"name": "self", "arg": {"as_string": "up"}}, {"name": "self", "arg": {"as_ints": [1, 2]}},
    {"name": "dim", "arg": {"as_int": 1 << 70}}, {"name": "size", "arg": {"as_ints": [1 << 62] * 9}},
    {"name": "self", "arg": {"as_none": True}}, {"name": "size", "arg": {"as_strings": ["a"]}}])
@pytest.mark.parametrize("target", ["tanh", "zeros", "split.Tensor", "unbind.int", "diff", "eye", "tril", "einsum",
                                    "convolution", "lstm.input", "group_norm", "index.Tensor", "arange"])
def test_nonsense_among_arguments_is_opaque(put, arguments, target):
    def nonsense(graph, document):
        graph["nodes"][1].update(target=f"torch.ops.aten.{target}")
        graph["nodes"][1]["inputs"] = [graph["nodes"][1]["inputs"][0], arguments]
    report = check_file(put(document=changed(nonsense)))
    assert report.coverage.nothing == 0 and report.line


def test_names_of_a_graph_steer_no_terminal(put):
    def paint(graph, document):
        graph["nodes"][1].update(target="torch.ops.aten.\x1b[31mred", metadata={
            "nn_module_stack": "a,\x1b[0m,b", "stack_trace": 'File "\x1b]0;t\x07", line 99999999999999999999, in f'})
        residual(graph, document)
    said = str(check_file(put(document=changed(paint))))
    assert all(c.isprintable() or c == "\n" for c in said)
