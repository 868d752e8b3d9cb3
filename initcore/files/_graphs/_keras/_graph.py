"""The model that a ``.keras`` archive's config.json describes -> :class:`initcore.program.Program`.

The config is data: classes are looked up by name in a table of ours and nowhere else, so that a custom class, a Lambda
or a module named there is an opaque operation, and nothing is imported or run. Layers are found in the weights by the
names that Keras writes beside them. Dropout and batch norms stand as in training.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any

from ...._aten import Build, NotUnderstood
from ....errors import FileFormatError, InitcoreError
from ....program import Parameter, Place, Program, Value
from ..._tensor import Weights, checked_shape
from ..._text import shown_name
from .._held import Graph, Held, Unread, counted, field_of
from ._cells import ENTRIES as CELLS
from ._layer import Layer
from ._layers import ENTRIES as LAYERS
from ._spatial import ENTRIES as SPATIAL

_ENTRIES = {**LAYERS, **SPATIAL, **CELLS}
_OPERATIONS = {"Add": "add", "Subtract": "subtract", "Multiply": "multiply", "Divide": "divide", "TrueDivide": "divide",
               "Maximum": "maximum", "Minimum": "minimum"}
_MODELS = ("Functional", "Sequential", "Model")
_NONSENSE = (NotUnderstood, TypeError, ValueError, IndexError, KeyError, AttributeError, ArithmeticError,
             InitcoreError)
_BATCH, _LONG, _WIDE = 2, 5, 32
_DEEPEST = 40


def keras_graph(config: Any, folders: Mapping[str, str]) -> Graph:
    """What makes the program. folders : "layers/NAME" of a model -> where the layer's variables lie."""
    return lambda weights, sizes=None: _Model(folders, weights, sizes or {}).program(config)


class _Model:
    """One model, with the models inside it, being read."""

    def __init__(self, folders: Mapping[str, str], weights: Weights, sizes: Mapping[int, int]) -> None:
        self.folders, self.shown, self.open = folders, weights.source, sizes
        self.held, self.build = Held(weights), Build(1 << 28)
        self.parameters: dict[Value, Parameter] = {}
        self.calls = 0

    def program(self, config: Any) -> Program:
        """Inputs, layers in an order that their connections allow, outputs."""
        if not isinstance(config, dict) or config.get("class_name") not in _MODELS or not isinstance(
                config.get("config"), dict) or "layers" not in config["config"]:
            raise Unread("Its model is of a class of its own, whose wiring only its code tells.")
        inputs: list[Value] = []
        outputs = self._model(config["class_name"], config["config"], "", inputs, None, 0)
        return self.build.program(inputs, self.parameters.values(), outputs)

    def _model(self, kind: str, config: Any, folder: str, inputs: list[Value], given: list[Value] | None,
               depth: int) -> list[Value]:
        """The outputs of a model. given : what it is called on; None: the inputs are the program's."""
        if depth > _DEEPEST:
            raise FileFormatError(f"{self.shown}: its models are nested more than {_DEEPEST} deep; no library writes "
                                  "this.")
        layers = field_of(config, "layers", list, self.shown, "a model")
        if not all(isinstance(one, dict) for one in layers):
            raise FileFormatError(f"{self.shown}: a layer of its model is no layer; the file is damaged.")
        self.calls += len(layers)
        counted(self.shown, self.calls)
        run = self._sequential if kind == "Sequential" else self._functional
        return run(layers, config, folder, inputs, given, depth)

    def _sequential(self, layers: list[Any], config: Any, folder: str, inputs: list[Value], given: list[Value] | None,
                    depth: int) -> list[Value]:
        at = given
        for k, one in enumerate(layers):
            if _class(one) == "InputLayer":
                at = [self._input(one, inputs)] if at is None else at
                continue
            if at is None:
                shape = _shape_of(one) or _listed(config.get("build_input_shape"))
                at = [self._open(shape, "float32", "input", inputs)]
            after = _shape_of(layers[k + 1]) if k + 1 < len(layers) else None
            at = self._call(one, at, {}, folder, after, depth)
        if not at:
            raise FileFormatError(f"{self.shown}: a model of it has no layers; the file is damaged.")
        return at

    def _functional(self, layers: list[Any], config: Any, folder: str, inputs: list[Value],
                    given: list[Value] | None, depth: int) -> list[Value]:
        made: dict[tuple[str, int, int], Value] = {}
        told = {key: shape for one in layers for key, shape in _tensors(one.get("inbound_nodes") if isinstance(
            one, dict) else None)}
        first = [key for key in _histories(config.get("input_layers"))]
        by_name = {str(_named(one)): one for one in layers}
        for k, key in enumerate(first):
            one = by_name.get(key[0])
            if one is None or _class(one) != "InputLayer" or (given is not None and k >= len(given)):
                raise FileFormatError(f"{self.shown}: its input {shown_name(key[0])!r} is not among its layers; the "
                                      "file is damaged.")
            made[key] = self._input(one, inputs) if given is None else given[k]
        waiting = deque((one, k, node) for one in layers if _class(one) != "InputLayer" for k, node in enumerate(
            one.get("inbound_nodes") if isinstance(one.get("inbound_nodes"), list) else []))
        counted(self.shown, self.calls + len(waiting))
        idle = 0
        while waiting and idle <= len(waiting):
            one, k, node = waiting.popleft()
            needed = [key for key, _ in _tensors(node)]
            if any(key not in made for key in needed):
                waiting.append((one, k, node))
                idle += 1
                continue
            idle = 0
            name = str(_named(one))
            outs = self._call(one, list(_values(node.get("args"), made)), _plain(node.get("kwargs"), made), folder,
                              told.get((name, k, 0)), depth)
            made.update({(name, k, i): v for i, v in enumerate(outs)})
        outputs = [made[key] for key in _histories(config.get("output_layers")) if key in made]
        if waiting or not outputs or len(outputs) < len(list(_histories(config.get("output_layers")))):
            what = str(_named(waiting[0][0])) if waiting else "an output"
            raise FileFormatError(f"{self.shown}: {shown_name(what)!r} waits for what nothing makes; the file is "
                                  "damaged.")
        return outputs

    def _input(self, one: Any, inputs: list[Value]) -> Value:
        config = one["config"] if isinstance(one.get("config"), dict) else {}
        shape = config.get("batch_shape", config.get("batch_input_shape"))
        dtype = config.get("dtype") if isinstance(config.get("dtype"), str) else "float32"
        return self._open(shape, str(dtype), str(_named(one)), inputs)

    def _open(self, shape: Any, dtype: str, name: str, inputs: list[Value]) -> Value:
        """A new input of the program; open sizes get numbers."""
        made = Value(self._sizes(shape, name), shown_name(dtype), shown_name(name))
        inputs.append(made)
        return made

    def _sizes(self, shape: Any, name: str) -> tuple[int, ...]:
        if not isinstance(shape, list):
            raise Unread(f"The shape of {shown_name(name)!r} is not told.")
        rank = len(shape)
        small = [self.open.get(k, _BATCH if k == 0 else _WIDE if rank >= 4 else _LONG) for k in range(rank)]
        return checked_shape([s if n is None else n for n, s in zip(shape, small)], self.shown, name)

    def _call(self, one: Any, given: list[Any], options: dict[str, Any], folder: str, told: Any,
              depth: int) -> list[Value]:
        """One layer called on values."""
        build, kind, name = self.build, _class(one), str(_named(one))
        config = one.get("config") if isinstance(one.get("config"), dict) else {}
        below = self.folders.get(f"{folder}/layers/{name}".strip("/"), f"{folder}/layers/{name}".strip("/"))
        xs = [x for x in given if isinstance(x, Value)]
        if kind in _MODELS and isinstance(config.get("layers"), list) and xs:
            return self._model(kind, config, below, [], xs, depth + 1)
        build.place, build.source = Place(shown_name(name)[:200]), shown_name(f"keras.{kind}")[:200]
        done, layer = len(build.ops), Layer(build, self.held, below, config, options)
        try:
            found = self._understood(one, kind, layer, given, xs)
            made = found if isinstance(found, list) else [found]
        except _NONSENSE as error:
            if isinstance(error, FileFormatError):
                raise
            del build.ops[done:]
            made = self._opaque(layer, name, xs, told)
        for p in layer.taken:
            self.parameters[p.value] = p
        return made

    def _understood(self, one: Any, kind: str, layer: Layer, given: list[Any],
                    xs: list[Value]) -> Value | list[Value]:
        module = str(one.get("module") or "")
        if module.startswith("keras.src.ops") or (kind in _OPERATIONS and not module.startswith("keras.layers")):
            a, b = given
            if kind not in _OPERATIONS or not xs or module.split(".")[0] != "keras":
                raise NotUnderstood
            return self.build.binary(_OPERATIONS[kind], a, b)
        if module.split(".")[0] != "keras" or one.get("registered_name") not in (None, kind) or kind not in _ENTRIES \
                or len(xs) != len([x for x in given if x is not None]):
            raise NotUnderstood
        return _ENTRIES[kind](layer, xs)

    def _opaque(self, layer: Layer, name: str, xs: list[Value], told: Any) -> list[Value]:
        """All that the layer is called on, and every variable below it, in; its result as the config tells it."""
        own = [t for t in self.held.weights.tensors if t.startswith(f"{layer.folder}/")]
        layer.taken = [self.held.get(t) for t in own]
        shape = (_BATCH,) if told is None else self._sizes(told, name)
        return [self.build.emit("opaque", *xs, *(p.value for p in layer.taken), shape=shape,
                                dtype=next((x.dtype for x in xs if "float" in x.dtype), "float32"))]


def _class(one: Any) -> str:
    return str(one.get("class_name")) if isinstance(one, dict) else ""


def _named(one: Any) -> Any:
    if not isinstance(one, dict):
        return ""
    config = one.get("config")
    return one.get("name") or (config.get("name") if isinstance(config, dict) else None)


def _shape_of(one: Any) -> Any:
    """The shape that a layer was built for."""
    build = one.get("build_config") if isinstance(one, dict) else None
    return _listed(build.get("input_shape")) if isinstance(build, dict) else None


def _listed(shape: Any) -> Any:
    return shape if isinstance(shape, list) and all(n is None or isinstance(n, int) for n in shape) else None


def _histories(x: Any) -> Iterator[tuple[str, int, int]]:
    """(layer, call, output) in any nesting."""
    if isinstance(x, list) and len(x) == 3 and isinstance(x[0], str) and all(isinstance(n, int) for n in x[1:]):
        yield x[0], x[1], x[2]
    elif isinstance(x, (list, dict)):
        for item in x.values() if isinstance(x, dict) else x:
            yield from _histories(item)


def _tensors(x: Any) -> Iterator[tuple[tuple[str, int, int], Any]]:
    """Every tensor that arguments name, with its shape."""
    if isinstance(x, dict) and x.get("class_name") == "__keras_tensor__" and isinstance(x.get("config"), dict):
        yield from ((key, x["config"].get("shape")) for key in _histories(x["config"].get("keras_history")))
    elif isinstance(x, (list, dict)):
        for item in x.values() if isinstance(x, dict) else x:
            yield from _tensors(item)


def _values(x: Any, made: Mapping[tuple[str, int, int], Value]) -> Iterator[Any]:
    """Positional arguments, lists of them laid flat."""
    for item in x if isinstance(x, list) else []:
        keys = [key for key, _ in _tensors(item)]
        if isinstance(item, list):
            yield from _values(item, made)
        else:
            yield made[keys[0]] if keys else item


def _plain(x: Any, made: Mapping[tuple[str, int, int], Value]) -> dict[str, Any]:
    """Keyword arguments; a tensor among them is its value, several of a list are a list."""
    found = {}
    for k, v in x.items() if isinstance(x, dict) else ():
        values = [made[key] for key, _ in _tensors(v)]
        found[str(k)] = v if not values else values if isinstance(v, list) else values[0]
    return found
