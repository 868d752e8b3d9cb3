"""What ``check`` takes of JAX: a function with its parameters, or a module that holds them."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax

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
    """A Model, or what a module of Flax nnx, a bound one of Flax linen or one of Equinox (with its state) holds."""
    if isinstance(given, Model):
        return given
    kinds = _kinds(given)
    if ("flax", "Pytree") in kinds or ("flax", "Module") in kinds:
        return _linen(given) if ("flax", "ModuleBase") in kinds else _nnx(given)
    if ("equinox", "Module") in kinds:
        return _equinox(given)
    if isinstance(given, tuple) and len(given) == 2 and ("equinox", "Module") in _kinds(given[0]):
        return _equinox(*given)
    if callable(given):
        raise ArgumentTypeError(f"{getattr(given, '__name__', type(given).__name__)} is a function without its "
                                "parameters; give initcore.jax.Model(fn, params).")
    raise ArgumentTypeError("model must be an initcore.jax.Model(fn, params), a module of Flax nnx or Equinox, or a "
                            f"bound one of Flax linen, got {describe(given)}.")


def _kinds(given: Any) -> set[tuple[str, str]]:
    """The packages and names of its classes."""
    return {(k.__module__.partition(".")[0], k.__name__) for k in type(given).__mro__}


def _nnx(module: Any) -> Model:
    nnx = sys.modules["flax.nnx"]
    graph, params, rest = nnx.split(module, nnx.Param, ...)

    def fn(params: Any, *inputs: Any) -> Any:
        return nnx.merge(graph, params, rest, copy=True)(*inputs)
    return Model(fn, params, type(module).__name__, lambda mended: nnx.merge(graph, mended, rest, copy=True))


def _linen(module: Any) -> Model:
    """As it is trained: collections beside the parameters may change (running statistics, caches, what is sown), and
    streams that nobody bound draw from key 0."""
    if getattr(module, "scope", None) is None:
        name = type(module).__name__
        raise UsageError(f"{name} of Flax linen holds no parameters; bind them: module.bind(variables), with variables "
                         f"= module.init(key, x), or give initcore.jax.Model({name.lower()}.apply, variables).")
    scope = module.scope
    streams = {name: stream.as_jax_rng() for name, stream in scope.rngs.items()}
    free, variables = module.unbind()
    moving = sys.modules["flax.core"].DenyList("params")

    def fn(variables: Any, *inputs: Any) -> Any:
        return free.apply(variables, *inputs, rngs={"params": jax.random.key(0), **streams}, mutable=moving)[0]
    return Model(fn, variables, type(module).__name__,
                 lambda mended: free.bind(mended, rngs=streams, mutable=scope.mutable))


def _equinox(module: Any, state: Any = None) -> Model:
    """Its call over the first axis of the inputs, with a key a row where it takes one, and its state."""
    eqx = sys.modules["equinox"]
    params, static = eqx.partition(module, eqx.is_inexact_array)
    known = inspect.signature(type(module).__call__).parameters
    if state is None and "state" in known:
        state = _first_state(module)
    with_state = state is not None

    def fn(params: Any, *inputs: Any) -> Any:
        rows = jax.tree_util.tree_leaves(inputs)[0].shape[0]
        keys = jax.random.split(jax.random.key(0), rows) if "key" in known else None
        fresh = jax.tree_util.tree_map(lambda a: a, state)          # a state serves once

        def one(key: Any, *row: Any) -> Any:
            more = {} if key is None else {"key": key}
            out = eqx.combine(params, static)(*row, *[fresh] * with_state, **more)
            return out[0] if with_state else out
        return jax.vmap(one, axis_name=_axis(module))(keys, *inputs)

    def build(mended: Any) -> Any:
        whole = eqx.combine(mended, static)
        return (whole, state) if with_state else whole
    return Model(fn, params, type(module).__name__, build)


def _first_state(module: Any) -> Any:
    """The state a module of Equinox begins with, where it still holds it."""
    try:
        return sys.modules["equinox"].nn.State(module)
    except ValueError:
        name = type(module).__name__
        raise UsageError(f"{name} of Equinox was made with its state apart: give both, check((model, state), x), as "
                         f"eqx.nn.make_with_state({name})(...) gave them.") from None


def _axis(module: Any) -> Any:
    """The name of the axis of rows that its norms reduce over."""
    parts = jax.tree_util.tree_leaves(module, is_leaf=lambda part: hasattr(part, "axis_name"))
    found = [part.axis_name for part in parts if hasattr(part, "axis_name")]
    return found[0] if found and isinstance(found[0], str) else "batch"
