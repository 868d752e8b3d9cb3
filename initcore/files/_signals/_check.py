"""What is measured of a program out of a file, within bounds of time and memory."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import NamedTuple

import numpy as np

from ... import _running
from ..._aten import NotUnderstood
from ..._running import Unrun
from ..._signals import Gathered, Said
from ...errors import InitcoreError
from ...program import Program, Value
from ...rules import nodes
from ._batch import Data, batch_of, drawn, of_data
from ._loss import Loss, ends_of
from ._session import Session

PRODUCTS = 1 << 34          # of one forward pass that more than one batch may take
MOST_PRODUCTS = 1 << 37     # of one batch
NUMBERS = 1 << 24           # elements of all values, which are held for the way back
MOST_NUMBERS = 1 << 27
CALLS = 1 << 15             # of NumPy
_NONSENSE = (NotUnderstood, TypeError, ValueError, LookupError, AttributeError, ArithmeticError, AssertionError,
             RecursionError)


class Asked(NamedTuple):
    """What is wanted of a measurement: data or None, the loss's name, thresholds, the stage, the optimiser's family,
    how cures are written."""

    data: Data | None
    loss: str | None
    numbers: dict[str, dict[str, float]]
    stage: str | None
    family: str
    words: nodes.Words


class Signals(NamedTuple):
    """The facts for the rules, the loss in words, what it was run on, and whether the user gave that."""

    context: nodes.NodeContext
    loss: Said
    said: str
    given: bool


def measured(program: Program, asked: Asked, tell: Callable[[str], None] = lambda what: None) -> Signals:
    """Run a program forward and back. Raises Unrun with a sentence where it cannot or may not be."""
    try:
        with np.errstate(all="ignore"):
            return _measured(program, asked, tell)
    except (Unrun, InitcoreError):
        raise
    except MemoryError:
        raise Unrun("there is not enough memory to evaluate it") from None
    except _NONSENSE:
        raise Unrun("its graph is none that runs") from None


def _measured(program: Program, asked: Asked, tell: Callable[[str], None]) -> Signals:
    written, cells = _running.unrolled(program)
    steps = {op.outputs[0]: op.attributes["loop"] for op in written.ops if "loop" in op.attributes}
    origins: dict[Value, Hashable] = {**steps, **cells}
    work = _running.work_of(written)
    if work.products > MOST_PRODUCTS or work.numbers > MOST_NUMBERS or work.calls > CALLS:
        raise Unrun(f"one batch of {batch_of(program)} takes {work.products:.2g} products, {work.numbers:.2g} numbers "
                    f"and {work.calls:.2g} steps, which is too much to evaluate")
    most = max(1, min(PRODUCTS // max(work.products, 1), NUMBERS // max(work.numbers, 1), CALLS // max(work.calls, 1)))
    batch = drawn(written, most) if asked.data is None else of_data(asked.data, written, most)
    ends = ends_of(written)
    if not ends.sent:
        raise Unrun("it has no floating-point output")
    loss = Loss(ends, asked.loss, batch.y, len(batch.batches) * batch_of(written))
    tell("one forward and one backward pass")
    session = Session(written, origins, batch, ends, loss, asked.words)
    gathered = Gathered(session)
    context = gathered.context(asked.numbers, stage=asked.stage or moved(program), family=asked.family)
    return Signals(context, gathered.said, batch.said, batch.given)


def moved(program: Program) -> str | None:
    """"trained" where norms have left their start: running statistics, which nothing but steps in training moves; or
    the gains and shifts of all of several, around 1 and 0, no two units alike."""
    own = {p.value: p for p in program.parameters}
    norms = [op for op in program.ops if op.kind == "normalize"]
    read = {v: np.asarray(own[v].read(), np.float64) for op in norms for v in op.inputs[1:] if v in own}
    for op in norms:
        for v, start in zip(op.inputs[3:5], (0.0, 1.0)):
            if op.attributes["method"] == "batch" and v in read and bool((read[v] != start).any()):
                return "trained"
    gains = [read[v] for op in norms for v in op.inputs[1:2] if v is not None and v in read]
    shifts = [read[v] for op in norms for v in op.inputs[2:3] if v is not None and v in read]
    if len(gains) > 1 and all(0 < a.std() < abs(a.mean()) < 10 for a in gains) and all(a.std() > 0 for a in shifts):
        return "trained"
    return None


__all__ = ["Asked", "Signals", "measured", "moved"]
