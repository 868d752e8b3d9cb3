"""One transformers model being written: what its config says, its weights, and the layers that most kinds share."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ...._aten import TABLE, Build
from ...._types import Array
from ....program import Parameter, Place, Program, Value
from ..._tensor import Weights
from ..._text import shown_name
from .._held import Held, Unread

_ACTIVATIONS = {"gelu": "gelu", "gelu_new": "gelu_tanh", "gelu_pytorch_tanh": "gelu_tanh", "relu": "relu",
                "silu": "silu", "swish": "silu", "tanh": "tanh"}
BATCH, TIME = 2, 5
_BESIDE = re.compile(r"(rotary_emb\.inv_freq|attn\.(masked_)?bias|position_ids)$")
_MOST_LAYERS, _MOST_TIME = 4096, 1 << 14


class Model:
    """One model being written, for inputs of ``time`` tokens."""

    def __init__(self, config: Mapping[str, Any], weights: Weights, time: int) -> None:
        if time > _MOST_TIME:
            raise Unread(f"Inputs of {time} tokens are not run.")
        self.time = time
        self.config, self.held, self.b = config, Held(weights), Build(1 << 28)
        self.parameters: dict[Value, Parameter] = {}
        self.prefix = ""

    def program(self, write: Writer) -> Program:
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

    def shifted_norm(self, name: str, x: Value, eps: float) -> Value:
        """A root mean square norm whose gain is 1 + weight."""
        gamma = self.weight(f"{name}.weight")
        if gamma.shape != x.shape[-1:]:
            raise Unread(f"{gamma.name!r} has the shape {gamma.shape}, which does not fit what config.json tells.")
        y = self.b.emit("normalize", x, None, None, None, None, shape=x.shape, dims=(len(x.shape) - 1,), eps=eps,
                        method="rms")
        return self.b.binary("multiply", y, self.b.elementwise("shift", gamma, offset=1.0))

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
        return Value((BATCH, self.time), "int64", "input_ids")

    def positions(self, first: int = 0) -> Value:
        """first, first + 1, ..."""
        return self.b.constant(first + np.arange(self.time)[None], "int64")

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

    def head(self, x: Value, embedding: str, own: str = "lm_head") -> Value:
        """The output layer: one of its own, or the embedding's weights."""
        self.prefix, inside = "", self.prefix
        if self.has(f"{own}.weight"):
            x = self.linear(own, x)
        elif self.config.get("tie_word_embeddings", True):
            x = self._fitting(TABLE["linear"], x, self.weight(inside + embedding))
        self.prefix = inside
        return x


def language(m: Model) -> bool:
    names = m.config.get("architectures")
    return isinstance(names, list) and any(isinstance(n, str) and n.endswith(("LMHeadModel", "ForCausalLM"))
                                           for n in names)


def rotation(m: Model, d: int) -> tuple[Array, Array]:
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


def turned(m: Model, x: Value, cos: Value, sin: Value) -> Value:
    half = x.shape[-1] // 2
    low, high = m.b.split(x, [half, half], 3)
    turned = m.b.concatenate([m.b.elementwise("neg", high), low], 3)
    return m.b.binary("add", m.b.binary("multiply", x, cos), m.b.binary("multiply", turned, sin))


Writer = Callable[[Model], tuple[list[Value], list[Value]]]
