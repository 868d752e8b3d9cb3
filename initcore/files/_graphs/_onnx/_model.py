"""The graph of an ``.onnx`` model -> :class:`initcore.program.Program`, node by node, with nothing run.

Design
A. Sizes that the graph leaves open (a symbol for the batch) get small numbers; what is worked out from shapes alone
   (Shape, Gather, Concat, ... of whole numbers) is worked out here, so that the rest knows its shapes.
B. A node that the table has no words for is opaque: it takes its inputs and all that its subgraphs read from outside.
   Its results have the shapes that the model tells, else those of ONNX's own inference. Branches and loops are written
   out (:mod:`._control`), each body in a scope of its own.
C. Weights are the file's tensors; numbers that the exporter made (constants, names that begin with "/") are constants.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ...._aten import Build, NotUnderstood
from ....errors import FileFormatError, InitcoreError
from ....program import Parameter, Place, Program, Value
from ..._tensor import Tensor, Weights, checked_shape
from ..._text import shown_name
from .._held import Graph, Held, Unread, counted
from ._control import BODIES, controlled, fixed, read_outside
from ._entry import ELEMENTS
from ._folding import folded
from ._table import ENTRIES
from ._uses import attributes, literal, uses

_BATCH, _LONG, _WIDE = 2, 5, 32
_NONSENSE = (NotUnderstood, TypeError, ValueError, IndexError, KeyError, AttributeError, ArithmeticError,
             InitcoreError, Warning)
_OWN = ("", "ai.onnx")


def onnx_graph(model: Any, inferred: Callable[[], Any]) -> Graph:
    """What makes the program. inferred : the model's graph with the shapes that ONNX infers."""
    return lambda weights, sizes=None: _Model(model, inferred, weights, sizes or {}).program()


class _Model:
    """One model being read."""

    def __init__(self, model: Any, inferred: Callable[[], Any], weights: Weights, sizes: Mapping[int, int]) -> None:
        self.graph, self.shown, self._inferred = model.graph, weights.source, inferred
        self._sizes = sizes
        self.opset = max((o.version for o in model.opset_import if o.domain in _OWN), default=1)
        self.held, self.build = Held(weights), Build(1 << 28)
        self.values: ChainMap[str, Value] = ChainMap()
        self.parameters: dict[Value, Parameter] = {}
        self._shapes: dict[str, Any] | None = None
        self._symbols: dict[str, int] = {}
        self._bodies, self._inside = 0, ""
        self._fixed, self._uses = fixed(self.graph), uses(self.graph)
        self._tables: list[str] = [n.input[0] for n in self.graph.node if n.op_type == "Gather" and n.input
                                   and n.input[0] in self._fixed]
        self._buffers = {n.input[k] for n in self.graph.node if n.op_type == "BatchNormalization" for k in (3, 4)
                         if len(n.input) > k}

    def program(self) -> Program:
        """Inputs, nodes in their order, outputs."""
        counted(self.shown, len(self.graph.node))
        inputs = []
        for given in self.graph.input:
            if given.name not in self._fixed:
                shape, dtype = self._typed(given)
                self.values[given.name] = Value(shape, dtype, shown_name(given.name))
                inputs.append(self.values[given.name])
        for node in self.graph.node:
            self._node(node)
        outputs = [self._value(out.name) for out in self.graph.output]
        if not outputs:
            raise FileFormatError(f"{self.shown}: its graph has no outputs; the file is damaged.")
        return self.build.program(inputs, self.parameters.values(), outputs)

    def _typed(self, given: Any) -> tuple[tuple[int, ...], str]:
        """Shape and dtype of an input; open sizes get numbers, one a symbol."""
        kind = given.type.tensor_type
        if not given.type.HasField("tensor_type") or not kind.HasField("shape"):
            raise Unread(f"The shape of its input {shown_name(given.name)!r} is not told.")
        rank, sizes = len(kind.shape.dim), []
        for k, dim in enumerate(kind.shape.dim):
            if dim.HasField("dim_value"):
                sizes.append(dim.dim_value)
                continue
            small = self._sizes.get(k, _BATCH if k == 0 else _WIDE if rank >= 4 and k >= 2 else _LONG)
            sizes.append(self._symbols.setdefault(dim.dim_param or f"{given.name} {k}", small))
        return checked_shape(sizes, self.shown, given.name), ELEMENTS.get(kind.elem_type, "other")

    def _value(self, name: str) -> Value:
        """What a name stands for by now."""
        if name not in self.values:
            if name not in self._fixed:
                raise FileFormatError(f"{self.shown}: its graph uses {shown_name(name)[:80]!r} before anything makes "
                                      "it; the file is damaged.")
            self.values.maps[-1][name] = self._weight(name)
        return self.values[name]

    def _weight(self, name: str) -> Value:
        tensor = self._tensor(name)
        whole = not tensor.dtype.startswith(("float", "bfloat"))
        if literal(name, tensor.shape, tensor.dtype, self._uses.get(name, "")):
            if tensor.size and tensor.stream is None:
                raise Unread(f"{tensor.name!r} holds {tensor.dtype}, which is not read.")
            data = tensor.array() if tensor.size else np.empty(tensor.shape)
            return self.build.constant(data, tensor.dtype)
        shared = self._shared(name, tensor)
        if shared is not None:
            return self.build.permute(self._value(shared), (1, 0))
        parameter = self.held.get(name, buffer=whole or name in self._buffers)
        self.parameters[parameter.value] = parameter
        return parameter.value

    def _shared(self, name: str, tensor: Tensor) -> str | None:
        """The table that a matrix without a name of its own is the transpose of: exporters copy shared weights."""
        if not name.startswith("onnx::") or tensor.ndim != 2:
            return None
        for table in self._tables:
            other = self.held.find(table)
            if other is not None and table != name and other.shape == tensor.shape[::-1] \
                    and other.dtype == tensor.dtype and np.array_equal(other.array().T, tensor.array()):
                self.held.same(name, table)
                return table
        return None

    def _tensor(self, name: str) -> Tensor:
        tensor = self.held.find(name)
        if tensor is None:
            raise FileFormatError(f"{self.shown}: its graph uses {shown_name(name)[:80]!r}, which is not among its "
                                  "tensors; the file is damaged.")
        return tensor

    def rows(self, value: Value, way: int, gates: tuple[int, ...], part: int | None) -> Value:
        """A direction's weights of a recurrent layer with PyTorch's order of gates, as a parameter of their own.

        part : which half of a bias: of the input, of the state.
        """
        whole = next((p for v, p in self.parameters.items() if v is value), None)
        if whole is None:
            raise NotUnderstood
        rows = value.shape[1] // (1 if part is None else 2)
        h, start = rows // len(gates), (part or 0) * rows
        made = self.held.derived(whole, (way, gates, part), (rows, *value.shape[2:]), lambda a: np.concatenate(
            [a[way, start + g * h:start + (g + 1) * h] for g in gates]))
        self.parameters[made.value] = made
        return made.value

    def _node(self, node: Any) -> None:
        build = self.build
        names = [name for name in node.output if name]
        if any(name in self.values.maps[0] for name in names):
            raise FileFormatError(f"{self.shown}: its graph makes {shown_name(names[0])[:80]!r} twice; the file is "
                                  "damaged.")
        if node.op_type == "Constant" and names and names[0] in self._fixed and node.domain in _OWN:
            if self.held.find(names[0]) is not None:
                return
        given = [self._value(name) if name else None for name in node.input]
        self._at(node, names)
        weights = self.values.maps[-1]
        done, known = len(build.ops), len(weights)
        try:
            made = self._understood(node, given)
        except _NONSENSE:
            del build.ops[done:]
            for name in list(weights)[known:]:              # one may be made by an operation that is gone
                del weights[name]
            self._at(node, names)
            made = self._opaque(node, given, names)
        for name, value in zip(node.output, made, strict=False):
            if name:
                self.values[name] = value
        if any(name not in self.values for name in names):
            raise FileFormatError(f"{self.shown}: {build.source} at {build.place} has {len(names)} results; the file "
                                  "is damaged.")

    def _at(self, node: Any, names: Sequence[str]) -> None:
        """Where the operations that come now stand."""
        name = shown_name(node.name or (names[0] if names else ""))
        self.build.place = Place(f"{self._inside}{name}"[:200])
        self.build.source = shown_name(f"onnx.{node.op_type}")[:200]

    def body(self, graph: Any, given: Mapping[str, Value], word: str) -> list[Value]:
        """The outputs of a subgraph that sees what is around it. word : what it is to its node."""
        self._bodies += len(graph.node)
        if self._bodies > BODIES:
            raise NotUnderstood
        outside, inside, place = self.values, self._inside, self.build.place
        told = self._told_shapes()
        self.values, self._inside = outside.new_child(dict(given)), f"{place}/"
        self._shapes = {**told, **{v.name: v for v in (*graph.output, *graph.value_info)}}
        done = len(self.build.ops)
        try:
            for node in graph.node:
                self._node(node)
            out = [self._value(v.name) for v in graph.output]
        except Unread:
            raise NotUnderstood from None
        finally:
            self.values, self._inside, self._shapes = outside, inside, told
            self.build.place = place
        if word == "step":
            self.build.ops[done:] = [op if "loop" in op.attributes else replace(op, attributes={
                **op.attributes, "loop": f"{op.place} {op.kind}"}) for op in self.build.ops[done:]]
        return out

    def _understood(self, node: Any, given: list[Value | None]) -> list[Value]:
        if node.domain not in _OWN:
            raise NotUnderstood
        done = controlled(self.build, node, given, self.body)
        if done is not None:
            return done
        a = dict(attributes(node))
        done = folded(node.op_type, given, a, self.build, self.opset)
        if done is not None:
            return done
        entry = ENTRIES.get(node.op_type)
        if entry is None:
            raise NotUnderstood
        while given and given[-1] is None:
            given = given[:-1]
        names = list(node.output)
        while names and not names[-1]:
            names.pop()
        made = entry(self.build, given, {**a, "opset": self.opset, "outputs": len(names), "rows": self.rows})
        made = [made] if isinstance(made, Value) else list(made)
        if len(made) < len(names) or any(n < 0 or n > 1 << 46 for v in made for n in v.shape):
            raise NotUnderstood
        return made

    def _opaque(self, node: Any, given: list[Value | None], names: list[str]) -> list[Value]:
        outside = [self._value(name) for name in read_outside(node) if name in self.values or name in self._fixed]
        inputs = [v for v in dict.fromkeys([*given, *outside]) if v is not None]
        outputs = [self._told(name) for name in names]
        made = iter(self.build.several("opaque", *inputs, outputs=outputs))
        return [next(made) if name else Value(()) for name in node.output]

    def _told(self, name: str) -> tuple[tuple[int, ...], str]:
        """Shape and dtype of a result by the model's own words, else by ONNX's inference."""
        shapes = self._told_shapes()
        if name not in shapes and not self._inside:
            shapes = self._shapes = {**shapes, **{v.name: v for v in self._inferred().value_info}}
        if name not in shapes:
            raise Unread(f"The shape of {shown_name(name)[:80]!r} ({self.build.source}) is not told.")
        return self._typed(shapes[name])

    def _told_shapes(self) -> dict[str, Any]:
        if self._shapes is None:
            self._shapes = {v.name: v for v in (*self.graph.output, *self.graph.value_info)}
        return self._shapes
