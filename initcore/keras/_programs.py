"""Keras models as programs and under ``check``: through PyTorch's export, or JAX's jaxpr, by the variables' paths.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any, Unpack

import keras
import numpy as np

from .._checks import describe
from .._signals import Asking, takes_options
from ..errors import ArgumentError, ArgumentTypeError, UsageError
from ..program import Place, Program
from ..rules import Finding, nodes
from ..verdict import ModuleReport
from ._streams import backend

_OURS = os.path.dirname(os.path.dirname(__file__))
_CALL = "ik.initialize(model, {{{name!r}: %s, '*': None}}%s)"
WORDS = nodes.Words(_CALL % ("ik.RandomNormal(stddev={std:.4g})", ", rng=key"), _CALL % ("'zeros'", ""),
                    _CALL % ("'ones'", ""))
LOSSES = ("softmax_cross_entropy", "mse", "binary_cross_entropy")        # initcore's own; others are Keras' names


def program(model: Any, *inputs: Any) -> Program:
    """A built Keras model as a :class:`initcore.program.Program`, as it is trained.

    model : keras.Model or Layer, built, on the torch or JAX backend. inputs : example inputs; only shapes and dtypes
    count. Raises UsageError on TensorFlow's and NumPy's backends, ArgumentError for a model that is not built,
    ProgramError where the backend cannot trace it.

    >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4, "tanh", name="up"), keras.layers.Dense(2)])
    >>> p = program(model, np.ones((3, 8), "float32"))
    >>> sorted(n for q in p.parameters for n in q.names)[-2:]
    ['up/bias', 'up/kernel']
    """
    used = _built(model)
    if not inputs:
        raise ArgumentError("program needs an example of the model's inputs, as many as its call takes.")
    given = [_tensor("an input", x) for x in inputs]
    if used == "jax":
        from . import _jax
        return _jax.program(model, given)
    from . import _torch
    return _torch.program(model, given)


@takes_options
def check(model: Any, x: Any = None, y: Any = None, **options: Unpack[Asking]) -> ModuleReport:
    """The verdict on a Keras model, on the torch or JAX backend. ``initcore.check(model, ...)`` is this function.

    Parameters
    ----------
    model : keras.Model or Layer, built. It is left as it was.
    x : a batch, a tuple of inputs, or a shape. y : targets.
    loss : "softmax_cross_entropy" (of logits), "mse", "binary_cross_entropy"; a loss of Keras, by its name or itself,
        called as Keras does, ``loss(y, output)``; a function of (output, y); None: the one the model was compiled with,
        else as in :func:`initcore.check`.
    options : the other keyword arguments of :func:`initcore.jax.check` and :func:`initcore.torch.check`.

    Returns a :class:`initcore.verdict.ModuleReport`; ``.repair(rng=)`` is a copy of the model. Raises UsageError on
    TensorFlow's and NumPy's backends, ArgumentError for a model that is not built.

    >>> model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(30, "tanh", name="up"), keras.layers.Dense(2)])
    >>> model.layers[0].kernel.assign(0 * model.layers[0].kernel + 3.0) is None
    False
    >>> "up/kernel" in {f.tensor for f in check(model, (64, 8)).findings}
    True
    """
    used = _built(model)
    given = _inputs(x)
    own: Asking = {"words": WORDS, **options, "loss": _loss(model, y, options.get("loss"))}
    target = y if y is None else _tensor("y", y)
    if used == "jax":
        from . import _jax
        return _jax.check(model, given, target, **own).repairing(told=_told)
    from . import _torch
    return _torch.check(model, given, target, **own).repairing(told=_told)


def _told(f: Finding) -> Finding:
    """A finding at the layer's path, with the user's line only where it is the model's own."""
    place = f.place or Place()
    module = place.module or (f.tensor or "").rpartition("/")[0]
    own = place.file and not place.file.startswith(_OURS)
    return replace(f, place=Place(module, place.file if own else "", place.line if own else 0))


def _built(model: Any) -> str:
    """The backend's name, for a model that can be read."""
    used = backend()
    if not isinstance(model, keras.layers.Layer):
        raise ArgumentTypeError(f"model must be a keras.Model or Layer, got {describe(model)}.")
    if used not in ("torch", "jax"):
        raise UsageError(f"Keras runs on {used} here, which cannot be traced: set the environment variable "
                         "KERAS_BACKEND to 'torch' or 'jax' before keras is imported.")
    if not model.built or not model.weights:
        raise ArgumentError(f"{model.name} is not built and has no variables yet; give it keras.Input(...) first, or "
                            "call model.build(input_shape).")
    return used


def _tensor(what: str, x: Any) -> Any:
    """An array as the backend's tensor; floats as Keras' own."""
    try:
        a = x if hasattr(x, "shape") and not isinstance(x, np.ndarray) else np.asarray(x)
        if isinstance(a, np.ndarray) and a.dtype.kind not in "fiub":
            raise TypeError
        kind = keras.config.floatx() if isinstance(a, np.ndarray) and a.dtype.kind == "f" else None
        return keras.ops.convert_to_tensor(a, dtype=kind)
    except (TypeError, ValueError):
        raise ArgumentTypeError(f"{what} must be an array of numbers, got {describe(x)}.") from None


def _inputs(x: Any) -> Any:
    """x in tensors; shapes as they are."""
    if x is None or (isinstance(x, (tuple, list)) and x and all(type(n) is int for n in x)):
        return x
    if isinstance(x, (tuple, list)) and x:
        return x if all(isinstance(p, (tuple, list)) for p in x) else tuple(_tensor("x", p) for p in x)
    return _tensor("x", x)


def _loss(model: Any, y: Any, loss: Any) -> Any:
    """The loss in initcore's order of arguments."""
    if loss is None and y is not None and getattr(model, "compiled", False):
        loss = model.loss
    if loss is None or loss in LOSSES:
        return loss
    if isinstance(loss, str):
        try:
            loss = keras.losses.get(loss)
        except ValueError:
            raise ArgumentError(f"loss {loss!r} is neither one of {', '.join(LOSSES)} nor a loss of Keras.") from None
    if not callable(loss):
        raise ArgumentTypeError(f"loss must be a function of (output, y), a loss of Keras or a name, got "
                                f"{describe(loss)}.")
    if not isinstance(loss, keras.losses.Loss) and not str(getattr(loss, "__module__", "")).startswith("keras."):
        return loss

    def swapped(output: Any, target: Any) -> Any:
        return keras.ops.mean(loss(target, output))
    swapped.__name__ = str(getattr(loss, "name", None) or getattr(loss, "__name__", "loss"))
    return swapped
