"""A module as its exported training graph, with the module's state and the random generators left as they were."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.export.graph_signature import InputKind, OutputKind
from torch.utils import _pytree as pytree

from .._program import Held, read, traced


@dataclass(eq=False)
class Exported:
    """An exported module: its graph, the program read from it, and which placeholder is what.

    tensors : placeholder -> (name, tensor) of parameters and buffers; parameters : the placeholders of parameters;
    inputs : those of the user's leaves; outputs : which results of the graph are the module's.
    """

    module: nn.Module
    graph: Any
    held: Held
    tensors: dict[str, tuple[str, Tensor]]
    parameters: frozenset[str]
    inputs: list[str]
    outputs: list[int]

    def of(self, module: nn.Module) -> Exported:
        """The same graph with the tensors of a copy of the module."""
        own = {**dict(module.named_buffers(remove_duplicate=False)),
               **dict(module.named_parameters(remove_duplicate=False))}
        return replace(self, module=module, held=read(module, self.graph),
                       tensors={n: (name, own.get(name, t)) for n, (name, t) in self.tensors.items()})

    def flat_inputs(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> list[Any]:
        """The leaves of a call's arguments, in the placeholders' order."""
        given = pytree.tree_flatten((args, _reorder(kwargs, self.graph)))[0]
        return list(given)

    def result(self, values: tuple[Any, ...]) -> Any:
        """What the module itself returns, from what the graph returns."""
        flat = [values[i] for i in self.outputs]
        return pytree.tree_unflatten(flat, self.graph.call_spec.out_spec)


def _reorder(kwargs: Mapping[str, Any], graph: Any) -> dict[str, Any]:
    """Keyword arguments in the order in which they were traced."""
    spec = graph.call_spec.in_spec
    # before PyTorch 2.10 the children are a plain attribute, which later versions warn of
    parts: Any = () if spec is None else spec.children() if hasattr(spec, "children") else spec.children_specs
    names = parts[1].context if len(parts) == 2 else list(kwargs)
    return {k: kwargs[k] for k in names if k in kwargs}


def export(module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Exported:
    """The training graph of a module; raises ProgramError where torch.export cannot follow it."""
    with untouched(), torch.enable_grad():
        graph = traced(module, args, dict(kwargs), training=True, approximate=False)
    tensors: dict[str, tuple[str, Tensor]] = {}
    inputs, parameters = [], set()
    for spec in graph.graph_signature.input_specs:
        name = spec.arg.name
        if spec.kind == InputKind.USER_INPUT:
            inputs.append(name)
            continue
        table = graph.constants if spec.kind in (InputKind.CONSTANT_TENSOR, InputKind.CUSTOM_OBJ) or (
            spec.target not in graph.state_dict) else graph.state_dict
        value = table[spec.target]
        tensors[name] = (spec.target, value)
        if spec.kind == InputKind.PARAMETER or (isinstance(value, Tensor) and value.requires_grad):
            parameters.add(name)
    outputs = [i for i, spec in enumerate(graph.graph_signature.output_specs) if spec.kind == OutputKind.USER_OUTPUT]
    return Exported(module, graph, read(module, graph), tensors, frozenset(parameters), inputs, outputs)


@contextlib.contextmanager
def untouched() -> Iterator[None]:
    """The random generators as they were afterwards; draws inside are always the same."""
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices=devices):
        torch.random.default_generator.manual_seed(0)
        if devices:
            torch.cuda.manual_seed_all(0)
        yield
