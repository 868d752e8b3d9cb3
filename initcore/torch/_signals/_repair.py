"""A copy of a module in which what a check found is drawn again, proved by its own check."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..._signals import Again
from ...random import Key
from ...rules import Finding, nodes
from ..init import normal_

ROUNDS = 4


@dataclass(frozen=True)
class Mend:
    """What a report needs to repair its module: the judge, and what was measured."""

    module: nn.Module
    judge: Again
    context: nodes.NodeContext | None

    def __call__(self, findings: Sequence[Finding], rng: Any, fold: bool) -> nn.Module:
        key = rng if isinstance(rng, Key) else Key(rng)
        mended, context, found = copy.deepcopy(self.module), self.context, list(findings)
        undone: set[Any] = set()
        for k in range(ROUNDS):
            found = [f for f in found if f.severity != "info"]
            if not found:
                break
            before = _prints(mended)
            _apply(mended, found, context, key.child(k) if k else key, fold, undone)
            if _prints(mended) == before:
                break
            found, context = self.judge(mended)
        return mended


def repaired_by(module: nn.Module, findings: Sequence[Finding], context: nodes.NodeContext | None) -> nn.Module:
    """A copy with what findings name set right once, not judged again."""
    mended = copy.deepcopy(module)
    _apply(mended, [f for f in findings if f.severity != "info"], context, Key(0), True, set())
    return mended


def _prints(module: nn.Module) -> list[int]:
    """The versions of all parameters: what was written changes them."""
    return [p._version for p in module.parameters()]


@torch.no_grad()
def _apply(module: nn.Module, found: Sequence[Finding], context: nodes.NodeContext | None, key: Key, fold: bool,
           undone: set[Any]) -> None:
    """Set right what the findings name, each tensor once, and undo the inputs' scale in what reads them."""
    tensors = dict(module.named_parameters(remove_duplicate=False))
    weights = {w.name: w for w in context.weights} if context is not None else {}
    biases = {w.bias for w in weights.values() if w.bias}
    done: set[str] = set()
    for f in found:
        for name in f.tensors:
            if name in tensors and name not in done:
                done.add(name)
                _draw(tensors[name], name, weights.get(name), name in biases, key.child(name), f)
    if fold and context is not None and (undone or any(f.cause in ("input_scale", "input_offset") for f in found)):
        for w in weights.values():
            again = w.name in undone and w.name in done             # drawn again, for raw numbers of size 1
            if w.data and len(context.features) == 1 and w.name in tensors and (again or w.name not in undone):
                if again and w.bias in tensors:
                    tensors[w.bias].zero_()
                undone.add(w.name)
                _fold(tensors[w.name], tensors.get(w.bias), context.features[0])


def _draw(p: Tensor, name: str, w: nodes.Weight | None, bias: bool, key: Key, f: Finding) -> None:
    if w is not None and not w.table:
        head = f.rule.startswith("OUT") and f.cause == "weight_scale" and w.std < 1.5 * w.start.std
        normal_(p, std=(0.01 if head else 1.0) * w.start.std, rng=key)
    elif bias or f.cause == "bias":
        p.zero_()
    elif p.ndim < 2:
        p.fill_(1.0)                                    # a norm's gain
    elif w is not None:
        normal_(p, std=min(1.0, p.shape[-1] ** -0.5), rng=key)
    else:
        normal_(p, std=(p.numel() // p.shape[0]) ** -0.5, rng=key)


def _fold(p: Tensor, bias: Tensor | None, x: nodes.Feature) -> None:
    """Weights and bias that make of raw inputs what they made of standardised ones.

    One mean and scale for all where the inputs are pictures or of one size, else every feature's own.
    """
    mean, std = torch.as_tensor(x.mean, dtype=p.dtype), torch.as_tensor(x.std, dtype=p.dtype)
    if p.ndim == 2 and p.shape[1] == mean.numel():
        common = std.square().mean().sqrt()
        scale = torch.where(std > 0, std, 1.0) if std.max() > 3 * std.median() else common.expand_as(std)
        scale = torch.where(scale > 0, scale, 1.0)
    else:
        mean = mean.mean()
        scale = (std.square() + (torch.as_tensor(x.mean, dtype=p.dtype) - mean).square()).mean().sqrt() or 1.0
    p.div_(torch.as_tensor(scale).to(p))
    if bias is not None and p.ndim >= 2 and p.shape[0] == bias.numel():
        bias.sub_((p.reshape(p.shape[0], p.shape[1], -1).sum(2) * mean.to(p)).sum(1).reshape(bias.shape))
