"""The weights of a module by themselves: the rules that files are judged by."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import nn

from ...files import tensor_facts
from ...program import Place
from ...rules import Finding, tensors
from .._names import Entry, entries


def tensor_findings(module: nn.Module, numbers: dict[str, dict[str, float]], active: frozenset[str]) -> list[Finding]:
    """What the rules for tensors find in the module's parameters, with the module's path."""
    found = [e for e in entries(module) if not e.is_buffer and e.tensor.is_floating_point() and not e.tensor.is_meta]
    facts = tensor_facts({e.name: _array(e) for e in found})
    normed = any("Norm" in type(m).__name__ for m in module.modules())
    out = tensors.judge(tensors.TensorContext(tuple(facts), numbers, normed), active)
    return [replace(f, place=Place((f.tensor or "").rpartition(".")[0]), tensors=(f.tensor or "",)) for f in out]


def _array(e: Entry) -> object:
    tensor = e.tensor.detach()
    return tensor.to("cpu", torch.float32 if tensor.dtype in (torch.float16, torch.bfloat16) else tensor.dtype).numpy()
