"""Folders with a config.json: what it tells enters the verdict only where the weights agree."""

import json

import file_makers as makers
import numpy as np
import pytest

from initcore.files import check_file

RNG = np.random.default_rng(44)


def llama(layers=2, wide=8, heads=2, kv=1, hidden=12, rows=11):
    """Arrays of a small Llama, its output layer the embedding."""
    d = wide // heads
    draw = lambda *shape: (RNG.normal(size=shape) / np.sqrt(shape[-1])).astype(np.float32)
    out = {"model.embed_tokens.weight": draw(rows, wide), "model.norm.weight": np.ones(wide, np.float32)}
    for i in range(layers):
        for name, shape in (("self_attn.q_proj", (wide, wide)), ("self_attn.k_proj", (kv * d, wide)),
                            ("self_attn.v_proj", (kv * d, wide)), ("self_attn.o_proj", (wide, wide)),
                            ("mlp.gate_proj", (hidden, wide)), ("mlp.up_proj", (hidden, wide)),
                            ("mlp.down_proj", (wide, hidden))):
            out[f"model.layers.{i}.{name}.weight"] = draw(*shape)
        for name in ("input_layernorm", "post_attention_layernorm"):
            out[f"model.layers.{i}.{name}.weight"] = np.ones(wide, np.float32)
    return out


CONFIG = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "num_hidden_layers": 2,
          "num_attention_heads": 2, "num_key_value_heads": 1, "hidden_act": "silu", "tie_word_embeddings": True,
          "rms_norm_eps": 1e-6}


def put(folder, arrays=None, **changed):
    config = {k: v for k, v in {**CONFIG, **changed}.items() if v is not ...}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "model.safetensors").write_bytes(makers.safetensors(llama() if arrays is None else arrays))
    return folder


def test_a_known_kind_is_judged_as_the_network_it_is(tmp_path):
    report = check_file(put(tmp_path), optimizer="adamw")
    assert report.ok and report.coverage.network == 1 and report.network.symmetry.ok
    assert any(note.startswith("config.json tells: kind llama, layers 2, heads 2, key-value heads 1, activation silu")
               for note in report.notes)
    arrays = llama()
    for name in ("gate_proj", "up_proj"):
        arrays[f"model.layers.0.mlp.{name}.weight"][:] = 0.05
    arrays["model.layers.0.mlp.down_proj.weight"][:] = 0.05
    found = [f for f in check_file(put(tmp_path, arrays)).findings if f.rule == "SYM101"]
    assert found and found[0].severity == "fail" and found[0].tensor.startswith("model.layers.0.mlp")


def test_stretched_rotations_are_read(tmp_path):
    said = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 64}
    assert check_file(put(tmp_path, rope_scaling=said, rope_theta=5e5)).coverage.network == 1


@pytest.mark.parametrize("changed, said", [
    ({"num_hidden_layers": 3}, "layers.2"), ({"num_hidden_layers": 1}, "layers.1"),
    ({"num_hidden_layers": 10**6}, "layers"), ({"num_hidden_layers": "2"}, "num_hidden_layers"),
    ({"num_hidden_layers": -1}, "num_hidden_layers"), ({"num_attention_heads": 3}, "heads"),
    ({"num_attention_heads": ...}, "num_attention_heads"), ({"num_attention_heads": [1] * 5}, "num_attention_heads"),
    ({"num_key_value_heads": 1 << 40}, "num_key_value_heads"), ({"hidden_act": "swiglu_of_mine"}, "activation"),
    ({"hidden_act": {"a": 1}}, "activation"), ({"rope_scaling": {"type": "yarn"}}, "yarn"),
    ({"rope_scaling": {"rope_type": "llama3"}}, "rotations"), ({"rope_scaling": 7}, "rotations"),
    ({"rms_norm_eps": "tiny"}, "rms_norm_eps"), ({"rope_theta": "x"}, "rotations"),
    ({"model_type": "bert"}, "word_embeddings"), ({"model_type": "gpt2", "n_head": 2, "n_layer": 2}, "wte"),
])
def test_a_config_that_the_weights_do_not_bear_out_is_not_believed(tmp_path, changed, said):
    report = check_file(put(tmp_path, **changed))
    note = next(note for note in report.notes if note.startswith("The wiring is not read"))
    assert said in note and "\n" not in note and report.coverage.network == 0 and report.coverage.tensors == 1


def test_a_layer_with_more_in_it_than_the_kind_has_is_not_believed(tmp_path):
    report = check_file(put(tmp_path, {**llama(), "model.layers.0.self_attn.q_norm.weight": np.ones(4, np.float32)}))
    assert any("q_norm" in note for note in report.notes if note.startswith("The wiring is not read"))


def test_an_unknown_kind_is_judged_by_its_tensors_with_what_is_told(tmp_path):
    report = check_file(put(tmp_path, model_type="mixture_of_mine", num_local_experts=4))
    assert report.coverage.tensors == 1 and "experts 4" in " ".join(report.notes)
    assert not any(note.startswith("The wiring") for note in report.notes)


def test_tensors_of_another_head_are_judged_by_themselves(tmp_path):
    arrays = {**llama(), "score.weight": np.ones((3, 8), np.float32)}
    report = check_file(put(tmp_path, arrays, architectures=["LlamaForSequenceClassification"]))
    assert 0.9 < report.coverage.network < 1 and "score.weight" in " ".join(report.notes)
    assert any(f.rule == "TEN802" and f.tensor == "score.weight" for f in report.findings)
