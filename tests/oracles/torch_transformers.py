"""Models of the transformers package, made from their configurations with two layers and tiny widths."""

import torch

SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 22}
WORDS = {"vocab_size": 19, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}


def gpt2():
    from transformers import GPT2Config, GPT2LMHeadModel
    return GPT2LMHeadModel(GPT2Config(n_layer=2, n_embd=16, n_head=4, n_positions=12, use_cache=False,
                                      vocab_size=19, bos_token_id=1, eos_token_id=2)), _tokens()


def llama():
    from transformers import LlamaConfig, LlamaForCausalLM
    return LlamaForCausalLM(LlamaConfig(**SMALL, **WORDS, num_key_value_heads=2, max_position_embeddings=12,
                                        use_cache=False)), _tokens()


def bert():
    from transformers import BertConfig, BertModel
    return BertModel(BertConfig(**SMALL, **WORDS, max_position_embeddings=12)), _tokens()


def vit():
    from transformers import ViTConfig, ViTModel
    return ViTModel(ViTConfig(**SMALL, image_size=8, patch_size=4)), {"pixel_values": torch.randn(2, 3, 8, 8)}


def t5():
    from transformers import T5Config, T5ForConditionalGeneration
    config = T5Config(d_model=16, d_kv=4, d_ff=22, num_layers=2, num_heads=4, vocab_size=19, pad_token_id=0,
                      eos_token_id=2, decoder_start_token_id=0, use_cache=False)
    return T5ForConditionalGeneration(config), {**_tokens(), "decoder_input_ids": torch.randint(3, 19, (2, 4))}


def _tokens():
    return {"input_ids": torch.randint(3, 19, (2, 5))}


TRANSFORMERS = {"gpt2": gpt2, "llama": llama, "bert": bert, "vit": vit, "t5": t5}


def make(name):
    """(module, keyword arguments) under seed 0; the generator stays as it was."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model, kwargs = TRANSFORMERS[name]()
    return model, {**kwargs, "return_dict": False}
