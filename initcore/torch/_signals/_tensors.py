"""The weights of a module by themselves: the rules that files are judged by."""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from ...files import judge_arrays
from ...program import Place
from ...rules import Finding
from .._names import entries
from .._places.memory import as_array


def tensor_findings(module: nn.Module, numbers: dict[str, dict[str, float]], active: frozenset[str]) -> list[Finding]:
    """What the rules for tensors find in the module's parameters, with the module's path."""
    found = [e for e in entries(module) if not e.is_buffer and e.tensor.is_floating_point() and not e.tensor.is_meta]
    normed = any("Norm" in type(m).__name__ for m in module.modules())
    out = judge_arrays({e.name: as_array(e.tensor) for e in found}, active, numbers, normed)
    return [replace(f, place=Place((f.tensor or "").rpartition(".")[0]), tensors=(f.tensor or "",)) for f in out]
