"""A Keras model by its variables: their paths, the model as a function of them, a copy with others.

A. A model is called as it is trained (``stateless_call``): dropout draws, norms use the batch.
B. Variables are parameters by their paths, without the model's own name; those Keras does not train are buffers.
"""

from __future__ import annotations

import copy
import inspect
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import keras

from ..errors import UsageError


def paths(model: Any) -> list[tuple[str, Any]]:
    """(path without the model's name, variable) of all variables, each path once: states of generators are counted."""
    found: dict[str, Any] = {}
    for v in [*model.trainable_variables, *model.non_trainable_variables]:
        path = v.path.removeprefix(f"{model.name}/")
        number = 2
        name = path
        while name in found:
            name, number = f"{path}#{number}", number + 1
        found[name] = v
    return list(found.items())


def called(model: Any, tensors: list[Any], inputs: tuple[Any, ...]) -> Any:
    """What a model gives for these values of its variables, as in training."""
    n = len(model.trainable_variables)
    known = inspect.signature(model.call).parameters
    more = {"training": True} if "training" in known or any(p.kind is p.VAR_KEYWORD for p in known.values()) else {}
    return model.stateless_call(tensors[:n], tensors[n:], *inputs, **more)[0]


def function(model: Any) -> tuple[Callable[..., Any], dict[str, Any], tuple[str, ...]]:
    """(a function of variables by path and inputs, the variables, those not trained)."""
    found = paths(model)
    names = [name for name, _ in found]

    def fn(params: Mapping[str, Any], *inputs: Any) -> Any:
        return called(model, [params[name] for name in names], inputs)
    return fn, {name: v.value for name, v in found}, tuple(names[len(model.trainable_variables):])


def copied(model: Any, values: Mapping[str, Any]) -> Any:
    """A copy of a model with other values."""
    plain = isinstance(model, keras.Sequential) or type(model).__name__ == "Functional"
    try:
        own = {type(layer).__name__: type(layer) for layer in model._flatten_layers()}
        with warnings.catch_warnings(), keras.saving.custom_object_scope(own):
            # Keras' own conversions between its arrays and NumPy's
            warnings.simplefilter("ignore", DeprecationWarning)
            made = keras.models.clone_model(model) if plain else copy.deepcopy(model)
    except Exception as error:
        why = " ".join(str(error).split()).partition(". ")[0][:200]         # Keras adds a page of example
        raise UsageError(f"{model.name} cannot be copied ({type(error).__name__}: {why}); give its class "
                         "get_config and from_config, or draw the weights that the report names.") from error
    for (name, _), (_, variable) in zip(paths(model), paths(made)):
        variable.assign(values[name])
    return made
