"""``initialize(model, rules)``: every variable by a rule, from the key of its path.

Design
A. The layer says which axis is which: convolutions, transposed and depthwise ones, EinsumDense by its equation.
B. All is decided and checked before anything is written.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping
from typing import Any, NamedTuple

import keras

from .._checks import describe as shown
from .._named import Chosen, Named, Recipe, Row, Table, by_name, choose, describe, renamed
from ..errors import ArgumentError, ArgumentTypeError
from ..random import as_key
from ._streams import Initializer, backend, sharded, tensor

_CONV = {3: "wio", 4: "hwio", 5: "dhwio"}
_TURNED = {3: "woi", 4: "hwoi", 5: "dhwoi"}
_DEPTHWISE = {3: "wim", 4: "hwim"}


class _Held(NamedTuple):
    """A variable, the layer that has it, and that with the layers around it (models aside)."""

    variable: Any
    layer: Any
    around: tuple[Any, ...]
    buffer: bool


def initialize(model: Any, rules: Mapping[Any, Any], *, rng: Any = None, canonical: bool = False,
               names: Mapping[str, str] | None = None, dry_run: bool = False) -> Table:
    """Fill every variable of a built model by rules, each from ``key.child(its path)``.

    Parameters
    ----------
    model : keras.Model or Layer, built
    rules : mapping, tried in order; the first that matches counts
        Keys: a pattern of paths (``"*/bias"``), a class of the layer or of one around it, a pair (class,
        ``"kernel"``), or a function of (path, layer, variable) that tells.
        Values: an initialiser of :mod:`initcore.init` (name, callable, partial), one of
        :mod:`initcore.keras` (its own rng is not used), any ``f(shape, *, rng, dtype)``, or None: leave it.
        Paths are Keras' without the model's own name at their start.
    rng : Key, int, generator, ...; None: fresh entropy
    canonical, names : as in :func:`initcore.torch.initialize`.
    dry_run : decide and check only.

    Returns a :class:`Table`. Running statistics are filled where a pattern names them (``"*"``, classes and functions
    do not), else left. Under a Keras distribution (JAX) each shard is made alone. Raises ArgumentError for a model
    that is not built, for variables without a rule and rules without a variable; UsageError on TensorFlow.

    >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4, "tanh", name="hidden")])
    >>> print(initialize(model, {"*/bias": "zeros", keras.layers.Dense: "glorot_uniform"}, rng=0))
    parameter      shape   dtype    drawn by        rule
    hidden/kernel  (8, 4)  float32  glorot_uniform  Dense
    hidden/bias    (4,)    float32  zeros           */bias
    """
    backend()
    if not isinstance(model, keras.layers.Layer):
        raise ArgumentTypeError(f"model must be a keras.Model or Layer, got {shown(model)}.")
    if not isinstance(rules, Mapping):
        raise ArgumentTypeError(f"rules must map patterns of paths to initialisers, got {shown(rules)}.")
    if not model.built or not model.weights:
        raise ArgumentError(f"{model.name} is not built and has no variables yet; give it keras.Input(...) first, or "
                            "call model.build(input_shape).")
    found = _variables(model, names)
    rules = dict(rules)
    named = [a for a in found if not a.thing.buffer or any(_matches(rule, a) for rule in rules)]
    plans = [(c, None if c.value is None else _recipe(c, canonical)) for c in choose(named, rules, _matches)]
    for _, recipe in plans:
        if recipe is not None:
            recipe.check()
    key = as_key(rng)
    if not dry_run:
        for chosen, recipe in plans:
            if recipe is not None:
                _write(chosen.array.thing.variable, recipe, key.child(chosen.array.name))
    drawn = {c.array.own: (describe(c.value) if c.value is not None else "left as it is", c.rule) for c, _ in plans}
    return Table([Row(a.name, a.shape, a.dtype, *drawn.get(a.own, ("left as it is", "(buffer)"))) for a in found])


def _variables(model: Any, names: Any) -> list[Named]:
    """Every variable once, with its layer."""
    owner: dict[int, tuple[Any, bool]] = {}
    around: dict[int, list[Any]] = {}
    for layer in model._flatten_layers():
        fixed = {id(v) for v in layer._non_trainable_variables}
        for v in [*layer._trainable_variables, *layer._non_trainable_variables]:
            owner[id(v)] = (layer, id(v) in fixed)
        for v in () if isinstance(layer, keras.Model) else layer.weights:
            around.setdefault(id(v), []).append(layer)
    weights = model.weights
    paths = [v.path.removeprefix(f"{model.name}/") for v in weights]      # Keras counts models: sequential_7
    streams = renamed(paths, names)
    if len(set(paths)) < len(paths):
        twice = next(p for p in paths if paths.count(p) > 1)
        raise ArgumentError(f"two variables have the path {twice!r}; name their layers apart (name=...), or they would "
                            "start equal.")
    out = []
    for path, v in zip(paths, weights):
        layer, buffer = owner.get(id(v), (model, False))
        held = _Held(v, layer, tuple(around.get(id(v), ())), buffer)
        out.append(Named(streams[path], path, tuple(v.shape), keras.backend.standardize_dtype(v.dtype), held))
    return out


def _matches(rule: Any, array: Named) -> bool:
    held = array.thing
    if held.buffer and not (isinstance(rule, str) and rule.strip("*")):
        return False                                    # only by its name
    if isinstance(rule, type):
        return any(isinstance(layer, rule) for layer in (held.layer, *held.around))
    if isinstance(rule, tuple) and len(rule) == 2 and isinstance(rule[0], type):
        return _matches(rule[0], array) and fnmatch.fnmatchcase(held.variable.name, rule[1])
    if callable(rule):
        return bool(rule(array.name, held.layer, held.variable))
    if isinstance(rule, str):
        return by_name(rule, array)
    raise ArgumentTypeError(f"a rule's key is a pattern of paths, a layer class, a pair of both or a function, got "
                            f"{rule!r}.")


def _recipe(chosen: Chosen, canonical: bool) -> Recipe:
    array, value = chosen.array, chosen.value
    where = axes_of(array.thing.layer, array.thing.variable.name, array.shape)
    if isinstance(value, type) and issubclass(value, Initializer):
        value = value()
    if isinstance(value, Initializer):
        value = value.bound(array.shape, {**where, **({"layout": value.layout} if value.layout else {})}
                            if len(array.shape) > 1 else {})
        layout = value.keywords.get("layout")
        if canonical and layout is not None:            # so that it is turned
            value.keywords.pop("layout")
            where = {**where, "layout": layout}
    elif isinstance(value, keras.initializers.Initializer):
        raise ArgumentError(f"the rule for {array.name} is an initialiser of Keras itself, which draws from no stream "
                            f"of a name; take initcore.keras.{type(value).__name__}, or a name.")
    return Recipe(value, array, where, canonical)


def axes_of(layer: Any, name: str, shape: tuple[int, ...]) -> dict[str, Any]:
    """Layout and groups, or axes by number, of a layer's variable."""
    rank, kind = len(shape), type(layer).__mro__
    if rank < 2:
        return {}
    if isinstance(layer, keras.layers.EinsumDense) and name == "kernel":
        return _einsum(layer.equation)
    names = {c.__name__ for c in kind}
    if "BaseConvTranspose" in names and name == "kernel":
        return {"layout": _TURNED[rank]}
    if name == "depthwise_kernel" or ("BaseDepthwiseConv" in names and name == "kernel"):
        return {"layout": _DEPTHWISE[rank]}
    if {"BaseConv", "BaseSeparableConv"} & names and name in ("kernel", "pointwise_kernel"):
        return {"layout": _CONV[rank], **({"groups": layer.groups} if getattr(layer, "groups", 1) != 1 else {})}
    return {"layout": "io"} if rank == 2 else {}


def _einsum(equation: str) -> dict[str, Any]:
    """Axes of the kernel of "abc,cde->abde": in those that the output lacks, out those that the input lacks."""
    inputs, rest = equation.replace(".", "").replace(" ", "").split(",")
    kernel, outputs = rest.split("->")
    return {"in_axis": tuple(k for k, c in enumerate(kernel) if c not in outputs),
            "out_axis": tuple(k for k, c in enumerate(kernel) if c not in inputs),
            "batch_axis": tuple(k for k, c in enumerate(kernel) if c in inputs and c in outputs)}


def _write(variable: Any, recipe: Recipe, key: Any) -> None:
    layout = getattr(variable.value, "sharding", None)
    if layout is not None and len(layout.device_set) > 1 and recipe.blocks and not recipe.costly:
        variable.assign(sharded(recipe, key, layout))
    else:
        variable.assign(tensor(recipe(key), recipe.array.dtype))
