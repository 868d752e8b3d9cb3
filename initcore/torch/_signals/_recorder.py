"""One pass over an exported graph that keeps statistics of chosen values, and no values.

Design
A. Parameters enter as leaves that share the module's memory, buffers as copies: the module's gradients, statistics and
   counters stay what they are, bit for bit.
B. Statistics are taken when a value is made, before an in-place operation can change it; the gradient's by a hook on
   the tensor. What is looked at in full is a sample of at most :data:`initcore._signals.SAMPLE` elements.
C. Tensors are named as the program's values are: a node's, "split#1" the second that it returns, "submod_1/cos" one
   of a region without gradient or under autocast, which is run as it would be.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule, Interpreter, Node

from ..._signals import Ask, Look
from ..._types import Array
from ...program import Value
from . import _cells
from ._export import Exported
from ._moves import Point, Points

_REGIONS = {"wrap_with_set_grad_enabled": 1, "wrap_with_autocast": 4}       # where a region's graph stands


class Enough(Exception):
    """Ends a pass."""


@dataclass
class Watch:
    """What a pass looks at: by a tensor's name the values that it holds. met : is told every look. changes : by a
    tensor's name, as the pass meets it. last : end the pass when everything was seen."""

    points: Points
    values: Mapping[Value, Point] = field(default_factory=dict)
    looks: Mapping[Value, tuple[Point, Ask]] = field(default_factory=dict)
    met: Callable[[Value, Look], None] = lambda z, look: None
    changes: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    last: bool = False

    def __post_init__(self) -> None:
        self.here: dict[str, list[Value]] = {}
        self.cells: dict[str, dict[str, Value]] = {}
        for v, (point, ask) in self.looks.items():
            if ask.cell is None:
                self.here.setdefault(point.name, []).append(v)
            else:
                self.cells.setdefault(point.name.partition("#")[0], {})[ask.part] = v
        for v, point in self.values.items():
            if v not in self.here.setdefault(point.name, []):
                self.here[point.name].append(v)


class Recorder(Interpreter):
    """Runs a graph; ``rms`` and ``gradients`` are filled, and what is looked at is told to ``watch.met``."""

    def __init__(self, graph: GraphModule, watch: Watch, prefix: str = "", outer: Recorder | None = None) -> None:
        super().__init__(graph)
        self.watch, self.prefix = watch, prefix
        self.rms: dict[Value, float] = {} if outer is None else outer.rms
        self.gradients: dict[Value, float] = {} if outer is None else outer.gradients
        self.left: set[str] = {*watch.here, *watch.cells} if outer is None else outer.left

    def run_node(self, n: Node) -> Any:
        """The node's value; told to whoever watches it."""
        name, kind = self.prefix + n.name, getattr(n.target, "__name__", "")
        if name in self.watch.cells:
            value = self._cell(n, self.watch.cells[name])
        elif kind in _REGIONS:
            value = self._region(n, kind)
        else:
            value = super().run_node(n)
        change = self.watch.changes.get(name)
        if change is not None:
            with torch.no_grad():
                value = value * change[0] + change[1]
        for part, tensor in _tensors(name, value):
            for v in self.watch.here.get(part, ()):
                self._see(v, tensor)
            self.left.discard(part)
        self.left.discard(name)
        if self.watch.last and not self.left:
            raise Enough
        return value

    def _cell(self, n: Node, parts: Mapping[str, Value]) -> Any:
        """A recurrent operation, run so that the sums before its gates are seen."""
        args, _ = self.fetch_args_kwargs_from_env(n)

        def seen(part: str, z: Tensor) -> None:
            if part in parts:
                self._look(parts[part], z, self.watch.looks[parts[part]][1])
        return _cells.run(n.target._schema.name.partition("::")[2], args, seen)

    def _region(self, n: Node, kind: str) -> Any:
        """What is run without gradient or under autocast, node by node."""
        args, _ = self.fetch_args_kwargs_from_env(n)
        at = _REGIONS[kind]
        inside = Recorder(args[at], self.watch, f"{self.prefix}{n.name}/", self)
        mode = torch.set_grad_enabled(args[0] and torch.is_grad_enabled()) if at == 1 else torch.autocast(
            args[0], dtype=args[1], enabled=args[2], cache_enabled=args[3])
        with mode:
            return inside.run(*args[at + 1:])

    def _see(self, v: Value, tensor: Tensor) -> None:
        point = self.watch.values.get(v)
        if point is not None:
            self.rms[v] = rms(tensor if point.whole else self.watch.points.made(point.ops, tensor))
            if tensor.requires_grad and point.whole:
                tensor.register_hook(lambda g: self._note(v, g))
        if v in self.watch.looks:
            point, ask = self.watch.looks[v]
            self._look(v, self.watch.points.made(point.ops, tensor), ask)

    def _note(self, v: Value, g: Tensor) -> None:
        """The norm of a gradient."""
        self.gradients[v] = float(torch.linalg.vector_norm(g.detach()))

    @torch.no_grad()
    def _look(self, v: Value, z: Tensor, ask: Ask) -> None:
        z = z.detach()
        dims = [d for d in range(z.ndim) if d != ask.channel % z.ndim]
        highest = (z.amax(dims) if dims else z).reshape(-1) if ask.highest and z.numel() else z.new_zeros(1)
        positions = z.numel() // max(z.shape[ask.channel], 1) if z.ndim else 1
        self.watch.met(v, Look(sample(z, ask.channel, ask.most), as_floats(highest), positions))


def _tensors(name: str, value: Any) -> Iterable[tuple[str, Tensor]]:
    """Every tensor of a node's value with its name."""
    if isinstance(value, Tensor):
        yield name, value
    elif isinstance(value, (tuple, list)):
        yield from ((f"{name}#{k}", x) for k, x in enumerate(value) if isinstance(x, Tensor))


def as_floats(z: Tensor) -> Array:
    """Float32 or float64 on the CPU."""
    floats: Array = z.to("cpu", torch.float64 if z.dtype == torch.float64 else torch.float32).numpy()
    return floats


def rms(value: Tensor) -> float:
    """Root mean square of a tensor."""
    if not value.numel():
        return 0.0
    v = value.detach()
    return float(torch.linalg.vector_norm(v if v.is_floating_point() else v.float())) / math.sqrt(v.numel())


def sample(z: Tensor, channel: int, most: int) -> Array:
    """Some rows ``(rows, units)`` of a value, evenly spread over all dims but the channel's."""
    z = z.reshape((1,) * max(2 - z.ndim, 0) + z.shape).movedim(channel, -1)
    units = max(z.shape[-1], 1)
    while z.numel() > max(most, 64 * units):
        sizes = list(z.shape[:-1])
        d = max(range(len(sizes)), key=sizes.__getitem__)
        if sizes[d] < 2:
            break
        step = min(sizes[d], max(2, math.ceil(z.numel() / max(most, 64 * units))))
        step = min(step, max(2, int(math.sqrt(sizes[d]))))
        index = [slice(None)] * z.ndim
        index[d] = slice(None, None, step)
        z = z[tuple(index)]
    return as_floats(z.reshape(-1, units))


def leaves(exported: Exported, inputs: Iterable[Any], grad: bool, values: Mapping[str, Tensor]
           ) -> tuple[list[Any], dict[str, Tensor]]:
    """Values of all placeholders in order, and the parameters among them as leaves of their own."""
    given = dict(zip(exported.inputs, inputs))
    out: list[Any] = []
    mine: dict[str, Tensor] = {}
    seen: dict[int, Tensor] = {}
    for n in (m.name for m in exported.graph.graph.nodes if m.op == "placeholder"):
        if n in given:
            value = given[n]
            out.append(value.detach().clone() if isinstance(value, Tensor) else value)
            continue
        tensor = values.get(n, exported.tensors[n][1])
        if not isinstance(tensor, Tensor):
            out.append(tensor)
        elif n in exported.parameters:
            leaf = seen.get(id(tensor))
            if leaf is None:
                trained = exported.tensors[n][1].requires_grad
                leaf = seen[id(tensor)] = tensor.detach().requires_grad_(grad and trained)
            mine[n] = leaf
            out.append(leaf)
        else:
            out.append(tensor.detach().clone())
    return out, mine
