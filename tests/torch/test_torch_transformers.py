"""transformers' own initialisation inside it.seeded, and out of order."""

import warnings

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

import initcore as ic  # noqa: E402
import initcore.torch as it  # noqa: E402

KEY = ic.Key(8)
CONFIGS = {
    "gpt2": lambda: transformers.GPT2LMHeadModel(transformers.GPT2Config(
        n_embd=16, n_layer=2, n_head=2, vocab_size=30, n_positions=8, bos_token_id=0, eos_token_id=0)),
    "llama": lambda: transformers.LlamaForCausalLM(transformers.LlamaConfig(
        hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2, vocab_size=30)),
    "bert": lambda: transformers.BertModel(transformers.BertConfig(
        hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2, vocab_size=30)),
    "vit": lambda: transformers.ViTModel(transformers.ViTConfig(
        hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2, image_size=8, patch_size=4)),
}
pytestmark = pytest.mark.filterwarnings("ignore")


def bottom_up(module, order):
    """Children before parents, as ``apply`` goes; siblings in either order."""
    for child in list(module.children())[::order]:
        yield from bottom_up(child, order)
    yield module


def marks(model):
    return {name: p.detach().clone() for name, p in model.named_parameters()}


@pytest.mark.parametrize("name", CONFIGS)
def test_any_order_of_siblings_and_any_seed_give_the_same_model(name):
    made = []
    for order in (1, -1):
        torch.manual_seed(order % 7)
        model = CONFIGS[name]()
        with warnings.catch_warnings():
            warnings.simplefilter("error", ic.errors.InitcoreWarning)       # nothing escapes the names
            with it.seeded(model, KEY):
                for module in bottom_up(model, order):
                    model._init_weights(module)
        made.append(marks(model))
    for parameter, value in made[0].items():
        assert torch.equal(value, made[1][parameter]), parameter


@pytest.mark.parametrize("name", CONFIGS)
def test_initialize_weights_of_the_whole(name):
    made = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        model = CONFIGS[name]()
        for tensor in (*model.parameters(), *model.buffers(), *model.modules()):
            if hasattr(tensor, "_is_hf_initialized"):
                del tensor._is_hf_initialized
        with it.seeded(model, KEY):
            model.initialize_weights()
        made.append(it.fingerprint(model))
    assert made[0] == made[1]


def test_recipes_fill_real_models():
    for name, recipe in (("gpt2", "gpt2"), ("llama", "llama"), ("vit", "vit"), ("bert", "torch")):
        model = CONFIGS[name]()
        table = it.initialize(model, recipe=recipe, rng=0)
        assert all(p.isfinite().all() for p in model.parameters()) and len(table.rows) > 10
