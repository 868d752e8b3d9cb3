"""Reading networks from files: names, order, layout, element types, and every way to be wrong."""

import itertools
import json
import sys

import numpy as np
import pytest

from initcore import errors
from initcore.files import _chains as _files
from initcore.files import _naming, check_file, compare

WIDTHS = (7, 5, 4, 3)
RNG = np.random.default_rng(0)
WS = [RNG.normal(size=(a, b)).astype(np.float32) for a, b in itertools.pairwise(WIDTHS)]
BS = [RNG.normal(size=b).astype(np.float32) for b in WIDTHS[1:]]

# style -> (weight name, bias name, is the weight stored (fan_out, fan_in)?)
STYLES = {
    "torch_layers": ("layers.{i}.weight", "layers.{i}.bias", True),
    "torch_sequential": ("net.{2i}.weight", "net.{2i}.bias", True),
    "torch_bare_sequential": ("{2i}.weight", "{2i}.bias", True),
    "torch_fc": ("fc{i1}.weight", "fc{i1}.bias", True),
    "torch_compiled": ("_orig_mod.module.fc{i1}.weight", "_orig_mod.module.fc{i1}.bias", True),
    "keras": ("dense{_i}/kernel:0", "dense{_i}/bias:0", False),
    "keras_nested": ("dense{_i}/dense{_i}/kernel", "dense{_i}/dense{_i}/bias", False),
    "flax": ("params/Dense_{i}/kernel", "params/Dense_{i}/bias", False),
    "haiku": ("mlp/~/linear_{i}/w", "mlp/~/linear_{i}/b", False),
    "sklearn": ("coefs_{i}", "intercepts_{i}", False),
    "plain": ("W{i1}", "b{i1}", False),
    "plain_from_zero": ("w{i}", "b{i}", False),
    "plain_underscore": ("weights_{i}", "biases_{i}", False),
    "plain_transposed": ("W{i1}", "b{i1}", True),
    "suffix": ("fc{i1}_w", "fc{i1}_b", True),
    "ten_layers_late": ("layer{i9}.weight", "layer{i9}.bias", True),
}


def spell(pattern, i):
    """The pattern with the layer's number in it."""
    return (pattern.replace("{2i}", str(2 * i)).replace("{i1}", str(i + 1)).replace("{i9}", str(i + 9))
            .replace("{_i}", f"_{i}" if i else "").replace("{i}", str(i)))


def stored(style, *, bias=True):
    """The arrays of the network as that library would write them, in a shuffled order."""
    weight, b, transposed = STYLES[style]
    arrays = {}
    for i in (2, 0, 1):
        arrays[spell(weight, i)] = WS[i].T.copy() if transposed else WS[i]
        if bias:
            arrays[spell(b, i)] = BS[i]
    return arrays


def same(loaded, *, bias=True):
    """Does the network hold exactly WS and BS?"""
    return len(loaded.network) == 3 and all(
        np.array_equal(la.w, w) and (np.array_equal(la.b, b) if bias else la.b is None)
        for la, w, b in zip(loaded.network.layers, WS, BS))


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("suffix", ["npz", "safetensors"])
@pytest.mark.parametrize("bias", [True, False])
def test_naming(style, suffix, bias, tmp_path):
    path = tmp_path / f"net.{suffix}"
    arrays = stored(style, bias=bias)
    if suffix == "npz":
        np.savez(path, **arrays)
    else:
        from safetensors.numpy import save_file
        save_file(arrays, path)
    loaded = _files.load_network(path, activation="relu")
    assert same(loaded, bias=bias)
    assert set(loaded.layouts) == {"oi" if STYLES[style][2] else "io"}
    assert [la.activation.name for la in loaded.network.layers] == ["relu", "relu", "identity"]
    assert loaded.notes == ()


def test_positional_names(tmp_path):
    path = tmp_path / "net.npz"
    np.savez(path, *[a for pair in zip(WS, BS) for a in pair])
    assert same(_files.load_network(path, activation="tanh"))


def test_more_than_ten_layers_in_natural_order(tmp_path):
    path = tmp_path / "net.npz"
    np.savez(path, **{f"layers.{i}.weight": np.full((4, 4), i, np.float32) for i in range(12)})
    net = _files.load_network(path).network
    assert [la.w[0, 0] for la in net.layers] == list(range(12))


def test_mixed_names_are_put_in_the_order_that_chains():
    arrays = {"head.weight": WS[2].T, "head.bias": BS[2], "body.1.weight": WS[1].T, "body.1.bias": BS[1],
              "stem.weight": WS[0].T, "stem.bias": BS[0]}
    loaded = _files.network_from_arrays(arrays, activation="tanh")
    assert loaded.tensors == ("stem.weight", "body.1.weight", "head.weight") and same(loaded)


def test_shapes_overrule_the_layout_of_a_name():
    arrays = {f"fc{i}.weight": w for i, w in enumerate(WS)} | {f"fc{i}.bias": b for i, b in enumerate(BS)}
    loaded = _files.network_from_arrays(arrays, activation="tanh")
    assert same(loaded) and "other layout" in " ".join(loaded.notes)


def test_square_matrices_with_library_names_follow_the_library():
    w = RNG.normal(size=(4, 4))
    torch = _files.network_from_arrays({"a.0.weight": w, "a.1.weight": w})
    keras = _files.network_from_arrays({"a/kernel": w, "a_1/kernel": w})
    assert np.array_equal(torch.network.layers[0].w, w.T) and np.array_equal(keras.network.layers[1].w, w)


def test_normalisation_and_statistics_are_left_out_and_named():
    arrays = stored("torch_fc") | {"bn1.weight": np.ones(5, np.float32), "bn1.bias": np.zeros(5, np.float32),
                                   "bn1.running_mean": np.zeros(5), "bn1.num_batches_tracked": np.array(7)}
    loaded = _files.network_from_arrays(arrays, activation="tanh")
    assert same(loaded)
    [note] = loaded.notes
    assert all(name in note for name in ("bn1.weight", "bn1.bias", "bn1.running_mean", "bn1.num_batches_tracked"))


def test_recurrent_weights_are_not_taken_for_dense_layers():
    with pytest.raises(errors.FileFormatError, match="no weight matrices"):
        _files.network_from_arrays({"rnn.weight_ih_l0": np.ones((4, 4)), "rnn.weight_hh_l0": np.ones((4, 4))})


# ---- questions

@pytest.mark.parametrize("arrays", [
    {"W1": np.arange(16.0).reshape(4, 4), "W2": np.ones((4, 4)), "b1": np.ones(4)},
    {"W1": np.ones((3, 5)), "W2": np.ones((5, 3))},
    {"w": np.ones((3, 5))},
], ids=["square", "there and back", "one matrix, no bias"])
def test_open_layout_is_asked_not_guessed(arrays):
    with pytest.raises(errors.FileFormatError, match=r"--layout io .*--layout oi"):
        _files.network_from_arrays(arrays)
    for layout in ("io", "oi"):
        first = _files.network_from_arrays(arrays, layout=layout).network.layers[0].w
        given = next(iter(arrays.values()))
        assert first.shape == (given.shape if layout == "io" else given.shape[::-1])


def test_layout_is_not_asked_where_it_changes_nothing():
    net = _files.network_from_arrays({"W1": np.full((4, 4), 0.5), "W2": np.zeros((4, 4))}).network
    assert net.widths == (4, 4, 4)


def test_open_order_is_asked_not_guessed():
    arrays = {"left.weight": np.full((4, 4), 1.0), "right.weight": np.full((4, 4), 2.0)}
    with pytest.raises(errors.FileFormatError, match="--order"):
        _files.network_from_arrays(arrays)
    net = _files.network_from_arrays(arrays, order=["right", "left.weight"]).network
    assert [la.w[0, 0] for la in net.layers] == [2.0, 1.0]
    with pytest.raises(errors.ArgumentError, match="'top'"):
        _files.network_from_arrays(arrays, order=["top"])


# ---- bad input

@pytest.mark.parametrize("arrays, message", [
    ({}, "no weight matrices"),
    ({"mean": np.zeros(3), "std": np.ones(3)}, "no weight matrices.*'mean'"),
    ({"conv.weight": np.zeros((8, 3, 5, 5))}, "convolution"),
    ({"W1": np.zeros((3, 4)), "W2": np.zeros((5, 2))}, "do not chain"),
    ({"fc.weight": np.zeros((4, 3)), "fc.bias": np.zeros(7)}, "'fc.bias' has 7 entries"),
    ({"fc.weight": np.zeros((4, 3), np.int64)}, "int64"),
    ({"fc.weight": np.zeros((4, 3), np.complex64)}, "complex64"),
    ({"fc.weight": np.zeros((4, 0))}, "without weights"),
    ({"fc.weight": np.zeros((4, 3)), "fc.kernel": np.zeros((4, 3))}, "rename one"),
])
def test_arrays_that_are_no_network(arrays, message):
    with pytest.raises(errors.FileFormatError, match=message):
        _files.network_from_arrays(arrays)


def test_wrong_layout_is_said():
    with pytest.raises(errors.FileFormatError, match="layout"):
        _files.network_from_arrays(stored("plain"), layout="oi")
    with pytest.raises(errors.ArgumentError, match="'xy'"):
        _files.network_from_arrays(stored("plain"), layout="xy")


def test_activation_list_must_fit():
    arrays = stored("plain")
    net = _files.network_from_arrays(arrays, activation=["relu", "tanh"], output_activation="sigmoid").network
    assert [la.activation.name for la in net.layers] == ["relu", "tanh", "sigmoid"]
    with pytest.raises(errors.ArgumentError, match="2 hidden"):
        _files.network_from_arrays(arrays, activation=["relu"] * 3)
    with pytest.raises(errors.UnknownNameError, match="did you mean 'relu'"):
        _files.network_from_arrays(arrays, activation="rleu")
    assert "tanh is assumed" in " ".join(_files.network_from_arrays(arrays).notes)


def test_nan_is_let_through_for_check_to_report():
    arrays = stored("plain")
    arrays["W2"] = arrays["W2"].copy()
    arrays["W2"][1, 2] = np.nan
    assert np.isnan(_files.network_from_arrays(arrays).network.layers[1].w[1, 2])


def test_files_that_cannot_be_read(tmp_path):
    def refused(name, content, message):
        path = tmp_path / name
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(errors.FileFormatError, match=message):
            _files.read_arrays(path)

    refused("none.npz", None, "no such file")
    refused("net.dat", b"x", "is not read; convert")
    refused("net.pt", b"x", "is not a PyTorch file")
    refused("garbage.npz", b"PK not a zip", "not an .npz")
    refused("empty.npz", b"", "not an .npz")
    refused("garbage.safetensors", b"x" * 20, "not a .safetensors")
    (tmp_path / "empty").mkdir()
    with pytest.raises(errors.FileFormatError, match="is a directory without"):
        _files.read_arrays(tmp_path / "empty")
    np.save(tmp_path / "one.npy", np.ones(3))
    refused("one.npz", (tmp_path / "one.npy").read_bytes(), "a single array")
    np.savez(tmp_path / "whole.npz", **stored("plain"))
    refused("cut.npz", (tmp_path / "whole.npz").read_bytes()[:300], "damaged")
    np.savez(tmp_path / "object.npz", W1=np.array([None, 1], dtype=object))
    refused("object.npz", None, "'W1' holds Python objects")


# ---- element types

def test_half_precision_is_widened_exactly(tmp_path):
    import ml_dtypes
    from safetensors.numpy import save_file
    for dtype in (np.float16, ml_dtypes.bfloat16):
        path = tmp_path / "half.safetensors"
        narrow = {k: v.astype(dtype) for k, v in stored("torch_fc").items()}
        save_file(narrow, path)
        net = _files.load_network(path, activation="tanh").network
        assert net.dtype == np.float32
        for i, layer in enumerate(net.layers):
            assert np.array_equal(layer.w, narrow[f"fc{i + 1}.weight"].astype(np.float32).T)
    np.savez(tmp_path / "half.npz", **{k: v.astype(np.float16) for k, v in stored("plain").items()})
    loaded = _files.load_network(tmp_path / "half.npz")
    assert loaded.network.dtype == np.float32 and "float16 values are widened" in " ".join(loaded.notes)


def test_double_and_mixed_precision():
    arrays = stored("plain")
    assert _files.network_from_arrays({k: v.astype(np.float64) for k, v in arrays.items()}).network.dtype == np.float64
    arrays["b1"] = arrays["b1"].astype(np.float64)
    assert _files.network_from_arrays(arrays).network.dtype == np.float64
    big_endian = {k: v.astype(">f4") for k, v in stored("plain").items()}
    assert same(_files.network_from_arrays(big_endian))


# ---- data

def test_data(tmp_path):
    net = _files.network_from_arrays(stored("plain")).network
    path = tmp_path / "data.npz"
    np.savez(path, X=np.arange(14, dtype=np.uint8).reshape(2, 7), y=np.array([0, 2]))
    x, y = _files.load_data(path, net)
    assert x.dtype == np.float32 and x.shape == (2, 7) and y.tolist() == [0, 2]
    np.savez(path, x=np.ones((2, 1, 7)))
    x, y = _files.load_data(path, net)
    assert x.shape == (2, 7) and y is None
    for wrong in ({"inputs": np.ones((2, 7))}, {"x": np.ones((2, 6))}, {"x": np.ones((0, 7))},
                  {"x": np.ones((2, 7)), "y": np.ones(3)}, {"x": np.array([["a"] * 7])}):
        np.savez(path, **wrong)
        with pytest.raises((errors.FileFormatError, errors.ShapeError)):
            _files.load_data(path, net)


def test_safetensors_needs_no_package(monkeypatch, tmp_path):
    from safetensors.numpy import save_file
    save_file(stored("torch_fc"), tmp_path / "net.safetensors")
    monkeypatch.setitem(sys.modules, "safetensors", None)
    assert same(_files.load_network(tmp_path / "net.safetensors", activation="tanh"))


def test_missing_extra(monkeypatch, tmp_path):
    for module, name, head in (("h5py", "net.h5", b"\x89HDF\r\n\x1a\n"), ("onnx", "net.onnx", b"")):
        monkeypatch.setitem(sys.modules, module, None)
        (tmp_path / name).write_bytes(head)
        with pytest.raises(errors.MissingExtraError, match=r"initcore\[files\]"):
            _files.read_arrays(tmp_path / name)


@pytest.mark.parametrize("name, expected", [
    ("fc1.weight", ("fc1", True, "oi")), ("dense_1/kernel:0", ("dense_1", True, "io")), ("W2", ("2", True, None)),
    ("b_3", ("3", False, None)), ("weight1", ("1", True, None)), ("W_in", ("in", True, None)), ("dW", None),
    ("glow", None), ("weight_g", None), ("in_proj_weight", ("in_proj", True, "oi")), ("rgb", None),
])
def test_parse(name, expected):
    assert _naming.parse(name) == expected


def test_inputs_from_an_npy(tmp_path):
    net = _files.network_from_arrays({"W1": np.ones((4, 3)), "W2": np.ones((3, 2))}, source="a").network
    rows = np.arange(20, dtype=np.uint8).reshape(5, 4)
    np.save(tmp_path / "x.npy", rows)
    x, y = _files.load_data(tmp_path / "x.npy", net)
    assert y is None
    np.testing.assert_array_equal(x, rows.astype(net.dtype))
    np.save(tmp_path / "narrow.npy", rows[:, :3])
    with pytest.raises(errors.ShapeError, match="rows of 4 features"):
        _files.load_data(tmp_path / "narrow.npy", net)
    (tmp_path / "text.npy").write_text("hello")
    np.save(tmp_path / "objects.npy", np.array([{}]), allow_pickle=True)
    for name in ("text.npy", "objects.npy"):
        with pytest.raises(errors.FileFormatError, match=r"not an \.npy array of numbers"):
            _files.load_data(tmp_path / name, net)


@pytest.mark.parametrize("values", [[1e308, -1e308, 1e308, 1.0], [1.7e308] * 4, [-1.7e308, 1.7e308] * 2,
                                    [1e200, 3.0, 4.0, 5.0]])
def test_sums_beyond_the_largest_float(tmp_path, values):
    """Values whose sum or squares overflow are a finding, in every form the report has."""
    for name, factor in (("a", 1.0), ("b", 0.5)):
        np.savez(tmp_path / f"{name}.npz", **{"conv.weight": np.resize(values, (6, 4, 1, 1)) * factor})
    report = check_file(tmp_path / "a.npz", partial=True)
    assert not report.ok and "NUM402" in str(report)
    assert json.loads(report.to_json())["tensors"][0]["std"] is None and report.to_sarif() and report.to_html()
    compared = compare(tmp_path / "a.npz", tmp_path / "b.npz")
    assert str(compared) and compared.to_json() and compared.to_html()


def dense(*widths, under="", seed=3):
    """PyTorch's names of a chain."""
    rng = np.random.default_rng(seed)
    return {f"{under}{2 * i}.{word}": a for i, (n, m) in enumerate(zip(widths, widths[1:])) for word, a in (
        ("weight", (rng.normal(size=(m, n)) / np.sqrt(n)).astype(np.float32)), ("bias", np.zeros(m, np.float32)))}


def test_an_averaged_copy_alone_is_the_network(tmp_path):
    state = {"step": np.array(7), **{f"opt_state/{k}": v for k, v in dense(12, 20, 3).items()}}
    np.savez(tmp_path / "net.npz", **dense(12, 20, 3, under="ema.module."), **state)
    report = check_file(tmp_path / "net.npz")
    assert report.network.net.widths == (12, 20, 3) and any("averaged copy" in note for note in report.notes)
    np.savez(tmp_path / "both.npz", **dense(12, 20, 3, under="ema.module."), **dense(12, 20, 3, under="model."))
    report = check_file(tmp_path / "both.npz")
    assert report.network.net.widths == (12, 20, 3) and not any("averaged copy (EMA)" in n for n in report.notes)


def test_what_quantisation_and_random_streams_note_counts_for_nothing(tmp_path):
    beside = {"0.weight_fake_quant.scale": np.ones(20, np.float32), "0.activation_post_process.eps": np.ones(1),
              "0.weight_fake_quant.fake_quant_enabled": np.ones(1, np.uint8), "2.weight_fake_quant.min_val": np.ones(3),
              "rngs.params.key.value": np.zeros(2, np.uint32), "rngs.dropout.count.value": np.zeros((), np.uint32),
              "seed_generator/seed_generator_state": np.zeros(2, np.uint32)}
    np.savez(tmp_path / "net.npz", **dense(12, 20, 3), **beside)
    report = check_file(tmp_path / "net.npz")
    assert report.network.net.widths == (12, 20, 3) and report.coverage.network == 1, report


def test_networks_side_by_side_are_named_with_the_option_that_reads_one(tmp_path):
    np.savez(tmp_path / "net.npz", **dense(12, 20, 3, under="actor."), **dense(12, 20, 1, under="critic.", seed=4))
    report = check_file(tmp_path / "net.npz")
    said = " ".join(report.notes)
    assert "2 networks side by side, 'actor', 'critic': --order actor.0,actor.2 reads the first" in said
    assert check_file(tmp_path / "net.npz", order=["actor.0", "actor.2"]).network.net.widths == (12, 20, 3)
