"""If, Loop and Scan of an ONNX graph, written out.

Design
A. An If whose condition is known is the branch it takes; of any other both branches are made, and the results chosen
   by the condition, which is what the operation means.
B. A Loop or Scan whose number of steps is known is written step by step, as PyTorch's cells are: its weights are used
   at every step. More steps than STEPS, a number of steps that depends on the data, or a part of a body that is
   not understood and of unknown shape: the operation is opaque, and takes all that its body reads.
C. Names of a body are its own: :func:`told_apart` gives those that two bodies share names of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ...._aten import Build, NotUnderstood
from ....program import Value
from ._entry import known

STEPS = 128                     # of one loop
BODIES = 4096                   # operations of all steps of all loops
_DEEPEST = 50
Body = Callable[[Any, Mapping[str, Value], str], list[Value]]     # graph, inputs, where -> outputs


def controlled(b: Build, node: Any, given: Sequence[Value | None], body: Body) -> list[Value] | None:
    """The results of an operation with subgraphs; None for any other."""
    rule = {"If": _if, "Loop": _loop, "Scan": _scan}.get(node.op_type)
    return None if rule is None else rule(b, node, {a.name: a for a in node.attribute}, given, body)


def _if(b: Build, node: Any, a: Mapping[str, Any], given: Sequence[Value | None], body: Body) -> list[Value]:
    condition = _sure(given[0])
    if condition in b.constants:
        word = "then_branch" if bool(known(b, condition).ravel()[0]) else "else_branch"
        return body(a[word].g, {}, word.partition("_")[0])
    both = [body(a[word].g, {}, word.partition("_")[0]) for word in ("then_branch", "else_branch")]
    one = b.reshape(condition, ())
    pairs = list(zip(*both, strict=True))
    if any((x.shape, x.dtype) != (y.shape, y.dtype) for x, y in pairs):
        raise NotUnderstood
    return [x if x is y else b.choose(one, x, y) for x, y in pairs]


def _loop(b: Build, node: Any, a: Mapping[str, Any], given: Sequence[Value | None], body: Body) -> list[Value]:
    graph = a["body"].g
    most = STEPS + 1 if given[0] is None else int(known(b, given[0]).ravel()[0])
    on = True if given[1] is None else bool(known(b, given[1]).ravel()[0])
    state = [_sure(v) for v in given[2:]]
    names = [i.name for i in graph.input]
    rows: list[list[Value]] = []
    step = 0
    while on and step < most:
        if step >= STEPS:
            raise NotUnderstood
        made = body(graph, dict(zip(names, [b.constant(np.int64(step), "int64"), b.constant(np.bool_(True), "bool"),
                                            *state], strict=True)), "step")
        on = bool(known(b, made[0]).ravel()[0])
        state, rows, step = _same(made[1:1 + len(state)], state), [*rows, made[1 + len(state):]], step + 1
    return [*state, *(_stacked(b, list(column), 0) for column in zip(*rows, strict=True))]


def _scan(b: Build, node: Any, a: Mapping[str, Any], given: Sequence[Value | None], body: Body) -> list[Value]:
    graph, count = a["body"].g, int(a["num_scan_inputs"].i)
    state, runs = ([_sure(v) for v in part] for part in (given[:len(given) - count], given[len(given) - count:]))

    def told(word: str, n: int) -> list[int]:
        return [int(i) for i in a[word].ints] if word in a else [0] * n
    axes, ways = told("scan_input_axes", count), told("scan_input_directions", count)
    lengths = {v.shape[axis] for v, axis in zip(runs, axes, strict=True)}
    outs = len(graph.output) - len(state)
    if len(lengths) != 1 or not 0 < (length := lengths.pop()) <= STEPS or not node.output:
        raise NotUnderstood
    names = [i.name for i in graph.input]
    rows: list[list[Value]] = []
    for k in range(length):
        taken = [b.select(v, axis, length - 1 - k if way else k) for v, axis, way in zip(runs, axes, ways, strict=True)]
        made = body(graph, dict(zip(names, [*state, *taken], strict=True)), "step")
        state, rows = _same(made[:len(state)], state), [*rows, made[len(state):]]
    columns = [list(column) for column in zip(*rows, strict=True)]
    turned = [column[::-1] if way else column for column, way in zip(columns, told("scan_output_directions", outs),
                                                                     strict=True)]
    return [*state, *(_stacked(b, column, axis) for column, axis in zip(turned, told("scan_output_axes", outs),
                                                                        strict=True))]


def _sure(v: Value | None) -> Value:
    if v is None:
        raise NotUnderstood
    return v


def _same(now: Sequence[Value], before: Sequence[Value]) -> list[Value]:
    """What a step hands on, of the shapes that it was given."""
    if any(x.shape != y.shape for x, y in zip(now, before, strict=True)):
        raise NotUnderstood
    return list(now)


def _stacked(b: Build, steps: list[Value], axis: int) -> Value:
    return b.concatenate([b.unsqueeze(v, axis) for v in steps], axis)


# names

def subgraphs(node: Any) -> list[Any]:
    """The graphs among a node's attributes."""
    return [g for a in node.attribute for g in ([a.g] if a.HasField("g") else a.graphs)]


def read_outside(node: Any) -> Iterator[str]:
    """Names that subgraphs read, all of them: which ones are theirs does no harm."""
    todo = subgraphs(node)
    while todo:
        graph = todo.pop()
        for inner in graph.node:
            yield from inner.input
            todo += subgraphs(inner)
        yield from (out.name for out in graph.output)


def fixed(graph: Any) -> set[str]:
    """Names of weights and constants of a graph, those of its subgraphs too."""
    found, todo = set(), [graph]
    while todo:
        at = todo.pop()
        found |= {t.name for t in at.initializer} | {n.output[0] for n in at.node if n.op_type == "Constant"
                                                     and n.output}
        todo += [g for n in at.node for g in subgraphs(n)]
    return found


def told_apart(graph: Any) -> None:
    """Give weights and constants of subgraphs a name of their own where something else bears theirs already."""
    used = {t.name for t in graph.initializer} | _made(graph)
    todo = [(g, 1) for n in graph.node for g in subgraphs(n)]
    number = 1
    while todo:
        at, depth = todo.pop()
        own = {t.name for t in at.initializer} | {n.output[0] for n in at.node if n.op_type == "Constant" and n.output}
        new = {}
        for name in sorted(own & used):
            while f"{name}/{number}" in used:
                number += 1
            new[name] = f"{name}/{number}"
            used.add(new[name])
        if new:
            _renamed(at, new)
        used |= own | _made(at)
        if depth < _DEEPEST:
            todo += [(g, depth + 1) for n in at.node for g in subgraphs(n)]


def _made(graph: Any) -> set[str]:
    return {i.name for i in graph.input} | {name for n in graph.node for name in n.output}


def _renamed(graph: Any, new: Mapping[str, str]) -> None:
    """Put the new names in the place of the old ones, in subgraphs that do not make the name themselves too."""
    todo: list[tuple[Any, Mapping[str, str]]] = [(graph, new)]
    while todo:
        at, names = todo.pop()
        for t in at.initializer:
            t.name = names.get(t.name, t.name)
        for node in at.node:
            for field in (node.input, node.output):
                for k, name in enumerate(field):
                    if name in names:
                        field[k] = names[name]
            for inner in subgraphs(node):
                own = _made(inner) | {t.name for t in inner.initializer}
                todo.append((inner, {k: v for k, v in names.items() if k not in own}))
        for out in at.output:
            out.name = names.get(out.name, out.name)
