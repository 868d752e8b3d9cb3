"""Initialisers by name: the table, its aliases, and :func:`get`."""

from collections.abc import Callable
from functools import partial

from .. import _checks
from .._types import Array
from ..errors import ArgumentTypeError, unknown_name
from ._architectures import mup_std, siren, small_init, wang_init
from ._orthogonal import delta_orthogonal, orthogonal, spectral
from ._patterns import dirac, eye, sparse
from ._plain import constant, embedding, normal, ones, trunc_normal, uniform, zeros
from ._variance_scaling import (
    glorot_normal,
    glorot_uniform,
    he_normal,
    he_uniform,
    lecun_normal,
    lecun_uniform,
    torch_default,
    variance_scaling,
)

xavier_uniform, xavier_normal = glorot_uniform, glorot_normal
kaiming_uniform, kaiming_normal = he_uniform, he_normal

_TABLE: dict[str, Callable[..., Array]] = {f.__name__: f for f in (
    zeros, ones, constant, eye, dirac, uniform, normal, trunc_normal, variance_scaling, glorot_uniform, glorot_normal,
    he_uniform, he_normal, lecun_uniform, lecun_normal, torch_default, orthogonal, delta_orthogonal, spectral, sparse,
    embedding, small_init, wang_init, siren, mup_std)}
_ALIASES: dict[str, Callable[..., Array]] = {
    "xavier_uniform": xavier_uniform, "xavier_normal": xavier_normal, "kaiming_uniform": kaiming_uniform,
    "kaiming_normal": kaiming_normal, "truncated_normal": trunc_normal, "identity": eye,
    # Keras' own names, with the scales they have there
    "random_normal": partial(normal, std=0.05), "random_uniform": partial(uniform, low=-0.05, high=0.05)}
_FOUND = {key.replace("_", ""): f for key, f in (*_TABLE.items(), *_ALIASES.items())}
names: tuple[str, ...] = tuple(_TABLE)


def get(name: str | Callable[..., Array]) -> Callable[..., Array]:
    """The initialiser of that name, or the callable itself.

    Names of PyTorch (``kaiming_normal_``, ``xavier_uniform``) and of Keras (``GlorotUniform``, ``he_normal``,
    ``IdentityInitializer``) are known, in any case, with underscores or without. ``random_normal`` and
    ``random_uniform``, which only Keras has, have Keras' scale of 0.05; the other names have the defaults of this
    package: ``truncated_normal`` std 1 (Keras' has 0.05, JAX's 0.01: give ``std=``), and plain normals where Keras and
    JAX cut ``glorot_normal`` and kin (``truncate=2``).

    Raises UnknownNameError with the nearest known name. PyTorch: ``getattr(torch.nn.init, name)``; Keras:
    ``keras.initializers.get``.

    >>> get("kaiming_normal").__name__, get("GlorotUniform").__name__
    ('he_normal', 'glorot_uniform')
    """
    if callable(name):
        return name
    if not isinstance(name, str):
        raise ArgumentTypeError(f"initializer must be a name or a callable, got {_checks.describe(name)}.")
    found = _FOUND.get(name.lower().replace("_", "").removesuffix("initializer"))
    if found is None:
        raise unknown_name("initializer", name, [*_TABLE, *_ALIASES])
    return found
