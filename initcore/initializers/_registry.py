"""Initialisers by name: the table, its aliases, and :func:`get`."""

from collections.abc import Callable

from .. import _checks
from ..errors import ArgumentTypeError, unknown_name
from ._architectures import mup_std, siren, small_init, wang_init
from ._orthogonal import delta_orthogonal, orthogonal, spectral
from ._patterns import dirac, eye, sparse
from ._plain import constant, embedding, normal, ones, trunc_normal, uniform, zeros
from ._request import Array
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
_ALIASES = {"xavier_uniform": "glorot_uniform", "xavier_normal": "glorot_normal", "kaiming_uniform": "he_uniform",
            "kaiming_normal": "he_normal", "truncated_normal": "trunc_normal"}
names: tuple[str, ...] = tuple(_TABLE)

def get(name: str | Callable[..., Array]) -> Callable[..., Array]:
    """The initialiser of that name (aliases xavier and kaiming, any case), or the callable itself.

    Raises UnknownNameError with the nearest known name. PyTorch: ``getattr(torch.nn.init, name)``; Keras:
    ``keras.initializers.get``.

    >>> get("kaiming_normal").__name__
    'he_normal'
    """
    if callable(name):
        return name
    if not isinstance(name, str):
        raise ArgumentTypeError(f"initializer must be a name or a callable, got {_checks.describe(name)}.")
    key = name.lower().rstrip("_")
    found = _TABLE.get(_ALIASES.get(key, key))
    if found is None:
        raise unknown_name("initializer", name, [*_TABLE, *_ALIASES])
    return found
