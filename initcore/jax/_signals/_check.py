"""``check`` of a model of JAX."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Unpack

import jax
import jax.numpy as jnp
import numpy as np

from ..._signals import Again, Asking, Options, asked, checked, takes_options
from ...errors import ProgramError, UsageError
from ...files import judge_arrays
from ...program import Place, Program
from ...rules import Finding, nodes
from ...verdict import ModuleReport
from .._program import Reading, a_weight, read
from .._trees import path_name
from ._inputs import Call, call_of
from ._loss import loss_of
from ._models import Model, model_of
from ._rehearse import Trainee
from ._repair import Mend, mended_once
from ._session import WORDS, Runner, Session


@takes_options
def check(model: Any, x: Any = None, y: Any = None, **options: Unpack[Asking]) -> ModuleReport:
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
    progress : told what is being done. words : how cures are written, an ``initcore.rules.nodes.Words``; by default
        as calls of JAX.

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
    wanted = asked(x, y, options)
    _concrete(given.params)
    return checked(Subject(given, call_of(x, given.params)), wanted)


@dataclass
class Subject:
    """See :class:`initcore._signals.Subject`. traced : the function, once it was read."""

    model: Model
    call: Call
    traced: Traced | None = None
    failed: ProgramError | None = field(default=None, init=False)
    reading = "tracing the function"

    def __post_init__(self) -> None:
        self.title, self.given, self.said = self.model.name, self.call.given, self.call.said
        self.params = _here(self.model.params)
        self.leaves = jax.tree_util.tree_leaves(self.params)

    def tensors(self, options: Options) -> list[Finding]:
        """What the rules for tensors find in its arrays; stacks of layers are known once the function was traced."""
        self._trace(options)
        stacks = frozenset() if self.traced is None else _scanned(self.traced.program(self.leaves))
        return _of_arrays(self.params, options, stacks)

    def session(self, options: Options) -> Session:
        """The function, ready to run with the parameters."""
        self._trace(options)
        if self.traced is None:
            assert self.failed is not None
            raise self.failed
        return Session(self.traced.runner, self.traced.program(self.leaves), self.leaves,
                       jax.tree_util.tree_leaves(self.call.inputs), options.words or WORDS)

    def _trace(self, options: Options) -> None:
        if self.traced is None and self.failed is None:
            try:
                reading = read(self.model.fn, self.params, *self.call.inputs, frozen=self.model.frozen)
                self.traced = Traced(reading, Runner(reading, loss_of(reading.shapes, options.y, options.loss)))
            except ProgramError as error:
                self.failed = error

    def trainee(self, options: Options) -> Trainee | None:
        """The function with its rows."""
        if self.traced is None:
            return None
        return Trainee(self.model.fn, self.params, self.traced.trained, self.call.inputs, options.y, options.loss,
                       len(self.traced.reading.tape))

    def mended(self, findings: Sequence[Finding], context: nodes.NodeContext) -> Subject:
        """The parameters with what the findings name set right once."""
        return self.of(mended_once(self.params, findings, context))

    def of(self, network: Any) -> Subject:
        """Other parameters, of the same function."""
        return replace(self, model=replace(self.model, params=network))

    def mend(self, again: Again, context: nodes.NodeContext | None) -> Mend:
        """What a report repairs with."""
        return Mend(self.model, again, context)

    def rehearsing(self) -> contextlib.AbstractContextManager[None]:
        """JAX has no state."""
        return contextlib.nullcontext()


@dataclass(frozen=True)
class Traced:
    """A function read and ready to run with any parameters."""

    reading: Reading
    runner: Runner

    @property
    def trained(self) -> tuple[int, ...]:
        """Which leaves of the parameters are trained; of two names of one array the first."""
        own = {p.value: p for p in self.reading.program.parameters}
        params = self.reading.params
        return tuple(k for k, v in enumerate(params) if own[v].trainable and params.index(v) == k)

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


def _of_arrays(params: Any, options: Options, stacks: frozenset[str]) -> list[Finding]:
    """What the rules for tensors find in the parameters; in a stack of layers layer by layer."""
    flat = [(path_name(path), leaf) for path, leaf in jax.tree_util.tree_flatten_with_path(params)[0]]
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
