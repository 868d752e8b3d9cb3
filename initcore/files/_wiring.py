"""The network that a file tells the wiring of: its program, what that makes of each tensor, and the verdict on it."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from .. import symmetry
from .._checks import flag, number, one_of
from ..errors import FileFormatError, InitcoreError
from ..program import Program
from ..rules import learning, nodes
from ..verdict import ModuleReport
from ..verdict._check import STAGES
from ._chains import Loaded
from ._graphs._chain import chain_of
from ._graphs._held import Unread
from ._tensor import Weights

_MOST_UNITS = 1 << 22       # that a proof holds facts of
_NONSENSE = (TypeError, ValueError, LookupError, AttributeError, ArithmeticError, RecursionError)
_ROLES = {"contract": "dense", "convolve": "conv", "look_up": "embedding", "normalize": "norm", "recur": "recurrent"}


def wiring(weights: Weights) -> Wired | None:
    """The program of a file, or None where it tells none; a note says why one that it tells is not read."""
    if weights.graph is None:
        return None
    try:
        found = Wired(weights.graph(weights))
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
    """A program out of a file. ``covered``: names of the tensors that it understands every use of."""

    def __init__(self, program: Program) -> None:
        self.program = program
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

    def report(self, optimizer: str, active: frozenset[str], numbers: dict[str, dict[str, float]], *, fail_level: str,
               loss: Any = None, l2: float = 0.0, l1: float = 0.0, clip_value: float | None = None,
               hidden_dropout: bool = False, stage: str | None = None) -> ModuleReport:
        """The proof, and the sizes of the weights by what follows them; no signal, since there are no data."""
        for name, value in (("l2", l2), ("l1", l1), ("clip_value", 0.0 if clip_value is None else clip_value)):
            number(name, value, low=0.0)
        if stage is not None:
            one_of("stage", stage, STAGES)
        symmetry.invariance(optimizer)
        notes: tuple[str, ...] = ()
        proof: Any = None
        try:
            proof = symmetry.analyze(self.program, optimizer="sign_sgd" if l1 or clip_value else optimizer,
                                     l2=l2 or float(bool(l1)), hidden_dropout=flag("hidden_dropout", hidden_dropout))
        except InitcoreError as error:
            notes = (f"nothing was proved of ties: {error}",)
        context = nodes.program_context(self.program, numbers, proof, learning.family(optimizer))
        context.trained = stage == "trained"
        return ModuleReport(self.title, nodes.judge(context, active), symmetry=proof, fail_level=fail_level,
                            conditions=(f"optimiser {optimizer}", "the wiring that the file tells",
                                        "no data: ties and sizes of weights were judged, no signal was measured",
                                        *notes, *(proof.conditions if proof is not None else ())),
                            coverage=str(self.program.coverage), whole=False)

    @property
    def title(self) -> str:
        """What it is in a few words."""
        weights = sum(not p.buffer for p in self.program.parameters)
        return f"a network of {len(self.program.ops)} operations and {weights} parameters"
