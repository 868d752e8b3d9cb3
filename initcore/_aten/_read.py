"""Calls of ATen in their order -> a Program: names, memory that is written in place, what nobody understands.

Design
A. A name stands for a :class:`_Cell`: memory that has a value now. ``add_(x, 1)`` is ``add(x, 1)`` with the cell of x
   pointing to the result, and the call's own name is the same cell.
B. A view has a cell of its own and its base's cell; writing through either makes the other stale. What a stale cell
   holds when it is read again is an opaque operation of old and new.
C. A call is written whole or not at all: where the table has no words, or the shapes do not come out as the framework
   says they do, its operations are taken back and one opaque operation stands for it.
D. A graph out of a file may say anything (``untrusted``): arguments of impossible types and sizes are not understood
   either, and what its constants take is bounded.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..errors import InitcoreError
from ..program import Op, Parameter, Place, Program, Value
from ._build import Build, NotUnderstood
from ._call import Call, Out, Ref
from ._table import SKIPPED, TABLE, VIEWS

_ROOM = 1 << 28             # bytes of the constants of a graph out of a file
_NONSENSE = (TypeError, ValueError, IndexError, KeyError, AttributeError, ArithmeticError, InitcoreError)


class _Cell:
    """Memory: its value, what it is a view of, and the values written through other names since."""

    __slots__ = ("base", "changes", "value", "views")

    def __init__(self, value: Value, base: _Cell | None = None) -> None:
        self.value, self.base = value, base
        self.views: list[_Cell] = []
        self.changes: list[Value] = []
        if base is not None:
            base.views.append(self)

    def family(self) -> Iterator[_Cell]:
        """Every other cell of the same memory."""
        root = self
        while root.base is not None:
            root = root.base
        stack = [root]
        while stack:
            one = stack.pop()
            stack += one.views
            if one is not self:
                yield one


class Reading:
    """Reads calls one after the other; :meth:`program` is what came of them."""

    def __init__(self, untrusted: bool = False) -> None:
        self.build = Build(_ROOM if untrusted else None)
        self._refused: tuple[type[Exception], ...] = (NotUnderstood, *(_NONSENSE if untrusted else ()))
        self._cells: dict[str, _Cell] = {}

    def enter(self, name: str, value: Value) -> Value:
        """A value that was there before: an input or a parameter."""
        self._cells[name] = _Cell(value)
        return value

    def bind(self, name: str, to: str) -> None:
        """Another name for the same memory."""
        self._cells[name] = self._cells[to]

    def knows(self, name: str) -> bool:
        """Whether the name stands for a tensor."""
        return name in self._cells

    def value(self, name: str) -> Value:
        """What the memory of that name holds now."""
        cell = self._cells[name]
        if cell.changes:
            old = cell.value
            cell.value = self.build.emit("opaque", old, *cell.changes, shape=old.shape, dtype=old.dtype)
            cell.changes = []
        return cell.value

    def call(self, call: Call) -> None:
        """Write one call."""
        if call.base in SKIPPED:
            return
        build = self.build
        build.place, build.source = call.place, call.target
        given = {name: self._resolve(x) for name, x in call.arguments.items()}
        done = len(build.ops)
        try:
            made = self._understood(call, given)
        except self._refused:
            del build.ops[done:]
            made = self._opaque(call, given)
        made = self._named(call, made, done)
        self._store(call, made)

    def choose(self, outputs: Sequence[Out], condition: str, then: Sequence[str], other: Sequence[str],
               place: Place) -> None:
        """The results of two branches, of which a condition takes one."""
        self.build.place, self.build.source = place, "cond"
        for out, a, b in zip(outputs, then, other, strict=True):
            made = self.build.choose(self.value(condition), self.value(a), self.value(b))
            self._cells[out.name] = _Cell(made)

    def leave(self, name: str, inner: Sequence[str], detached: bool) -> None:
        """The results of a region put in place, as items of the call ``name``; without gradient where it has none."""
        for k, result in enumerate(inner):
            if detached:
                self.detach(f"{name}#{k}", result)
            else:
                self.bind(f"{name}#{k}", result)

    def detach(self, name: str, frm: str) -> None:
        """The value of another name without its gradient."""
        x = self.value(frm)
        self._cells[name] = _Cell(self.build.emit("detach", x, shape=x.shape) if "float" in x.dtype else x)

    def program(self, inputs: Sequence[str], parameters: Sequence[Parameter], outputs: Sequence[str],
                **more: Any) -> Program:
        """The program of all that was read, without operations that nothing uses."""
        inside = tuple(self._cells[name].value for name in inputs)
        out = tuple(self.value(name) for name in outputs)
        ops = _needed(self.build.ops, out)
        used = {x for op in ops for x in op.inputs} | set(out)
        constants = {value: array for value, array in self.build.constants.items() if value in used}
        return Program(inside, tuple(parameters), constants, tuple(ops), out, **more)

    def _resolve(self, x: Any) -> Any:
        if isinstance(x, Ref):
            return self.value(x.name)
        if isinstance(x, (list, tuple)):
            return [self._resolve(item) for item in x]
        return x

    def _understood(self, call: Call, given: dict[str, Any]) -> list[Value]:
        handler = _handler(call)
        if handler is None:
            raise NotUnderstood
        given = {name: x for name, x in given.items() if name != "out"}
        try:
            bound = inspect.signature(handler).bind(self.build, **given)
        except TypeError:                       # an argument that this version of the table does not know
            raise NotUnderstood from None
        made = handler(*bound.args, **bound.kwargs)
        made = [made] if isinstance(made, Value) else list(made)
        if len(made) < len(call.outputs) or any(
                m is None or m.shape != o.shape for m, o in zip(made, call.outputs, strict=False)):
            raise NotUnderstood
        return made[:len(call.outputs)]

    def _opaque(self, call: Call, given: dict[str, Any]) -> list[Value]:
        """One operation for all: what it returns, and a new value for all that it may have changed."""
        changed = [out for out in self._changed(call) if out is not None]
        outputs = [(o.shape, o.dtype) for o in call.outputs] + [(c.value.shape, c.value.dtype) for c in changed]
        if not outputs:
            return []
        made = self.build.several("opaque", *_values(given), outputs=outputs)
        for cell, value in zip(changed, made[len(call.outputs):], strict=True):
            self._write(cell, value)
        return list(made[:len(call.outputs)])

    def _changed(self, call: Call) -> list[_Cell | None]:
        """The memory that a call without a handler of its own changes, beside its first argument."""
        first = call.first
        inplace = call.in_place
        return [self._cells.get(x.name) for name, x in ((name, call.arguments.get(name)) for name in call.writes)
                if isinstance(x, Ref) and name != "out" and not (inplace and x == first)]

    def _named(self, call: Call, made: list[Value], done: int) -> list[Value]:
        """The same values with the call's names and dtypes; the last operation tells the graph's node."""
        build = self.build
        fresh = {x for op in build.ops[done:] for x in op.outputs}
        new = {m: replace(m, dtype=o.dtype, name=o.name) for m, o in zip(made, call.outputs, strict=True) if m in fresh}
        for k in range(done, len(build.ops)):
            op = build.ops[k]
            attributes = op.attributes
            if any(x in new for x in op.outputs):
                attributes = {**attributes, "node": call.name}
            build.ops[k] = replace(op, inputs=tuple(new.get(x, x) if x is not None else None for x in op.inputs),
                                   outputs=tuple(new.get(x, x) for x in op.outputs), attributes=attributes)
        return [new[m] if m in new else build.cast(m, o.dtype) for m, o in zip(made, call.outputs, strict=True)]

    def _store(self, call: Call, made: list[Value]) -> None:
        first = call.first
        into = call.arguments.get("out") or (first if call.in_place else None)
        if isinstance(into, Ref) and made:
            cell = self._cells[into.name]
            self._write(cell, made[0])
            self._cells[call.outputs[0].name] = cell
            return
        view = call.base in VIEWS and isinstance(first, Ref)
        for out, value in zip(call.outputs, made, strict=True):
            self._cells[out.name] = _Cell(value, self._cells[first.name] if view and first else None)

    def _write(self, cell: _Cell, value: Value) -> None:
        for other in cell.family():
            other.changes.append(value)
        cell.value, cell.changes = value, []


def _handler(call: Call) -> Callable[..., Any] | None:
    """The table's entry of an overload, or of all overloads of its name; outside ATen under the whole name."""
    space, _, rest = call.target.partition(".")
    name, _, overload = rest.partition(".")
    if space != "aten":
        return TABLE.get(f"{space}.{name}")
    if call.in_place:
        name = name[:-1]
    return TABLE.get(f"{name}.{overload}") or TABLE.get(name)


def _values(x: Any) -> list[Value]:
    """Every value in nested arguments."""
    if isinstance(x, Value):
        return [x]
    items = x.values() if isinstance(x, Mapping) else x if isinstance(x, (list, tuple)) else ()
    return [value for item in items for value in _values(item)]


def _needed(ops: Sequence[Op], outputs: Sequence[Value]) -> list[Op]:
    """Those that the outputs come from."""
    wanted = set(outputs)
    kept = []
    for op in reversed(ops):
        if any(x in wanted for x in op.outputs):
            kept.append(op)
            wanted.update(x for x in op.inputs if x is not None)
    return kept[::-1]
