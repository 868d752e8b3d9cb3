"""The graph of a ``.pt2`` (torch.export.save): ATen calls as JSON -> :class:`initcore.program.Program`.

The document's form is PyTorch's (torch/_export/serde/schema.py): nodes with a target, named arguments of one tagged
kind each, and the shapes of all that they make. Subgraphs (no_grad, autocast, cond) are put in place.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ..._aten import Call, Out, Reading, Ref, where
from ...errors import FileFormatError
from ...program import Parameter, Place, Program, Value
from .._tensor import Weights, checked_shape
from .._text import shown_name
from ._held import MOST_NODES, Graph, Held, Unread, counted, field_of

MAJORS = range(5, 9)        # of the document's schema that are read
DTYPES = {1: "uint8", 2: "int8", 3: "int16", 4: "int32", 5: "int64", 6: "float16", 7: "float32", 8: "float64",
          10: "complex64", 11: "complex128", 12: "bool", 13: "bfloat16", 28: "uint16"}
_LITERAL = 1 << 16          # elements of a constant that the program holds itself
_NUMBERS = {"Infinity": math.inf, "-Infinity": -math.inf, "NaN": math.nan}
_NO_GRAD, _AUTOCAST, _COND = (f"torch.ops.higher_order.{name}" for name in (
    "wrap_with_set_grad_enabled", "wrap_with_autocast", "cond"))
_SPECS = {"parameter": "parameter_name", "buffer": "buffer_name", "tensor_constant": "tensor_constant_name"}


def exported(document: Any) -> Graph:
    """What makes the program of an exported document."""
    return lambda weights, sizes=None: _Document(document, weights).program()


class _Document:
    """One exported program being read."""

    def __init__(self, document: Any, weights: Weights) -> None:
        self.shown = weights.source
        version = document.get("schema_version") if isinstance(document, dict) else None
        major = version.get("major") if isinstance(version, dict) else version
        if not isinstance(major, int) or major not in MAJORS:
            raise Unread(f"Its graph has the form {str(major)[:20]} of torch.export, not one of {MAJORS[0]} to "
                         f"{MAJORS[-1]}.")
        module = field_of(document, "graph_module", dict, self.shown, "the graph")
        self.graph = field_of(module, "graph", dict, self.shown, "the graph")
        self.signature = field_of(module, "signature", dict, self.shown, "the graph")
        self.held, self.reading = Held(weights), Reading(untrusted=True)
        self.parameters: dict[Value, Parameter] = {}
        self.inputs: list[str] = []
        self.nodes = self.taken = 0

    def program(self) -> Program:
        """Placeholders, calls, outputs."""
        flat = _Flat(self, self.graph, "", True)
        for spec in field_of(self.signature, "input_specs", list, self.shown, "the graph"):
            self._placeholder(flat, *flat.tagged(spec, "an input"))
        outputs = flat.run()
        outside = {name for spec in field_of(self.signature, "output_specs", list, self.shown, "the graph")
                   for kind, what in [flat.tagged(spec, "an output")] if kind in ("user_output", "loss_output")
                   for name in [_name_of(what)] if name}
        outputs = [name for name in outputs if name in outside] or outputs
        return self.reading.program(self.inputs, list(self.parameters.values()), outputs)

    def _placeholder(self, flat: _Flat, kind: str, spec: Any) -> None:
        name = _name_of(spec)
        if kind == "user_input":
            if name is not None and name in flat.values:
                out = flat.out(name)
                self.reading.enter(name, Value(out.shape, out.dtype, shown_name(name)))
                self.inputs.append(name)
        elif kind in _SPECS and name is not None:
            out, target = flat.out(name), field_of(spec, _SPECS[kind], str, self.shown, "an input")
            trained = kind == "parameter" and flat.values[name].get("requires_grad") is not False
            self._weight(out, target, kind, trained)
        elif name is not None and name in flat.values:
            raise Unread(f"Its graph has an input of the kind {shown_name(kind)!r}.")

    def _weight(self, out: Out, target: str, kind: str, trained: bool) -> None:
        parameter = self.held.get(target, out.shape, trainable=trained, buffer=kind != "parameter")
        tensor = self.held.find(target)
        if kind == "tensor_constant" and tensor is not None and tensor.size <= _LITERAL:
            self.reading.enter(out.name, self.reading.build.constant(tensor.array(), out.dtype))
            return
        self.parameters[parameter.value] = parameter
        if not self.reading.knows(f"*{parameter.names[0]}"):
            self.reading.enter(f"*{parameter.names[0]}", parameter.value)
        self.reading.bind(out.name, f"*{parameter.names[0]}")


class _Flat:
    """One graph: ``prefix`` of its names, whether gradients are recorded."""

    def __init__(self, document: _Document, graph: Any, prefix: str, gradient: bool) -> None:
        self.document, self.reading, self.shown = document, document.reading, document.shown
        self.graph, self.prefix, self.gradient = graph, prefix, gradient
        self.values = field_of(graph, "tensor_values", dict, self.shown, "the graph")
        self.sizes = {name: _size(one) for name, one in (graph.get("sym_int_values") or {}).items()} \
            if isinstance(graph.get("sym_int_values"), dict) else {}

    def run(self) -> list[str]:
        """Every node; the names of the output tensors."""
        nodes = field_of(self.graph, "nodes", list, self.shown, "the graph")
        self.document.nodes += len(nodes)
        counted(self.shown, self.document.nodes)
        for node in nodes:
            self._node(node)
        return [ref.name for x in field_of(self.graph, "outputs", list, self.shown, "the graph")
                for ref in _refs(self.argument(x))]

    def _node(self, node: Any) -> None:
        target = field_of(node, "target", str, self.shown, "a node")
        inputs = field_of(node, "inputs", list, self.shown, "a node")
        names = [one.get("name") or str(k) if isinstance(one, dict) else "" for k, one in enumerate(inputs)]
        given = [field_of(one, "arg", dict, self.shown, "a node") for one in inputs]
        graphs = [k for k, one in enumerate(given) if "as_graph" in one]
        outs = self._outputs(node)
        place = _place(node)
        if target in (_NO_GRAD, _AUTOCAST) and len(graphs) == 1:
            self._region(target, given, graphs[0], outs)
        elif target == _COND and len(graphs) == 2:
            self._branches(given, graphs, outs, place)
        else:
            arguments = {str(n): self.argument(a) for n, a, in zip(names, given, strict=True) if "as_graph" not in a}
            called = target.removeprefix("torch.ops.")
            if not called.startswith("aten.") and not outs:
                return                                  # arithmetic on sizes
            writes = () if called.startswith("aten.") else tuple(n for n, a in arguments.items() if isinstance(a, Ref))
            name = outs[0].name if outs else called
            self.reading.call(Call(shown_name(called)[:200], arguments, outs, place, name, writes))

    def _region(self, target: str, given: Sequence[Any], at: int, outs: Sequence[Out]) -> None:
        """no_grad and autocast: the operations in place; what leaves a region without gradient has none."""
        gradient = self.argument(given[0]) is not False if target == _NO_GRAD else self.gradient
        names = self._inline(given[at], given[at + 1:], gradient, outs[0].name if outs else "region")
        for out, name in zip(outs, names, strict=False):
            if self.gradient and not gradient:
                self.reading.detach(out.name, name)
            else:
                self.reading.bind(out.name, name)

    def _branches(self, given: Sequence[Any], graphs: Sequence[int], outs: list[Out], place: Place) -> None:
        """torch.cond: both branches, and a choice between what they return."""
        condition = self.argument(given[0])
        both = [self._inline(given[k], given[graphs[1] + 1:], self.gradient, f"{outs[0].name if outs else ''}{k}")
                for k in graphs]
        if not isinstance(condition, Ref) or not len(outs) == len(both[0]) == len(both[1]):
            raise Unread("Its graph has a branch that is not understood.")
        self.reading.choose(outs, condition.name, both[0], both[1], place)

    def _inline(self, graph: Any, operands: Sequence[Any], gradient: bool, word: str) -> list[str]:
        inner = field_of(graph["as_graph"], "graph", dict, self.shown, "a subgraph")
        flat = _Flat(self.document, inner, f"{self.prefix}{word}/", gradient)
        given: list[Ref | None] = []
        for x in operands:
            given += _refs(self.argument(x)) or [None]
        holes = field_of(inner, "inputs", list, self.shown, "a subgraph")
        if len(given) < len(holes):
            raise FileFormatError(f"{self.shown}: a subgraph wants {len(holes)} inputs and gets {len(given)}; the file "
                                  "is damaged.")
        for hole, ref in zip(holes, given, strict=False):
            name = _name_of({"arg": hole})
            if name is not None and ref is not None:
                self.reading.bind(flat.prefix + name, ref.name)
        return flat.run()

    def out(self, name: str) -> Out:
        """What the document says of a tensor."""
        facts = self.values.get(name)
        what = f"the tensor {shown_name(name)!r}"
        sizes = [self._number(n) for n in field_of(facts, "sizes", list, self.shown, what)]
        dtype = DTYPES.get(field_of(facts, "dtype", int, self.shown, what), "other")
        if None in sizes:
            raise Unread(f"In its graph a size of {shown_name(name)!r} depends on the values of a tensor.")
        return Out(self.prefix + name, checked_shape(sizes, self.shown, name), dtype)

    def _outputs(self, node: Any) -> list[Out]:
        found: list[Out] = []
        for one in field_of(node, "outputs", list, self.shown, "a node"):
            kind, value = self.tagged(one, "a node's output")
            if kind == "as_tensor":
                found.append(self.out(field_of(value, "name", str, self.shown, "a node's output")))
            elif kind == "as_tensors" and isinstance(value, list):
                found += [self.out(field_of(x, "name", str, self.shown, "a node's output")) for x in value]
        return found

    def argument(self, x: Any) -> Any:
        """Tensors as Refs, everything else as plain Python."""
        kind, value = self.tagged(x, "an argument")
        if kind == "as_tensor":
            return self._ref(value)
        if kind == "as_tensors" and isinstance(value, list):
            return [self._ref(one) for one in value]
        if kind in ("as_optional_tensor", "as_sym_bool", "as_sym_float") and isinstance(value, dict):
            return self.argument(value) if any(k.startswith("as_") for k in value) and "as_name" not in value else None
        if kind in ("as_optional_tensors", "as_nested_tensors") and isinstance(value, list):
            return [self.argument(one) if isinstance(one, dict) else [self._ref(x) for x in one] for one in value]
        if kind == "as_sym_int":
            return self._number(value)
        if kind == "as_sym_ints" and isinstance(value, list):
            return [self._number(one) for one in value]
        if kind == "as_scalar_type":
            return DTYPES.get(value) if isinstance(value, int) else None
        if kind == "as_float":
            return _NUMBERS.get(value, value) if isinstance(value, str) else value
        return value if kind in _PLAIN else None

    def _ref(self, value: Any) -> Ref:
        name = self.prefix + field_of(value, "name", str, self.shown, "an argument")
        if not self.reading.knows(name):
            raise FileFormatError(f"{self.shown}: its graph uses {shown_name(name)[:80]!r} before anything makes it; "
                                  "the file is damaged.")
        self.document.taken += 1
        if self.document.taken > 4 * MOST_NODES:
            raise FileFormatError(f"{self.shown}: its operations take more than {4 * MOST_NODES} tensors; no library "
                                  "writes this.")
        return Ref(name)

    def _number(self, x: Any) -> Any:
        """A size; of a symbol what the example had."""
        if isinstance(x, dict) and "as_name" in x:
            return self.sizes.get(str(x["as_name"]))
        return _size(x)

    def tagged(self, x: Any, what: str) -> tuple[str, Any]:
        """The kind and the value of a tagged union: an object of one entry."""
        if not isinstance(x, dict) or len(x) != 1:
            raise FileFormatError(f"{self.shown}: {what} of its graph is not as torch.export.save writes it; the file "
                                  "is damaged.")
        return next(iter(x.items()))


_PLAIN = ("as_int", "as_ints", "as_bool", "as_bools", "as_floats", "as_string", "as_strings", "as_device", "as_layout",
          "as_int_lists")


def _size(x: Any) -> Any:
    """The number in {"as_int": n}, {"as_expr": {"hint": {"as_int": n}}} and the like; None where there is none."""
    for _ in range(6):
        if not isinstance(x, dict):
            break
        x = next((x[k] for k in ("as_int", "as_expr", "hint") if k in x), None)
    return x if isinstance(x, int) and not isinstance(x, bool) else None


def _refs(x: Any) -> list[Ref]:
    if isinstance(x, Ref):
        return [x]
    return [ref for item in x for ref in _refs(item)] if isinstance(x, list) else []


def _name_of(spec: Any) -> str | None:
    """The tensor's name in {"arg": {"name": ...}} and {"arg": {"as_tensor": {"name": ...}}}."""
    arg = spec.get("arg") if isinstance(spec, dict) else None
    arg = arg.get("as_tensor", arg) if isinstance(arg, dict) else None
    name = arg.get("name") if isinstance(arg, dict) else None
    return name if isinstance(name, str) else None


def _place(node: Any) -> Place:
    facts = node.get("metadata") if isinstance(node.get("metadata"), dict) else {}
    stack, trace = (str(facts.get(key) or "") for key in ("nn_module_stack", "stack_trace"))
    parts = stack.split(";")[-1].split(",")
    found = where(shown_name(parts[1][:200]) if len(parts) > 1 else "", trace[:1 << 16], _users)
    return Place(found.module, shown_name(found.file[:300]), found.line)


def _users(file: str) -> bool:
    return not file.startswith("<") and "-packages/torch/" not in file
