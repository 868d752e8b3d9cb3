"""Every initialiser as a lazy Dask array: one task a chunk, made from the key and the chunk's place in the whole."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import dask.array as da
import numpy as np
from dask.base import tokenize

from .. import initializers as make
from .. import random
from .._checks import shape as checked_shape
from .._named import COSTS_THE_WHOLE, describe, probe
from .._types import Array
from ..errors import ArgumentError, ArgumentTypeError
from ..random import Key
from ..random._targets import DEFAULT, NAMES, dtype_of, kind_of

_NOT_HERE = ("out", "global_shape", "start")


def array(initializer: Any, shape: Any, *, chunks: Any = "auto", rng: Any = None, dtype: Any = "float32",
          name: str | None = None, **arguments: Any) -> Any:
    """A lazy array of what an initialiser makes: a dask.array of ``len(chunks)`` tasks.

    Parameters
    ----------
    initializer : of :mod:`initcore.init`: name, callable or partial.   arguments : its own.
    shape, dtype : of the whole array; fans are those of the whole.
    chunks : as in ``dask.array``; "auto" and bytes too. Every chunking gives the same bits, rechunked or not. An
        orthogonal kind has rows that depend on each other and is one chunk.
    rng : Key, int, generator, ...; None: fresh entropy, taken once.
    name : of the array in graphs; default: made of the key and the arguments, so that equal arrays share their tasks.

    Raises ArgumentError for an orthogonal kind in several chunks, ArgumentTypeError for out=, global_shape= and start=,
    which are the chunks' own; whatever the initialiser refuses is refused here, not on a worker.

    >>> w = array("he_normal", (6, 4), rng=0, chunks=(2, 4))
    >>> w.numblocks, bool((w.rechunk((3, 2)).compute() == make.he_normal((6, 4), rng=0)).all())
    ((3, 1), True)
    """
    fill = functools.partial(make.get(initializer), **arguments)
    for argument in _NOT_HERE:
        if argument in fill.keywords:
            raise ArgumentTypeError(f"{argument}= is what every chunk gives by itself; shape= is the whole array's.")
    base: Any = fill.func
    while isinstance(base, functools.partial):
        base = base.func
    sizes, kind = checked_shape("shape", shape), kind_of(dtype)
    if "global_shape" not in inspect.signature(base).parameters:
        raise ArgumentTypeError(f"{describe(base)} makes whole arrays only (no global_shape= and start=); for one "
                                "chunk use dask.array.from_delayed.")
    costly = base in COSTS_THE_WHOLE
    probe(fill, costly, sizes, NAMES[kind])
    stored = dtype_of(kind)
    try:
        cut = da.core.normalize_chunks(-1 if costly and chunks == "auto" else chunks, sizes, dtype=stored)
    except ValueError as error:
        raise ArgumentError(f"chunks={chunks!r} does not cut an array of shape {sizes}: {error}") from None
    if costly and any(len(c) > 1 for c in cut):
        raise ArgumentError(f"the rows and columns of {describe(base)} depend on each other, so that every chunk would "
                            f"cost as much as the whole {sizes}: make it in one chunk (chunks=-1) and cut it with "
                            ".rechunk(...), which changes no bit.")
    key = random.as_key(rng)
    if name is None:
        name = f"{getattr(base, '__name__', 'array')}-{tokenize(key.words, describe(fill), sizes, cut, stored.name)}"
    block = functools.partial(_block, fill=fill, key=key, whole=sizes, dtype=NAMES[kind])
    return da.map_blocks(block, chunks=cut, dtype=stored, meta=np.empty((0,) * len(sizes), stored), name=name)


def _block(block_info: Any = None, *, fill: Callable[..., Array], key: Key, whole: tuple[int, ...],
           dtype: str) -> Array:
    """One chunk, on a worker."""
    place = block_info[None]["array-location"] if block_info else [(0, 0)] * len(whole)
    return fill(tuple(b - a for a, b in place), rng=key, dtype=dtype, global_shape=whole,
                start=tuple(a for a, _ in place))


def _lazy(initializer: Callable[..., Array]) -> Callable[..., Any]:
    """The initialiser with ``chunks=`` in the place of what chunks give themselves."""
    shown = inspect.signature(initializer)
    own = [p for p in shown.parameters.values() if p.name not in _NOT_HERE]
    extra = [inspect.Parameter(n, inspect.Parameter.KEYWORD_ONLY, default=d) for n, d in
             (("chunks", "auto"), ("name", None))]
    signature = shown.replace(parameters=[*own, *extra])

    def lazy(*args: Any, **kwargs: Any) -> Any:
        for argument in _NOT_HERE:
            if argument in kwargs:
                raise ArgumentTypeError(f"{argument}= is what every chunk gives by itself; shape= is that of the "
                                        "whole array.")
        given = dict(signature.bind(*args, **kwargs).arguments)
        shape, dtype = given.pop("shape"), given.pop("dtype", DEFAULT)
        return array(initializer, shape, dtype=dtype, **given)

    lazy.__name__ = lazy.__qualname__ = initializer.__name__
    lazy.__signature__ = signature                          # type: ignore[attr-defined]
    what = (initializer.__doc__ or "").splitlines()[0]
    lazy.__doc__ = (f"{what}\n\n    A lazy Dask array with the bits of :func:`initcore.init.{initializer.__name__}`; "
                    "chunks and errors: :func:`array`.")
    return lazy


zeros = _lazy(make.zeros)
ones = _lazy(make.ones)
constant = _lazy(make.constant)
eye = _lazy(make.eye)
dirac = _lazy(make.dirac)
uniform = _lazy(make.uniform)
normal = _lazy(make.normal)
trunc_normal = _lazy(make.trunc_normal)
variance_scaling = _lazy(make.variance_scaling)
glorot_uniform = _lazy(make.glorot_uniform)
glorot_normal = _lazy(make.glorot_normal)
he_uniform = _lazy(make.he_uniform)
he_normal = _lazy(make.he_normal)
lecun_uniform = _lazy(make.lecun_uniform)
lecun_normal = _lazy(make.lecun_normal)
torch_default = _lazy(make.torch_default)
orthogonal = _lazy(make.orthogonal)
delta_orthogonal = _lazy(make.delta_orthogonal)
spectral = _lazy(make.spectral)
sparse = _lazy(make.sparse)
embedding = _lazy(make.embedding)
small_init = _lazy(make.small_init)
wang_init = _lazy(make.wang_init)
siren = _lazy(make.siren)
mup_std = _lazy(make.mup_std)
xavier_uniform, xavier_normal = glorot_uniform, glorot_normal
kaiming_uniform, kaiming_normal = he_uniform, he_normal
