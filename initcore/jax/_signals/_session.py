"""A function with its parameters and a batch: compiled once, run forward and backward, and forward again.

Design
A. A *tap* is the identity. Its derivative with respect to a number beside it is the norm of the back-signal: so one
   backward pass gives the norm at every value, and no gradient of a value is kept.
B. What may be set right later enters as numbers ``a w + b``, all of them at once: trials compile nothing.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..._signals import Ask, Changes, Look, Measured, Told, described
from ..._types import Array
from ...activations import Activation
from ...program import Op, Program, Value
from ...rules import nodes
from .._program import Reading, play
from ._loss import Loss, main_output

# Run a few times: compiling is most of the time. Of a fused loop each a kernel is built; without, three times as fast.
QUICK = {"xla_backend_optimization_level": 0, "xla_cpu_use_fusion_emitters": False}
STEPS = 4                 # steps tried where weights get no gradient in the first
WORDS = nodes.Words("{name} = {std:.4g} * jax.random.normal(key, {name}.shape)", "{name} = jnp.zeros_like({name})",
                    "{name} = jnp.ones_like({name})")
Asked = tuple[frozenset[Value], Mapping[Value, Ask], frozenset[Value]]


@functools.cache
def quick() -> dict[str, Any]:
    """Those of QUICK that this XLA knows: they are no promise of JAX's."""
    known = {}
    for name, value in QUICK.items():
        try:
            jax.jit(jnp.negative, compiler_options={name: value}).lower(1.0).compile()
        except jax.errors.JaxRuntimeError:
            continue
        known[name] = value
    return known


@jax.custom_vjp
def _tap(x: Any, beside: Any) -> Any:
    """x; the derivative with respect to ``beside`` is the norm of the back-signal."""
    return x


def _back(_: None, g: Any) -> tuple[Any, Any]:
    return g, jnp.sqrt(jnp.square(g.astype(jnp.float32)).sum())


_tap.defvjp(lambda x, beside: (x, None), _back)


class Runner:
    """The compiled passes of one function; parameters and batch are arguments."""

    def __init__(self, reading: Reading, loss: Loss) -> None:
        self.reading, self.loss = reading, loss
        self.main = self._main()
        self.asked: Asked = (frozenset(), {}, frozenset())

    def _main(self) -> Value | None:
        flat = [np.empty(0) if not isinstance(v, Value) else _Mark(v) for v in self.reading.outputs]
        found = main_output(jax.tree_util.tree_unflatten(self.reading.tree, flat))
        return found.value if isinstance(found, _Mark) else None

    def ask(self, asked: Asked) -> None:
        """What all passes look at from now on."""
        if asked != self.asked:
            self.asked = asked
            self.keys, self.values = list(asked[2]), list(asked[0])
            self.first = jax.jit(jax.value_and_grad(self._pass, (0, 2), has_aux=True), compiler_options=quick())
            self.forward = jax.jit(self._pass, compiler_options=quick())
            self.step = jax.jit(self._step, compiler_options=quick())

    def _pass(self, trained: Mapping[int, Any], rest: Sequence[Any], taps: Any, changes: Any) -> tuple[Any, Any]:
        """(loss, what was seen) of one run."""
        values, looks, _ = self.asked
        at = {v: k for k, v in enumerate(self.values)}
        key = {v: k for k, v in enumerate(self.keys)}
        rms: dict[int, Any] = {}
        seen: dict[Value, Any] = {}

        def see(v: Value, a: Any) -> Any:
            if v in key:
                a = (a * changes[0][key[v]].astype(a.dtype) + changes[1][key[v]].astype(a.dtype)).astype(a.dtype)
            if v in values:
                a = _tap(a, taps[at[v]])
                rms[at[v]] = jnp.sqrt(jnp.square(a.astype(jnp.float32)).mean()) if a.size else jnp.float32(0)
            if v in looks:
                seen[v] = _look(a, looks[v].channel, looks[v].most)
            return a
        own = [*self.reading.params, *self.reading.inputs]         # of two names of one array the first counts
        leaves = {v: trained.get(k, rest[k]) for k, v in reversed(list(enumerate(own)))}
        env = play(self.reading.tape, leaves, values | looks.keys() | set(self.keys), see)
        flat = [env[v] if isinstance(v, Value) else jnp.asarray(v) for v in self.reading.outputs]
        value = self.loss.value(jax.tree_util.tree_unflatten(self.reading.tree, flat)).astype(jnp.float32)
        return value, ([rms.get(k, jnp.float32(jnp.nan)) for k in range(len(at))], [seen.get(v) for v in looks])

    def _step(self, trained: Mapping[int, Any], rest: Sequence[Any], changes: Any) -> tuple[Any, Any]:
        """(does a gradient come, parameters after a small step)."""
        grads = jax.grad(lambda t: self._pass(t, rest, jnp.zeros(len(self.values)), changes)[0])(trained)
        moved = {k: (g != 0).any() for k, g in grads.items()}
        size = {k: jnp.sqrt(jnp.square(g).mean()) for k, g in grads.items()}
        return moved, {k: p - jnp.where(moved[k], grads[k] * (0.01 * (1 + jnp.sqrt(jnp.square(p).mean())) / jnp.where(
            moved[k], size[k], 1)), 0).astype(p.dtype) for k, p in trained.items()}


class _Mark:
    """A value where an array is looked for."""

    def __init__(self, value: Value) -> None:
        self.value, self.shape, self.ndim, self.dtype = value, value.shape, len(value.shape), jnp.dtype(value.dtype)


class Session:
    """See :class:`initcore._signals.Session`."""

    def __init__(self, runner: Runner, program: Program, leaves: Sequence[Any], batch: Sequence[Any],
                 words: nodes.Words = WORDS) -> None:
        self.runner, self.program, self.leaves, self.batch = runner, program, list(leaves), list(batch)
        self.words = words
        self.told: Told = runner.loss.told
        self.outputs: tuple[Value, ...] = () if runner.main is None else (runner.main,)
        self.origins: Mapping[Value, Hashable] = {v: s.origin for s in runner.reading.tape for v in s.made
                                                  if isinstance(v, Value) and s.origin}
        self._arrays: dict[Value, Array] = {}
        self._known: dict[Value, Any] = dict(zip(runner.reading.params, self.leaves))
        own = {p.value: p for p in program.parameters}
        self._trained = {k: a for k, (v, a) in enumerate(zip(runner.reading.params, self.leaves))
                         if own[v].trainable and runner.reading.params.index(v) == k}
        self._names = {k: own[runner.reading.params[k]].names[0] for k in self._trained}

    def _changes(self, changes: Changes) -> Any:
        keys = self.runner.keys
        pairs = [changes.get(v, (1.0, 0.0)) for v in keys]
        return jnp.asarray([p[0] for p in pairs], jnp.float32), jnp.asarray([p[1] for p in pairs], jnp.float32)

    def measure(self, values: frozenset[Value], looks: Mapping[Value, Ask], keys: frozenset[Value],
                met: Callable[[Value, Look], None]) -> Measured:
        """One forward and one backward pass."""
        self.runner.ask((values, looks, keys))
        (loss, seen), (grads, taps) = self.runner.first(
            self._trained, [*self.leaves, *self.batch], jnp.zeros(len(values)), self._changes({}))
        still = frozenset(self._names[k] for k, g in grads.items() if not bool((g != 0).any()))
        gradients = dict(zip(self.runner.values, np.asarray(taps, np.float64).tolist()))
        return Measured(self._seen(seen, looks, met), gradients, still, float(loss))

    def again(self, changes: Changes, values: frozenset[Value], looks: Mapping[Value, Ask],
              met: Callable[[Value, Look], None]) -> Mapping[Value, float]:
        """A forward pass with tensors set right; all that was compiled is measured."""
        _, seen = self.runner.forward(self._trained, [*self.leaves, *self.batch],
                                      jnp.zeros(len(self.runner.values)), self._changes(changes))
        return self._seen(seen, looks, met)

    def _seen(self, seen: Any, looks: Mapping[Value, Ask], met: Callable[[Value, Look], None]) -> dict[Value, float]:
        for (v, ask), (rows, highest) in zip(self.runner.asked[1].items(), seen[1]):
            if v in looks:
                met(v, Look(np.asarray(rows), np.asarray(highest), _positions(v.shape, ask.channel)))
        return dict(zip(self.runner.values, np.asarray(seen[0], np.float64).tolist()))

    def label(self, op: Op, activation: Activation | None) -> str:
        """The result of an operation in words."""
        return described(op, activation)

    def array(self, v: Value) -> Array:
        """The value of a weight, float32 or float64."""
        if v not in self._arrays:
            made = np.asarray(self._computed(v))
            self._arrays[v] = made if made.dtype == np.float64 else made.astype(np.float32)
        return self._arrays[v]

    def _computed(self, v: Value) -> Any:
        """What parameters alone make."""
        env, wanted, steps = self._known, {v}, []
        for step in reversed(self.runner.reading.tape if v not in env else ()):
            if not step.body and not wanted.isdisjoint(x for x in step.made if isinstance(x, Value)):
                steps.append(step)
                wanted |= {x for x in step.given if isinstance(x, Value) and x not in env}
        for step in reversed(steps):
            made = step.run(*(env[x] if isinstance(x, Value) else x for x in step.given))
            env.update((x, a) for x, a in zip(step.made, made) if isinstance(x, Value))
        return env[v]

    def inputs(self) -> Mapping[Value, Array]:
        """The batch."""
        return {v: np.asarray(a, np.float32) if jnp.issubdtype(a.dtype, jnp.floating) else np.asarray(a)
                for v, a in zip(self.runner.reading.inputs, self.batch)}

    def stuck(self) -> frozenset[str]:
        """Names of the parameters that get no gradient in the next steps either."""
        trained, still = self._trained, set(self._names)
        for _ in range(STEPS):
            moved, trained = self.runner.step(trained, [*self.leaves, *self.batch], self._changes({}))
            still &= {k for k, m in moved.items() if not bool(m)}
            if not still:
                break
        return frozenset(self._names[k] for k in still)


def _positions(shape: tuple[int, ...], channel: int) -> int:
    return math.prod(shape) // max(shape[channel], 1) if shape else 1


def _look(z: Any, channel: int, most: int) -> tuple[Any, Any]:
    """(rows of a sample, the largest value of every unit)."""
    z = z.reshape((1,) * max(2 - z.ndim, 0) + z.shape)
    z = jnp.moveaxis(z, channel, -1)
    z = z if z.dtype == jnp.float64 else z.astype(jnp.float32)
    units = max(z.shape[-1], 1)
    highest = z.reshape(-1, units).max(0)
    while z.size > max(most, 64 * units):
        sizes = list(z.shape[:-1])
        d = max(range(len(sizes)), key=sizes.__getitem__)
        if sizes[d] < 2:
            break
        step = min(sizes[d], max(2, math.ceil(z.size / max(most, 64 * units))))
        step = min(step, max(2, int(math.sqrt(sizes[d]))))
        z = z[(slice(None),) * d + (slice(None, None, step),)]
    return z.reshape(-1, units), highest


__all__ = ["Runner", "Session"]
