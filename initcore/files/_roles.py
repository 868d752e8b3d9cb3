"""What a tensor is, by its name and shape: dense, conv, norm, embedding, recurrent, attention, expert, adapter, ..."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from functools import lru_cache

from ._naming import parse
from ._tensor import Tensor

_EDGE = r"(?:^|[._/\d ])"
_END = r"(?:$|[._/:\d ])"
# In this order: the first that fits names the tensor.
_PATTERNS = tuple((role, re.compile(pattern, re.IGNORECASE)) for role, pattern in (
    ("optimizer", rf"{_EDGE}(?:optimizer\w*|optim|opt_state|exp_avg\w*|momentum_buffer|max_exp_avg_sq|adam|slots?)"
                  rf"{_END}|(?:^|/)(?:mu|nu)/"),
    ("ema", rf"{_EDGE}(?:ema|ema_model|model_ema|ema_params|shadow\w*|swa_model|teacher\w*|target_network)(?:$|[._/])"),
    ("buffer", rf"{_EDGE}(?:\w*mask\w*|position_ids|inv_freq|num_batches_tracked|rotary_emb|rope_freqs|"
               rf"rngs?|seed_generator\w*|\w*fake_quant\w*|\w*post_process\w*|weight_scale(?:_inv)?|input_scale|"
               rf"relative_position_index|(?<!_)attn\.bias|(?<!_)attention\.bias|masked_bias|total_ops|total_params){_END}"),
    ("position_bias", rf"{_EDGE}(?:\w*position_bias\w*|\w*bias_table){_END}"),
    ("adapter", rf"{_EDGE}(?:lora_?\w*|\w*adapter\w*|ia3\w*){_END}|lora_[ab]"),
    ("norm", rf"{_EDGE}(?:\w*norm\d*|\w*_norm_\w*|\w*layernorm\w*|\w*batchnorm\w*|\w*batch_normalization\w*|"
             rf"\w*layer_normalization\w*|bn\d*|ln|ln_\w+|gn\d*)(?:$|[._/:\d])|"
             rf"(?:^|[._/])(?:gamma|beta|running_mean|running_var|moving_mean|moving_variance)(?:$|[:_])"),
    ("recurrent", rf"weight_[ih]h_l|bias_[ih]h_l|weight_[ih]h$|bias_[ih]h$|recurrent_kernel|"
                  rf"{_EDGE}(?:lstm\w*|gru\w*|\w*rnn\w*)(?:$|[._/:\d])|(?:^|[._/])(?:lstm|gru|rnn)_?cell"),
    ("embedding", rf"{_EDGE}(?:\w*embed\w*|\w*embd\w*|wte|wpe|pos_emb\w*|pos_enc\w*|cls_token|lookup_table){_END}"),
    ("expert", rf"{_EDGE}(?:\w*expert\w*|router|gating|moe\w*|gate|gate_proj|up_proj)(?:$|[._/\d])"),
    ("attention", rf"{_EDGE}(?:\w*attn\w*|\w*attention\w*|[qkvo]_proj|qkv\w*|query|key|value|in_proj\w*|to_[qkv])"
                  rf"(?:$|[._/\d])|in_proj_(?:weight|bias)"),
))
_ANY = re.compile("|".join(f"(?:{pattern.pattern})" for _, pattern in _PATTERNS), re.IGNORECASE)
_NNX = re.compile(r"(?:(?<=kernel)|(?<=weight)|(?<=bias)|(?<=scale))[./](?:raw_)?value$")
_RESIDUAL = re.compile(r"(?:^|[._/])(?:res\w*|\w*skip\w*|shortcut\w*|downsample\w*|\w*blocks?|fixup\w*)(?:$|[._/\d])",
                       re.IGNORECASE)
_CONV = re.compile(r"(?:^|[._/])\w*conv\w*(?:$|[._/:\d])", re.IGNORECASE)
_STATISTIC = re.compile(r"(?:^|[._/])(?:mean|std|var|x_mean|x_std|input_\w+|steps?|epoch|iteration|lr|seed|loss|"
                        r"accuracy|classes|\w*version\w*)(?:$|[._/:])", re.IGNORECASE)
BESIDE = ("buffer", "optimizer", "ema")       # what may stand beside a network without being part of it
WORDS = {"conv": "a convolution", "norm": "a normalisation", "recurrent": "a recurrent layer",
         "embedding": "an embedding", "attention": "attention", "expert": "experts or a gate", "adapter": "an adapter",
         "optimizer": "an optimizer's state", "ema": "an averaged copy of the weights", "buffer": "a buffer",
         "position_bias": "a bias by position",
         "other": "a tensor that belongs to no dense layer"}


def role_of(tensor: Tensor, averaged: bool = False) -> str:
    """One word for what the tensor is. averaged : averaged copies are what the file is about.

    >>> [role_of(Tensor(n, s, "float32")) for n, s in (("fc1.weight", (5, 3)), ("bn1.weight", (5,)),
    ...                                                ("conv1.weight", (8, 3, 3, 3)), ("rnn/kernel", (4, 4)))]
    ['dense', 'norm', 'conv', 'recurrent']
    """
    if tensor.role is not None:
        return tensor.role
    named = _by_name(tensor.name, "ema" if averaged else "")
    if named is not None:
        return named
    wide = sum(n > 1 for n in tensor.shape)
    if tensor.ndim >= 3 or (_CONV.search(tensor.name) and tensor.ndim >= 2):
        return "conv" if tensor.ndim in (3, 4, 5) and (wide or tensor.size == 1) else "other"
    found = parse(tensor.name)
    if found is not None or re.fullmatch(r"arr_\d+", tensor.name):
        return "dense"
    return "statistic" if _STATISTIC.search(tensor.name) else "other"


@lru_cache(maxsize=1 << 17)
def _by_name(name: str, but: str = "") -> str | None:
    bare = _NNX.sub("", name)
    if _ANY.search(bare) is None:
        return None
    return next((role for role, pattern in _PATTERNS if role != but and pattern.search(bare)), None)


def fans_of(tensor: Tensor, role: str) -> tuple[int, ...]:
    """The numbers of inputs that a unit of this tensor may have: one where the name's library tells the layout."""
    if tensor.ndim < 2 or role in ("embedding", "norm", "buffer", "optimizer", "ema", "position_bias", "other",
                                   "statistic"):
        return ()
    if role == "expert" and tensor.ndim == 3:
        return tuple(sorted({tensor.shape[1], tensor.shape[2]}))
    oi, io = math.prod(tensor.shape[1:]), math.prod(tensor.shape[:-1])
    found = parse(tensor.name)
    convention = found[2] if found is not None else None
    fans = (oi,) if convention == "oi" else (io,) if convention == "io" else tuple(sorted({oi, io}))
    return tuple(n for n in fans if n)


def is_parameter(tensor: Tensor, role: str) -> bool:
    """Does it count among the parameters whose share is told? Counters, masks and index tables do not."""
    if role == "buffer" or tensor.size == 0:
        return False
    return tensor.judged or tensor.dtype not in ("bool", "int64", "int32", "int16") or (
        tensor.ndim >= 2 and "qweight" in tensor.name)


def why_no_chain(tensors: Iterable[Tensor]) -> str | None:
    """Why these tensors are not one chain of dense layers, or None where they may be: every matrix a dense weight,
    nothing that normalises, recurs, attends, chooses or is added around them."""
    strange: dict[str, str] = {}
    hints: list[str] = []
    names = 0
    for tensor in tensors:
        role = role_of(tensor)
        if role in ("dense", "statistic") and tensor.ndim <= 2:
            hints += [tensor.name] if role == "dense" and _RESIDUAL.search(tensor.name) else []
            names += 1
            continue
        if role in BESIDE or (not tensor.judged and tensor.ndim < 2) or tensor.dtype.startswith(("int", "uint",
                                                                                                    "bool")):
            continue
        strange.setdefault(role, tensor.name)
    if strange:
        said = ", ".join(f"{WORDS.get(role, role)} ({name!r})" for role, name in list(strange.items())[:5])
        return f"It also holds {said}, so the dense layers alone are not the network."
    if hints:
        return (f"By their names ({hints[0]!r}) layers stand in blocks, whose skips a file of weights does not tell.")
    return None
