"""What ``check`` takes of JAX: a function with its parameters, or a module that holds them."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..._checks import describe
from ...errors import ArgumentTypeError, UsageError


@dataclass(frozen=True, eq=False)
class Model:
    """A function with its parameters, as :func:`check` and ``initcore.check`` take it.

    fn : ``fn(params, *inputs)``. params : pytree of arrays. name : what reports call it, by default the function's.
    build : makes of mended parameters what :meth:`initcore.verdict.ModuleReport.repair` gives back; by default a Model.
    frozen : names of params that are not trained (patterns).

    >>> import jax
    >>> model = Model(lambda p, x: jax.numpy.tanh(x @ p["w"]), {"w": jax.numpy.zeros((3, 4))}, name="small")
    >>> model.name, sorted(model.params)
    ('small', ['w'])
    """

    fn: Callable[..., Any]
    params: Any
    name: str = ""
    build: Callable[[Any], Any] | None = field(default=None, repr=False)
    frozen: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not callable(self.fn):
            raise ArgumentTypeError(f"fn must be a function of (params, *inputs), got {describe(self.fn)}.")
        if not self.name:
            object.__setattr__(self, "name", getattr(self.fn, "__name__", type(self.fn).__name__))

    def of(self, params: Any) -> Any:
        """The same with other parameters, in the form it was given in."""
        return Model(self.fn, params, self.name, None, self.frozen) if self.build is None else self.build(params)


def model_of(given: Any) -> Model:
    """A Model, or what a module of Flax nnx, a bound one of Flax linen or one of Equinox holds."""
    if isinstance(given, Model):
        return given
    kinds = {(k.__module__.partition(".")[0], k.__name__) for k in type(given).__mro__}
    if ("flax", "Pytree") in kinds or ("flax", "Module") in kinds:
        return _linen(given) if ("flax", "ModuleBase") in kinds else _nnx(given)
    if ("equinox", "Module") in kinds:
        return _equinox(given)
    if callable(given):
        raise ArgumentTypeError(f"{getattr(given, '__name__', type(given).__name__)} is a function without its "
                                "parameters; give initcore.jax.Model(fn, params).")
    raise ArgumentTypeError("model must be an initcore.jax.Model(fn, params), a module of Flax nnx or Equinox, or a "
                            f"bound one of Flax linen, got {describe(given)}.")


def _nnx(module: Any) -> Model:
    nnx = sys.modules["flax.nnx"]
    graph, params, rest = nnx.split(module, nnx.Param, ...)

    def fn(params: Any, *inputs: Any) -> Any:
        return nnx.merge(graph, params, rest, copy=True)(*inputs)
    return Model(fn, params, type(module).__name__, lambda mended: nnx.merge(graph, mended, rest, copy=True))


def _linen(module: Any) -> Model:
    if getattr(module, "scope", None) is None:
        name = type(module).__name__
        raise UsageError(f"{name} of Flax linen holds no parameters; bind them: module.bind(variables), with variables "
                         f"= module.init(key, x), or give initcore.jax.Model({name.lower()}.apply, variables).")
    free, variables = module.unbind()
    return Model(free.apply, variables, type(module).__name__, free.bind)


def _equinox(module: Any) -> Model:
    import jax
    eqx = sys.modules["equinox"]
    params, static = eqx.partition(module, eqx.is_inexact_array)

    def fn(params: Any, *inputs: Any) -> Any:
        return jax.vmap(eqx.combine(params, static))(*inputs)
    return Model(fn, params, type(module).__name__, functools.partial(eqx.combine, static))
