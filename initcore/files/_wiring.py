"""The network that a file tells the wiring of: its program, what that makes of each tensor, and the verdict on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import numpy as np

from .. import symmetry
from .._checks import flag, number, one_of
from .._running import Unrun
from .._signals import conditions, merged, unmeasured
from ..errors import ArgumentError, FileFormatError, InitcoreError
from ..program import Program
from ..rules import learning, nodes
from ..verdict import ModuleReport
from ..verdict._check import STAGES
from ._chains import Loaded
from ._graphs._chain import chain_of
from ._graphs._held import Unread
from ._signals._batch import read_data, wished
from ._signals._check import Asked, Signals, measured, moved
from ._tensor import Weights

_MOST_UNITS = 1 << 22       # that a proof holds facts of
_NONSENSE = (TypeError, ValueError, LookupError, AttributeError, ArithmeticError, RecursionError)
_ROLES = {"contract": "dense", "convolve": "conv", "look_up": "embedding", "normalize": "norm", "recur": "recurrent"}


def wiring(weights: Weights) -> Wired | None:
    """The program of a file, or None where it tells none; a note says why one that it tells is not read."""
    if weights.graph is None:
        return None
    try:
        graph = weights.graph
        found = Wired(graph(weights), lambda sizes: graph(weights, sizes))
        if found.units > _MOST_UNITS:
            raise Unread(f"Its graph has {found.units} units, more than {_MOST_UNITS}.")
    except Unread as why:
        weights.notes.append(f"The wiring is not read: {why}")
        return None
    except InitcoreError:
        raise
    except _NONSENSE:
        raise FileFormatError(f"{weights.source}: its graph is not as its library writes it; the file is damaged.") \
            from None
    return found if found.covered else None


class Wired:
    """A program out of a file. ``covered``: names of the tensors that it understands every use of. make : the program
    with other sizes, by dim, where the graph leaves them open."""

    def __init__(self, program: Program, make: Callable[[Mapping[int, int]], Program]) -> None:
        self.program, self._make = program, make
        trace, tracks = program.tracked()
        self.units = trace.count
        used = {track.weights.parameter: op.kind for op in program.ops[::-1] for v in op.inputs if v is not None
                for track in [tracks[v]] if track.weights is not None}
        lost = {name for p in trace.lost for name in p.names}
        self.covered = {name for p in used for name in p.names} - lost
        self.roles = {name: _ROLES[kind] for p, kind in used.items() if kind in _ROLES for name in p.names}
        self.normed = any(op.kind == "normalize" for op in program.ops)

    @cached_property
    def chain(self) -> tuple[Loaded | None, bool]:
        """The chain of dense layers that it is, if it is one, and whether its hidden units are dropped."""
        found = chain_of(self.program)
        if found is None:
            return None, False
        return Loaded(found.network, found.weights, ("",) * len(found.weights), (), found.biases), found.dropped

    @np.errstate(all="ignore")              # a NaN that signals does so when it is widened
    def report(self, optimizer: str, active: frozenset[str], numbers: dict[str, dict[str, float]], *, fail_level: str,
               loss: Any = None, l2: float = 0.0, l1: float = 0.0, clip_value: float | None = None,
               hidden_dropout: bool = False, stage: str | None = None, data: Any = None,
               words: nodes.Words = nodes.TORCH, tell: Callable[[str], None] = lambda what: None) -> ModuleReport:
        """The proof, and the signals measured on the data (None: on drawn inputs); of what cannot be evaluated the
        sizes of the weights by what follows them."""
        for name, value in (("l2", l2), ("l1", l1), ("clip_value", 0.0 if clip_value is None else clip_value)):
            number(name, value, low=0.0)
        if stage is not None:
            one_of("stage", stage, STAGES)
        symmetry.invariance(optimizer)
        family = learning.family(optimizer)
        proof, said = self._proof(optimizer="sign_sgd" if l1 or clip_value else optimizer, l2=l2 or float(bool(l1)),
                                  hidden_dropout=flag("hidden_dropout", hidden_dropout))
        rows = None if data is None else read_data(data)
        found = self._signals(Asked(rows, loss, numbers, stage, family, words), tell)
        if isinstance(found, Signals):
            context = found.context
            context.symmetry = proof
            judged = merged((), nodes.judge(context, active), found.given)
            rests = conditions(optimizer, found.loss, found.said, context)
        else:
            context = self._sizes(numbers, proof, family, words)
            context.trained = (stage or moved(self.program)) == "trained"
            judged = nodes.judge(context, active)
            rests = (f"optimiser {optimizer}", f"no signal was measured: {found}",
                     *(proof.conditions if proof is not None else ()))
        return ModuleReport(self.title, judged, signal=context.signal, symmetry=proof, fail_level=fail_level,
                            conditions=(rests[0], "the wiring that the file tells", *rests[1:], *said),
                            coverage=str(self.program.coverage), whole=isinstance(found, Signals), way=context.steps)

    def _proof(self, **training: Any) -> tuple[Any, tuple[str, ...]]:
        try:
            return symmetry.analyze(self.program, **training), ()
        except InitcoreError as error:
            return None, (f"nothing was proved of ties: {error}",)

    def _signals(self, asked: Asked, tell: Callable[[str], None]) -> Signals | str:
        """What was measured, or why nothing was; raises where data were given and cannot be used."""
        program = self.program
        try:
            sizes = {} if asked.data is None else wished(asked.data, program)
            return measured(self._resized(sizes) if sizes else program, asked, tell)
        except Unrun as why:
            if asked.data is not None:
                raise ArgumentError(f"--data needs a network that can be evaluated: {why}. Leave --data out.") from None
            return str(why)

    def _sizes(self, numbers: dict[str, dict[str, float]], proof: Any, family: str, words: nodes.Words
               ) -> nodes.NodeContext:
        """The sizes of the weights by what follows them; none of a graph that no network is."""
        try:
            return unmeasured(self.program, numbers, proof, family, words)
        except _NONSENSE:
            return nodes.NodeContext(numbers, symmetry=proof, family=family, words=words)

    def _resized(self, sizes: Mapping[int, int]) -> Program:
        """The program with other sizes where its graph leaves them open."""
        try:
            return self._make(sizes)
        except (Unread, *_NONSENSE, InitcoreError):
            return self.program

    @property
    def title(self) -> str:
        """What it is in a few words."""
        weights = sum(not p.buffer for p in self.program.parameters)
        return f"a network of {len(self.program.ops)} operations and {weights} weight tensors"
