"""Recipes: how well-known model families start, as rules for :func:`initcore.torch.initialize`.

A recipe is a function of the model that returns rules, tried in order. Depths are counted on the model: the longest
``ModuleList`` is the stack of blocks.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from .. import initializers as make
from ..errors import unknown_name

Rules = dict[Any, Any]
_partial = functools.partial


def norms(name: str, module: Any, tensor: Tensor) -> bool:
    """A scale of a normalisation layer, by the layer's class."""
    return "Norm" in type(module).__name__ and name.endswith("weight")


def biases(name: str, module: Any, tensor: Tensor) -> bool:
    """A bias, or another vector that is added."""
    return tensor.ndim < 2 or name.rpartition(".")[2].startswith("bias")


def residual_outputs(name: str, module: Any, tensor: Tensor) -> bool:
    """The last matrix of a residual branch, by the names in use."""
    last = name.split(".")[-2:][0]
    return tensor.ndim >= 2 and last in ("c_proj", "o_proj", "out_proj", "down_proj", "wo", "w2", "fc2", "proj")


def output_heads(name: str, module: Any, tensor: Tensor) -> bool:
    """The matrix that makes the model's outputs, by the names in use."""
    first = name.split(".")[-2:][0]
    return tensor.ndim == 2 and first in ("lm_head", "head", "output", "fc", "classifier", "unembed", "readout")


def depth(model: Any) -> int:
    """Number of blocks: the length of the longest ModuleList, at least 1."""
    modules = model.modules() if isinstance(model, nn.Module) else ()
    return max((len(m) for m in modules if isinstance(m, nn.ModuleList)), default=1) or 1


def gpt2(model: Any) -> Rules:
    """N(0, 0.02^2), the outputs of residual branches divided by sqrt(2 depth), no biases. Radford et al. 2019."""
    return {norms: "ones", biases: "zeros",
            residual_outputs: _partial(make.normal, std=0.02 / math.sqrt(2 * depth(model))),
            "*": _partial(make.normal, std=0.02)}


def llama(model: Any) -> Rules:
    """N(0, 0.02^2) for every matrix, ones for RMS norms: transformers' ``LlamaPreTrainedModel``."""
    return {norms: "ones", biases: "zeros", "*": _partial(make.normal, std=0.02)}


def vit(model: Any) -> Rules:
    """Truncated normals of std 0.02, a LeCun normal for the patches, a zero head. Dosovitskiy et al. 2021; timm's."""
    return {norms: "ones", (nn.modules.conv._ConvNd, "weight"): _partial(make.lecun_normal, truncate=2.0),
            "*cls_token": _partial(make.normal, std=1e-6), "*pos_embed*": _partial(make.trunc_normal, std=0.02),
            "*head.weight": "zeros", biases: "zeros", "*": _partial(make.trunc_normal, std=0.02)}


def resnet(model: Any) -> Rules:
    """He normal by fan_out for convolutions, norms 1 and 0, a default head. He et al. 2015; torchvision."""
    return {norms: "ones", "*running_mean": "zeros", "*running_var": "ones", "*num_batches_tracked": None,
            (nn.modules.conv._ConvNd, "weight"): _partial(make.he_normal, mode="fan_out"),
            (nn.Linear, "weight"): make.torch_default, (nn.Linear, "bias"): "zeros", biases: "zeros",
            "*": make.torch_default}


def mup(model: Any) -> Rules:
    """Maximal update: N(0, 1/fan_in) hidden, N(0, 1/fan_in^2) for the head, N(0, 1) embeddings. Yang et al. 2022."""
    return {norms: "ones", (nn.Embedding, "weight"): "embedding", biases: "zeros",
            output_heads: _partial(make.mup_std, role="output"), "*": make.mup_std}


def torch_(model: Any) -> Rules:
    """PyTorch's own defaults, module by module: U(-1/sqrt(fan_in), ...) for weights and biases, N(0, 1) embeddings."""
    return {norms: "ones", (nn.Embedding, "weight"): _Embedding(), (nn.RNNBase, "*"): _Uniform("hidden_size"),
            (nn.RNNCellBase, "*"): _Uniform("hidden_size"), "*in_proj_weight": _partial(make.glorot_uniform),
            "*in_proj_bias": "zeros", "*out_proj.bias": "zeros", "*running_mean": "zeros", "*running_var": "ones",
            "*num_batches_tracked": None, "*.bias": _Bias(), "bias": _Bias(), "*": make.torch_default}


class FromModule:
    """An initialiser whose arguments the module has; :func:`bound` makes it one for a module."""

    def of(self, module: Any, tensor: Tensor) -> Any:
        """The initialiser for this module."""
        raise NotImplementedError


class _Embedding(FromModule):
    __name__ = "embedding"

    def of(self, module: Any, tensor: Tensor) -> Any:
        return _partial(make.embedding, padding_idx=module.padding_idx)


class _Uniform(FromModule):
    __name__ = "U(1/sqrt(hidden))"

    def __init__(self, attribute: str) -> None:
        self.attribute = attribute

    def of(self, module: Any, tensor: Tensor) -> Any:
        limit = 1 / math.sqrt(getattr(module, self.attribute))
        return _partial(make.uniform, low=-limit, high=limit)


class _Bias(FromModule):
    __name__ = "U(1/sqrt(fan_in))"

    def of(self, module: Any, tensor: Tensor) -> Any:
        weight = getattr(module, "weight", None)
        if not isinstance(weight, Tensor) or weight.ndim < 2:
            return make.zeros
        return _partial(make.torch_default, fan_in=math.prod(weight.shape[1:]))


RECIPES: dict[str, Callable[[Any], Rules]] = {"torch": torch_, "gpt2": gpt2, "llama": llama, "vit": vit,
                                              "resnet": resnet, "mup": mup}


def require(name: str) -> str:
    """The recipe's name, or UnknownNameError.

    >>> require("gpt2")
    'gpt2'
    """
    if name not in RECIPES:
        raise unknown_name("recipe", name, RECIPES)
    return name
