"""An exported module with a batch: passes over it that look at chosen nodes, also with things set right."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.fx import Node
from torch.utils import _pytree as pytree

from ...activations import Activation
from ._export import Exported, untouched
from ._operations import RECURRENT, activation, activation_input, operation, shape
from ._recorder import Enough, Recorder, Watch, leaves
from ._structure import Structure


class Session:
    """An exported module with a user's batch, ready to be measured, also with things set right."""

    def __init__(self, exported: Exported, inputs: list[Any], y: Any, loss: Any) -> None:
        self.exported, self.inputs, self.y, self.loss = exported, inputs, y, loss
        s = self.structure = exported.structure
        out = next(n for n in reversed(s.nodes) if n.op == "output")
        flat = list(out.args[0])
        self.results: list[Any] = [flat[i] for i in exported.outputs]
        self.acts = {n: a for n in s.activations if (a := activation(n)) is not None}
        self.cells = frozenset(n for n in s.live if operation(n) in RECURRENT)
        self.last: Any = None

    def run(self, watch: Watch, *, grad: bool, changes: Mapping[Node, tuple[float, float]] | None = None,
            values: Mapping[Node, Tensor] | None = None) -> tuple[Recorder, Any, dict[Node, Tensor]]:
        """(recorder, what the module returns, parameters as leaves) of one pass; same draws every time.

        ``changes`` : tensors set right as the pass meets them. ``values`` : of parameters, instead of the module's.
        """
        recorder = Recorder(self.exported, watch, changes)
        with untouched(), torch.set_grad_enabled(grad):
            given, mine = leaves(self.exported, self.inputs, grad, values or {})
            try:
                done: Any = recorder.run(*given, enable_io_processing=False)
            except Enough:
                return recorder, None, mine
        return recorder, self.exported.result(done), mine

    def watch(self, values: Iterable[Node] = ()) -> Watch:
        """All activations, and these values."""
        inputs: dict[Node, tuple[tuple[Node, Activation, int], ...]] = {}
        for n, a in self.acts.items():
            z = activation_input(n)
            inputs[z] = (*inputs.get(z, ()), (n, a, channel(self.structure, z)))
        return Watch(frozenset(values), inputs, self.cells)

    def remeasure(self, changes: Mapping[Hashable, tuple[float, float]], key: Hashable) -> Any:
        """What :class:`initcore.rules.nodes.NodeContext` asks: a node measured again under a change."""
        nodes_of = {k: v for k, v in changes.items() if isinstance(k, Node)}
        if isinstance(key, tuple) and key and key[0] == "output":
            return self._output(nodes_of)
        if isinstance(key, tuple) and key and key[0] == "sum":
            return self._ratio(nodes_of, key[1])
        node = key[0] if isinstance(key, tuple) else key
        assert isinstance(node, Node)
        z = None if node in self.cells else activation_input(node)
        watch = Watch(frozenset(), {} if z is None else {z: ((node, self.acts[node], channel(self.structure, z)),)},
                      frozenset({node}) if z is None else frozenset(), node if z is None else z)
        recorder = self.run(watch, grad=False, changes=nodes_of)[0]
        look = recorder.looks.get(key)
        return None if look is None else look.signal

    def _output(self, changes: Mapping[Node, tuple[float, float]]) -> float:
        from_ = main_node(self)
        if from_ is None:
            return math.nan
        recorder = self.run(Watch(frozenset({from_}), last=from_), grad=False, changes=changes)[0]
        return recorder.values[from_].rms

    def _ratio(self, changes: Mapping[Node, tuple[float, float]], node: Node) -> float:
        one = next(s for s in self.structure.sums if s.node is node)
        recorder = self.run(Watch(frozenset({one.skip, one.branch}), last=node), grad=False, changes=changes)[0]
        skip = recorder.values[one.skip].rms
        return recorder.values[one.branch].rms / skip if skip else math.inf


def channel(s: Structure, z: Node) -> int:
    """The dim of a value that counts units: 1 behind a convolution, else the last."""
    dims = shape(z)
    n: Node | None = z
    while n is not None and len(dims) > 2:
        if any(u.kind in ("conv", "transposed") for u in s.use_of.get(n, ())) or operation(n) == "batch_norm":
            return 1
        if n in s.use_of or operation(n) in ("permute", "transpose", "flatten", "layer_norm", "view", "reshape"):
            return -1
        n = s.main.get(n)
    return -1


def main_node(session: Session) -> Node | None:
    """The node of the output that is judged: the logits where there are any, else the first that depends on data."""
    out = pytree.tree_unflatten(session.results, session.exported.program.call_spec.out_spec)
    logits = out.get("logits") if isinstance(out, Mapping) else getattr(out, "logits", None)
    found = [r for r in (logits, *session.results) if isinstance(r, Node) and r in session.structure.live and shape(r)]
    return found[0] if found else None
