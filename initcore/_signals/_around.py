"""What stands around an activation: the weights it reads, a norm's gains, what it multiplies, whether it is an end."""

from __future__ import annotations

from ..program import Value
from ._structure import Structure
from ._uses import Use

Gains = list[tuple[Value, str]]                       # (parameter, "scale" or "shift")


def is_gate(s: Structure, v: Value | None) -> bool:
    """Does a sigmoid multiply something else?"""
    if v is None or (s.activations[v].low, s.activations[v].high) != (0.0, 1.0):
        return False
    todo, seen = [v], {v}
    while todo:
        for op in s.users.get(todo.pop(), ()):
            if op.kind == "multiply" and all(x in s.live for x in op.inputs):
                return True
            for user in op.outputs[:1]:
                if user not in seen and (s.passes(op) or op.kind in ("add", "subtract")):
                    seen.add(user)
                    todo.append(user)
    return False


def is_output(s: Structure, v: Value) -> bool:
    """Does nothing but moving come between the activation and an output?"""
    todo = [v]
    while todo:
        u = todo.pop()
        if u in s.program.outputs:
            return True
        todo += [x for op in s.users.get(u, ()) if s.passes(op) for x in op.outputs[:1]]
    return False


def only_normed(s: Structure, node: Value) -> bool:
    """Is a residual sum read by norms alone, directly or through further sums that pass it by?"""
    todo, seen, normed, outputs = [node], {node}, False, set(s.program.outputs)
    while todo:
        v = todo.pop()
        if v in outputs:
            return False
        for op in s.users.get(v, ()):
            for user in op.outputs[:1]:
                if user in s.norms or user in s.inside:
                    normed = True
                elif not (s.passes(op) or (user in s.sum_of and s.sum_of[user].skip is v)):
                    return False
                elif user not in seen:
                    seen.add(user)
                    todo.append(user)
    return normed


def reads_data(s: Structure, v: Value | None) -> bool:
    """Is v the user's own input, moved at most?"""
    while v is not None:
        if v in s.program.inputs:
            return True
        op = s.op_of.get(v)
        if op is None or not s.passes(op) or op.kind in ("multiply", "divide"):
            return False
        v = next((a for a in op.inputs if a in s.live), None)
    return False


def local(s: Structure, z: Value) -> tuple[list[Use], Gains]:
    """The weights whose sum an activation reads, and the gains of a norm right before it."""
    uses: list[Use] = []
    gains: Gains = []
    todo: list[tuple[Value, tuple[tuple[Value, str], ...]]] = [(z, ())]
    seen = set()
    while todo:
        v, met = todo.pop()
        if v in seen or v not in s.live:
            continue
        seen.add(v)
        if v in s.uses_of:
            uses += s.uses_of[v]
        elif v in s.norms:
            gains += [*met, *_inner_gains(s, s.norms[v], v)]
        elif v not in s.activations and (op := s.op_of.get(v)) is not None:
            own = [x for x in op.inputs if x in s.weights]
            kind = {"add": "shift", "multiply": "scale"}.get(op.kind, "")
            now = (*met, *((s.source(x), kind) for x in own)) if kind and own else met
            todo += [(x, now) for x in op.inputs if x is not None]
    held = {p.value for p in s.program.parameters}
    return uses, [(v, kind) for v, kind in gains if v in held]


def _inner_gains(s: Structure, root: Value, norm: Value) -> Gains:
    """Gains that are multiplied into the reciprocal root, or given to the operation."""
    op = s.op_of[root]
    if root is norm:
        return [(v, kind) for v, kind in zip(op.inputs[1:3], ("scale", "shift")) if v is not None]
    return [(s.source(v), "scale") for v in op.inputs if v in s.weights] if op.kind == "multiply" else []
