"""The axis of a group of bundles: a layer of sums, one norm and one activation where that is all, else a program."""

from __future__ import annotations

import numpy as np

from ... import activations
from ...program.tracking import Trace
from .._structures._axis import Axis, admit
from .._structures._local import Local
from .._structures._steps import Step
from .._structures._turns import Turn
from ._bundles import Bundles, Group

_PARTS = ("weigh", "lift", "reduce", "constant")
_IDENTITY = activations.IDENTITY


def local_of(trace: Trace, found: Bundles, group: Group, read: set[int], linked: set[int], seen: set[int],
             squared: set[int]) -> Local:
    """The steps of a group's first bundle."""
    steps, parts, foreign = [], 0, set()
    wired: dict[int, int] = {}
    for member, number in zip(group.members[0].tolist(), group.families):
        family, entry = trace.families[number], -1
        if family.role in _PARTS:
            entry = parts
            parts += 1
            if family.role in ("reduce", "constant"):
                foreign.add(entry)
        operands: list[tuple[str, int]] = []
        for k, (mode, ids) in enumerate(family.operands if family.role not in _PARTS else ()):
            if (tree := found.wires.cut.get((number, k))) is not None:
                if tree not in wired:
                    wired[tree] = parts
                    parts += 1
                operands.append(("out", wired[tree]))
            elif mode == "in":
                assert ids is not None
                operands.append(("in", int(found.slot[ids[member - family.start]])))
            elif mode == "out":
                operands.append(("out", parts))
                foreign.add(parts)
                parts += 1
            else:
                operands.append(("data", -1))
        steps.append(Step(family.role, family.call, tuple(operands), entry, family.grows))
    return Local(tuple(steps), parts, frozenset(read), frozenset(linked), frozenset(seen), frozenset(foreign),
                 frozenset(squared))


def axis_of(local: Local, group: Group, name: str) -> Axis:
    """The axis, with the relations its program allows."""
    axis = Axis(name, group.n, parts=max(1, local.parts), local=local)
    simple = _simple(local)
    if simple is not None:
        admit(axis, simple)
        axis.local, axis.parts = None, 1
        if any(s.role == "spread" and s.call not in ("linear",) for s in local.steps):
            axis.odd = axis.even = False
        if group.output:
            axis = Axis(name, group.n, simple)
    elif not group.output:
        signs = local.signs()
        plain: frozenset[int] = frozenset()
        if signs is not None:
            plain = _literal(local, signs)
            axis.odd = True
        axis.zero, axis.forward_zero = local.at_zero(plain)
        if not axis.zero:                            # without signs: gains alone are literal
            axis.odd = False
            for plain in (_gains(local), frozenset()):
                axis.zero, axis.forward_zero = local.at_zero(plain)
                if axis.zero:
                    break
        axis.plain = plain
        if axis.zero and plain:
            closed, axis.shut = local.closed_by(plain)
            axis.gate = min(plain) if closed else None
        axis.turns = tuple(_turn(local, answer, even) for answer, even in local.other_signs())
    if group.output:
        axis.fixed = np.arange(group.n)
    return axis


def _literal(local: Local, signs: list[int]) -> frozenset[int]:
    """The parts that keep their signs."""
    plain = frozenset(s.entry for s, sign in zip(local.steps, signs) if s.entry >= 0 and not sign)
    return plain | {k for s, sign in zip(local.steps, signs) for mode, k in s.operands
                    if mode == "out" and (k in local.foreign or not sign)}


def _turn(local: Local, signs: list[int], even: bool) -> Turn:
    """Another way of signs."""
    plain = _literal(local, signs)
    if even:
        return Turn(plain, True, False)
    zero, forward_zero = local.at_zero(plain)
    closed, shut = local.closed_by(plain) if zero and plain else (False, False)
    return Turn(plain, False, zero, forward_zero, min(plain) if closed else None, shut)


def _gains(local: Local) -> frozenset[int]:
    """Parts that multiply the unit: parameters, and what other units share with it."""
    out = set()
    for s in local.steps:
        if s.role == "product":
            out |= {k for mode, k in s.operands if mode == "out"}
            out |= {local.steps[k].entry for mode, k in s.operands if mode == "in" and local.steps[k].role == "lift"}
    return frozenset(out)


def _simple(local: Local) -> activations.Activation | None:
    """Its activation, if a unit is sums, then one elementwise activation, read at the end only."""
    if local.foreign or local.linked or any(s.role == "constant" for s in local.steps):
        return None
    phi, last = None, -1
    used = {k for s in local.steps for mode, k in s.operands if mode == "in"}
    ends = [i for i in range(len(local.steps)) if i not in used]
    if len(ends) != 1 or any(i != ends[0] and i not in _tail(local, ends[0]) for i in local.read | local.seen):
        return None
    for i, s in enumerate(local.steps):
        if s.role in ("weigh", "lift"):
            continue
        if not s.grows or any(mode != "in" for mode, _ in s.operands):
            return None
        if s.role == "phi":
            if phi is not None:
                return None
            phi, last = s.call, i
        elif s.role == "sum" and s.call in ("add", "concatenate", "cast"):
            if phi is not None and last not in [k for _, k in s.operands] and len(s.operands) > 1:
                return None
            if phi is not None and len(s.operands) > 1:
                return None
        elif s.role == "dropout" or (s.role == "spread" and s.call in ("linear", "pool")):
            if s.role == "spread" and s.call == "pool" and phi is None:
                return None
        else:
            return None
    if phi is not None and any(s.role in ("weigh", "lift") and i > last for i, s in enumerate(local.steps)):
        return None
    uses = [k for s in local.steps for _, k in s.operands]
    if len(uses) != len(set(uses)):
        return None
    return phi if phi is not None else _IDENTITY


def _tail(local: Local, end: int) -> set[int]:
    """Steps from which the end differs by linear functions along data only."""
    out, i = {end}, end
    while local.steps[i].role in ("dropout", "spread", "sum") and len(local.steps[i].operands) == 1:
        i = local.steps[i].operands[0][1]
        out.add(i)
    return out

