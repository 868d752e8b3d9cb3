"""A module with a batch, ready to be measured, also with things set right: see :class:`initcore._signals.Session`."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from ..._signals import Ask, Changes, Look, Measured, Told
from ..._types import Array
from ...activations import Activation
from ...program import Op, Program, Value
from ...rules import nodes
from ._export import Exported, untouched
from ._loss import Loss, loss_of
from ._moves import Points
from ._recorder import Enough, Recorder, Watch, as_floats, leaves, rms
from ._values import Values

STEPS = 4                 # steps tried where weights get no gradient in the first
_ARITHMETIC = ("mul", "where", "add", "div")


class Session:
    """An exported module with a user's batch."""

    origins: Mapping[Value, Hashable] = {}
    told: Told

    def __init__(self, exported: Exported, inputs: list[Any], y: Any, loss: Any, words: nodes.Words = nodes.TORCH
                 ) -> None:
        self.exported, self._inputs, self._y, self._loss, self.words = exported, inputs, y, loss, words
        self.program: Program = exported.held.program
        self.outputs = self._ends()
        self._points = Points(self.program, exported.held.placeholders)
        self._held: dict[Value, list[str]] = {}
        for name, v in exported.held.placeholders.items():
            self._held.setdefault(v, []).append(name)
        self._values = Values(exported, self._points)
        self._batch: dict[Value, Array] | None = None

    # passes -------------------------------------------------------------------------------------------------------

    def measure(self, values: frozenset[Value], looks: Mapping[Value, Ask], keys: frozenset[Value],
                met: Callable[[Value, Look], None]) -> Measured:
        """One forward and one backward pass; same draws every time."""
        recorder, result, mine = self._run(self._watch(values, looks, met), grad=True)
        loss = loss_of(result, self._y, self._loss)
        moved, _ = _backward(loss, mine)
        value = None if loss.value is None else float(loss.value.detach())
        self.told = Told(loss.name, loss.classes, loss.known, loss.nothing)
        return Measured(recorder.rms, recorder.gradients, self._still(moved), value)

    def again(self, changes: Changes, values: frozenset[Value], looks: Mapping[Value, Ask],
              met: Callable[[Value, Look], None]) -> Mapping[Value, float]:
        """A forward pass that ends when everything was seen."""
        watch = self._watch(values, looks, met)
        watch.last = True
        watch.changes = {name: change for v, change in changes.items() if isinstance(v, Value)
                         for name in self._named(v)}
        return self._run(watch, grad=False)[0].rms

    def stuck(self) -> frozenset[str]:
        """Names of the parameters that get no gradient in the next steps either."""
        values: dict[str, Tensor] = {}
        still: frozenset[str] | None = None
        for _ in range(STEPS):
            _, result, mine = self._run(Watch(self._points), grad=True, values=values)
            moved, values = _backward(loss_of(result, self._y, self._loss), mine, take=True)
            still = self._still(moved) if still is None else still & self._still(moved)
            if not still:
                break
        return still or frozenset()

    def _watch(self, values: Iterable[Value], looks: Mapping[Value, Ask], met: Callable[[Value, Look], None]) -> Watch:
        at = {v: point for v in values if (point := self._points.of(v)) is not None}
        seen = {z: (point, ask) for z, ask in looks.items()
                if (point := self._points.of(ask.cell or z)) is not None}
        return Watch(self._points, at, seen, met)

    def _run(self, watch: Watch, *, grad: bool, values: Mapping[str, Tensor] | None = None
             ) -> tuple[Recorder, Any, dict[str, Tensor]]:
        """(recorder, what the module returns, parameters as leaves) of one pass. values : of parameters, instead of the
        module's."""
        recorder = Recorder(self.exported.graph.graph_module, watch)
        with untouched(), torch.set_grad_enabled(grad):
            given, mine = leaves(self.exported, self._inputs, grad, values or {})
            try:
                done: Any = recorder.run(*given, enable_io_processing=False)
            except Enough:
                return recorder, None, mine
        return recorder, self.exported.result(done), mine

    def _still(self, moved: frozenset[str]) -> frozenset[str]:
        """Names of trainable parameters none of whose placeholders moved."""
        return frozenset(p.names[0] for p in self.program.parameters
                         if p.trainable and not moved.intersection(self._held.get(p.value, ())))

    def _named(self, v: Value) -> list[str]:
        """The tensors that a change of a value is made in."""
        point = self._points.of(v)
        return self._held.get(v) or ([point.name] if point is not None and not point.ops else [])

    # what it is made of -------------------------------------------------------------------------------------------

    def array(self, v: Value) -> Array | None:
        """The value of a weight."""
        return self._values.array(v)

    def inputs(self) -> Mapping[Value, Array]:
        """The floating-point tensors of the batch, channels of pictures last."""
        if self._batch is None:
            self._batch = {}
            for name, x in zip(self.exported.inputs, self._inputs):
                v = self.exported.held.placeholders.get(name)
                if v is not None and isinstance(x, Tensor) and x.is_floating_point():
                    pictures = x.ndim in (4, 5) and x.shape[1] <= x.shape[-1]
                    self._batch[v] = as_floats(x.detach().movedim(1, -1) if pictures else x.detach())
        return self._batch

    def _ends(self) -> tuple[Value, ...]:
        """The logits where there are any, then all outputs with dims."""
        results = [self.exported.held.results[i] for i in self.exported.outputs]
        whole = pytree.tree_unflatten(results, self.exported.graph.call_spec.out_spec)
        logits = whole.get("logits") if isinstance(whole, Mapping) else getattr(whole, "logits", None)
        return tuple(v for v in (logits, *results) if isinstance(v, Value) and v.shape)

    def label(self, op: Op, activation: Activation | None) -> str:
        """The result of an operation in words: "layers.1 (tanh)"."""
        name = operation(op)
        if activation is not None and name in _ARITHMETIC:        # one that is written out
            name = activation.name
        return f"{op.place.module} ({name})" if op.place.module else f"({name})"


def operation(op: Op) -> str:
    """PyTorch's name without namespace, overload and the mark of in-place: "relu"."""
    name = op.source.split(".")[1] if "." in op.source else op.source
    return name if name.endswith("__") else name.rstrip("_")


def _backward(loss: Loss, mine: Mapping[str, Tensor], take: bool = False
              ) -> tuple[frozenset[str], dict[str, Tensor]]:
    """The parameters that get a gradient, by their placeholders; gradients are looked at and thrown away.

    ``take`` : also the parameters after a small step.
    """
    moved: set[int] = set()
    after: dict[int, Tensor] = {}
    leaf = {id(p): p for p in mine.values() if p.requires_grad}

    def look(p: Tensor) -> None:
        g, p.grad = p.grad, None
        if g is not None and bool(g.any()):
            moved.add(id(p))
            if take:
                with torch.no_grad():
                    after[id(p)] = p - g * (0.01 * (1 + rms(p)) / rms(g))
    handles = [p.register_post_accumulate_grad_hook(look) for p in leaf.values()]
    if loss.value is not None and loss.value.requires_grad:
        loss.value.backward()
    for handle in handles:
        handle.remove()
    return (frozenset(n for n, p in mine.items() if id(p) in moved),
            {n: after.get(id(p), p).detach() for n, p in mine.items()} if take else {})
