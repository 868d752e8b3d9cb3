"""What all of initcore's Keras initialisers share: their stream of keys, their configuration, the call.

Design
A. ``rng=`` names a stream of keys: the first call draws from the key itself, call n from ``key.child(n)``, so an
   instance that serves two layers, or is called twice, never gives the same values.
B. Layers copy their initialisers by ``from_config(get_config())``. The configuration names the stream by a mark, and
   copies in one process go on counting together: the query, key and value of an attention layer start apart.
C. ``seed=`` is Keras' own argument with Keras' own meaning: an int gives the same values at each call.
"""

from __future__ import annotations

import functools
import itertools
import math
import secrets
import weakref
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from .._checks import describe
from .._checks import shape as checked_shape
from .._named import Named, Recipe, takes
from ..errors import ArgumentError, ArgumentTypeError, UsageError
from ..fans import LAYOUTS
from ..random import Key, as_key

PACKAGE = "initcore"
_BY_RANK = {len(name): name for name in LAYOUTS if name.endswith("io")}
_KERAS = {"stddev": "std", "minval": "low", "maxval": "high"}       # what Keras calls initcore's arguments


class Stream:
    """A key and how often it was drawn from."""

    def __init__(self, key: Key, mark: str) -> None:
        self.key, self.mark, self.calls = key, mark, itertools.count()

    def next(self) -> Key:
        """The key of the next call."""
        call = next(self.calls)
        return self.key.child(call) if call else self.key


_streams: weakref.WeakValueDictionary[str, Stream] = weakref.WeakValueDictionary()


def stream_of(rng: Any) -> Stream:
    """A new stream, or the one a configuration speaks of."""
    if not isinstance(rng, dict):
        stream = Stream(as_key(rng), secrets.token_hex(8))
    elif set(rng) != {"words", "stream"}:
        raise ArgumentTypeError(f"rng is a configuration without words and stream: {describe(rng)}.")
    else:
        stream = _streams.get(rng["stream"]) or Stream(Key.from_words(*rng["words"]), str(rng["stream"]))
    _streams[stream.mark] = stream
    return stream


def backend() -> str:
    """The name of Keras' backend; TensorFlow's is refused."""
    name = str(keras.backend.backend())
    if name == "tensorflow":
        raise UsageError("Keras runs on TensorFlow here, which initcore does not fill or read: set the environment "
                         "variable KERAS_BACKEND to 'torch' or 'jax' before keras is imported.")
    return name


class Initializer(keras.initializers.Initializer):
    """The base of initcore's Keras initialisers; not called itself.

    Parameters
    ----------
    rng : Key, int, generator, ... (:func:`initcore.random.as_key`): a stream of which every call takes the next key;
        None: fresh entropy, for copies too.
    seed : Keras' argument, in the place of rng: an int repeats its values at every call, a SeedGenerator does not.
    layout : which axis is which ("hwoi", ...); default: the last two axes are in and out, as in Keras.

    Raises UsageError on the TensorFlow backend, ArgumentTypeError for rng and seed together.
    """

    make: Callable[..., Any]
    _own: tuple[str, ...] = ()

    def _begin(self, seed: Any, rng: Any, layout: str | None, **own: Any) -> None:
        if seed is not None and rng is not None:
            raise ArgumentTypeError("rng= and seed= both name a stream; give one of them.")
        if isinstance(seed, dict):
            seed = keras.saving.deserialize_keras_object(seed)
        if seed is not None and not isinstance(seed, keras.random.SeedGenerator):
            as_key(seed)
        self._own, self.seed, self.layout = tuple(own), seed, layout
        self.rng = rng if isinstance(rng, (Key, int)) else None
        self._stream, self._fresh = stream_of(rng), rng is None
        for name, value in own.items():
            setattr(self, name, value)

    def get_config(self) -> dict[str, Any]:
        """Plain values; ``from_config`` gives an initialiser that goes on with the same stream."""
        rng = None if self._fresh else {"words": list(self._stream.key.words), "stream": self._stream.mark}
        return {**{name: getattr(self, name) for name in self._own}, "layout": self.layout, "rng": rng,
                "seed": keras.saving.serialize_keras_object(self.seed)}

    def _key(self) -> Key:
        if self.seed is None:
            return self._stream.next()
        if isinstance(self.seed, keras.random.SeedGenerator):
            return Key.from_words(*(int(w) & 0xFFFFFFFF for w in
                                    np.asarray(keras.ops.convert_to_numpy(self.seed.next())).ravel()))
        return as_key(self.seed)

    def _given(self, rank: int) -> dict[str, Any]:
        """Arguments of the initialiser for an array of this rank."""
        return {_KERAS.get(name, name): getattr(self, name) for name in self._own}

    def _where(self, shape: tuple[int, ...]) -> dict[str, Any]:
        """Its axes."""
        if self.layout is not None:
            return {"layout": self.layout}
        if len(shape) in _BY_RANK:
            return {"layout": _BY_RANK[len(shape)]}
        return {"in_axis": -2, "out_axis": -1} if len(shape) > 2 else {}

    def bound(self, shape: tuple[int, ...], where: dict[str, Any] | None = None) -> functools.partial[Any]:
        """The initialiser of initcore.init with its arguments, for an array of this shape."""
        make = type(self).make
        axes = self._where(shape) if where is None else where
        known = takes(make)
        given = self._given(len(shape))
        if "mode" in known and len(shape) < 2:          # Keras: the fans of a vector are its length
            given["mode"] = float(max(math.prod(shape), 1))
        return functools.partial(make, **given, **{k: v for k, v in axes.items() if k in known})

    def __call__(self, shape: Any, dtype: Any = None, layout: Any = None) -> Any:
        """A tensor of the backend. ``layout`` is Keras' (of a distribution): on JAX each shard is made alone."""
        backend()
        sizes = checked_shape("shape", tuple(shape) if shape is not None else ())
        kind = keras.backend.standardize_dtype(dtype or keras.config.floatx())
        recipe = Recipe(self.bound(sizes), Named("the array", "the array", sizes, kind), {})
        key = self._key()
        if layout is not None:
            return sharded(recipe, key, layout)
        return tensor(recipe(key), kind)


def tensor(values: np.ndarray, dtype: str) -> Any:
    """A tensor of the backend."""
    return keras.ops.convert_to_tensor(np.ascontiguousarray(values), dtype=dtype)


def sharded(recipe: Recipe, key: Key, layout: Any) -> Any:
    """An array of JAX over the devices of a layout of Keras or of JAX."""
    import jax

    from ..jax import _shards
    layout = getattr(layout, "backend_layout", layout)
    if isinstance(getattr(layout, "mesh", None), jax.sharding.AbstractMesh):
        layout = jax.sharding.NamedSharding(jax.sharding.get_mesh(), layout.spec)
    array = recipe.array
    return _shards.place(array.shape, array.dtype, _shards.checked(layout, array.shape, array.name),
                         lambda box: recipe(key, box))


def refuse_scale(name: str, value: Any, allowed: tuple[str, ...]) -> None:
    """Keras' words for a mode or a distribution that it does not know."""
    if value not in allowed:
        raise ArgumentError(f"Invalid `{name}` argument: {value!r}. Please use one of {', '.join(allowed)}.")
