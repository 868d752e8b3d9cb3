"""``check`` of a PyTorch module."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any, Unpack

from torch import nn

from ..._signals import Again, Asking, Options, asked, checked, takes_options
from ...errors import ArgumentTypeError
from ...rules import Finding, nodes
from ...verdict import ModuleReport
from ._export import Exported, export
from ._inputs import Call, call_of
from ._rehearse import Trainee, alone
from ._repair import Mend, repaired_by
from ._session import Session
from ._tensors import tensor_findings


@takes_options
def check(module: nn.Module, x: Any = None, y: Any = None, **options: Unpack[Asking]) -> ModuleReport:
    """The verdict on a PyTorch module, measured in one forward and one backward pass of its exported graph.

    ``initcore.check(module, ...)`` is this function. The module is left as it was: weights, gradients, buffers, modes
    and random generators.

    Parameters
    ----------
    module : any ``torch.nn.Module`` that ``torch.export`` can trace. What it cannot is judged by its weights alone, and
        the report names the line.
    x : a batch: a tensor, a tuple of positional or a mapping of keyword arguments; or only a shape, ``(8, 3, 32, 32)``:
        then normal numbers of mean 0 and variance 1 are taken, and the report says so. Without, the shape is read off a
        first layer that is linear. A batch of 2 or more.
    y : targets. loss : a function of (output, y), or "softmax_cross_entropy", "mse", "binary_cross_entropy"; None: a
        softmax where y holds integers, mean squares otherwise, or the loss that the module itself returns. Without y
        random errors at the outputs are sent back.
    optimizer, stage, select, ignore, fail_level, thresholds, baseline : as for :func:`initcore.check`.
    l2, l1, clip_value : of the training, for the proof of ties.
    progress : told what is being done. words : how cures are written, an ``initcore.rules.nodes.Words``; by default
        as calls of PyTorch.

    Returns
    -------
    ModuleReport : ``.findings`` with module path, file and line, ``.layers`` the signal at every activation,
        ``.repair(rng=)`` a mended copy.

    >>> import torch
    >>> _ = torch.manual_seed(0)
    >>> net = nn.Sequential(nn.Linear(50, 40), nn.Tanh(), nn.Linear(40, 3))
    >>> check(net, (64, 50)).ok
    True
    >>> _ = nn.init.normal_(net[0].weight, std=5.0)
    >>> found = check(net, (64, 50)).findings[0]
    >>> found.rule, found.tensor, found.cause, found.place.module
    ('SAT201', '0.weight', 'weight_scale', '0')
    """
    if not isinstance(module, nn.Module):
        raise ArgumentTypeError(f"module must be a torch.nn.Module, got {type(module).__name__}.")
    wanted = asked(x, y, options)
    return checked(Subject(module, call_of(module, x)), wanted)


@dataclass
class Subject:
    """See :class:`initcore._signals.Subject`. exported : its graph, once it was read."""

    module: nn.Module
    call: Call
    exported: Exported | None = None
    reading = "exporting the module"

    def __post_init__(self) -> None:
        self.title, self.given, self.said = type(self.module).__name__, self.call.given, self.call.said

    def tensors(self, options: Options) -> list[Finding]:
        """What the rules for tensors find in its parameters."""
        return tensor_findings(self.module, options.numbers, options.active)

    def session(self, options: Options) -> Session:
        """The exported graph with the batch."""
        if self.exported is None:
            self.exported = export(self.module, self.call.args, self.call.kwargs)
        inputs = self.exported.flat_inputs(self.call.args, self.call.kwargs)
        return Session(self.exported, inputs, options.y, options.loss, options.words or nodes.TORCH)

    def trainee(self, options: Options) -> Trainee | None:
        """The module with its rows."""
        if self.exported is None:
            return None
        return Trainee(self.module, self.call, options.y, options.loss, len(self.exported.graph.graph.nodes))

    def mended(self, findings: Sequence[Finding], context: nodes.NodeContext) -> Subject:
        """A copy with what the findings name set right once; its graph is the same."""
        return replace(self, module=repaired_by(self.module, findings, context))

    def of(self, network: nn.Module) -> Subject:
        """A copy of the module, with the same graph."""
        return replace(self, module=network, exported=None if self.exported is None else self.exported.of(network))

    def mend(self, again: Again, context: nodes.NodeContext | None) -> Mend:
        """What a report repairs with."""
        return Mend(self.module, again, context)

    def rehearsing(self) -> AbstractContextManager[None]:
        """Random generators and threads are afterwards as they were."""
        return alone()
