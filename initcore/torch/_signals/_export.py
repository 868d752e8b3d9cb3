"""A module as its exported training graph, with the module's state and the random generators left as they were."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.export.graph_signature import InputKind, OutputKind
from torch.fx import Node
from torch.utils import _pytree as pytree

from ...program import Place
from .._program import traced
from ._structure import Structure


@dataclass(eq=False)
class Exported:
    """An exported module: its graph, its structure, and which placeholder is what.

    parameters : placeholder -> (name, tensor) of parameters and buffers; inputs : placeholders of the user's leaves.
    """

    module: nn.Module
    program: Any
    structure: Structure
    tensors: dict[Node, tuple[str, Tensor]]
    inputs: list[Node]
    outputs: list[int]

    def of(self, module: nn.Module) -> Exported:
        """The same graph with the tensors of a copy of the module."""
        own = {**dict(module.named_buffers(remove_duplicate=False)),
               **dict(module.named_parameters(remove_duplicate=False))}
        return replace(self, module=module, tensors={n: (name, own.get(name, t))
                                                     for n, (name, t) in self.tensors.items()})

    def flat_inputs(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> list[Any]:
        """The leaves of a call's arguments, in the placeholders' order."""
        given = pytree.tree_flatten((args, reorder(kwargs, self.program)))[0]
        return list(given)

    def result(self, values: tuple[Any, ...]) -> Any:
        """What the module itself returns, from what the graph returns."""
        flat = [values[i] for i in self.outputs]
        return pytree.tree_unflatten(flat, self.program.call_spec.out_spec)


def reorder(kwargs: Mapping[str, Any], program: Any) -> dict[str, Any]:
    """Keyword arguments in the order in which they were traced."""
    spec = program.call_spec.in_spec
    names = spec.child(1).context if spec is not None and spec.num_children == 2 else list(kwargs)
    return {k: kwargs[k] for k in names if k in kwargs}


def export(module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Exported:
    """The training graph of a module; raises ProgramError where torch.export cannot follow it."""
    with untouched(), torch.enable_grad():
        program = traced(module, args, dict(kwargs), training=True, approximate=False)
    nodes = list(program.graph.nodes)
    by_name = {n.name: n for n in nodes if n.op == "placeholder"}
    tensors: dict[Node, tuple[str, Tensor]] = {}
    inputs: list[Node] = []
    parameters: set[Node] = set()
    for spec in program.graph_signature.input_specs:
        node = by_name[spec.arg.name]
        if spec.kind == InputKind.USER_INPUT:
            inputs.append(node)
            continue
        table = program.constants if spec.kind in (InputKind.CONSTANT_TENSOR, InputKind.CUSTOM_OBJ) or (
            spec.target not in program.state_dict) else program.state_dict
        value = table[spec.target]
        tensors[node] = (spec.target, value)
        if spec.kind == InputKind.PARAMETER or (isinstance(value, Tensor) and value.requires_grad):
            parameters.add(node)
    outputs = [i for i, spec in enumerate(program.graph_signature.output_specs) if spec.kind == OutputKind.USER_OUTPUT]
    return Exported(module, program, Structure(nodes, parameters, inputs), tensors, inputs, outputs)


@contextlib.contextmanager
def untouched() -> Iterator[None]:
    """The random generators as they were afterwards; draws inside are always the same."""
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices=devices):
        torch.random.default_generator.manual_seed(0)
        if devices:
            torch.cuda.manual_seed_all(0)
        yield


def place_of(node: Node) -> Place:
    """The module's path, and the innermost line of the user's own code."""
    stack = node.meta.get("nn_module_stack") or {}
    module = next((path for path, _ in reversed(list(stack.values())) if path), "")
    file, line = user_line(node.meta.get("stack_trace") or "")
    return Place(module, file, line)


def user_line(trace: str) -> tuple[str, int]:
    """File and line of the innermost frame outside PyTorch's own files.

    >>> user_line('File "/home/me/model.py", line 12, in forward\\n    x')
    ('/home/me/model.py', 12)
    """
    found = ("", 0)
    for text in trace.splitlines():
        text = text.strip()
        if text.startswith('File "') and '", line ' in text:
            file, _, rest = text[6:].partition('", line ')
            if "/torch/" not in file.replace("\\", "/") or "site-packages" not in file:
                number = rest.split(",")[0]
                found = (file, int(number)) if number.isdigit() else found
    return found
