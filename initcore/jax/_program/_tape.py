"""A program's function as a flat list of steps, which runs it and lets every value be seen.

Design
A. The steps are those of the reader, one by one: calls in place, scans unrolled. Every step tells which values of the
   program it makes.
B. A call with derivatives of its own (``jax.nn.relu``) is run as a whole, so that its derivatives count, unless a value
   inside of it is wanted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jax.extend.core import ClosedJaxpr, DropVar, Var, jaxpr_as_fun

from ..._types import Array
from ...program import Value

Known = Value | Array                   # an operation's result, or a constant
See = Callable[[Value, Any], Any]


@dataclass(frozen=True, slots=True)
class Step:
    """run : from arrays to arrays. given, made : what it reads and makes. body : how many of the next steps are what it
    does, one by one. origin : equal for one equation run again and again."""

    run: Callable[..., Sequence[Any]]
    given: tuple[Known, ...]
    made: tuple[Known, ...]
    body: int = 0
    origin: int = 0


def bound(eqn: Any) -> Callable[..., Sequence[Any]]:
    """One primitive with its parameters."""
    def run(*given: Any) -> Sequence[Any]:
        out = eqn.primitive.bind(*given, **eqn.params)
        return out if eqn.primitive.multiple_results else [out]
    return run


def whole(eqn: Any, around: Any) -> Callable[..., Sequence[Any]]:
    """A call, with its derivatives; ``around`` : the jaxpr it stands in."""
    names: dict[Any, int] = {}
    for k, v in enumerate(eqn.invars):
        if isinstance(v, Var):
            names.setdefault(v, k)
    kept = [k for k, v in enumerate(eqn.outvars) if not isinstance(v, DropVar)]
    one = ClosedJaxpr(around.replace(constvars=[], invars=list(names), outvars=[eqn.outvars[k] for k in kept],
                                     eqns=[eqn], debug_info=around.debug_info.with_unknown_names()), ())

    def run(*given: Any) -> Sequence[Any]:
        out: list[Any] = [None] * len(eqn.outvars)
        for k, value in zip(kept, jaxpr_as_fun(one)(*(given[k] for k in names.values()))):
            out[k] = value
        return out
    return run


def play(tape: Sequence[Step], leaves: Mapping[Value, Any], wanted: frozenset[Value], see: See) -> dict[Value, Any]:
    """All values of a run. wanted : those that must be made one by one. see : what becomes of each as it is made."""
    env: dict[Value, Any] = {v: see(v, a) for v, a in leaves.items()}

    def look(x: Known) -> Any:
        return env[x] if isinstance(x, Value) else x
    k = 0
    while k < len(tape):
        step = tape[k]
        k += 1
        if step.body:
            inner = {v for one in tape[k:k + step.body] for v in one.made if isinstance(v, Value)}
            if wanted & (inner - set(step.made)):
                continue                                # its steps follow
            k += step.body
        elif not step.given and not step.made:
            continue
        for made, value in zip(step.made, step.run(*(look(x) for x in step.given))):
            if isinstance(made, Value) and made not in env and value is not None:
                env[made] = see(made, value)
    return env


__all__ = ["Known", "Step", "bound", "play", "whole"]
