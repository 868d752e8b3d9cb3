"""The run: operation by operation forward, and back.

Design
A. A program is traced for a batch of its own, often 2. More rows are several such batches: a value that depends on the
   inputs is a list of arrays, one a batch; a value of parameters alone is computed once.
B. Batch norms take their statistics over all batches together, as a batch of that many rows would.
C. Computed in float32, or float64 where a parameter or an input is; types of the program only tell numbers, whole
   numbers and truths apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .._types import Array
from ..program import Op, Program, Value
from . import _moves, _pointwise, _products, _sums
from ._op import Back, Entry, Unrun, refuse

_ENTRIES: dict[str, Entry] = {**_pointwise.ENTRIES, **_moves.ENTRIES, **_products.ENTRIES, **_sums.ENTRIES}
NONSENSE = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, MemoryError)
Change = Callable[[Value, Array], Array]


@dataclass
class _Step:
    """One operation that was run: how its gradient goes back, batch by batch (``joined``: of all at once)."""

    op: Op
    backs: list[Back]
    live: bool
    joined: bool


@dataclass
class Run:
    """What a forward pass made. values : one array a batch, or one alone where it depends on parameters only."""

    program: Program
    kind: np.dtype[Any]
    values: dict[Value, list[Array]] = field(default_factory=dict)
    live: set[Value] = field(default_factory=set)
    steps: list[_Step] = field(default_factory=list)

    def backward(self, seeds: Mapping[Value, Sequence[Array]], see: Callable[[Value, list[Array]], None]) -> None:
        """Send gradients back; ``see(value, its gradient, one array a batch)`` is told every value that has one."""
        with np.errstate(all="ignore"):
            self._backward(seeds, see)

    def _backward(self, seeds: Mapping[Value, Sequence[Array]], see: Callable[[Value, list[Array]], None]) -> None:
        grads: dict[Value, list[Array]] = {v: [np.asarray(g, self.kind) for g in gs] for v, gs in seeds.items()}
        for step in reversed(self.steps):
            made = [grads.pop(v, None) for v in step.op.outputs]
            for v, gs in zip(step.op.outputs, made):
                if gs is not None:
                    see(v, gs)
            if any(gs is not None for gs in made) and any(b is not None for b in step.backs):
                self._step(step, made, grads)
        for v, gs in grads.items():
            see(v, gs)

    def _step(self, step: _Step, made: Sequence[list[Array] | None], grads: dict[Value, list[Array]]) -> None:
        for k, back in enumerate(step.backs):
            if back is None:
                continue
            given = [np.zeros_like(self.values[v][k]) if gs is None else
                     np.concatenate(gs) if step.joined else gs[k] for v, gs in zip(step.op.outputs, made)]
            try:
                gradients = back(*given)
            except NONSENSE:
                raise refuse(step.op, "its gradient does not fit") from None
            for v, g in zip(step.op.inputs, gradients, strict=False):
                if v is None or g is None or "float" not in v.dtype:
                    continue
                if step.joined and v in self.live:
                    ends = np.cumsum([len(x) for x in self.values[v]])[:-1]
                    for j, part in enumerate(np.split(g, ends)):
                        self._add(grads, v, j, part)
                else:
                    self._add(grads, v, k if v in self.live else 0, g)

    def _add(self, grads: dict[Value, list[Array]], v: Value, k: int, g: Array) -> None:
        shape = self.values[v][k].shape
        lead = g.ndim - len(shape)
        if g.shape != shape:
            g = g.sum((*range(lead), *(d + lead for d, n in enumerate(shape) if n == 1 and g.shape[d + lead] != 1)))
            g = g.reshape(shape)
        if v not in grads:
            grads[v] = [np.zeros(x.shape, self.kind) for x in self.values[v]]
        grads[v][k] = grads[v][k] + g.astype(self.kind, copy=False)


def forward(program: Program, batches: Sequence[Mapping[Value, Array]], parameters: Mapping[Value, Array], *,
            change: Change | None = None, keep: bool = True, wanted: Iterable[Value] = ()) -> Run:
    """Every value of a program on some batches.

    batches : the inputs' arrays, in the shapes of the program. change : what a value is replaced by as it is made.
    keep : for :meth:`Run.backward`; else only ``wanted`` values are held. Raises Unrun for what is not evaluated.

    >>> from initcore.program import Op, Parameter, Program, Value
    >>> x, w, y = Value((2, 3)), Value((3, 1)), Value((2, 1))
    >>> p = Program([x], [Parameter(w, ("w",), lambda: np.ones((3, 1)))], {},
    ...             [Op("contract", (x, w), (y,), {"contracting": ((1,), (0,))})], [y])
    >>> run = forward(p, [{x: np.ones((2, 3))}], {w: np.ones((3, 1), np.float32)})
    >>> run.backward({y: [np.ones((2, 1))]}, lambda v, g: print(g[0].T) if v is w else None)
    [[2. 2. 2.]]
    """
    floats = [a.dtype for a in parameters.values() if a.dtype.kind == "f"]
    run = Run(program, np.dtype(np.float64 if np.dtype(np.float64) in floats else np.float32))

    def put(v: Value, arrays: list[Array]) -> None:
        arrays = [typed(a, v, run.kind) for a in arrays]
        if any(a.shape != v.shape for a in arrays):
            raise Unrun(f"{v.name or 'a value'} comes out as {arrays[0].shape} and is declared {v.shape}")
        run.values[v] = arrays if change is None else [change(v, a) for a in arrays]
    for v in program.inputs:
        put(v, [batch[v] for batch in batches])
        run.live.add(v)
    for v in (*(p.value for p in program.parameters), *program.constants):
        put(v, [parameters[v] if v in parameters else program.constants[v]])
    last = {v: op for op in program.ops for v in op.inputs if v is not None}
    held = {*wanted, *program.outputs} if not keep else set()
    with np.errstate(all="ignore"):
        for op in program.ops:
            step, made = _made(run, op, len(batches))
            for v, arrays in zip(op.outputs, made):
                put(v, arrays)
            if keep:
                run.steps.append(step)
            else:
                for given in op.inputs:
                    if given is not None and last[given] is op and given not in held:
                        run.values.pop(given, None)
    return run


def _made(run: Run, op: Op, count: int) -> tuple[_Step, list[list[Array]]]:
    live = any(v in run.live for v in op.inputs)
    entry = _ENTRIES.get(op.kind)
    if entry is None:
        raise refuse(op)
    joined = live and op.kind == "normalize" and op.attributes["method"] == "batch" and op.attributes.get(
        "training", True) and op.attributes.get("channel") != 0 and count > 1
    if live:
        run.live.update(op.outputs)
    times = 1 if joined or not live else count
    backs, made = [], []
    for k in range(times):
        given = [None if v is None else np.concatenate(run.values[v]) if joined and v in run.live else
                 run.values[v][k if v in run.live else 0] for v in op.inputs]
        try:
            outs, back = entry(op.attributes, op, *given)
        except NONSENSE:
            raise refuse(op, "its numbers do not fit") from None
        backs.append(back)
        made.append(outs)
    if joined:
        ends = np.cumsum([len(x) for x in run.values[op.inputs[0]]])[:-1]  # type: ignore[index]
        return _Step(op, backs, live, True), [np.split(made[0][0], ends)]
    return _Step(op, backs, live, False), [[outs[i] for outs in made] for i in range(len(made[0]))]


def typed(a: Array, v: Value, kind: np.dtype[Any]) -> Array:
    """An array in the type that a value is computed in."""
    if "complex" in v.dtype or a.dtype.kind == "c":
        raise Unrun("complex numbers are not evaluated")
    a = np.asarray(a)
    if "float" in v.dtype:
        return a.astype(kind, copy=False)
    return a.astype(bool if v.dtype == "bool" else np.int64, copy=False)


__all__ = ["Change", "Run", "Unrun", "forward"]
