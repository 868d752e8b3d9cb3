"""The exported graph as calls of ATen in their order, subgraphs put in place."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import torch

from ..._aten import Call, Out, Reading, Ref, where
from ...errors import ProgramError
from ...program import Place

_TORCH = os.path.dirname(torch.__file__) + os.sep
_NO_GRAD, _AUTOCAST, _COND = "wrap_with_set_grad_enabled", "wrap_with_autocast", "cond"


def dtype_name(tensor: Any) -> str:
    """NumPy's name."""
    return str(tensor.dtype).removeprefix("torch.")


def shape_of(tensor: Any) -> tuple[int, ...]:
    """Sizes as numbers; a symbolic one is what the example has."""
    return tuple(_whole(n) for n in tensor.shape)


def _whole(n: Any) -> int:
    if isinstance(n, int):
        return n
    hint = n.node.hint if hasattr(n, "node") else None
    if hint is None:
        raise ProgramError("a size depends on the values of a tensor (nonzero, a mask as an index, .item()) and varies "
                           "from batch to batch: pad to a fixed size, or read the submodules apart.")
    return int(hint)


def flatten(module: Any, reading: Reading) -> list[str]:
    """Read the calls of a graph; the names of its outputs."""
    return _Flat(module, reading, "", {}, True).run()


class _Flat:
    """One graph: ``prefix`` of its names, ``literals`` among its placeholders, whether gradients are recorded."""

    def __init__(self, module: Any, reading: Reading, prefix: str, literals: dict[str, Any], gradient: bool) -> None:
        self.module, self.reading, self.prefix, self.literals = module, reading, prefix, literals
        self.gradient = gradient

    def run(self) -> list[str]:
        """Every node; the names of the output tensors."""
        for node in self.module.graph.nodes:
            if node.op == "call_function":
                self._call(node)
            elif node.op == "get_attr":
                self._attribute(node)
            elif node.op == "output":
                return [ref.name for ref in _refs(self._argument(node.args[0]))]
        return []

    def _attribute(self, node: Any) -> None:
        thing = _attribute_of(self.module, node.target)
        if isinstance(thing, torch.Tensor):
            value = self.reading.build.constant(thing.detach().cpu().numpy(), dtype_name(thing))
            self.reading.enter(self.prefix + node.name, value)
        else:
            self.literals[node.name] = thing

    def _call(self, node: Any) -> None:
        name = getattr(node.target, "__name__", str(node.target))
        if name == "getitem":
            self._item(node)
        elif name in (_NO_GRAD, _AUTOCAST):
            self._region(node, name)
        elif name == _COND:
            self._branches(node)
        elif isinstance(node.target, torch._ops.OpOverload):
            self._overload(node)
        elif isinstance(node.target, torch._ops.HigherOrderOperator):
            self._unknown(node)
        # the rest is arithmetic on sizes, which are numbers here

    def _item(self, node: Any) -> None:
        source, index = node.args
        name = f"{self.prefix}{source.name}#{index}"
        if self.reading.knows(name):
            self.reading.bind(self.prefix + node.name, name)

    def _region(self, node: Any, kind: str) -> None:
        """no_grad and autocast: the operations in place; what leaves a region without gradient has none."""
        skip = 1 if kind == _NO_GRAD else 4
        gradient = bool(node.args[0]) if kind == _NO_GRAD else self.gradient
        names = self._inline(node, node.args[skip], node.args[skip + 1:], gradient)
        self.reading.leave(self.prefix + node.name, names, self.gradient and not gradient)

    def _branches(self, node: Any) -> None:
        """torch.cond: both branches, and a choice between what they return."""
        condition, then, other, operands = node.args
        outs = _outputs(node, self.prefix)
        ref = self._argument(condition)
        results = [self._inline(node, branch, operands, self.gradient, word)
                   for branch, word in ((then, "true"), (other, "false"))]
        if isinstance(ref, Ref) and len(outs) == len(results[0]) == len(results[1]):
            self.reading.choose(outs, ref.name, results[0], results[1], place_of(node))
        else:
            self._unknown(node)

    def _inline(self, node: Any, graph: Any, operands: Any, gradient: bool, word: str = "") -> list[str]:
        inner = self.literals[graph.name]
        prefix, literals = f"{self.prefix}{node.name}{word}/", {}
        holes = [n for n in inner.graph.nodes if n.op == "placeholder"]
        for hole, operand in zip(holes, operands, strict=True):
            given = self._argument(operand)
            if isinstance(given, Ref):
                self.reading.bind(prefix + hole.name, given.name)
            else:
                literals[hole.name] = given
        return _Flat(inner, self.reading, prefix, literals, gradient).run()

    def _overload(self, node: Any) -> None:
        """One operator, its arguments by name."""
        schema = node.target._schema
        named = [a.name for a in schema.arguments]
        given = {**dict(zip(named, node.args, strict=False)), **node.kwargs}
        writes = [a.name for a in schema.arguments if a.alias_info is not None and a.alias_info.is_write]
        name, _, overload = schema.name.partition("::")[2], None, schema.overload_name or "default"
        space = schema.name.partition("::")[0]
        self.reading.call(Call(f"{space}.{name}.{overload}", {k: self._argument(v) for k, v in given.items()},
                               _outputs(node, self.prefix), place_of(node), self.prefix + node.name, writes))

    def _unknown(self, node: Any) -> None:
        """Anything else: all tensors that go in, all that come out."""
        given = {str(k): self._argument(x) for k, x in enumerate([*node.args, *node.kwargs.values()])}
        name = getattr(node.target, "__name__", str(node.target))
        self.reading.call(Call(f"higher_order.{name}", given, _outputs(node, self.prefix), place_of(node),
                               self.prefix + node.name))

    def _argument(self, x: Any) -> Any:
        """Tensors as Refs, everything else as plain Python."""
        if isinstance(x, torch.fx.Node):
            if self.reading.knows(self.prefix + x.name):
                return Ref(self.prefix + x.name)
            if x.name in self.literals:
                return self.literals[x.name]
            known = x.meta.get("val")
            size = _whole(known) if isinstance(known, torch.SymInt) else known
            return size if isinstance(size, int | float) else None
        if isinstance(x, Mapping):
            return {k: self._argument(v) for k, v in x.items()}
        if isinstance(x, (list, tuple)):
            return [self._argument(item) for item in x]
        if isinstance(x, torch.dtype):
            return str(x).removeprefix("torch.")
        return x


def _refs(x: Any) -> list[Ref]:
    if isinstance(x, Ref):
        return [x]
    items = x.values() if isinstance(x, Mapping) else x if isinstance(x, (list, tuple)) else ()
    return [ref for item in items for ref in _refs(item)]


def _outputs(node: Any, prefix: str) -> list[Out]:
    made = node.meta.get("val")
    if isinstance(made, torch.Tensor):
        return [Out(prefix + node.name, shape_of(made), dtype_name(made))]
    several = made if isinstance(made, (list, tuple)) else ()
    return [Out(f"{prefix}{node.name}#{k}", shape_of(x), dtype_name(x)) for k, x in enumerate(several)
            if isinstance(x, torch.Tensor)]


def users(file: str) -> bool:
    """Whether a file is neither PyTorch's nor Keras', nor made up by them."""
    return not file.startswith((_TORCH, "<")) and "/keras/src/" not in file.replace(os.sep, "/")


def place_of(node: Any) -> Place:
    """The module's path, and the user's line: the deepest frame outside PyTorch; none in a plain Sequential."""
    stack = node.meta.get("nn_module_stack") or {}
    path = list(stack.values())[-1][0] if stack else ""
    return where(str(path), node.meta.get("stack_trace") or "", users)


def _attribute_of(module: Any, target: str) -> Any:
    for part in target.split("."):
        module = getattr(module, part)
    return module
