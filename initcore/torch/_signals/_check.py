"""``check`` of a PyTorch module."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from ..._signals import Gathered, Judged, Options, asked, conditions, merged, reported
from ...errors import ArgumentTypeError, DTypeError, ProgramError
from ...rules import Finding, learning, nodes
from ...verdict import ModuleReport
from ._export import Exported, export
from ._inputs import Call, call_of
from ._proof import proved
from ._rehearse import Stage, outcome
from ._repair import Mend, repaired_by
from ._session import Session
from ._tensors import tensor_findings


def check(module: nn.Module, x: Any = None, y: Any = None, *, loss: str | Callable[..., Any] | None = None,
          optimizer: str = "sgd", l2: float = 0.0, l1: float = 0.0, clip_value: float | None = None,
          stage: str | None = None, select: Any = None, ignore: Any = None, fail_level: str = "fail",
          thresholds: Any = None, baseline: Any = None, progress: Callable[[str], None] | None = None) -> ModuleReport:
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
    progress : told what is being done.

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
    options = asked(x, y, loss=loss, optimizer=optimizer, l2=l2, l1=l1, clip_value=clip_value, stage=stage,
                    select=select, ignore=ignore, fail_level=fail_level, thresholds=thresholds)
    tell = progress or (lambda what: None)
    call = call_of(module, x)

    def again(mended: nn.Module) -> tuple[list[Finding], nodes.NodeContext | None]:
        exported = None if judged.exported is None else judged.exported.of(mended)
        one = _judge(mended, call, options, lambda what: None, exported)
        return one.findings, one.context
    judged = _judge(module, call, options, tell)
    return reported(type(module).__name__, judged, Mend(module, again, judged.context), fail_level, baseline)


def _judge(module: nn.Module, call: Call, options: Options, tell: Callable[[str], None],
           exported: Exported | None = None) -> Judged:
    """All findings about a module: of its tensors, of its nodes."""
    family = learning.family(options.optimizer)
    tell("reading the weights")
    found = tensor_findings(module, options.numbers, options.active)
    if any(f.rule == "NUM401" for f in found):
        return Judged(found, exported, None, (f"optimiser {options.optimizer}",), (
            "Weights that are not finite: nothing was measured.",), True)
    try:
        tell("exporting the module")
        exported = exported or export(module, call.args, call.kwargs)
    except (DTypeError, ProgramError) as error:
        return Judged(found, exported, None, (f"optimiser {options.optimizer}",), (_unexported(error),), False)
    tell("one forward and one backward pass")
    session = Session(exported, exported.flat_inputs(call.args, call.kwargs), options.y, options.loss)
    gathered = Gathered(session)
    context = gathered.context(options.numbers, stage=options.stage, family=family)
    tell("proving")
    context.symmetry, why = proved(session.program, options.training)
    if session.told.known:
        stage = Stage(call, options.y, options.loss, _rows(call, options.y), len(exported.graph.graph.nodes))
        context.rehearse = lambda found: outcome(module, stage, family, options.numbers["SIG307"],
                                                 lambda: repaired_by(module, found, context))
    tell("judging")
    seen = nodes.judge(context, options.active)
    return Judged(merged(found, seen, call.given), exported, context,
                  conditions(options.optimizer, gathered.said, call.said, context), why, True)


def _rows(call: Call, y: Any) -> int:
    """How many rows a batch has: of the targets, else of the first argument that has any."""
    found = [v for v in (y, *call.args, *call.kwargs.values()) if isinstance(v, Tensor) and v.ndim]
    return int(found[0].shape[0]) if found else 0


def _unexported(error: Exception) -> str:
    return f"Only its weights were judged, by themselves: {error}"
