"""Cures in the words of the library that a file comes from: whoever reads them has that library's layers to mend."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from ..rules import Finding, nodes
from ._tensor import Weights
from ._text import shown_name

# what a variable of Keras is called -> the layer's argument that makes it
_ARGUMENTS = {"recurrent_kernel": "recurrent", "depthwise_kernel": "depthwise", "pointwise_kernel": "pointwise",
              "moving_mean": "moving_mean", "moving_variance": "moving_variance", "gamma": "gamma", "beta": "beta",
              "embeddings": "embeddings", "bias": "bias"}
_CALL = re.compile(r"ic\.init\.(\w+)\(\([\d, ]*\)(?:, [^()]*)?\)")
_KERAS = {name: f'"{name}"' for name in ("he_normal", "he_uniform", "glorot_normal", "glorot_uniform", "lecun_normal",
                                         "lecun_uniform", "orthogonal", "zeros", "ones")}
_FLAX = {**{name: f"nn.initializers.{name}()" for name in _KERAS}, "zeros": "nn.initializers.zeros_init()",
         "ones": "nn.initializers.ones_init()"}


class Arguments(nodes.Words):
    """The argument of a layer that makes a tensor. spread : an initializer of a deviation. table : those of no number,
    by initcore's names."""

    spread: ClassVar[str]
    table: ClassVar[Mapping[str, str]]

    def initialised(self, name: str, initializer: str) -> str:
        """The argument that makes a tensor, and where."""
        raise NotImplementedError

    def drawn(self, name: str, std: float) -> str:
        return self.initialised(name, self.spread.format(std=std))

    def zero(self, name: str) -> str:
        return self.initialised(name, self.table["zeros"])

    def one(self, name: str) -> str:
        return self.initialised(name, self.table["ones"])


class Keras(Arguments):
    """Arguments of Keras' layers.

    >>> Keras().drawn("head/kernel", 0.125)
    'kernel_initializer=keras.initializers.RandomNormal(stddev=0.125) in head'
    >>> Keras().zero("head/bias")
    'bias_initializer="zeros" in head'
    """

    spread = "keras.initializers.RandomNormal(stddev={std:.4g})"
    table = _KERAS

    def initialised(self, name: str, initializer: str) -> str:
        layer, _, last = name.rpartition("/")
        word = _ARGUMENTS.get(re.sub(r"(:0|_\d+)$", "", last), "kernel")
        return f"{word}_initializer={initializer}" + (f" in {layer}" if layer else f" for {name}")


class Flax(Arguments):
    """Arguments of Flax' modules.

    >>> Flax().drawn("params/Dense_0/kernel", 0.125)
    'kernel_init=nn.initializers.normal(stddev=0.125) in params/Dense_0'
    """

    spread = "nn.initializers.normal(stddev={std:.4g})"
    table = _FLAX

    def initialised(self, name: str, initializer: str) -> str:
        layer, _, last = name.rpartition("/" if "/" in name else ".")
        word = {"bias": "bias", "scale": "scale", "embedding": "embedding"}.get(last, "kernel")
        return f"{word}_init={initializer}" + (f" in {layer}" if layer else f" for {name}")


@dataclass(frozen=True)
class Exported(nodes.Words):
    """An exported network cannot be mended in its file: what exported it must be, and export again.

    >>> Exported(exporter="tf2onnx").drawn("w", 0.5)
    'w normal of standard deviation 0.5 in what tf2onnx exported, then export again'
    """

    exporter: str = ""

    def _in(self, call: str, words: str) -> str:
        if self.exporter == "pytorch":
            return f"{call} in the PyTorch model, then export again"
        return f"{words} in what {self.exporter or 'the exporter'} exported, then export again"

    def drawn(self, name: str, std: float) -> str:
        return self._in(super().drawn(name, std), f"{name} normal of standard deviation {std:.4g}")

    def zero(self, name: str) -> str:
        return self._in(super().zero(name), f"{name} of zeros")

    def one(self, name: str) -> str:
        return self._in(super().one(name), f"{name} of ones")


def words_of(weights: Weights) -> nodes.Words:
    """How the cures for a file are written."""
    if weights.format.startswith(("Keras", "HDF5")):
        return Keras()
    if weights.format.startswith("Flax"):
        return Flax()
    if weights.format == "ONNX":
        return Exported(exporter=shown_name(weights.config.get("producer", ""))[:40])
    return nodes.TORCH


def in_words(f: Finding, words: nodes.Words, tensors: Sequence[str]) -> Finding:
    """A finding of a chain, whose cure is a call of initcore, with the library's own initializer beside it.

    tensors : the weight's name by layer.

    >>> found = Finding("SYM101", "fail", 0, "", 1, 4, "symmetry", "ic.init.he_normal((3, 4), rng=key)", "layers[0].w")
    >>> in_words(found, Keras(), ["dense/kernel"]).cure
    'kernel_initializer="he_normal" in dense (ic.init.he_normal((3, 4), rng=key))'
    """
    call = _CALL.search(f.cure)
    if call is None or f.layer is None or not isinstance(words, Arguments) or call[1] not in words.table:
        return f
    return replace(f, cure=f"{words.initialised(tensors[f.layer], words.table[call[1]])} ({f.cure})")
