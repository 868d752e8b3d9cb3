"""JAX: initialisers in JAX's own protocol, and sharded parameters of which each device's part is made alone (extra
``jax``).

``ij.he_normal()`` and its kin are ``jax.nn.initializers`` name for name, with the kinds JAX lacks; ``ij.init_params``
fills any tree of shapes by rules, on any mesh, with the bits an unsharded array has.
"""

from .._doors import called_by
from ..errors import needs

needs("jax", "jax", "initcore.jax")

from .._named import Table
from ._further import (
    dirac,
    embedding,
    eye,
    mup_std,
    siren,
    small_init,
    sparse,
    spectral,
    torch_default,
    wang_init,
)
from ._keys import as_key
from ._program import program
from ._protocol import Initializer, shapes_only
from ._signals._check import check
from ._signals._models import Model
from ._standard import (
    constant,
    delta_orthogonal,
    glorot_normal,
    glorot_uniform,
    he_normal,
    he_uniform,
    kaiming_normal,
    kaiming_uniform,
    lecun_normal,
    lecun_uniform,
    normal,
    ones,
    orthogonal,
    truncated_normal,
    uniform,
    variance_scaling,
    xavier_normal,
    xavier_uniform,
    zeros,
)
from ._trees import init_params, table

__all__ = ["Initializer", "Model", "Table", "as_key", "check", "constant", "delta_orthogonal", "dirac", "embedding",
           "eye", "glorot_normal", "glorot_uniform", "he_normal", "he_uniform", "init_params", "kaiming_normal",
           "kaiming_uniform", "lecun_normal", "lecun_uniform", "mup_std", "normal", "ones", "orthogonal", "program",
           "shapes_only", "siren", "small_init", "sparse", "spectral", "table", "torch_default", "truncated_normal",
           "uniform", "variance_scaling", "wang_init", "xavier_normal", "xavier_uniform", "zeros"]

called_by(globals())
