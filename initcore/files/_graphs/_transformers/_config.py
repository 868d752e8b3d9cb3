"""The network that a transformers folder holds, by its config.json -> :class:`initcore.program.Program`.

The config is data; for the kinds of :data:`KINDS` the wiring is certain, and written here as the library runs it in
training. It is believed only where the weights agree: every tensor that the config tells must be there, and none beside
them in a layer. Any other kind is judged tensor by tensor.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...._aten import TABLE
from ....program import Value
from ..._text import shown_name
from .._held import Graph, Unread
from ._model import BATCH, TIME, Model, Writer, language, rotation, turned
from ._more import FURTHER


def transformers_graph(config: Mapping[str, Any]) -> Graph | None:
    """What makes the program of a folder, or None for a kind that is not known."""
    kind = config.get("model_type")
    write = KINDS.get(kind) if isinstance(kind, str) else None
    if write is None:
        return None
    return lambda weights, sizes=None: Model(config, weights, (sizes or {}).get(1, TIME)).program(write)


def told(config: Mapping[str, Any]) -> str:
    """What a config says of its network, in a sentence; "" where it says nothing."""
    def first(*keys: str) -> Any:
        return next((config[k] for k in keys if isinstance(config.get(k), (int, str, bool))), None)
    said = []
    for what, value in (("kind", first("model_type")), ("layers", first("num_hidden_layers", "n_layer", "num_layers")),
                        ("heads", first("num_attention_heads", "n_head", "num_heads")),
                        ("key-value heads", first("num_key_value_heads")),
                        ("activation", first("hidden_act", "activation_function", "hidden_activation")),
                        ("experts", first("num_local_experts", "num_experts"))):
        if value is not None and not isinstance(value, bool):
            said.append(f"{what} {shown_name(value)[:60]}")
    if config.get("tie_word_embeddings") is True:
        said.append("the embedding is the output layer")
    return f"config.json tells: {', '.join(said)}." if said and config.get("model_type") else ""


def _gpt2(m: Model) -> tuple[list[Value], list[Value]]:
    m.under("transformer.", of="wte.weight")
    m.must("add_cross_attention", False)
    m.must("scale_attn_by_inverse_layer_idx", False)
    m.must("scale_attn_weights", True)
    n, eps, rate, ids = m.whole("n_head"), m.real("layer_norm_epsilon", 1e-5), m.real("resid_pdrop", 0.1), m.tokens()
    x = m.b.binary("add", m.table("wte.weight", ids), m.table("wpe.weight", m.positions()))
    x = m.drop(x, m.real("embd_pdrop", 0.1))
    for i in m.layers("n_layer"):
        y = m.conv1d(f"h.{i}.attn.c_attn", m.norm(f"h.{i}.ln_1", x, eps))
        if y.shape[-1] != 3 * x.shape[-1]:
            raise Unread("Its attention does not fit what config.json tells.")
        q, k, v = (m.heads(part, n) for part in m.b.split(y, [x.shape[-1]] * 3, 2))
        y = m.conv1d(f"h.{i}.attn.c_proj", m.attend(q, k, v, True, m.real("attn_pdrop", 0.1)))
        x = m.b.binary("add", m.drop(y, rate), x)
        y = m.phi(m.conv1d(f"h.{i}.mlp.c_fc", m.norm(f"h.{i}.ln_2", x, eps)), "activation_function", default="gelu_new")
        x = m.b.binary("add", x, m.drop(m.conv1d(f"h.{i}.mlp.c_proj", y), rate))
    x = m.norm("ln_f", x, eps)
    return [ids], [m.head(x, "wte.weight") if language(m) else x]


def _llama(m: Model) -> tuple[list[Value], list[Value]]:
    m.under("model.", of="embed_tokens.weight")
    n, eps, ids = m.whole("num_attention_heads"), m.real("rms_norm_eps", 1e-6), m.tokens()
    kv = m.whole("num_key_value_heads", default=n)
    if m.config.get("use_sliding_window", True) is not False and m.time > m.whole("sliding_window", default=m.time):
        raise Unread(f"Its attention reaches over fewer than {m.time} tokens.")
    if n % kv:
        raise Unread(f"{n} heads cannot share the {kv} that config.json tells.")
    x = m.table("embed_tokens.weight", ids)
    cos = sin = None
    for i in m.layers("num_hidden_layers"):
        at, y = f"layers.{i}", m.norm(f"layers.{i}.input_layernorm", x, eps)
        q, k, v = (m.heads(m.linear(f"{at}.self_attn.{word}_proj", y), count) for word, count in (
            ("q", n), ("k", kv), ("v", kv)))
        if cos is None or sin is None:
            cos, sin = (m.b.constant(a, x.dtype) for a in rotation(m, q.shape[-1]))
        q, k = (turned(m, t, cos, sin) for t in (q, k))
        y = m.attend(q, k, v, True, m.real("attention_dropout", 0.0))
        x = m.b.binary("add", x, m.linear(f"{at}.self_attn.o_proj", y))
        y = m.norm(f"{at}.post_attention_layernorm", x, eps)
        gate = m.phi(m.linear(f"{at}.mlp.gate_proj", y), "hidden_act", default="silu")
        y = m.b.binary("multiply", gate, m.linear(f"{at}.mlp.up_proj", y))
        x = m.b.binary("add", x, m.linear(f"{at}.mlp.down_proj", y))
    x = m.norm("norm", x, eps)
    return [ids], [m.head(x, "embed_tokens.weight") if language(m) else x]


def _encoder_layer(m: Model, x: Value, at: str, before: tuple[str, str] | None, n: int, eps: float) -> Value:
    """A layer of BERT (norms after the sums) or of ViT (``before``: names of the norms before)."""
    rate, inner = m.real("hidden_dropout_prob", 0.0), "attention.self" if before is None else "attention.attention"
    y = x if before is None else m.norm(f"{at}.{before[0]}", x, eps)
    q, k, v = (m.heads(m.linear(f"{at}.{inner}.{word}", y), n) for word in ("query", "key", "value"))
    y = m.attend(q, k, v, False, m.real("attention_probs_dropout_prob", 0.0))
    x = m.b.binary("add", m.drop(m.linear(f"{at}.attention.output.dense", y), rate), x)
    x = m.norm(f"{at}.attention.output.LayerNorm", x, eps) if before is None else x
    y = x if before is None else m.norm(f"{at}.{before[1]}", x, eps)
    y = m.linear(f"{at}.output.dense", m.phi(m.linear(f"{at}.intermediate.dense", y), "hidden_act"))
    x = m.b.binary("add", m.drop(y, rate), x)
    return m.norm(f"{at}.output.LayerNorm", x, eps) if before is None else x


def _pooled(m: Model, x: Value) -> list[Value]:
    """The first place through a dense layer and tanh, where the model has it."""
    if not m.has("pooler.dense.weight"):
        return []
    return [m.b.activation("tanh", m.linear("pooler.dense", m.b.select(x, 1, 0)))]


def _bert(m: Model, under: str = "bert.", first: int = 0) -> tuple[list[Value], list[Value]]:
    """first : the place of the first token."""
    m.under(under, of="embeddings.word_embeddings.weight")
    m.must("is_decoder", False)
    m.must("position_embedding_type", "absolute", None)
    n, eps, ids = m.whole("num_attention_heads"), m.real("layer_norm_eps", 1e-12), m.tokens()
    kinds = m.b.constant(np.zeros((BATCH, m.time), np.int64), "int64")
    x = m.b.binary("add", m.table("embeddings.word_embeddings.weight", ids),
                   m.table("embeddings.token_type_embeddings.weight", kinds))
    x = m.b.binary("add", x, m.table("embeddings.position_embeddings.weight", m.positions(first)))
    x = m.drop(m.norm("embeddings.LayerNorm", x, eps), m.real("hidden_dropout_prob", 0.1))
    for i in m.layers("num_hidden_layers"):
        x = _encoder_layer(m, x, f"encoder.layer.{i}", None, n, eps)
    return [ids], [x, *_pooled(m, x)]


def _roberta(m: Model) -> tuple[list[Value], list[Value]]:
    """As BERT; places are counted from behind the padding's."""
    return _bert(m, "roberta.", m.whole("pad_token_id", default=1) + 1)


def _vit(m: Model) -> tuple[list[Value], list[Value]]:
    m.under("vit.", of="embeddings.cls_token")
    n, eps = m.whole("num_attention_heads"), m.real("layer_norm_eps", 1e-12)
    size, patch, channels = (m.whole(k) for k in ("image_size", "patch_size", "num_channels"))
    if size > 1 << 14 or size % patch:
        raise Unread("config.json tells images that its patches do not fill.")
    pixels = Value((BATCH, channels, size, size), "float32", "pixel_values")
    where = "embeddings.patch_embeddings.projection"
    w = m.weight(f"{where}.weight")
    if len(w.shape) != 4 or w.shape[1:] != (channels, patch, patch):
        raise Unread(f"{w.name!r} has the shape {w.shape}, which does not fit what config.json tells.")
    x = TABLE["conv2d"](m.b, pixels, w, m.weight(f"{where}.bias"), patch)
    x = m.b.permute(m.b.reshape(x, (BATCH, x.shape[1], -1)), (0, 2, 1))
    token = m.b.expand(m.weight("embeddings.cls_token"), (BATCH, 1, x.shape[-1]))
    x = m.b.concatenate([token, x], 1)
    x = m.b.binary("add", x, m.weight("embeddings.position_embeddings"))
    x = m.drop(x, m.real("hidden_dropout_prob", 0.0))
    for i in m.layers("num_hidden_layers"):
        x = _encoder_layer(m, x, f"encoder.layer.{i}", ("layernorm_before", "layernorm_after"), n, eps)
    x = m.norm("layernorm", x, eps)
    return [pixels], _classified(m, x) or [x, *_pooled(m, x)]


def _classified(m: Model, x: Value) -> list[Value]:
    """What a classifier beside the base model makes of the first token."""
    m.prefix, inside = "", m.prefix
    made = [m.linear("classifier", m.b.select(x, 1, 0))] if inside and m.has("classifier.weight") else []
    m.prefix = inside
    return made


KINDS: dict[str, Writer] = {
    **FURTHER,
    "gpt2": _gpt2, "llama": _llama, "mistral": _llama, "qwen2": _llama, "bert": _bert, "roberta": _roberta,
    "xlm-roberta": _roberta, "vit": _vit}
