"""A Keras model on JAX: a function of its variables, by their paths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .. import jax
from ..program import Program
from ..verdict import ModuleReport
from ._variables import copied, function


def program(model: Any, inputs: Sequence[Any]) -> Program:
    """Through JAX's jaxpr."""
    fn, params, frozen = function(model)
    return jax.program(fn, params, *inputs, frozen=frozen)


def check(model: Any, x: Any, y: Any, **options: Any) -> ModuleReport:
    """The verdict of :func:`initcore.jax.check`, whose repair is a copy of the model."""
    fn, params, frozen = function(model)
    return jax.check(jax.Model(fn, params, model.name, lambda mended: copied(model, mended), frozen), x, y, **options)
