"""Random arrays from stream v1: every element belongs to its index, so any block, thread count or machine agrees.

A :class:`Key` names a stream; :func:`uniform`, :func:`normal` and :func:`truncated_normal` draw from it, :func:`bits`
returns its raw words. ``global_shape=`` and ``start=`` make the block of a larger array, :func:`blocks` plans which.
"""

from .._doors import called_by
from ._fill import bits, normal, truncated_normal, uniform
from ._keys import Key, RngLike, as_key
from ._plan import Block, blocks

__all__ = ["Block", "Key", "RngLike", "as_key", "bits", "blocks", "normal", "truncated_normal", "uniform"]

called_by(globals())
