"""Models in .keras archives made by hand: what a config may say, and what it may not."""

import json
import zipfile

import file_makers as makers
import numpy as np
import pytest
from file_makers import ARRAYS

pytest.importorskip("h5py")

from initcore import errors
from initcore.files import check_file


@pytest.fixture
def put(tmp_path):
    """Writes an archive; its path."""
    def write(*args, **more):
        (tmp_path / "net.keras").write_bytes(makers.keras(*args, **more))
        return tmp_path / "net.keras"
    return write


def tensor(layer, node=0):
    return {"class_name": "__keras_tensor__", "config": {"shape": [None, 16], "dtype": "float32",
                                                         "keras_history": [layer, node, 0]}}


def functional(put, wires, outputs=("fc2", 0, 0), inputs=("input", 0, 0), kinds=("Dense", "Dense")):
    """A functional model of two layers called on what ``wires`` says."""
    path = put([(kind, f"fc{i}", {"activation": "tanh"}) for i, kind in enumerate(kinds, 1)], kind="Functional",
               input_layers=[list(inputs)], output_layers=[list(outputs)])
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    for layer in config["config"]["layers"]:
        layer["inbound_nodes"] = [{"args": args, "kwargs": {}} for args in wires.get(layer["config"]["name"], [])]
    members["config.json"] = json.dumps(config)
    path.write_bytes(makers.zipped(members))
    return path


def test_a_chain_with_its_activations(put):
    report = check_file(put())
    assert report.ok and report.coverage.network == 1 and report.network.net.widths == (8, 16, 4)
    assert [la.activation.name for la in report.network.net.layers] == ["tanh", "identity"]
    assert np.array_equal(report.network.net.layers[0].w, ARRAYS["fc1.weight"].T)
    wired = functional(put, {"fc1": [[tensor("input")]], "fc2": [[tensor("fc1")]]})
    assert check_file(wired).network.net.widths == (8, 16, 4)


@pytest.mark.parametrize("wires, more, said", [
    ({"fc1": [[tensor("fc2")]], "fc2": [[tensor("fc1")]]}, {}, "waits for what nothing makes"),
    ({"fc1": [[tensor("fc1")]], "fc2": [[tensor("fc1")]]}, {}, "waits for what nothing makes"),
    ({"fc1": [[tensor("gone")]]}, {}, "waits for what nothing makes"),
    ({"fc1": [[tensor("input")]], "fc2": [[tensor("fc1", 7)]]}, {}, "waits for what nothing makes"),
    ({"fc1": [[tensor("input")]]}, {}, "waits for what nothing makes"),
    ({"fc1": [[tensor("input")]], "fc2": [[tensor("fc1")]]}, {"inputs": ("fc1", 0, 0)}, "not among its layers"),
], ids=["cycle", "itself", "missing", "call", "output", "input"])
def test_connections_that_lead_nowhere_are_refused(put, wires, more, said):
    with pytest.raises(errors.FileFormatError, match=said):
        check_file(functional(put, wires, **more))


@pytest.mark.parametrize("kind, config", [
    ("Lambda", {"function": ["os.system"]}), ("Mine", {}), ("Conv2D", {}), ("Dense", {"activation": {"module": "os"}}),
    ("LSTM", {}), ("Reshape", {"target_shape": [1 << 50]}), ("Reshape", {"target_shape": "x"}), ("RepeatVector", {}),
    ("MultiHeadAttention", {}), ("UpSampling2D", {"size": [1 << 40] * 2}), ("Bidirectional", {"layer": None}),
    ("EinsumDense", {"equation": "...->..."}), ("Concatenate", {"axis": 12}), ("Add", {}), ("Permute", {"dims": [9]}),
])
def test_a_layer_that_cannot_be_read_is_opaque(put, kind, config):
    report = check_file(put([("Dense", "fc1", {}), (kind, "odd", config)]))
    assert report.coverage.nothing == 0 and report.line


@pytest.mark.parametrize("layer", [None, 7, "Dense", [], True])
def test_a_layer_that_is_none_is_refused(put, layer):
    path = put()
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    config["config"]["layers"][1] = layer
    path.write_bytes(makers.zipped({**members, "config.json": json.dumps(config)}))
    with pytest.raises(errors.FileFormatError, match="is no layer"):
        check_file(path)


def test_a_model_of_a_class_of_its_own_is_judged_by_its_tensors(put):
    report = check_file(put(kind="MyModel"))
    assert any("class of its own" in note for note in report.notes) and report.coverage.nothing == 0


def test_models_without_end_are_refused(put):
    inner = {"module": "keras", "class_name": "Sequential", "config": {"name": "s", "layers": []}}
    for _ in range(45):
        inner = {"module": "keras", "class_name": "Sequential", "config": {"name": "s", "layers": [inner],
                                                                                    "build_input_shape": [None, 8]}}
    path = put()
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    path.write_bytes(makers.zipped({**members, "config.json": json.dumps(inner)}))
    with pytest.raises(errors.FileFormatError, match="nested more than"):
        check_file(path)


def test_a_weight_of_another_shape_is_no_chain(put):
    weights = {f"layers/{f}/vars/0": np.ones((3, 3), np.float32) for f in ("dense", "dense_1")}
    report = check_file(put(weights=weights))
    assert report.coverage.network == 0 or not report.ok
