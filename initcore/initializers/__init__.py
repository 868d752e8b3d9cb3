"""Every initialiser, in one place: ``initcore.init``.

Common arguments
----------------
shape : int or tuple of ints, the array wanted. Sizes of 0 are legal: an array without elements has nothing to scale.
layout : which axis is which: "io" (default for two dimensions), "oi", "oihw", "hwio", "iohw" and their 1-D and 3-D
    kin; "bio" a stack of arrays, "hwim" a depthwise kernel (:mod:`initcore.fans`). Above two dimensions it, or the
    axes, must be given where a fan is needed, never guessed.
in_axis, out_axis, batch_axis : which axis is which by number, one or several each, as in JAX: attention kernels
    (d, heads, k) have ``in_axis=0, out_axis=(1, 2)``, scanned layers and experts (n, in, out) ``batch_axis=0``. Slices
    of a batch are independent arrays: an orthogonal stack is orthogonal slice by slice.
groups : channel groups of a convolution; they divide the fans (:func:`initcore.fans.fans`).
rng : None (entropy of the operating system), int, sequence of ints, SeedSequence, Generator, BitGenerator or
    :class:`initcore.Key`, as in SPEC 7.
dtype : "float32", "float64", "float16" or "bfloat16", or the object of that name of NumPy, PyTorch or JAX. Default:
    that of ``out``, else float32. float16 and bfloat16 are the float32 values rounded once.
out : array to fill, of the shape and dtype; any strides. It is returned, and untouched when an argument is bad.
global_shape, start : make only a block: ``shape`` at offset ``start`` of an array of ``global_shape``, bit for bit
    what the whole array has there. Fans are those of the whole array.
threads : number of threads; the bits do not depend on it.

Common errors: ShapeError (rank, layout, axes, groups, block), ArgumentError (a negative or NaN scale, a bad ``out``),
DTypeError (an integer or unknown dtype), ArgumentTypeError (an ``rng`` or size of the wrong kind).

The bits depend on the key, the arguments and the element type, not on machine, threads or blocks. Two exceptions in
the last digits: orthogonal, delta_orthogonal and spectral (products by fused multiply-adds where the CPU has them),
and float64 weights whose ``gain`` is given by name (a quadrature with NumPy's functions; a number has no such doubt).

Names mean different distributions
----------------------------------
``glorot_normal``, ``he_normal`` and ``lecun_normal`` are plain normals in PyTorch, and normals cut at two standard
deviations and rescaled by 1/0.87962566103423978 in JAX and Keras. ``truncate=None`` (default) is the first,
``truncate=2`` the second. The standard deviation of the weights is the same either way.

The family of variance scaling stands in ``_variance_scaling``; constants and plain distributions in ``_plain``,
patterns of zeros in ``_patterns``, orthogonal matrices in ``_orthogonal`` (made by ``_householder``), those of one
architecture in ``_architectures``, trees of parameters in ``_trees``.
"""

from .._doors import called_by
from ._architectures import mup_sigma, mup_std, siren, small_init, wang_init
from ._orthogonal import delta_orthogonal, orthogonal, spectral
from ._patterns import dirac, eye, sparse
from ._plain import constant, embedding, normal, ones, trunc_normal, uniform, zeros
from ._registry import get, kaiming_normal, kaiming_uniform, names, xavier_normal, xavier_uniform
from ._trees import Spec, init_params
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

__all__ = ["Spec", "constant", "delta_orthogonal", "dirac", "embedding", "eye", "get", "glorot_normal",
           "glorot_uniform", "he_normal", "he_uniform", "init_params", "kaiming_normal", "kaiming_uniform",
           "lecun_normal", "lecun_uniform", "mup_sigma", "mup_std", "names", "normal", "ones", "orthogonal", "siren",
           "small_init", "sparse", "spectral", "torch_default", "trunc_normal", "uniform", "variance_scaling",
           "wang_init", "xavier_normal", "xavier_uniform", "zeros"]

called_by(globals())
