"""A function of JAX that takes a few steps on the rows at hand; see :mod:`initcore._rehearsal`."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..._rehearsal import constant, lowest
from ..._types import Array
from ._loss import loss_of
from ._session import quick


@dataclass(frozen=True)
class Trainee:
    """See :class:`initcore._rehearsal.Trainee`. trained : which leaves of the parameters are."""

    fn: Callable[..., Any]
    params: Any
    trained: tuple[int, ...]
    inputs: tuple[Any, ...]
    y: Any
    loss: Any
    operations: int

    @property
    def rows(self) -> int:
        """How many rows the batch has: of the targets, else of the first input that has any."""
        found = [v for v in jax.tree_util.tree_leaves((self.y, self.inputs)) if getattr(v, "ndim", 0)]
        return int(found[0].shape[0]) if found else 0

    @property
    def size(self) -> int:
        """Numbers in the parameters."""
        return sum(math.prod(a.shape) for a in jax.tree_util.tree_leaves(self.params))

    def batch(self, at: Array) -> tuple[tuple[Any, ...], Any]:
        """Inputs and targets of some rows; what has no rows goes in whole."""
        rows = self.rows

        def take(v: Any) -> Any:
            return v[at] if getattr(v, "ndim", 0) and v.shape[0] == rows else v
        inputs, y = jax.tree_util.tree_map(take, (self.inputs, self.y))
        return inputs, y

    def trial(self, learnt: Array, held: Array) -> Trial | None:
        """The function with some rows; None where it takes no other number of rows."""
        try:
            return Trial(self, learnt, held)
        except Exception:                          # the user's own code
            return None


class Trial:
    """See :class:`initcore._rehearsal.Trial`."""

    def __init__(self, trainee: Trainee, learnt: Array, rest: Array) -> None:
        self._trainee, self._learnt = trainee, learnt
        self._leaves, self._tree = jax.tree_util.tree_flatten(trainee.params)
        inputs, _ = trainee.batch(learnt[:32])
        result = jax.eval_shape(trainee.fn, trainee.params, *inputs)
        self._loss = loss_of(result, trainee.batch(learnt[:32])[1], trainee.loss)
        own = {k: self._leaves[k] for k in trainee.trained}
        self._step = jax.jit(_stepped(self._value), static_argnums=4, compiler_options=quick())
        self._held = jax.jit(self._value, compiler_options=quick())
        self._rest = self._rows(rest)
        cost = self._held.lower(own, *self._rows(learnt[:32])).cost_analysis()
        self.products = float((cost or {}).get("flops", 0.0)) / 2
        self.constant, self.apart = self._constant(result, learnt), self._constant(result, rest)

    def _rows(self, at: Array) -> tuple[Any, Any]:
        """(inputs, targets as the loss takes them) of some rows."""
        inputs, y = self._trainee.batch(at)
        if self._loss.kind is not None:                 # class numbers, or floats of the outputs' shape
            y = np.asarray(y)
            y = jnp.asarray(y.astype(np.int32) if y.dtype.kind in "iub" and self._loss.told.classes else
                            y.astype(np.float32).reshape(len(at), *self._loss.target.shape[1:]))
        return inputs, y

    def _value(self, trained: dict[int, Any], inputs: Any, y: Any) -> Any:
        params = jax.tree_util.tree_unflatten(self._tree, [trained.get(k, a) for k, a in enumerate(self._leaves)])
        return self._loss.of(self._trainee.fn(params, *inputs), y).astype(jnp.float32)

    def _constant(self, result: Any, at: Array) -> float:
        y = self._rows(at)[1]
        if self._loss.kind is not None:
            return constant(np.asarray(y), self._loss.kind)
        if not hasattr(result, "shape") or not result.ndim:
            return math.nan

        def value(c: Any) -> Any:
            return self._loss.of(jnp.broadcast_to(c, (len(at), *c.shape)), y).astype(jnp.float32)
        slope = jax.jit(jax.value_and_grad(value), compiler_options=quick())

        def at_one(c: Array) -> tuple[float, Array]:
            number, g = slope(jnp.asarray(c, result.dtype))
            return float(number), np.asarray(g, np.float64)
        return lowest(at_one, result.shape[1:])

    def begin(self, family: str, rate: float) -> None:
        """The parameters as they were."""
        self._own = {k: self._leaves[k] for k in self._trainee.trained}
        zeros = {k: jnp.zeros_like(a) for k, a in self._own.items()}
        self._state, self._family, self._rate = (zeros, zeros, jnp.float32(0)), family, jnp.float32(rate)

    def step(self, at: slice) -> float:
        """One step on some rows."""
        value, self._own, self._state = self._step(self._own, self._state, self._rate,
                                                   self._rows(self._learnt[at]), self._family)
        return float(value)

    def held(self) -> float:
        """The loss on the rows kept apart."""
        return float(self._held(self._own, *self._rest))


def _stepped(value: Callable[..., Any]) -> Callable[..., Any]:
    """(loss, parameters, state) after one step of plain gradient, momentum 0.9 or Adam."""
    def step(own: Any, state: Any, rate: Any, rows: Any, family: str) -> Any:
        loss, g = jax.value_and_grad(value)(own, *rows)
        each = jax.tree_util.tree_map
        m, v, t = state
        t = t + 1
        if family == "adam":
            m = each(lambda m, g: 0.9 * m + 0.1 * g, m, g)
            v = each(lambda v, g: 0.999 * v + 0.001 * g * g, v, g)
            way = each(lambda m, v: m / (1 - 0.9 ** t) / (jnp.sqrt(v / (1 - 0.999 ** t)) + 1e-8), m, v)
        else:
            m = each(lambda m, g: (0.9 if family == "momentum" else 0.0) * m + g, m, g)
            way = m
        return loss, each(lambda p, d: (p - rate * d).astype(p.dtype), own, way), (m, v, t)
    return step
