"""Cures are written for the library that the file comes from."""

import numpy as np
from file_makers import msgpack

from initcore.files import check_file
from initcore.files._tensor import Weights
from initcore.files._words import Exported, Flax, Keras, words_of


def test_arguments_of_keras_are_named_by_the_variable():
    words = Keras()
    assert words.drawn("lstm/recurrent_kernel", 0.5).startswith("recurrent_initializer=keras.initializers.RandomNormal")
    assert words.one("norm/gamma") == 'gamma_initializer="ones" in norm'
    assert words.zero("table/embeddings") == 'embeddings_initializer="zeros" in table'


def test_an_exporter_is_named_and_its_name_steers_nothing():
    for said, shown in (("tf2onnx", "tf2onnx"), ("", "the exporter"), ("\x1b[31m" + "x" * 99, "\\x1b[31mx")):
        words = words_of(Weights("net.onnx", "ONNX", {}, config={"producer": said}))
        cure = words.drawn("up", 0.25)
        assert isinstance(words, Exported) and shown in cure and len(cure) < 140 and cure.isprintable()
    words = words_of(Weights("net.onnx", "ONNX", {}, config={"producer": "pytorch"}))
    assert "torch.nn.init" in words.zero("fc.bias") and words.zero("fc.bias").endswith("then export again")
    assert isinstance(words_of(Weights("net.msgpack", "Flax msgpack", {})), Flax)


def test_a_chain_of_flax_is_cured_in_flax(tmp_path):
    rng = np.random.default_rng(2)
    (tmp_path / "net.msgpack").write_bytes(msgpack({"params": {
        "Dense_0": {"kernel": (9 * rng.normal(size=(8, 16))).astype("f4"), "bias": np.zeros(16, "f4")},
        "Dense_1": {"kernel": (rng.normal(size=(16, 4)) / 4).astype("f4"), "bias": np.zeros(4, "f4")}}}))
    found = next(f for f in check_file(tmp_path / "net.msgpack").findings if f.rule == "SAT201")
    assert "kernel_init=nn.initializers.glorot_normal() in params/Dense_0" in found.cure
