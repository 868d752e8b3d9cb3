"""What a function is called with: the user's batch, or numbers of given moments in the shape that was named."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..._checks import describe
from ...errors import ArgumentError, ArgumentTypeError, UsageError

ASSUMED = "inputs drawn: normal, mean 0, variance 1"


class Call(NamedTuple):
    """Positional inputs. given : they are the user's data. said : in words."""

    inputs: tuple[Any, ...]
    given: bool
    said: str


def call_of(x: Any, params: Any) -> Call:
    """The call that x describes; see :func:`initcore.jax.check`."""
    if x is None:
        raise ArgumentError("x is missing: give a batch, a tuple of inputs, or a shape such as x=(64, 784).")
    if _is_shape(x):
        return Call((_drawn(x, params, 0),), False, ASSUMED)
    if isinstance(x, (tuple, list)) and x:
        if all(_is_shape(part) for part in x):
            return Call(tuple(_drawn(part, params, k) for k, part in enumerate(x)), False, ASSUMED)
        return Call(tuple(_array(part, params) for part in x), True, _rows(x[0]))
    return Call((_array(x, params),), True, _rows(x))


def _is_shape(x: Any) -> bool:
    return isinstance(x, (tuple, list)) and bool(x) and all(type(n) is int and n > 0 for n in x)


def _rows(x: Any) -> str:
    return f"a batch of {x.shape[0]}" if getattr(x, "ndim", 0) else "a batch"


def _kind(params: Any) -> Any:
    """The floating-point type that weights have."""
    return next((a.dtype for a in jax.tree_util.tree_leaves(params) if jnp.issubdtype(a.dtype, jnp.floating)),
                jnp.float32)


def _array(x: Any, params: Any) -> Any:
    """An input as JAX takes it; NumPy's floats in the weights' type, as ``jnp.asarray`` would make them."""
    if isinstance(x, jax.core.Tracer):
        raise UsageError("x is a tracer: check runs on the host, outside of jax.jit, vmap and grad. Give it the batch.")
    if isinstance(x, jax.ShapeDtypeStruct):
        raise UsageError(f"x is a ShapeDtypeStruct and has no numbers; give a batch, or the shape alone: {x.shape}.")
    if isinstance(x, jax.Array) or (isinstance(x, np.ndarray) and x.dtype.kind in "iub"):
        return jnp.asarray(x)
    if isinstance(x, (np.ndarray, np.number, int, float)) or hasattr(x, "__array__"):
        a = np.asarray(x)
        if a.dtype.kind in "fiub":
            return jnp.asarray(a, _kind(params) if a.dtype.kind == "f" else None)
    if isinstance(x, dict):
        return {k: _array(v, params) for k, v in x.items()}
    raise ArgumentTypeError(f"x must be an array, a tuple of inputs or a shape such as (64, 784), got {describe(x)}.")


def _drawn(shape: Any, params: Any, k: int) -> Any:
    return jnp.asarray(np.random.default_rng(k).standard_normal(tuple(shape)), _kind(params))
