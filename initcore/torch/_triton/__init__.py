"""CUDA tensors filled with stream v1 by Triton, with the bits of the CPU's kernels."""

from ..._doors import called_by
from ._launch import fill, merged

__all__ = ["fill", "merged"]

called_by(globals())
