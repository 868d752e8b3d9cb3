"""Memory made recognisable: a pattern that no initialisation writes, and where it still stands."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ._names import Entry
from ._places.place import local_of

_POISON = {torch.float32: 0x7FC5A5A5, torch.float64: 0x7FF8A5A5A5A5A5A5, torch.float16: 0x7E5A, torch.bfloat16: 0x7FDA}
_WORDS = {1: (torch.uint8, 0xA5), 2: (torch.int16, 0x5AA5), 4: (torch.int32, 0x5AA55AA5),
          8: (torch.int64, 0x5AA55AA55AA55AA5)}


def _word(tensor: Tensor) -> tuple[torch.dtype, int]:
    word, pattern = _WORDS[tensor.element_size()] if not tensor.is_complex() else (torch.int32, 0x7FC5A5A5)
    return word, _POISON.get(tensor.dtype, pattern)


def poison(tensor: Tensor) -> None:
    """Fill with the pattern."""
    local = local_of(tensor).detach()
    if local.is_meta or not local.numel() or local.layout is not torch.strided:
        return
    word, pattern = _word(local)
    with torch.no_grad():
        (torch.view_as_real(local) if local.is_complex() else local).view(word).fill_(pattern)


def raw_share(tensor: Tensor) -> float:
    """The share of elements that hold the pattern; for one-byte types 0 or 1."""
    local = local_of(tensor).detach()
    if local.is_meta:
        return 1.0
    if not local.numel() or local.layout is not torch.strided:
        return 0.0
    word, pattern = _word(local)
    is_raw = (torch.view_as_real(local) if local.is_complex() else local).view(word) == pattern
    share = float(is_raw.double().mean())
    return math.floor(share) if local.element_size() == 1 else share


def put_back(found: list[Entry], before: dict[str, Entry], kept: dict[str, Tensor]) -> None:
    """Where the pattern stands, what was there before."""
    for entry in found:
        old, local = kept.get(entry.name), local_of(entry.tensor).detach()
        if old is None or entry.tensor is not before[entry.name].tensor or old.shape != local.shape:
            continue
        word, pattern = _word(local)
        with torch.no_grad():
            if local.element_size() == 1 and raw_share(entry.tensor) < 1:
                continue
            now = (torch.view_as_real(local) if local.is_complex() else local).view(word)
            was = (torch.view_as_real(old) if old.is_complex() else old).view(word)
            now.copy_(torch.where(now == pattern, was, now))
