"""One pass over an exported graph that keeps statistics of chosen nodes, and no values.

Design
A. Parameters enter as leaves that share the module's memory, buffers as copies: the module's gradients, statistics and
   counters stay what they are, bit for bit.
B. Statistics are taken when a value is made, before an in-place operation can change it; the gradient's by a hook on
   the tensor. What is looked at in full is a sample of at most `SAMPLE` elements.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.fx import Interpreter, Node

from ... import saturation
from ..._types import Array
from ...activations import Activation
from ...saturation import LayerSignal
from . import _cells
from ._export import Exported
from ._operations import operation

SAMPLE = 1 << 16


class Enough(Exception):
    """Ends a pass."""


@dataclass(eq=False)
class Seen:
    """What one value was: root mean square, norm of its gradient (nan: none seen), is it finite."""

    rms: float = math.nan
    gradient: float = math.nan


@dataclass(eq=False)
class Look:
    """An activation's input, as it was: see :class:`initcore.rules.nodes.Activity`."""

    signal: LayerSignal
    rows: int
    fed: bool
    z: Seen


@dataclass
class Watch:
    """What a pass looks at: ``values`` by their size; ``inputs``: the node that makes z -> its activations, each with
    the channel's dim; ``cells``: recurrent nodes."""

    values: frozenset[Node] = frozenset()
    inputs: Mapping[Node, tuple[tuple[Node, Activation, int], ...]] = field(default_factory=dict)
    cells: frozenset[Node] = frozenset()
    last: Node | None = None               # nothing after it is wanted


class Recorder(Interpreter):
    """Runs a graph and fills ``values``, ``looks`` (by activation node, or (node, part) of a cell)."""

    def __init__(self, exported: Exported, watch: Watch,
                 changes: Mapping[Node, tuple[float, float]] | None = None) -> None:
        super().__init__(exported.program.graph_module)
        self.watch, self.changes = watch, changes or {}
        self.values: dict[Node, Seen] = {}
        self.looks: dict[Any, Look] = {}

    def run_node(self, n: Node) -> Any:
        """The node's value; told to whoever watches it."""
        if n in self.watch.cells:
            args, _ = self.fetch_args_kwargs_from_env(n)
            value = _cells.run(operation(n), args, lambda part, phi, z: self._look((n, part), phi, z, -1, Seen()))
        else:
            value = super().run_node(n)
        change = self.changes.get(n)
        if change is not None:
            with torch.no_grad():
                value = value * change[0] + change[1]
        first = value[0] if isinstance(value, tuple) and value else value
        if isinstance(first, Tensor):
            self._see(n, first)
        if n is self.watch.last:
            raise Enough
        return value

    def _see(self, n: Node, value: Tensor) -> None:
        wanted = self.watch.inputs.get(n, ())
        if n not in self.watch.values and not wanted:
            return
        seen = self.values.setdefault(n, Seen(rms(value)))
        if value.requires_grad:
            value.register_hook(lambda g: _note(seen, g))
        for node, phi, channel in wanted:
            self._look(node, phi, value, channel, seen)

    def _look(self, key: Any, phi: Any, z: Tensor, channel: int, seen: Seen) -> None:
        with torch.no_grad():
            rows = sample(z.detach(), channel)
            name = phi if isinstance(phi, str) else phi.name
            signal = saturation.at(phi, rows, name=name)
            if not isinstance(phi, str) and phi.dies and signal.dead_units > 0.5:
                signal = _fully(signal, z.detach(), channel)
            positions = z.numel() // max(z.shape[channel], 1) if z.ndim else 1
            self.looks[key] = Look(signal, positions, bool(rows.any()), seen)


def _note(seen: Seen, g: Tensor) -> None:
    """The norm of a gradient, kept with its value's statistics."""
    seen.gradient = float(torch.linalg.vector_norm(g.detach()))


def _fully(signal: LayerSignal, z: Tensor, channel: int) -> LayerSignal:
    """The share of dead units on all of the data, where the sample's is large."""
    dims = [d for d in range(z.ndim) if d != channel % z.ndim]
    dead = (z.amax(dims) <= 0).float().mean() if dims else (z <= 0).float().mean()
    return signal.__class__(**{**{k: getattr(signal, k) for k in signal.__dataclass_fields__},
                               "dead_units": float(dead)})


def rms(value: Tensor) -> float:
    """Root mean square of a tensor."""
    if not value.numel():
        return 0.0
    v = value.detach()
    return float(torch.linalg.vector_norm(v if v.is_floating_point() else v.float())) / math.sqrt(v.numel())


def sample(z: Tensor, channel: int) -> Array:
    """Some rows ``(rows, units)`` of a value, evenly spread over all dims but the channel's."""
    if z.ndim == 0:
        z = z.reshape(1, 1)
    elif z.ndim == 1:
        z = z[None, :]
    z = z.movedim(channel, -1)
    units = max(z.shape[-1], 1)
    while z.numel() > max(SAMPLE, 64 * units):
        sizes = list(z.shape[:-1])
        d = max(range(len(sizes)), key=sizes.__getitem__)
        if sizes[d] < 2:
            break
        step = min(sizes[d], max(2, math.ceil(z.numel() / max(SAMPLE, 64 * units))))
        step = min(step, max(2, int(math.sqrt(sizes[d]))))
        index = [slice(None)] * z.ndim
        index[d] = slice(None, None, step)
        z = z[tuple(index)]
    rows = z.reshape(-1, units)
    return rows.to("cpu", torch.float64 if rows.dtype == torch.float64 else torch.float32).numpy()


def leaves(exported: Exported, inputs: Iterable[Any], grad: bool, values: Mapping[Node, Tensor]
           ) -> tuple[list[Any], dict[Node, Tensor]]:
    """Values of all placeholders in order, and the parameters among them as leaves of their own."""
    given = dict(zip(exported.inputs, inputs))
    out: list[Any] = []
    mine: dict[Node, Tensor] = {}
    seen: dict[int, Tensor] = {}
    for n in exported.structure.nodes:
        if n.op != "placeholder":
            continue
        if n in given:
            value = given[n]
            out.append(value.detach().clone() if isinstance(value, Tensor) else value)
            continue
        tensor = values.get(n, exported.tensors[n][1])
        if not isinstance(tensor, Tensor):
            out.append(tensor)
        elif n in exported.structure.parameters:
            leaf = seen.get(id(tensor))
            if leaf is None:
                trained = exported.tensors[n][1].requires_grad
                leaf = seen[id(tensor)] = tensor.detach().requires_grad_(grad and trained)
            mine[n] = leaf
            out.append(leaf)
        else:
            out.append(tensor.detach().clone())
    return out, mine
