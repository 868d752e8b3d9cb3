"""``check`` of a model of JAX."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ... import symmetry
from ..._signals import Gathered, Judged, Options, asked, conditions, merged, reported
from ...errors import InitcoreError, ProgramError, UsageError
from ...files import judge_arrays
from ...program import Place, Program
from ...rules import Finding, learning, nodes
from ...verdict import ModuleReport
from .._program import Reading, a_weight, read
from .._trees import path_name
from ._inputs import Call, call_of
from ._loss import loss_of
from ._models import Model, model_of
from ._repair import Mend
from ._session import Runner, Session


def check(model: Any, x: Any = None, y: Any = None, *, loss: str | Callable[..., Any] | None = None,
          optimizer: str = "sgd", l2: float = 0.0, l1: float = 0.0, clip_value: float | None = None,
          stage: str | None = None, select: Any = None, ignore: Any = None, fail_level: str = "fail",
          thresholds: Any = None, baseline: Any = None, progress: Callable[[str], None] | None = None) -> ModuleReport:
    """The verdict on a model of JAX, measured in one forward and one backward pass of its jaxpr.

    ``initcore.check(model, ...)`` is this function. Nothing is written into the model.

    Parameters
    ----------
    model : :class:`Model` ``(fn, params)``; or a module of Flax nnx, a bound one of Flax linen
        (``module.bind(variables)``), or one of Equinox, whose call is mapped over the first axis of its inputs.
        What JAX cannot trace is judged by its weights alone, and the report says why.
    x : a batch, a tuple of positional inputs, or only a shape, ``(64, 784)``: then normal numbers of mean 0 and
        variance 1 are taken, and the report says so. A batch of 2 or more.
    y : targets. loss : a function of (output, y) that gives one number, or "softmax_cross_entropy", "mse",
        "binary_cross_entropy"; None: a softmax where y holds integers, mean squares otherwise. Without y random errors
        at the outputs are sent back.
    optimizer, stage, select, ignore, fail_level, thresholds, baseline : as for :func:`initcore.check`.
    l2, l1, clip_value : of the training, for the proof of ties.
    progress : told what is being done.

    Returns
    -------
    ModuleReport : ``.findings`` with name scope, file and line, ``.layers`` the signal at every activation,
        ``.repair(rng=)`` the mended model in the form it was given in.

    Raises UsageError for tracers and for shapes without numbers, ArgumentTypeError for what is no model.

    >>> import jax, initcore as ic
    >>> w = ic.init.normal((50, 40), std=5.0, rng=1)
    >>> model = Model(lambda p, x: jax.numpy.tanh(x @ p["w"]) @ p["v"],
    ...               {"w": jax.numpy.asarray(w), "v": jax.numpy.asarray(ic.init.glorot_normal((40, 3), rng=2))})
    >>> report = check(model, (64, 50))
    >>> found = report.findings[0]
    >>> found.rule, found.tensor, found.cause
    ('SAT201', 'w', 'weight_scale')
    >>> check(report.repair(rng=0), (64, 50)).ok
    True
    """
    given = model_of(model)
    options = asked(x, y, loss=loss, optimizer=optimizer, l2=l2, l1=l1, clip_value=clip_value, stage=stage,
                    select=select, ignore=ignore, fail_level=fail_level, thresholds=thresholds)
    _concrete(given.params)
    call = call_of(x, given.params)
    judged = _judge(replace(given, params=_here(given.params)), call, options, progress or (lambda what: None))

    def again(params: Any) -> tuple[list[Finding], nodes.NodeContext | None]:
        one = _judge(replace(given, params=_here(params)), call, options, lambda what: None, judged.exported)
        return one.findings, one.context
    return reported(given.name, judged, Mend(given, again, judged.context), fail_level, baseline)


@dataclass(frozen=True)
class Traced:
    """A function read and ready to run with any parameters."""

    reading: Reading
    runner: Runner

    def program(self, leaves: list[Any]) -> Program:
        """The program with these parameters."""
        own = dict(reversed(list(zip(self.reading.params, leaves))))
        p = self.reading.program
        return Program(p.inputs, [replace(q, read=_reader(own[q.value])) if q.value in own else q
                                  for q in p.parameters], p.constants, p.ops, p.outputs)


def _reader(leaf: Any) -> Callable[[], Any]:
    def read_it() -> Any:
        a = np.asarray(leaf)
        return a.astype(np.float32) if a.dtype.itemsize < 4 and a.dtype.kind not in "iub" else a
    return read_it


def _concrete(params: Any) -> None:
    """Refuse parameters without numbers."""
    for path, leaf in jax.tree_util.tree_flatten_with_path(params)[0]:
        a_weight(path_name(path), leaf)
        if isinstance(leaf, jax.ShapeDtypeStruct):
            raise UsageError(f"{path_name(path)} is a ShapeDtypeStruct and has no numbers; make them with "
                             "initcore.jax.init_params.")


def _here(params: Any) -> Any:
    """Arrays over a mesh whose axes are types, on one device: run op by op, such types have no single answer."""
    def one(a: Any) -> Any:
        mesh = getattr(getattr(a, "sharding", None), "mesh", None)
        split = mesh is not None and mesh.size > 1 and any(kind.name == "Explicit" for kind in mesh.axis_types)
        return jax.device_put(np.asarray(a), jax.devices()[0]) if split else a
    return jax.tree_util.tree_map(one, params)


def _judge(model: Model, call: Call, options: Options, tell: Callable[[str], None], traced: Traced | None = None
           ) -> Judged:
    """All findings about a model: of its arrays, of its nodes."""
    family = learning.family(options.optimizer)
    tell("reading the weights")
    found = _of_arrays(model, options)
    said = (f"optimiser {options.optimizer}",)
    if any(f.rule == "NUM401" for f in found):
        return Judged(found, traced, None, said, ("Weights that are not finite: nothing was measured.",))
    try:
        tell("tracing the function")
        traced = traced or _traced(model, call, options)
    except ProgramError as error:
        return Judged(found, None, None, said, (f"Only its weights were judged, by themselves: {error}",), False)
    leaves = jax.tree_util.tree_leaves(model.params)
    program = traced.program(leaves)
    found = _of_arrays(model, options, _scanned(program))
    session = Session(traced.runner, program, leaves, jax.tree_util.tree_leaves(call.inputs))
    tell("one forward and one backward pass")
    gathered = Gathered(session)
    context = gathered.context(options.numbers, stage=options.stage, family=family)
    tell("proving")
    context.symmetry, notes = _proved(program, options)
    tell("judging")
    seen = nodes.judge(context, options.active)
    return Judged(merged(found, seen, call.given), traced, context,
                  conditions(options.optimizer, gathered.said, call.said, context), notes)


def _traced(model: Model, call: Call, options: Options) -> Traced:
    reading = read(model.fn, model.params, *call.inputs, frozen=model.frozen)
    return Traced(reading, Runner(reading, loss_of(reading.shapes, options.y, options.loss)))


def _proved(program: Program, options: Options) -> tuple[Any, tuple[str, ...]]:
    """(the proof or None, notes): which units stay tied, and how much of the network it covers."""
    try:
        found = symmetry.analyze(program, **options.training)
    except InitcoreError as error:
        return None, (f"Nothing was proved of ties: {error}",)
    return found, () if program.coverage.share == 1.0 else (f"The proof of ties: {program.coverage}.",)


def _scanned(program: Program) -> frozenset[str]:
    """Names of the parameters that a loop takes row by row: stacks of layers."""
    names = {p.value: p.names for p in program.parameters}
    rows: dict[Any, set[int]] = {}
    for op in program.ops:
        v = op.inputs[0] if op.kind == "slice" else None
        if v in names and v is not None and len(v.shape) > 1:
            starts, stops = op.attributes["starts"], op.attributes["stops"]
            whole = all(a == 0 and b == n for a, b, n in zip(starts[1:], stops[1:], v.shape[1:]))
            if stops[0] == starts[0] + 1 and whole:
                rows.setdefault(v, set()).add(starts[0])
    return frozenset(name for v, found in rows.items() if len(found) == v.shape[0] > 1 for name in names[v])


def _of_arrays(model: Model, options: Options, stacks: frozenset[str] = frozenset()) -> list[Finding]:
    """What the rules for tensors find in the parameters; in a stack of layers layer by layer."""
    flat = [(path_name(path), leaf) for path, leaf in jax.tree_util.tree_flatten_with_path(model.params)[0]]
    floats = {name: _reader(leaf)() for name, leaf in flat if jnp.issubdtype(leaf.dtype, jnp.floating)}
    normed = any("norm" in name.lower() for name in floats)
    whole: dict[str, tuple[str, str]] = {}
    for name in stacks & floats.keys():
        head, _, last = name.rpartition(".")
        for k, row in enumerate(floats.pop(name)):
            part = ".".join(p for p in (head, str(k), last) if p)
            floats[part], whole[part] = row, (name, f"Layer {k}: ")
    out: dict[Any, Finding] = {}
    for f in judge_arrays(floats, options.active, options.numbers, normed):
        name, where = whole.get(f.tensor or "", (f.tensor or "", ""))
        out.setdefault((f.rule, name), replace(f, tensor=name, message=where + f.message, tensors=(name,),
                                               place=Place(name.rpartition(".")[0])))
    return list(out.values())
