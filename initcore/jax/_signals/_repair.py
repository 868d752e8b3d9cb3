"""Parameters in which what a check found is drawn again, proved by its own check."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from ... import initializers
from ..._signals import Again
from ...random import Key
from ...rules import Finding, nodes
from .._keys import stream
from .._trees import path_name
from ._models import Model

ROUNDS = 4


@dataclass(frozen=True)
class Mend:
    """What a report needs to repair its model: the judge of other parameters, and what was measured."""

    model: Model
    judge: Again
    context: nodes.NodeContext | None

    def __call__(self, findings: Sequence[Finding], rng: Any, fold: bool) -> Any:
        key = stream(rng)
        params, context, found = self.model.params, self.context, list(findings)
        undone: set[str] = set()
        for k in range(ROUNDS):
            found = [f for f in found if f.severity != "info"]
            mended = _mended(params, found, context, key.child(k) if k else key, fold, undone) if found else params
            if mended is params:
                break
            params = mended
            found, context = self.judge(params)
        return self.model.of(params)


def mended_once(params: Any, findings: Sequence[Finding], context: nodes.NodeContext) -> Any:
    """Parameters with what findings name set right once, not judged again."""
    return _mended(params, [f for f in findings if f.severity != "info"], context, Key(0), True, set())


def _mended(params: Any, found: Sequence[Finding], context: nodes.NodeContext | None, key: Key, fold: bool,
            undone: set[str]) -> Any:
    """What the findings name set right, each array once, and the inputs' scale undone in what reads them; the same
    object where nothing was done."""
    flat, build = jax.tree_util.tree_flatten_with_path(params)
    names = [path_name(path) for path, _ in flat]
    own = {id(leaf): name for name, (_, leaf) in reversed(list(zip(names, flat)))}      # of two names the first
    new = {name: leaf for name, (_, leaf) in zip(names, flat)}
    weights = {w.name: w for w in context.weights} if context is not None else {}
    biases = {w.bias for w in weights.values() if w.bias}
    done: dict[str, Any] = {}
    for f in found:
        for name in f.tensors:
            if name in new and name not in done and jnp.issubdtype(new[name].dtype, jnp.floating):
                done[name] = _drawn(new[name], weights.get(name), name in biases, key.child(name), f)
    if fold and context is not None and any(f.cause in ("input_scale", "input_offset") for f in found):
        for w in weights.values():
            if w.data and len(context.features) == 1 and w.name in new and w.name not in done and w.name not in undone:
                undone.add(w.name)
                done.update(_folded(new, w, context.features[0]))
    if not done:
        return params
    return jax.tree_util.tree_unflatten(build, [done.get(own[id(leaf)], leaf) for _, leaf in flat])


def _drawn(p: Any, w: nodes.Weight | None, bias: bool, key: Key, f: Finding) -> Any:
    if w is not None and not w.table:
        head = f.rule.startswith("OUT") and f.cause == "weight_scale" and w.std < 1.5 * w.start.std
        return _normal(p, (0.01 if head else 1.0) * w.start.std, key)
    if bias or f.cause == "bias":
        return jnp.zeros_like(p)
    if p.ndim < 2:
        return jnp.ones_like(p)                         # a norm's gain
    if w is not None:
        return _normal(p, min(1.0, p.shape[-1] ** -0.5), key)
    return _normal(p, (p.size // p.shape[-1]) ** -0.5, key)


def _normal(p: Any, std: float, key: Key) -> Any:
    """In the order and type of an array's own, where it lies."""
    return jax.device_put(jnp.asarray(initializers.normal(p.shape, std=std, rng=key, dtype=str(p.dtype))), p.sharding)


def _folded(new: dict[str, Any], w: nodes.Weight, x: nodes.Feature) -> dict[str, Any]:
    """Weights and bias that make of raw inputs what they made of standardised ones (one mean and scale for all)."""
    mean = float(x.mean.mean())
    scale = float((x.std ** 2 + (x.mean - mean) ** 2).mean()) ** 0.5 or 1.0
    out = {w.name: (new[w.name] / scale).astype(new[w.name].dtype)}
    totals = w.dense().w.sum(0)
    if w.bias in new and new[w.bias].size == totals.size:
        b = new[w.bias]
        out[w.bias] = (b - mean / scale * totals.reshape(b.shape)).astype(b.dtype)
    return out
