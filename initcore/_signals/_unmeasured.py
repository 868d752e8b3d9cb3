"""The facts of a program that nobody ran: its weights, by what follows them."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._types import Array
from ..program import Program, Value
from ..rules import nodes
from ._structure import Structure
from ._way import Way
from ._weights import Weights


def unmeasured(program: Program, numbers: dict[str, dict[str, float]], proof: Any, family: str,
               words: nodes.Words) -> nodes.NodeContext:
    """What the rules look at of a network without signals. Weights are those that were only moved, cast or scaled."""
    tracks = program.tracked()[1]
    s = Structure(program)

    def array(v: Value) -> Array | None:
        held = tracks[v].weights
        return None if held is None or not held.parameter.size else np.asarray(held.array(held.parameter.read()))
    weights = Weights(s, array, words)
    way = Way(s, next((v for v in program.outputs if v in s.live), None))
    for u in s.uses:
        weights.enter(u, way.passes(u.node), {})
    return nodes.NodeContext(numbers, weights=weights.every(), symmetry=proof, family=family, words=words)
