"""Trees of parameters: every one from its own stream, named by its path."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from .. import _checks, random
from .._types import Array
from ..errors import ArgumentError, ArgumentTypeError
from ._registry import get


class Spec(NamedTuple):
    """How to make one parameter: ``init`` (name or callable), ``shape``, and the initialiser's keyword arguments."""

    init: str | Callable[..., Array]
    shape: Any
    kwargs: Mapping[str, Any] = {}


def init_params(tree: Mapping[str, Any], *, rng: Any, dtype: Any = "float32", threads: int | None = None,
                ) -> dict[str, Any]:
    """Make every parameter of ``tree``, each from the child stream of its name; a dict of the same structure.

    Parameters
    ----------
    tree : mapping of names to specs, or to further mappings. A spec is ``(initializer, shape)`` or
        ``(initializer, shape, kwargs)`` (a tuple or :class:`Spec`), a mapping ``{"init": ..., "shape": ..., **kwargs}``
        or a callable taking ``rng=`` and ``dtype=``, such as ``functools.partial(he_normal, (784, 256))``.
        ``initializer`` is a name or a callable ``f(shape, *, rng, dtype, ...)``.
    rng : the tree's key; the parameter at path ``"block0/weight"`` uses ``key.child("block0/weight")``.
    dtype, threads : for every parameter whose kwargs (or partial) do not say otherwise.

    Notes
    -----
    Adding, removing or reordering parameters changes no other. Two parameters with one path cannot be: a name that
    spells a nested path (``{"a/b": ..., "a": {"b": ...}}``) is an ArgumentError. Also raised: ArgumentTypeError
    for a name that is not a string, a spec of another kind, or kwargs with ``rng``; whatever an initialiser raises,
    with a note naming the parameter.

    JAX: ``Module.init`` splits its key by path as well (Flax); PyTorch and Keras draw in order of construction from
    one generator, so that one layer more changes all after it.

    >>> tree = {"hidden": {"weight": ("he_normal", (784, 256)), "bias": ("zeros", (256,))},
    ...         "head": ("glorot_uniform", (256, 10), {"gain": 0.5})}
    >>> params = init_params(tree, rng=0)
    >>> params["hidden"]["weight"].shape, params["hidden"]["bias"].dtype.name
    ((784, 256), 'float32')
    >>> bool((init_params({"head": tree["head"]}, rng=0)["head"] == params["head"]).all())
    True
    """
    if not isinstance(tree, Mapping):
        raise ArgumentTypeError(f"tree must map names to specs, got {_checks.describe(tree)}.")
    specs = list(_leaves(tree, ()))
    seen: dict[str, tuple[str, ...]] = {}
    for path, _ in specs:
        name = "/".join(path)
        if name in seen:
            raise ArgumentError(f"two parameters have the path {name!r} (as {seen[name]} and as {path}); each needs "
                                "its own name to have its own random stream: rename one.")
        seen[name] = path
    key = random.as_key(rng)
    made: dict[str, Any] = _empty(tree)
    for path, spec in specs:
        name = "/".join(path)
        at = made
        for part in path[:-1]:
            at = at[part]
        try:
            at[path[-1]] = _make(spec, {"dtype": dtype, "threads": threads}, key.child(name))
        except Exception as error:
            error.add_note(f"(parameter {name!r} of init_params)")
            raise
    return made


def _is_spec(node: Any) -> bool:
    """A mapping with "init" and a "shape" of numbers is a spec; one whose "shape" is itself a spec is a subtree."""
    if not isinstance(node, Mapping):
        return True
    shape = node.get("shape")
    sizes = shape if isinstance(shape, Sequence) and not isinstance(shape, str) else [shape]
    return "init" in node and all(hasattr(n, "__index__") for n in sizes)


def _leaves(node: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, value in node.items():
        if not isinstance(name, str):
            raise ArgumentTypeError(f"names of parameters must be strings, got {_checks.describe(name)}"
                                    f"{' under ' + repr('/'.join(path)) if path else ''}.")
        if _is_spec(value):
            yield (*path, name), _checked(value, "/".join((*path, name)))
        else:
            yield from _leaves(value, (*path, name))


def _checked(value: Any, name: str) -> Spec | Callable[..., Array]:
    if callable(value):
        initializer: Callable[..., Array] = value
        return initializer
    if isinstance(value, Mapping):
        spec = Spec(value["init"], value["shape"], {k: v for k, v in value.items() if k not in ("init", "shape")})
    elif isinstance(value, (tuple, list)) and len(value) in (2, 3) and (len(value) == 2
                                                                       or isinstance(value[2], Mapping)):
        spec = Spec(*value)
    else:
        raise ArgumentTypeError(f"the spec of parameter {name!r} must be (initializer, shape), (initializer, shape, "
                                "kwargs), a mapping with 'init' and 'shape', or a callable such as "
                                f"functools.partial(he_normal, shape); got {_checks.describe(value)}.")
    if "rng" in spec.kwargs:
        raise ArgumentTypeError(f"the spec of parameter {name!r} gives rng=; its stream follows from the tree's rng "
                                "and its name. To fix one parameter's numbers, make it apart.")
    return spec


def _empty(node: Mapping[str, Any]) -> dict[str, Any]:
    """The tree's structure with every parameter None, so that the result keeps its order."""
    return {name: None if _is_spec(value) else _empty(value) for name, value in node.items()}


def _make(spec: Spec | Callable[..., Array], common: dict[str, Any], key: random.Key) -> Array:
    if isinstance(spec, Spec):
        return get(spec.init)(spec.shape, **{**_wanted(get(spec.init), common), **spec.kwargs}, rng=key)
    fixed = getattr(spec, "keywords", {})
    return spec(rng=key, **{k: v for k, v in _wanted(spec, common).items() if k not in fixed})


def _wanted(call: Callable[..., Array], common: dict[str, Any]) -> dict[str, Any]:
    """``threads`` only where it was given: a user's own initialiser need not know it."""
    return {k: v for k, v in common.items() if v is not None}
