"""``it.program``: a module and an example of its inputs -> :class:`initcore.program.Program`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from ..._aten import Reading
from ...errors import ArgumentTypeError
from ...program import Parameter, Program, Value
from ._calls import dtype_name, flatten, shape_of
from ._export import export, plain
from ._weights import Weights

_MOST_CONSTANT = 1 << 16                # elements of a tensor made in forward that the program holds itself


def program(module: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None, *,
            weights: Mapping[str, Any] | Callable[[str], Any] | None = None, training: bool = True,
            approximate: bool = False) -> Program:
    """A module as a :class:`initcore.program.Program`: every operation with its module's path, file and line.

    Parameters
    ----------
    module : torch.nn.Module
        On any device, the meta device included; not changed, its mode and its buffers neither. What
        ``torch.compile`` and DistributedDataParallel wrap is read without them.
    args, kwargs : example inputs, as ``module(*args, **kwargs)`` takes them
        Only shapes and dtypes count. One tensor alone may be given for ``args``. A batch of two or more: dims of size
        one are read as dims that are always one.
    weights : mapping or function of a parameter's name
        Where the values are, for a module on the meta device; a state dict, or anything lazy. Arrays or tensors.
    training : in ``train()`` mode, with dropout and with batch norms on the batch (the default), or in ``eval()`` mode.
    approximate : where the module's own Python asks for values of tensors, take the branch that the example takes; the
        program says so (``.approximate``), and nothing proved of it is called "for ever".

    Returns
    -------
    Program
        ``.coverage`` says which share of the parameters it covers and names every operation that is not understood.
        Parameters are told apart by memory: one that is used twice, or under two names, is one. Weights are read when
        an analysis asks for them; half precision is widened once.

    Raises
    ------
    ArgumentTypeError : no module.   ProgramError : ``torch.export`` cannot follow it; with the line and the remedy.
    DTypeError : a parameter that is no plain tensor (quantised, sharded).

    >>> net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2))
    >>> p = program(net, torch.zeros(8, 3))
    >>> [op.source for op in p.ops if op.kind in ("contract", "activation")]
    ['aten.linear.default', 'aten.tanh.default', 'aten.linear.default']
    >>> print(p.coverage)
    100% of the parameters covered

    The export is ``torch.export.export(strict=False)``, not decomposed.
    """
    if not isinstance(module, torch.nn.Module):
        raise ArgumentTypeError(f"module must be a torch.nn.Module, got {type(module).__name__}; a function is read "
                                "after it is put into the forward of one.")
    module = plain(module)
    args = (args,) if isinstance(args, torch.Tensor) or not isinstance(args, (tuple, list)) else tuple(args)
    found = Weights(module, weights)
    exported = export(module, args, dict(kwargs or {}), training=training, approximate=approximate)
    return _Read(exported, found).program(approximate)


class Held(NamedTuple):
    """A program beside the graph that it was read from. placeholders : the value that each stands for, by its name.
    results : what the graph returns, None for what is no tensor."""

    program: Program
    placeholders: dict[str, Value]
    results: list[Value | None]


def read(module: Any, exported: Any) -> Held:
    """The program of what :func:`torch.export.export` made of a module."""
    reading = _Read(exported, Weights(plain(module), None))
    return Held(reading.program(False), reading.placeholders, reading.results())


class _Read:
    """One exported program being read."""

    def __init__(self, exported: Any, weights: Weights) -> None:
        self.exported, self.weights = exported, weights
        self.reading = Reading()
        self.inputs: list[str] = []
        self.parameters: dict[Any, Parameter] = {}
        self.placeholders: dict[str, Value] = {}

    def program(self, approximate: bool) -> Program:
        """Placeholders, calls, outputs."""
        graph = self.exported.graph
        specs = iter(self.exported.graph_signature.input_specs)
        for parameter in self.weights.parameters:
            self.parameters[parameter.value] = parameter
        for node in graph.nodes:
            if node.op == "placeholder":
                self._placeholder(node, next(specs))
        outputs = flatten(self.exported.graph_module, self.reading)
        return self.reading.program(self.inputs, list(self.parameters.values()), outputs, approximate=approximate)

    def _placeholder(self, node: Any, spec: Any) -> None:
        kind, fake = spec.kind.name, node.meta.get("val")
        if isinstance(fake, torch.Tensor):
            self._enter(node, spec, kind, fake)
            self.placeholders[node.name] = self.reading.value(node.name)

    def _enter(self, node: Any, spec: Any, kind: str, fake: torch.Tensor) -> None:
        if kind in ("PARAMETER", "BUFFER"):
            self.weights.enter(self.reading, node.name, spec.target)
        elif kind == "CONSTANT_TENSOR":
            self._constant(node.name, self.exported.constants[spec.target], fake)
        else:
            self.inputs.append(node.name)
            self.reading.enter(node.name, Value(shape_of(fake), dtype_name(fake), node.name))

    def results(self) -> list[Value | None]:
        """What the graph returns, once it was read."""
        out = next(node for node in self.exported.graph.nodes if node.op == "output")
        return [self.reading.value(x.name) if isinstance(x, torch.fx.Node) and self.reading.knows(x.name) else None
                for x in out.args[0]]

    def _constant(self, name: str, tensor: torch.Tensor, fake: torch.Tensor) -> None:
        """A tensor that is neither parameter nor buffer: one kept in a list, or a literal."""
        known = self.weights.find(tensor)
        if known is not None:
            self.parameters.setdefault(known.value, known)
            self.reading.enter(name, known.value)
        elif tensor.numel() <= _MOST_CONSTANT and not tensor.is_meta:
            self.reading.enter(name, self.reading.build.constant(_literal(tensor), dtype_name(fake)))
        else:
            parameter = self.weights.buffer(name, tensor)
            self.parameters[parameter.value] = parameter
            self.reading.enter(name, parameter.value)


def _literal(tensor: torch.Tensor) -> np.ndarray[Any, Any]:
    x = tensor.detach().cpu()
    wide: Sequence[torch.dtype] = (torch.bfloat16, torch.float16)
    return np.array((x.float() if x.dtype in wide else x).numpy())
