"""The program written for a transformers folder gives the library's own numbers."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from initcore._running import forward  # noqa: E402
from initcore.files import check_file, open_weights  # noqa: E402

SMALL = {"vocab_size": 37, "hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 2, "num_attention_heads": 4,
         "max_position_embeddings": 32}
GROUPED = {**SMALL, "num_key_value_heads": 2}
MODELS = {
    "gpt2": ("GPT2Config", "GPT2LMHeadModel", {"vocab_size": 37, "n_embd": 24, "n_layer": 2, "n_head": 4,
                                               "n_positions": 32}),
    "llama": ("LlamaConfig", "LlamaForCausalLM", GROUPED),
    "mistral": ("MistralConfig", "MistralForCausalLM", GROUPED),
    "qwen2": ("Qwen2Config", "Qwen2ForCausalLM", GROUPED),
    "bert": ("BertConfig", "BertModel", SMALL),
    "roberta": ("RobertaConfig", "RobertaModel", SMALL),
    "distilbert": ("DistilBertConfig", "DistilBertModel", {"vocab_size": 37, "dim": 24, "hidden_dim": 40, "n_layers": 2,
                                                           "n_heads": 4, "max_position_embeddings": 32}),
    "gpt_neox": ("GPTNeoXConfig", "GPTNeoXForCausalLM", {**SMALL, "hidden_size": 32, "rotary_pct": 0.5}),
    "opt": ("OPTConfig", "OPTForCausalLM", {"vocab_size": 37, "hidden_size": 24, "ffn_dim": 40, "num_hidden_layers": 2,
                                           "num_attention_heads": 4, "max_position_embeddings": 32,
                                           "word_embed_proj_dim": 24}),
    "gemma": ("GemmaConfig", "GemmaForCausalLM", {**GROUPED, "head_dim": 6}),
}


def folder_of(kind, path, **changed):
    """A small model of a kind in a folder, every weight drawn large enough to be seen; the model."""
    config, model, options = MODELS[kind]
    torch.manual_seed(4)
    made = getattr(transformers, model)(getattr(transformers, config)(**{**options, **changed})).eval()
    with torch.no_grad():
        for p in made.parameters():
            p.copy_(p + 0.2 * torch.randn_like(p))
    made.save_pretrained(path)
    return made


def numbers(path, ids):
    """What the program of a folder makes of token numbers, or of images."""
    weights = open_weights(path)
    program = weights.graph(weights, {1: ids.shape[1]})
    run = forward(program, [{program.inputs[0]: ids}], {p.value: np.asarray(p.read()) for p in program.parameters})
    return run.values[program.outputs[0]][0]


@pytest.mark.parametrize("kind", MODELS)
def test_numbers_are_the_librarys(tmp_path, kind):
    model = folder_of(kind, tmp_path)
    ids = np.random.default_rng(7).integers(2, 37, (2, 9))
    with torch.no_grad():
        theirs = model(input_ids=torch.tensor(ids))[0].numpy()
    assert np.abs(numbers(tmp_path, ids) - theirs).max() < 2e-5 * np.abs(theirs).max()
    report = check_file(tmp_path, select=["SYM", "SAT"])
    assert report.coverage.network > 0.9 and report.network.signal is not None, report


@pytest.mark.parametrize("model, options", [("ViTModel", {}), ("ViTModel", {"qkv_bias": False}),
                                            ("ViTForImageClassification", {"num_labels": 5})])
def test_numbers_of_images_are_the_librarys(tmp_path, monkeypatch, model, options):
    monkeypatch.setitem(MODELS, "vit", ("ViTConfig", model, {
        "hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 2, "num_attention_heads": 4, "image_size": 12,
        "patch_size": 4}))
    made = folder_of("vit", tmp_path, **options)
    images = np.random.default_rng(8).normal(size=(2, 3, 12, 12)).astype(np.float32)
    with torch.no_grad():
        theirs = made(torch.tensor(images))[0].numpy()
    ours = numbers(tmp_path, images)
    assert ours.shape == theirs.shape and np.abs(ours - theirs).max() < 2e-5 * np.abs(theirs).max()
    assert check_file(tmp_path, select=["SYM", "SAT"]).coverage.network == 1
