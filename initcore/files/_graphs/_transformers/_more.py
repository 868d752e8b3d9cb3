"""Further kinds of transformers: DistilBERT, GPT-NeoX (Pythia), OPT, Gemma; each as the library runs it in training."""

from __future__ import annotations

import math

from ....program import Value
from .._held import Unread
from ._model import Model, Writer, language, rotation, turned


def _distilbert(m: Model) -> tuple[list[Value], list[Value]]:
    m.under("distilbert.", of="embeddings.word_embeddings.weight")
    n, ids, rate = m.whole("n_heads"), m.tokens(), m.real("dropout", 0.1)
    x = m.b.binary("add", m.table("embeddings.word_embeddings.weight", ids),
                   m.table("embeddings.position_embeddings.weight", m.positions()))
    x = m.drop(m.norm("embeddings.LayerNorm", x, 1e-12), rate)
    for i in m.layers("n_layers"):
        at = f"transformer.layer.{i}"
        q, k, v = (m.heads(m.linear(f"{at}.attention.{word}_lin", x), n) for word in "qkv")
        y = m.linear(f"{at}.attention.out_lin", m.attend(q, k, v, False, m.real("attention_dropout", 0.1)))
        x = m.norm(f"{at}.sa_layer_norm", m.b.binary("add", y, x), 1e-12)
        y = m.linear(f"{at}.ffn.lin2", m.phi(m.linear(f"{at}.ffn.lin1", x), "activation"))
        x = m.norm(f"{at}.output_layer_norm", m.b.binary("add", m.drop(y, rate), x), 1e-12)
    return [ids], [x]


def _neox(m: Model) -> tuple[list[Value], list[Value]]:
    m.under("gpt_neox.", of="embed_in.weight")
    n, eps, rate, ids = m.whole("num_attention_heads"), m.real("layer_norm_eps", 1e-5), m.real("hidden_dropout", 0.0), \
        m.tokens()
    x = m.drop(m.table("embed_in.weight", ids), rate)
    d = x.shape[-1] // n
    said = m.config.get("rope_parameters")
    part = said.get("partial_rotary_factor") if isinstance(said, dict) else None
    share = part if isinstance(part, (int, float)) else m.real("rotary_pct", 0.25)
    r = int(d * share)
    if not 0 < r <= d:
        raise Unread("config.json tells rotations that are not known.")
    cos, sin = (m.b.constant(a, x.dtype) for a in rotation(m, r))
    for i in m.layers("num_hidden_layers"):
        at, y = f"layers.{i}", m.norm(f"layers.{i}.input_layernorm", x, eps)
        y = m.linear(f"{at}.attention.query_key_value", y)
        if y.shape[-1] != 3 * n * d:
            raise Unread("Its attention does not fit what config.json tells.")
        y = m.b.permute(m.b.reshape(y, (*y.shape[:2], n, 3 * d)), (0, 2, 1, 3))
        q, k, v = m.b.split(y, [d] * 3, 3)
        q, k = (t if r == 0 else _partly(m, t, r, cos, sin) for t in (q, k))
        attended = m.drop(m.linear(f"{at}.attention.dense", m.attend(q, k, v, True, m.real("attention_dropout", 0.0))),
                          rate)
        beside = m.config.get("use_parallel_residual", True) is not False
        base = x if beside else m.b.binary("add", attended, x)
        y = m.norm(f"{at}.post_attention_layernorm", base, eps)
        y = m.linear(f"{at}.mlp.dense_4h_to_h", m.phi(m.linear(f"{at}.mlp.dense_h_to_4h", y), "hidden_act"))
        x = m.b.binary("add", m.b.binary("add", m.drop(y, rate), attended), x) if beside else \
            m.b.binary("add", m.drop(y, rate), base)
    x = m.norm("final_layer_norm", x, eps)
    return [ids], [m.head(x, "embed_in.weight", "embed_out") if language(m) else x]


def _partly(m: Model, x: Value, r: int, cos: Value, sin: Value) -> Value:
    """The first r channels of every head are turned."""
    if r == x.shape[-1]:
        return turned(m, x, cos, sin)
    first, rest = m.b.split(x, [r, x.shape[-1] - r], 3)
    return m.b.concatenate([turned(m, first, cos, sin), rest], 3)


def _opt(m: Model) -> tuple[list[Value], list[Value]]:
    m.under("model.decoder.", "decoder.", of="embed_tokens.weight")
    m.must("do_layer_norm_before", True)
    m.must("_remove_final_layer_norm", False)
    n, ids, rate = m.whole("num_attention_heads"), m.tokens(), m.real("dropout", 0.1)
    x = m.b.binary("add", m.table("embed_tokens.weight", ids), m.table("embed_positions.weight", m.positions(2)))
    if m.has("project_in.weight"):
        raise Unread("Its embedding is projected.")
    for i in m.layers("num_hidden_layers"):
        at, y = f"layers.{i}", m.norm(f"layers.{i}.self_attn_layer_norm", x, 1e-5)
        q, k, v = (m.heads(m.linear(f"{at}.self_attn.{word}_proj", y), n) for word in "qkv")
        y = m.linear(f"{at}.self_attn.out_proj", m.attend(q, k, v, True, m.real("attention_dropout", 0.0)))
        x = m.b.binary("add", x, m.drop(y, rate))
        y = m.phi(m.linear(f"{at}.fc1", m.norm(f"{at}.final_layer_norm", x, 1e-5)), "activation_function",
                  default="relu")
        x = m.b.binary("add", x, m.drop(m.linear(f"{at}.fc2", y), rate))
    x = m.norm("final_layer_norm", x, 1e-5)
    return [ids], [m.head(x, "embed_tokens.weight") if language(m) else x]


def _gemma(m: Model) -> tuple[list[Value], list[Value]]:
    m.under("model.", of="embed_tokens.weight")
    m.must("attention_bias", False)
    n, eps, ids = m.whole("num_attention_heads"), m.real("rms_norm_eps", 1e-6), m.tokens()
    kv, d = m.whole("num_key_value_heads", default=n), m.whole("head_dim")
    if n % kv:
        raise Unread(f"{n} heads cannot share the {kv} that config.json tells.")
    x = m.table("embed_tokens.weight", ids)
    x = m.b.binary("multiply", x, math.sqrt(x.shape[-1]))
    cos, sin = (m.b.constant(a, x.dtype) for a in rotation(m, d))
    for i in m.layers("num_hidden_layers"):
        at, y = f"layers.{i}", m.shifted_norm(f"layers.{i}.input_layernorm", x, eps)
        q, k, v = (m.heads(m.linear(f"{at}.self_attn.{word}_proj", y), count) for word, count in (
            ("q", n), ("k", kv), ("v", kv)))
        if q.shape[-1] != d:
            raise Unread(f"Its heads have {q.shape[-1]} channels, not the {d} that config.json tells.")
        q, k = (turned(m, t, cos, sin) for t in (q, k))
        y = m.linear(f"{at}.self_attn.o_proj", m.attend(q, k, v, True, m.real("attention_dropout", 0.0)))
        x = m.b.binary("add", x, y)
        y = m.shifted_norm(f"{at}.post_attention_layernorm", x, eps)
        gate = m.phi(m.linear(f"{at}.mlp.gate_proj", y), "hidden_activation", "hidden_act", default="gelu_pytorch_tanh")
        y = m.b.binary("multiply", gate, m.linear(f"{at}.mlp.up_proj", y))
        x = m.b.binary("add", x, m.linear(f"{at}.mlp.down_proj", y))
    x = m.shifted_norm("norm", x, eps)
    return [ids], [m.head(x, "embed_tokens.weight") if language(m) else x]


FURTHER: dict[str, Writer] = {"distilbert": _distilbert, "gpt_neox": _neox, "opt": _opt, "gemma": _gemma}
