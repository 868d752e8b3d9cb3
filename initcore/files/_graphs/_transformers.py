"""The network that a transformers folder holds, by its config.json -> :class:`initcore.program.Program`.

The config is data; for the kinds of :data:`KINDS` the wiring is certain, and written here as the library runs it in
training. It is believed only where the weights agree: every tensor that the config tells must be there, and none beside
them in a layer. Any other kind is judged tensor by tensor.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..._aten import TABLE, Build
from ..._types import Array
from ...program import Parameter, Place, Program, Value
from .._tensor import Weights
from .._text import shown_name
from ._held import Graph, Held, Unread

_ACTIVATIONS = {"gelu": "gelu", "gelu_new": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh", "relu": "relu",
                "silu": "silu", "swish": "silu", "tanh": "tanh"}
_BATCH, _TIME = 2, 5
_BESIDE = re.compile(r"(rotary_emb\.inv_freq|attn\.(masked_)?bias|position_ids)$")
_MOST_LAYERS, _MOST_TIME = 4096, 1 << 14


def transformers_graph(config: Mapping[str, Any]) -> Graph | None:
    """What makes the program of a folder, or None for a kind that is not known."""
    kind = config.get("model_type")
    write = KINDS.get(kind) if isinstance(kind, str) else None
    if write is None:
        return None
    return lambda weights, sizes=None: _Model(config, weights, (sizes or {}).get(1, _TIME)).program(write)


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


class _Model:
    """One model being written, for inputs of ``time`` tokens."""

    def __init__(self, config: Mapping[str, Any], weights: Weights, time: int) -> None:
        if time > _MOST_TIME:
            raise Unread(f"Inputs of {time} tokens are not run.")
        self.time = time
        self.config, self.held, self.b = config, Held(weights), Build(1 << 28)
        self.parameters: dict[Value, Parameter] = {}
        self.prefix = ""

    def program(self, write: Callable[[_Model], tuple[list[Value], list[Value]]]) -> Program:
        """What the kind's writer makes, where the weights agree with it."""
        inputs, outputs = write(self)
        used = {name for p in self.parameters.values() for name in p.names}
        for name in self.held.weights.tensors:
            if name not in used and name.startswith(self.prefix) and not _BESIDE.search(name) \
                    and re.search(r"(^|\.)(layers?|h|blocks?)\.\d+\.", name):
                raise Unread(f"Its weights hold {name!r}, which a model of the kind that config.json tells has not.")
        return Program(inputs, self.parameters.values(), self.b.constants, self.b.ops, outputs)

    # what a config says

    def whole(self, *keys: str, default: int | None = None) -> int:
        """A whole number of the config, at least 1."""
        value = next((self.config[k] for k in keys if self.config.get(k) is not None), default)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 1 << 24:
            raise Unread(f"config.json tells no usable {keys[0]}.")
        return value

    def real(self, key: str, default: float) -> float:
        """A number of the config."""
        value = self.config.get(key, default)
        value = default if value is None else value
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1e12:
            raise Unread(f"config.json tells no usable {key}.")
        return float(value)

    def must(self, key: str, *allowed: Any) -> None:
        """What is written here holds only for these values."""
        if self.config.get(key, allowed[0]) not in allowed:
            raise Unread(f"config.json tells {key}={shown_name(self.config[key])[:40]}.")

    def phi(self, x: Value, *keys: str, default: str = "gelu") -> Value:
        """The config's activation."""
        word = next((self.config[k] for k in keys if k in self.config), default)
        if not isinstance(word, str) or word not in _ACTIVATIONS:
            raise Unread(f"config.json tells the activation {shown_name(word)[:40]}.")
        return self.b.activation(_ACTIVATIONS[word], x)

    # what a network does

    def has(self, name: str) -> bool:
        """Whether the weights hold it."""
        return self.held.find(self.prefix + name) is not None

    def weight(self, name: str) -> Value:
        """A parameter; its module is where the operations that follow stand."""
        full = self.prefix + name
        if self.held.find(full) is None:
            raise Unread(f"config.json tells {full!r}, which is not among its weights.")
        made = self.held.get(full)
        self.parameters[made.value] = made
        self.b.place = Place(shown_name(full.rpartition(".")[0]))
        return made.value

    def linear(self, name: str, x: Value) -> Value:
        """A dense layer with weights (out, in), and its bias where it has one."""
        w = self.weight(f"{name}.weight")
        return self._fitting(TABLE["linear"], x, w, self.weight(f"{name}.bias") if self.has(f"{name}.bias") else None)

    def conv1d(self, name: str, x: Value) -> Value:
        """The dense layer of GPT-2, with weights (in, out)."""
        y = self._fitting(lambda b, x, w: b.contract(x, w, ((2,), (0,))), x, self.weight(f"{name}.weight"))
        return self.b.binary("add", y, self.weight(f"{name}.bias"))

    def _fitting(self, made: Callable[..., Value], x: Value, w: Value, *more: Any) -> Value:
        axis = 0 if made is not TABLE["linear"] else 1
        if len(w.shape) != 2 or w.shape[axis] != x.shape[-1]:
            raise Unread(f"{w.name!r} has the shape {w.shape}, which does not fit what config.json tells.")
        return made(self.b, x, w, *more)

    def norm(self, name: str, x: Value, eps: float) -> Value:
        """A layer norm, or a root mean square norm where it has no bias."""
        gamma = self.weight(f"{name}.weight")
        beta = self.weight(f"{name}.bias") if self.has(f"{name}.bias") else None
        if gamma.shape != x.shape[-1:]:
            raise Unread(f"{gamma.name!r} has the shape {gamma.shape}, which does not fit what config.json tells.")
        return self.b.emit("normalize", x, gamma, beta, None, None, shape=x.shape, dims=(len(x.shape) - 1,), eps=eps,
                           method="rms" if beta is None else "layer")

    def drop(self, x: Value, rate: float) -> Value:
        """Dropout in training."""
        return self.b.emit("dropout", x, shape=x.shape, rate=rate, dims=()) if rate else x

    def table(self, name: str, indices: Value) -> Value:
        """Rows of an embedding."""
        table = self.weight(name)
        if len(table.shape) != 2:
            raise Unread(f"{table.name!r} has the shape {table.shape}, which does not fit what config.json tells.")
        return self.b.emit("look_up", table, indices, shape=(*indices.shape, table.shape[1]), dim=0)

    def tokens(self) -> Value:
        """The input."""
        return Value((_BATCH, self.time), "int64", "input_ids")

    def positions(self) -> Value:
        """0, 1, 2, ..."""
        return self.b.constant(np.arange(self.time)[None], "int64")

    def heads(self, x: Value, n: int) -> Value:
        """(batch, time, heads x channels) -> (batch, heads, time, channels)."""
        if x.shape[-1] % n:
            raise Unread(f"{x.shape[-1]} channels cannot be cut into the {n} heads that config.json tells.")
        return self.b.permute(self.b.reshape(x, (*x.shape[:2], n, x.shape[-1] // n)), (0, 2, 1, 3))

    def attend(self, q: Value, k: Value, v: Value, causal: bool, dropout: float) -> Value:
        """Attention over heads, its results beside each other again."""
        y = TABLE["scaled_dot_product_attention"](self.b, q, k, v, None, dropout, causal, None, True)
        y = self.b.permute(y, (0, 2, 1, 3))
        return self.b.reshape(y, (*y.shape[:2], -1))

    def layers(self, *keys: str) -> range:
        """Numbers of the layers."""
        count = self.whole(*keys)
        if count > _MOST_LAYERS:
            raise Unread(f"config.json tells {count} layers.")
        return range(count)

    def under(self, *prefixes: str, of: str) -> None:
        """Where the base model's weights stand."""
        self.prefix = next((p for p in prefixes if self.held.find(p + of) is not None), "")

    def head(self, x: Value, embedding: str) -> Value:
        """The output layer: one of its own, or the embedding's weights."""
        self.prefix, inside = "", self.prefix
        if self.has("lm_head.weight"):
            x = self.linear("lm_head", x)
        elif self.config.get("tie_word_embeddings", True):
            x = self._fitting(TABLE["linear"], x, self.weight(inside + embedding))
        self.prefix = inside
        return x


def _gpt2(m: _Model) -> tuple[list[Value], list[Value]]:
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
    return [ids], [m.head(x, "wte.weight") if _language(m) else x]


def _language(m: _Model) -> bool:
    names = m.config.get("architectures")
    return isinstance(names, list) and any(isinstance(n, str) and n.endswith(("LMHeadModel", "ForCausalLM"))
                                           for n in names)


def _llama(m: _Model) -> tuple[list[Value], list[Value]]:
    m.under("model.", of="embed_tokens.weight")
    n, eps, ids = m.whole("num_attention_heads"), m.real("rms_norm_eps", 1e-6), m.tokens()
    kv = m.whole("num_key_value_heads", default=n)
    if n % kv:
        raise Unread(f"{n} heads cannot share the {kv} that config.json tells.")
    x = m.table("embed_tokens.weight", ids)
    cos = sin = None
    for i in m.layers("num_hidden_layers"):
        at, y = f"layers.{i}", m.norm(f"layers.{i}.input_layernorm", x, eps)
        q, k, v = (m.heads(m.linear(f"{at}.self_attn.{word}_proj", y), count) for word, count in (
            ("q", n), ("k", kv), ("v", kv)))
        if cos is None or sin is None:
            cos, sin = (m.b.constant(a, x.dtype) for a in _rotation(m, q.shape[-1]))
        q, k = (_turned(m, t, cos, sin) for t in (q, k))
        y = m.attend(q, k, v, True, m.real("attention_dropout", 0.0))
        x = m.b.binary("add", x, m.linear(f"{at}.self_attn.o_proj", y))
        y = m.norm(f"{at}.post_attention_layernorm", x, eps)
        gate = m.phi(m.linear(f"{at}.mlp.gate_proj", y), "hidden_act", default="silu")
        y = m.b.binary("multiply", gate, m.linear(f"{at}.mlp.up_proj", y))
        x = m.b.binary("add", x, m.linear(f"{at}.mlp.down_proj", y))
    x = m.norm("norm", x, eps)
    return [ids], [m.head(x, "embed_tokens.weight") if _language(m) else x]


def _rotation(m: _Model, d: int) -> tuple[Array, Array]:
    """Cosines and sines (time, channels) of the rotary pairs (Su et al. 2021; Llama 3's stretched frequencies)."""
    said = m.config.get("rope_parameters") or m.config.get("rope_scaling") or {}
    if not isinstance(said, dict) or d % 2:
        raise Unread("config.json tells rotations that are not known.")
    said = {"rope_theta": m.config.get("rope_theta") or 10000.0, **said}
    kind = said.get("rope_type", said.get("type", "default"))
    try:
        frequency = float(said["rope_theta"]) ** -(np.arange(0, d, 2) / d)
        if kind == "llama3":
            factor, low, high, old = (float(said[k]) for k in ("factor", "low_freq_factor", "high_freq_factor",
                                                               "original_max_position_embeddings"))
            mix = np.clip((old * frequency / (2 * np.pi) - low) / (high - low), 0, 1)
            frequency = (1 - mix) * frequency / factor + mix * frequency
    except (TypeError, ValueError, KeyError, ArithmeticError):
        raise Unread("config.json tells rotations that are not known.") from None
    if kind not in ("default", "llama3"):
        raise Unread(f"config.json tells rotations of the kind {shown_name(kind)[:40]}.")
    angle = np.arange(m.time)[:, None] * np.concatenate([frequency, frequency])
    return np.cos(angle), np.sin(angle)


def _turned(m: _Model, x: Value, cos: Value, sin: Value) -> Value:
    half = x.shape[-1] // 2
    low, high = m.b.split(x, [half, half], 3)
    turned = m.b.concatenate([m.b.elementwise("neg", high), low], 3)
    return m.b.binary("add", m.b.binary("multiply", x, cos), m.b.binary("multiply", turned, sin))


def _encoder_layer(m: _Model, x: Value, at: str, before: tuple[str, str] | None, n: int, eps: float) -> Value:
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


def _pooled(m: _Model, x: Value) -> list[Value]:
    """The first place through a dense layer and tanh, where the model has it."""
    if not m.has("pooler.dense.weight"):
        return []
    return [m.b.activation("tanh", m.linear("pooler.dense", m.b.select(x, 1, 0)))]


def _bert(m: _Model) -> tuple[list[Value], list[Value]]:
    m.under("bert.", of="embeddings.word_embeddings.weight")
    m.must("is_decoder", False)
    m.must("position_embedding_type", "absolute", None)
    n, eps, ids = m.whole("num_attention_heads"), m.real("layer_norm_eps", 1e-12), m.tokens()
    kinds = m.b.constant(np.zeros((_BATCH, m.time), np.int64), "int64")
    x = m.b.binary("add", m.table("embeddings.word_embeddings.weight", ids),
                   m.table("embeddings.token_type_embeddings.weight", kinds))
    x = m.b.binary("add", x, m.table("embeddings.position_embeddings.weight", m.positions()))
    x = m.drop(m.norm("embeddings.LayerNorm", x, eps), m.real("hidden_dropout_prob", 0.1))
    for i in m.layers("num_hidden_layers"):
        x = _encoder_layer(m, x, f"encoder.layer.{i}", None, n, eps)
    return [ids], [x, *_pooled(m, x)]


def _vit(m: _Model) -> tuple[list[Value], list[Value]]:
    m.under("vit.", of="embeddings.cls_token")
    n, eps = m.whole("num_attention_heads"), m.real("layer_norm_eps", 1e-12)
    size, patch, channels = (m.whole(k) for k in ("image_size", "patch_size", "num_channels"))
    if size > 1 << 14 or size % patch:
        raise Unread("config.json tells images that its patches do not fill.")
    pixels = Value((_BATCH, channels, size, size), "float32", "pixel_values")
    where = "embeddings.patch_embeddings.projection"
    w = m.weight(f"{where}.weight")
    if len(w.shape) != 4 or w.shape[1:] != (channels, patch, patch):
        raise Unread(f"{w.name!r} has the shape {w.shape}, which does not fit what config.json tells.")
    x = TABLE["conv2d"](m.b, pixels, w, m.weight(f"{where}.bias"), patch)
    x = m.b.permute(m.b.reshape(x, (_BATCH, x.shape[1], -1)), (0, 2, 1))
    token = m.b.expand(m.weight("embeddings.cls_token"), (_BATCH, 1, x.shape[-1]))
    x = m.b.concatenate([token, x], 1)
    x = m.b.binary("add", x, m.weight("embeddings.position_embeddings"))
    x = m.drop(x, m.real("hidden_dropout_prob", 0.0))
    for i in m.layers("num_hidden_layers"):
        x = _encoder_layer(m, x, f"encoder.layer.{i}", ("layernorm_before", "layernorm_after"), n, eps)
    x = m.norm("layernorm", x, eps)
    return [pixels], [x, *_pooled(m, x)]


KINDS: dict[str, Callable[[_Model], tuple[list[Value], list[Value]]]] = {
    "gpt2": _gpt2, "llama": _llama, "mistral": _llama, "qwen2": _llama, "bert": _bert, "vit": _vit}
