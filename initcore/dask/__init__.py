"""Dask: initialisers as lazy arrays with the same bits for every chunking, and sweeps over many machines (extra
``dask``).

``ic.dask.normal((10**6, 10**5), rng=key)`` is one task a chunk; ``phase_diagram`` and ``check_files`` spread the theory
and the verdicts over a cluster, with progress.
"""

from .._doors import called_by
from ..errors import needs

needs("dask", "dask", "initcore.dask")

from ._arrays import (
    array,
    constant,
    delta_orthogonal,
    dirac,
    embedding,
    eye,
    glorot_normal,
    glorot_uniform,
    he_normal,
    he_uniform,
    kaiming_normal,
    kaiming_uniform,
    lecun_normal,
    lecun_uniform,
    mup_std,
    normal,
    ones,
    orthogonal,
    siren,
    small_init,
    sparse,
    spectral,
    torch_default,
    trunc_normal,
    uniform,
    variance_scaling,
    wang_init,
    xavier_normal,
    xavier_uniform,
    zeros,
)
from ._sweeps import check_files, phase_diagram

__all__ = ["array", "check_files", "constant", "delta_orthogonal", "dirac", "embedding", "eye", "glorot_normal",
           "glorot_uniform", "he_normal", "he_uniform", "kaiming_normal", "kaiming_uniform", "lecun_normal",
           "lecun_uniform", "mup_std", "normal", "ones", "orthogonal", "phase_diagram", "siren", "small_init",
           "sparse", "spectral", "torch_default", "trunc_normal", "uniform", "variance_scaling", "wang_init",
           "xavier_normal", "xavier_uniform", "zeros"]

called_by(globals())
