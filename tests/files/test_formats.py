"""Every format gives the same network and the same bits, by names, shapes, types and strides."""

import json
import struct

import file_makers as makers
import numpy as np
import pytest
from file_makers import ARRAYS, FLAX, Stored

import initcore as ic
from initcore import errors
from initcore.files import check_file, compare, load_network, open_weights, read_arrays

BF16 = (ARRAYS["fc1.weight"].view(np.uint32) >> 16).astype(np.uint16)
BF16_VALUES = (BF16.astype(np.uint32) << 16).view(np.float32)


def put(folder, name, data):
    (folder / name).write_bytes(data)
    return folder / name


def same_network(path):
    net = load_network(path, activation="tanh").network
    return net.widths == (8, 16, 4) and all(np.array_equal(la.w, ARRAYS[f"fc{i}.weight"].T) for i, la in
                                            enumerate(net.layers, 1))


@pytest.mark.parametrize("name, data", [
    ("net.safetensors", lambda: makers.safetensors(metadata={"format": "pt"})), ("net.npz", makers.npz),
    ("packed.npz", lambda: makers.npz(compressed=True)), ("net.pt", makers.torch_zip), ("net.bin", makers.torch_zip),
    ("four.pth", lambda: makers.torch_zip(protocol=4)), ("net.gguf", makers.gguf),
    ("net.msgpack", lambda: makers.msgpack(FLAX)),
], ids=lambda v: v if isinstance(v, str) else "")
def test_the_same_network(name, data, tmp_path):
    path = put(tmp_path, name, data())
    assert same_network(path)
    report = check_file(path, activation="tanh")
    assert report.ok and report.coverage.network == 1 and report.coverage.parameters == sum(
        a.size for a in ARRAYS.values())


def test_check_takes_a_path(tmp_path):
    path = put(tmp_path, "net.npz", makers.npz())
    report = ic.check(str(path), optimizer="adam")
    assert report.ok and report.network.net.widths == (8, 16, 4) and report.coverage.network == 1
    assert ic.check(path).to_dict()["coverage"]["nothing"] == 0
    with pytest.raises(errors.ArgumentError, match="check_file"):
        ic.check(path, np.ones((2, 8)))


@pytest.mark.parametrize("layout", ["io", "oi"])
def test_a_bias_folded_in_as_a_column(layout, tmp_path):
    folded = {}
    for i in (1, 2):
        both = np.vstack([ARRAYS[f"fc{i}.weight"].T, np.arange(len(ARRAYS[f"fc{i}.bias"]), dtype=np.float32)[None]])
        folded[f"W{i}"] = both if layout == "io" else both.T.copy()
    path = put(tmp_path, "folded.npz", makers.npz(folded))
    assert "--folded-bias reads it" in " ".join(str(check_file(path)).split())
    report = check_file(path, folded_bias=True, activation="tanh")
    layers = report.network.net.layers
    assert report.coverage.network == 1 and report.network.net.widths == (8, 16, 4)
    assert all(np.array_equal(la.w, ARRAYS[f"fc{i}.weight"].T) and la.b[3] == 3 for i, la in enumerate(layers, 1))


@pytest.mark.parametrize("old, new", [
    *((b"'<f4'", b"'" + word + b"'") for word in (b",f4", b"(2,)f4", b"2f4", b"f4,f4", b"(", b"f4 ", b"f99999999999")),
    (b"'<f4'", b"'\\d'"), (b"(3,)", b"(3or 4,)"), (b"(3,)", b"(0x1for,)")])
def test_a_header_that_numpy_or_python_would_argue_with(old, new, tmp_path):
    """np.dtype takes a small language and says what it dislikes with a SyntaxError; Python warns of odd literals."""
    text = b"{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }".replace(old, new).ljust(117) + b"\n"
    path = put(tmp_path, "x.npy", b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text + bytes(12))
    with pytest.raises(errors.FileFormatError, match="'x'"):
        open_weights(path)


def test_keras_files(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "net.weights.h5", "w") as file:
        for i in (1, 2):
            layer = "dense" if i == 1 else f"dense_{i - 1}"
            file[f"layers/{layer}/vars/0"] = ARRAYS[f"fc{i}.weight"].T
            file[f"layers/{layer}/vars/1"] = ARRAYS[f"fc{i}.bias"]
    assert same_network(tmp_path / "net.weights.h5")
    inner = (tmp_path / "net.weights.h5").read_bytes()
    put(tmp_path, "net.keras", makers.zipped({"metadata.json": b"{}", "config.json": b'{"class_name": "Sequential"}',
                                              "model.weights.h5": inner}))
    assert same_network(tmp_path / "net.keras")
    assert open_weights(tmp_path / "net.keras").config == {"class_name": "Sequential"}
    with h5py.File(tmp_path / "rnn.h5", "w") as file:
        file["model_weights/simple_rnn/simple_rnn/cell/kernel:0"] = ARRAYS["fc1.weight"]
        file["model_weights/simple_rnn/simple_rnn/cell/recurrent_kernel:0"] = ARRAYS["fc2.weight"]
    report = check_file(tmp_path / "rnn.h5")
    assert report.network is None and "recurrent" in str(report)


def test_keras_links_are_not_followed(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["w"] = np.ones((3, 3))
    for name, link in (("soft.h5", h5py.SoftLink("/a")), ("external.h5", h5py.ExternalLink("other.h5", "/w"))):
        with h5py.File(tmp_path / name, "w") as file:
            file["a"] = np.ones((2, 2))
            file["b"] = link
        with pytest.raises(errors.FileFormatError, match="is a link to another place"):
            open_weights(tmp_path / name)
    with h5py.File(tmp_path / "round.h5", "w") as file:
        file["a/w"] = np.ones((2, 2), np.float32)
        file["a/again"] = file["a"]
    assert list(open_weights(tmp_path / "round.h5").tensors) == ["a/w"]
    with h5py.File(tmp_path / "bomb.h5", "w") as file:
        file.create_dataset("w", (1 << 20, 1 << 20), "f4", chunks=(1024, 1024))
    with pytest.raises(errors.FileFormatError, match="declares"):
        open_weights(tmp_path / "bomb.h5")


@pytest.mark.parametrize("old, new", [(b"first.weight", b"first.w\xffight"), (b"Tanh", b"T\xfenh"),
                                      (b"hidden", b"hidd\xc3n"), (b"transB", b"tra\x80sB"), (b"ai.own", b"ai.\xffwn")])
def test_a_name_in_onnx_that_is_no_text(tmp_path, old, new):
    onnx = pytest.importorskip("onnx")
    make = onnx.helper
    steps = [make.make_node("Gemm", ["x", "first.weight"], ["hidden"], transB=1),
             make.make_node("Tanh", ["hidden"], ["y"]), make.make_node("Own", ["y"], ["z"], domain="ai.own")]
    graph = make.make_graph(steps, "g", [make.make_tensor_value_info("x", 1, (1, 3))],
                            [make.make_tensor_value_info("z", 1, None)],
                            [onnx.numpy_helper.from_array(np.ones((4, 3), np.float32), "first.weight")])
    data = make.make_model(graph).SerializeToString()
    assert read_arrays(put(tmp_path, "sound.onnx", data))["first.weight"].shape == (4, 3) and old in data
    with pytest.raises(errors.FileFormatError, match=r"no UTF-8 text.*export it again"):
        read_arrays(put(tmp_path, "wrong.onnx", data.replace(old, new)))


def test_onnx(tmp_path):
    onnx = pytest.importorskip("onnx")
    tensors = [onnx.numpy_helper.from_array(a, name) for name, a in ARRAYS.items()]
    half = onnx.helper.make_tensor("list.weight", onnx.TensorProto.FLOAT16, [2, 2], np.ones((2, 2), np.float16))
    graph = onnx.helper.make_graph([], "g", [], [], [*tensors, half])
    onnx.save(onnx.helper.make_model(graph), tmp_path / "net.onnx")
    arrays = read_arrays(tmp_path / "net.onnx")
    assert all(np.array_equal(arrays[k], v) for k, v in ARRAYS.items()) and arrays["list.weight"].dtype == np.float16
    onnx.save(onnx.helper.make_model(graph), tmp_path / "out.onnx", save_as_external_data=True, location="values.bin",
              size_threshold=0)
    assert np.array_equal(read_arrays(tmp_path / "out.onnx")["fc1.weight"], ARRAYS["fc1.weight"])
    model = onnx.load(tmp_path / "out.onnx", load_external_data=False)
    for wrong in ("../values.bin", "/etc/hostname", ""):
        model.graph.initializer[0].external_data[0].value = wrong
        put(tmp_path, "wrong.onnx", model.SerializeToString())
        with pytest.raises(errors.FileFormatError, match="outside the model's folder"):
            open_weights(tmp_path / "wrong.onnx")


def test_views_of_one_storage(tmp_path):
    base = np.arange(30, dtype=np.float32).reshape(6, 5)
    path = put(tmp_path, "views.pt", makers.torch_zip({
        "whole": Stored("0", base), "turned": Stored("0", base, (5, 6), (1, 5)),
        "rows": Stored("0", base, (2, 5), (5, 1), 5),
        "every": Stored("0", base, (6, 2), (5, 2)), "scalar": Stored("1", np.float32(3.0), (), ()),
        "half": Stored("2", base.astype(np.float16), kind="HalfStorage"), "again": Stored("0", base),
        "bf": Stored("3", BF16, kind="BFloat16Storage", parameter=True),
        "many": Stored("0", base, (7, 6, 5), (0, 5, 1)),
        "nested": {"list": [Stored("4", base.astype(float), kind="DoubleStorage")]}, "epoch": 3, "lr": 1e-3}))
    arrays = read_arrays(path)
    assert np.array_equal(arrays["turned"], base.T) and np.array_equal(arrays["rows"], base[1:3])
    assert np.array_equal(arrays["every"], base[:, ::2][:, :2]) and arrays["scalar"] == 3
    assert arrays["half"].dtype == np.float16 and arrays["nested.list.0"].dtype == np.float64
    assert np.array_equal(arrays["bf"], BF16_VALUES) and "many" not in arrays
    assert "'again' is 'whole'" in " ".join(check_file(path, partial=True).notes)


@pytest.mark.parametrize("module, name", [("os", "system"), ("builtins", "eval"), ("torch.nn.modules.linear", "Linear"),
                                          ("numpy", "load"), ("torch", "load"), ("initcore", "check")])
@pytest.mark.parametrize("protocol", [2, 4])
def test_a_pickle_calls_nothing(module, name, protocol, tmp_path):
    marker = tmp_path / "called"
    table = (b"\x80\x02c" + f"{module}\n{name}\n".encode() if protocol == 2 else
             b"\x80\x04" + b"".join(b"\x8c" + bytes([len(s)]) + s.encode() for s in (module, name)) + b"\x93")
    table += b"X" + len(str(marker)).to_bytes(4, "little") + str(marker).encode() + b"\x85R."
    with pytest.raises(errors.FileFormatError, match=f"wants '{module}.{name}'.*never run"):
        open_weights(put(tmp_path, "evil.pt", makers.torch_zip(table=table)))
    assert not marker.exists()


def test_old_and_foreign_pickles_are_refused_by_name(tmp_path):
    for data, words in ((bytes.fromhex("80028a0a6cfc9c46f9206aa850192e80024de9032e"), "old format"),
                        (b"\x80\x04N.", "bare pickle"), (b"x" * 257 + b"ustar", "oldest format"),
                        (b"", "not a PyTorch file"), (makers.zipped({"a": b"b"}), "no data.pkl"),
                        (makers.torch_zip(extra={"constants.pkl": b""}), "TorchScript")):
        with pytest.raises(errors.FileFormatError, match=words):
            open_weights(put(tmp_path, "old.pt", data))
    for name in ("net.pkl", "net.joblib", "net.pdparams", "net.params"):
        with pytest.raises(errors.FileFormatError, match="is not read; convert"):
            open_weights(put(tmp_path, name, b"\x80\x04N."))


def test_quantised_gguf(tmp_path):
    """Q8_0 and Q4_0 by hand: two blocks of 32 with scales 0.5 and -2."""
    ints = np.arange(-32, 32, dtype=np.int8).reshape(2, 32)
    q8 = b"".join(np.float16(s).tobytes() + row.tobytes() for s, row in zip((0.5, -2.0), ints))
    nibbles = np.arange(32, dtype=np.uint8) % 16
    q4 = b"".join(np.float16(s).tobytes() + (nibbles[:16] | nibbles[16:] << 4).astype(np.uint8).tobytes()
                  for s in (0.5, -2.0))
    path = put(tmp_path, "q.gguf", makers.gguf({"q8": (8, (2, 32), q8), "q4": (2, (4, 16), q4), "k": (12, (256,), b"x"),
                                                "bf": (30, BF16.shape, BF16.tobytes())}, {"general.alignment": 64},
                                               alignment=64))
    weights = open_weights(path)
    assert weights.tensors["k"].dtype == "Q4_K" and not weights.tensors["k"].judged
    assert np.array_equal(weights.tensors["q8"].array(), ints * np.array([[0.5], [-2.0]], np.float32))
    want = (nibbles.astype(np.float32) - 8)[None] * np.array([[0.5], [-2.0]], np.float32)
    assert np.array_equal(weights.tensors["q4"].array(), want.reshape(4, 16))
    assert np.array_equal(weights.tensors["bf"].array(), BF16_VALUES)
    for items in (1, 7, 32, 33, 64, 100):
        assert np.array_equal(np.concatenate(list(weights.tensors["q8"].blocks(items))).reshape(2, 32),
                              ints * np.array([[0.5], [-2.0]], np.float32))


def test_every_safetensors_type_is_listed(tmp_path):
    extra = {"a": ("BF16", [16, 8], BF16.tobytes()), "b": ("F8_E4M3", [3], b"abc"), "c": ("F4", [4], b"ab"),
             "d": ("NEW7", [9], b"abc"), "e": ("C64", [1], bytes(8)), "f": ("BOOL", [2], b"\0\1")}
    path = put(tmp_path, "all.safetensors", makers.safetensors(extra=extra))
    weights = open_weights(path)
    assert [weights.tensors[k].dtype for k in "abcdef"] == ["bfloat16", "F8_E4M3", "F4", "NEW7", "C64", "bool"]
    assert np.array_equal(weights.tensors["a"].array(), BF16_VALUES)


def shards(folder, lose=None, move=None):
    """A model in two files with an index."""
    names = list(ARRAYS)
    put(folder, "model-00001-of-00002.safetensors", makers.safetensors({k: ARRAYS[k] for k in names[:2]}))
    put(folder, "model-00002-of-00002.safetensors", makers.safetensors({k: ARRAYS[k] for k in names[2:]}))
    where = {k: f"model-0000{1 + i // 2}-of-00002.safetensors" for i, k in enumerate(names)}
    where |= move or {}
    put(folder, "model.safetensors.index.json", json.dumps({"metadata": {}, "weight_map": where}).encode())
    if lose:
        (folder / lose).unlink()


def test_a_folder_of_shards(tmp_path):
    shards(tmp_path)
    put(tmp_path, "config.json", b'{"hidden_act": "gelu", "tie_word_embeddings": true}')
    assert same_network(tmp_path) and same_network(tmp_path / "model.safetensors.index.json")
    assert open_weights(tmp_path).config["hidden_act"] == "gelu"


def test_shards_that_are_not_complete(tmp_path):
    shards(tmp_path, lose="model-00002-of-00002.safetensors")
    with pytest.raises(errors.FileFormatError, match="1 are missing, the first 'model-00002"):
        open_weights(tmp_path)
    shards(tmp_path, move={"fc3.weight": "model-00001-of-00002.safetensors"})
    with pytest.raises(errors.FileFormatError, match=r"1 tensors that its files do not hold.*fc3\.weight"):
        open_weights(tmp_path)
    for wrong in ("../x.safetensors", "/etc/passwd", "a/b.safetensors"):
        shards(tmp_path, move={"fc1.weight": wrong})
        with pytest.raises(errors.FileFormatError, match=r"missing|no name of a file"):
            open_weights(tmp_path)


def test_links_leave_a_folder_only_to_the_caches_blobs(tmp_path):
    snapshot, blobs = tmp_path / "model" / "snapshots" / "abc", tmp_path / "model" / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    put(blobs, "0123", makers.safetensors())
    (snapshot / "model.safetensors").symlink_to("../../blobs/0123")
    assert same_network(snapshot)
    put(tmp_path, "elsewhere", makers.safetensors())
    (snapshot / "model.safetensors").unlink()
    (snapshot / "model.safetensors").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(errors.FileFormatError, match="is a link to another place"):
        open_weights(snapshot)


@pytest.mark.parametrize("dtype, word", [("float16", 0x7C01), ("float32", 0x7F800001), ("float64", 0x7FF0000000000001)])
@pytest.mark.parametrize("alone", [False, True])
def test_a_nan_that_signals_is_a_finding_and_no_warning(tmp_path, dtype, word, alone):
    """Widening it, the processor says that it is invalid."""
    rng = np.random.default_rng(6)
    arrays = {"fc1.weight": rng.normal(size=(16, 8)), "fc1.bias": np.zeros(16), "fc2.weight": rng.normal(size=(4, 16)),
              **({"conv.weight": rng.normal(size=(8, 3, 3, 3))} if alone else {})}
    arrays = {name: a.astype(dtype) for name, a in arrays.items()}
    np.savez(tmp_path / "before.npz", **arrays)
    for name in arrays:
        broken = {**arrays, name: arrays[name].copy()}
        broken[name].reshape(-1).view(f"u{arrays[name].itemsize}")[3] = word
        np.savez(tmp_path / "net.npz", **broken)
        assert any(f.rule == "NUM401" for f in check_file(tmp_path / "net.npz").findings)
        assert name in str(compare(tmp_path / "before.npz", tmp_path / "net.npz"))
