"""Values inside an operation of PyTorch, which no node of its graph makes: from the tensors that it holds.

A linear layer is a product and a sum in a program, one node in PyTorch. What is made of a node's tensor by moving or by
one number is worked out; a product is looked at in what its operation returns, bias and all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from torch import Tensor

from ...program import Op, Program, Value

MOVED = frozenset(("reshape", "permute"))             # the same numbers: the norm of a gradient is the same too
_MADE = frozenset(("slice", "broadcast"))


class Point(NamedTuple):
    """The tensor of a graph, by name, that holds a value once ``ops`` are applied to it."""

    name: str
    ops: tuple[Op, ...] = ()

    @property
    def whole(self) -> bool:
        """Has the tensor all of the value's numbers, and no others?"""
        return all(op.kind in MOVED for op in self.ops)


class Points:
    """Where the values of a program are found in the graph that it was read from."""

    def __init__(self, program: Program, placeholders: Mapping[str, Value]) -> None:
        self._constants = program.constants
        self._made = {v: op for op in program.ops for v in op.outputs}
        self._users: dict[Value, list[Op]] = {}
        for op in program.ops:
            for v in op.inputs:
                if v is not None:
                    self._users.setdefault(v, []).append(op)
        self._names = {v: v.name for v in self._made if v.name}
        for name, v in placeholders.items():
            self._names.setdefault(v, name)

    def named(self, v: Value) -> bool:
        """Does a node make it, or stand for it?"""
        return v in self._names

    def of(self, v: Value) -> Point | None:
        """None where no tensor tells it."""
        return self._back(v) or self._result(v)

    def _back(self, v: Value) -> Point | None:
        ops: list[Op] = []
        while v not in self._names:
            op = self._made.get(v)
            if op is None or not self._simple(op):
                return None
            ops.append(op)
            v = next(x for x in op.inputs if x is not None and x not in self._constants)
        return Point(self._names[v], tuple(reversed(ops)))

    def _simple(self, op: Op) -> bool:
        if op.kind in ("multiply", "divide"):
            return sum(x in self._constants and not x.shape for x in op.inputs if x is not None) == 1 and \
                not (op.kind == "divide" and op.inputs[0] in self._constants)
        return op.kind in MOVED | _MADE or op.attributes.get("function") in ("neg", "cast")

    def _result(self, v: Value) -> Point | None:
        """What the operation of a product returns: after a sum with a parameter, in another shape; of one step of a
        recurrent cell the state after it."""
        while v not in self._names:
            users = self._users.get(v, [])
            if not users and self._made[v].kind == "recur" and v is not self._made[v].outputs[1]:
                v = self._made[v].outputs[1]
                continue
            if len(users) != 1 or not (users[0].kind in MOVED | {"add", "subtract"} or self._simple(users[0])):
                return None
            v = users[0].outputs[0]
        return Point(self._names[v])

    def made(self, ops: Iterable[Op], x: Tensor) -> Tensor:
        """The value, from the tensor."""
        for op in ops:
            x = self._step(op, x)
        return x

    def _step(self, op: Op, x: Tensor) -> Tensor:
        a = op.attributes
        if op.kind == "reshape":
            return x.reshape(a["shape"])
        if op.kind == "permute":
            return x.permute(a["dims"])
        if op.kind == "slice":
            steps = a.get("steps") or (1,) * x.ndim
            return x[tuple(map(slice, a["starts"], a["stops"], steps))]
        if op.kind == "broadcast":
            wide: list[Any] = [1] * len(a["shape"])
            for dim, size in zip(a["dims"], x.shape):
                wide[dim] = size
            return x.reshape(wide).expand(a["shape"])
        if op.kind in ("multiply", "divide"):
            c = next(float(self._constants[v]) for v in op.inputs if v is not None and v in self._constants)
            return x * c if op.kind == "multiply" else x / c
        return -x if a.get("function") == "neg" else x
