"""Streams from JAX's keys."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from .._checks import describe
from ..errors import ArgumentTypeError, ShapeError, UsageError
from ..random import Key
from ..random import as_key as _as_key

TRACED = ("the key is a tracer: this runs inside jax.jit, vmap, scan or another transformation, where the numbers of a "
          "key do not exist yet. Initialise eagerly (call init outside of jit), or take the shapes only and fill "
          "them, sharded or not: abstract = jax.eval_shape(init, key, x), then initcore.jax.init_params(abstract, "
          "rules, rng=..., shardings=...). To trace all the same, without numbers: initcore.jax.shapes_only().")


def as_key(key: Any) -> Key:
    """The stream a key of JAX names: its two words (threefry) or four (rbg) are the first words of the stream's.

    ``key`` is one typed key (``jax.random.key(0)``), a raw one (uint32, of 2 or 4 words), or an
    :class:`initcore.Key`. Raises UsageError for a tracer (inside jit), ShapeError for several keys at once,
    ArgumentTypeError for anything else: JAX's initialisers take no seeds.

    >>> as_key(jax.random.key(7)).words
    (0, 7, 0, 0)
    """
    if isinstance(key, Key):
        return key
    if isinstance(key, jax.core.Tracer):
        raise UsageError(TRACED)
    dtype = getattr(key, "dtype", None)
    if dtype is None or not hasattr(key, "shape"):
        raise _wrong(key)
    if jax.dtypes.issubdtype(dtype, jax.dtypes.prng_key):
        if key.shape:
            raise ShapeError(f"key holds keys of shape {key.shape}, one is needed: pass key[0], or one of "
                             "jax.random.split(key).")
        key = jax.random.key_data(key)
    elif dtype != np.uint32 or key.ndim == 0:
        raise _wrong(key)
    words = np.asarray(key)
    if words.ndim != 1 or words.size not in (2, 4):
        raise ShapeError(f"key has shape {words.shape}; a raw key of JAX has 2 words (threefry) or 4 (rbg). Of several "
                         "keys pass one.")
    return Key.from_words(*words.tolist())


def stream(rng: Any) -> Key:
    """The key of a whole tree: a key of JAX, or what :func:`initcore.random.as_key` takes."""
    if isinstance(rng, (jax.Array, jax.core.Tracer)):
        return as_key(rng)
    return _as_key(rng)


def _wrong(key: Any) -> ArgumentTypeError:
    return ArgumentTypeError("key must be a key of JAX (jax.random.key(0)) or an initcore.Key, got "
                             f"{describe(key)}; a seed becomes one by jax.random.key(seed).")
