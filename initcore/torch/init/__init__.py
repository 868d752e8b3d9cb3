"""``torch.nn.init``, name for name, drawn from stream v1: ``import initcore.torch as it; it.init.normal_(w, rng=key)``.

Every function has the signature, defaults, return value and errors of PyTorch's of that name, fills in place without
autograd, does nothing on meta tensors, and takes one keyword more:

rng : an :class:`initcore.Key`, int, NumPy generator, torch.Generator, ... (SPEC 7). Not given: ``generator=``, else
    the parameter's own key inside :func:`initcore.torch.seeded`, else four words of PyTorch's default generator, so
    that ``torch.manual_seed`` works as always.

What is different: a value depends on the key and its place in the array alone, not on device, threads, strides or
sharding; DTensors are filled part by part from the global shape without communication; float16 and bfloat16 are the
float32 values rounded once; ``trunc_normal_`` never redraws and is exact far out in a tail; ``orthogonal_`` takes half
precision; ``nonlinearity`` may be any activation initcore knows. Complex and integer tensors are refused by the random
functions. Where a shard's fan matters it is that of the whole array.

The kinds PyTorch lacks are here in its manner, as ``spectral_`` or ``siren_``: the initialisers of
:mod:`initcore.init` without the underscore, with their arguments. ``layout`` is PyTorch's ("oi", "oiw", "oihw",
"oidhw") unless given; ``truncated_normal_`` is ``trunc_normal`` with bounds in sigma.
"""

from ..._doors import called_by
from ._fans import calculate_gain
from ._functions import (
    constant,
    constant_,
    dirac,
    dirac_,
    eye,
    eye_,
    kaiming_normal,
    kaiming_normal_,
    kaiming_uniform,
    kaiming_uniform_,
    normal,
    normal_,
    ones_,
    orthogonal,
    orthogonal_,
    sparse,
    sparse_,
    trunc_normal_,
    uniform,
    uniform_,
    xavier_normal,
    xavier_normal_,
    xavier_uniform,
    xavier_uniform_,
    zeros_,
)
from ._kinds import (
    delta_orthogonal_,
    embedding_,
    glorot_normal_,
    glorot_uniform_,
    he_normal_,
    he_uniform_,
    lecun_normal_,
    lecun_uniform_,
    mup_std_,
    siren_,
    small_init_,
    spectral_,
    torch_default_,
    truncated_normal_,
    variance_scaling_,
    wang_init_,
)

__all__ = [
    "calculate_gain", "constant", "constant_", "delta_orthogonal_", "dirac", "dirac_", "embedding_", "eye",
    "eye_", "glorot_normal_", "glorot_uniform_", "he_normal_", "he_uniform_", "kaiming_normal",
    "kaiming_normal_", "kaiming_uniform", "kaiming_uniform_", "lecun_normal_", "lecun_uniform_", "mup_std_",
    "normal", "normal_", "ones_", "orthogonal", "orthogonal_", "siren_", "small_init_", "sparse", "sparse_",
    "spectral_", "torch_default_", "trunc_normal_", "truncated_normal_", "uniform", "uniform_",
    "variance_scaling_", "wang_init_", "xavier_normal", "xavier_normal_", "xavier_uniform", "xavier_uniform_",
    "zeros_",
]

called_by(globals())
