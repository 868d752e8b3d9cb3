"""``init_params``: any tree of shapes by rules, from the keys of its paths, on one device or a mesh.

Design
A. A leaf is anything with a shape and a dtype. Its name is its path, joined by dots, without what Flax puts around a
   value (``.value`` of Partitioned and nnx.Param).
B. All is decided and checked before anything is made: rules, shardings, layouts.
C. Each shard is made alone; where an initialiser can make wholes only (orthogonal kinds, functions of the user's own),
   the whole of that one leaf is made once and cut.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from .._checks import describe as shown
from .._named import Named, Recipe, Row, Table, choose, describe, renamed
from ..errors import ArgumentError, ArgumentTypeError, UsageError
from ..random import Key
from ._keys import stream
from ._protocol import Initializer
from ._shards import checked, place

_AROUND = ("value", "raw_value")            # what Flax calls the one child of a box


def init_params(abstract: Any, rules: Mapping[Any, Any], *, rng: Any = None, shardings: Any = None,
                layouts: Mapping[str, Any] | None = None, canonical: bool = False,
                names: Mapping[str, str] | None = None) -> Any:
    """The tree with every leaf made by its rule, from ``key.child(its name)``; each device's shard alone.

    Parameters
    ----------
    abstract : pytree of jax.ShapeDtypeStruct, or of arrays
        Of ``jax.eval_shape(model.init, key, x)``, ``nnx.eval_shape``, ``eqx.filter_eval_shape`` ... Names are paths
        joined by dots: ``"params.Dense_0.kernel"``.
    rules : mapping, tried in order; the first that matches counts
        Keys: a pattern of names (``"*.bias"``) or a function of (name, leaf) that tells. Values: an initialiser of
        :mod:`initcore.init` (name, callable, partial), one of :mod:`initcore.jax`, any ``f(shape, *, rng, dtype)``, or
        None: leave the leaf as it is.
    rng : Key, int, key of JAX, ...; None: fresh entropy
    shardings : one for all, a tree of them, or a prefix of the tree; None: those of the ShapeDtypeStructs, if any
        Shardings, PartitionSpecs of the mesh that is set, devices, or None for the default device.
    layouts : mapping of patterns to layouts, or to dicts of in_axis, out_axis, batch_axis
        For arrays above two dimensions, of which the axes are never guessed. Initialisers of :mod:`initcore.jax` need
        none: as in JAX, they take the last two axes for in and out.
    canonical, names : as in :func:`initcore.torch.initialize`; the order (taps, in, out) is JAX's own.

    Returns the same tree, of jax.Arrays. Raises ArgumentError for leaves without a rule and rules without a leaf,
    ShapeError for a sharding that does not divide, DeviceError for a mesh without devices, UsageError for tracers, and
    what initialisers refuse, with the leaf's name in a note; then nothing has been made.

    >>> abstract = {"dense": {"kernel": jax.ShapeDtypeStruct((8, 4), "float32"),
    ...                       "bias": jax.ShapeDtypeStruct((4,), "float32")}}
    >>> params = init_params(abstract, {"*.bias": "zeros", "*": "he_normal"}, rng=0)
    >>> from initcore import Key, init
    >>> bool((params["dense"]["kernel"] == init.he_normal((8, 4), rng=Key(0).child("dense.kernel"))).all())
    True
    """
    leaves, build = _leaves(abstract, names)
    plans = _plans(leaves, rules, layouts, canonical)
    where = _shardings(abstract, leaves, shardings)
    key = stream(rng)
    made = []
    for leaf, (_, recipe), sharding in zip(leaves, plans, where):
        made.append(leaf.thing if recipe is None else _fill(leaf, recipe, sharding, key.child(leaf.name)))
    return jax.tree_util.tree_unflatten(build, made)


def table(abstract: Any, rules: Mapping[Any, Any], *, layouts: Mapping[str, Any] | None = None,
          canonical: bool = False, names: Mapping[str, str] | None = None) -> Table:
    """What :func:`init_params` would do with the same arguments; nothing is made.

    >>> print(table({"w": jax.ShapeDtypeStruct((8, 4), "bfloat16")}, {"*": "he_normal"}))
    parameter  shape   dtype     drawn by   rule
    w          (8, 4)  bfloat16  he_normal  *
    """
    leaves, _ = _leaves(abstract, names)
    return Table([row for row, _ in _plans(leaves, rules, layouts, canonical)])


def _leaves(abstract: Any, names: Any) -> tuple[list[Named], Any]:
    """Every leaf by name, and the tree's structure."""
    flat, build = jax.tree_util.tree_flatten_with_path(abstract)
    own = [path_name(path) for path, _ in flat]
    streams = renamed(own, names)
    found = []
    for name, (_, leaf) in zip(own, flat):
        if isinstance(leaf, jax.core.Tracer):
            raise UsageError(f"{name} is a tracer: init_params runs on the host, outside of jit. Take "
                             "jax.eval_shape(...) of what makes the tree, and give init_params its result.")
        if not hasattr(leaf, "shape") or not hasattr(leaf, "dtype"):
            raise ArgumentTypeError(f"the leaf {name or 'itself'} must have a shape and a dtype "
                                    f"(jax.ShapeDtypeStruct), got {shown(leaf)}.")
        found.append(Named(streams[name], name, tuple(leaf.shape), str(leaf.dtype), leaf))
    return found, build


def path_name(path: tuple[Any, ...]) -> str:
    """The path in dots, without boxes."""
    parts = [jax.tree_util.keystr((part,), simple=True, separator=".") for part in path]
    while len(parts) > 1 and parts[-1] in _AROUND and isinstance(path[len(parts) - 1], jax.tree_util.GetAttrKey):
        parts.pop()
    return ".".join(parts)


def _plans(leaves: list[Named], rules: Any, layouts: Any, canonical: bool) -> list[tuple[Row, Recipe | None]]:
    """What happens to every leaf."""
    out = []
    by_layout = {} if layouts is None else {c.array.own: c.value for c in choose(
        leaves, {**layouts, "*": None}, all_used=False)}
    for array, rule, value in choose(leaves, rules):
        recipe = None if value is None else _recipe(array, value, by_layout.get(array.own), canonical)
        if recipe is not None:
            recipe.check()
        out.append((Row(array.name, array.shape, array.dtype, "left as it is" if value is None else describe(value),
                        rule), recipe))
    return out


def _recipe(array: Named, value: Any, layout: Any, canonical: bool) -> Recipe:
    if isinstance(value, Initializer):
        value = value.bound(array.shape)
    elif getattr(value, "__module__", "").startswith("initcore.jax"):
        value = value.__name__
    elif getattr(value, "__module__", "").startswith("jax."):
        raise ArgumentError(f"the rule for {array.name} is an initialiser of JAX itself, which cannot make a shard "
                            f"alone; take initcore.jax.{getattr(value, '__qualname__', 'he_normal').split('.')[0]}.")
    where = layout if isinstance(layout, Mapping) else {"layout": layout or ("io" if len(array.shape) == 2 else None)}
    if len(array.shape) < 2:                # a bias beside a kernel whose pattern takes both
        where = {}
    return Recipe(value, array, {k: v for k, v in where.items() if v is not None}, canonical)


def _shardings(abstract: Any, leaves: list[Named], shardings: Any) -> list[Any]:
    """A checked sharding, or None, for every leaf."""
    if shardings is None:
        given = [getattr(leaf.thing, "sharding", None) if isinstance(leaf.thing, jax.ShapeDtypeStruct) else None
                 for leaf in leaves]
    else:
        try:
            given = jax.tree_util.tree_leaves(jax.tree_util.tree_map(
                lambda s, part: jax.tree_util.tree_map(lambda _: s if s is not None else _DEFAULT, part),
                shardings, abstract, is_leaf=_is_sharding), is_leaf=_is_sharding)
        except ValueError as error:
            raise ArgumentError("shardings must be one sharding, or a tree (or the top of one) like abstract: "
                                f"{str(error).splitlines()[0]}") from None
    return [checked(None if s is _DEFAULT else s, leaf.shape, leaf.name) for s, leaf in zip(given, leaves)]


_DEFAULT = "the default device"


def _is_sharding(node: Any) -> bool:
    return node is None or isinstance(node, (jax.sharding.Sharding, jax.sharding.PartitionSpec, jax.Device, str))


def _fill(leaf: Named, recipe: Recipe, sharding: Any, key: Key) -> jax.Array:
    """One array."""
    block: Any = lambda box: recipe(key, box)
    if recipe.costly or not recipe.blocks:
        whole = np.asarray(recipe(key))
        block = lambda box: np.ascontiguousarray(whole[box])
    return place(leaf.shape, leaf.dtype, sharding, block)
