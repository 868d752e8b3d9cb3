"""ATen's operations in the words of :mod:`initcore.program`: one entry for every overload, or for all of a name.

An entry takes the :class:`Build` it writes with and the arguments by ATen's own names, values for tensors, and returns
one value or several. To add an operation: one line in the file of its kind, the vocabulary's words from ``Build``.
An overload is looked up as "name.overload", then as "name"; "name_" is "name" followed by the write.
"""

from typing import Any

from ..program import Value
from . import _activations, _creation, _indexing, _layers, _pointwise, _products, _reductions, _shapes
from ._build import Build, NotUnderstood
from ._pointwise import Entry

_KINDS = (_activations, _creation, _indexing, _layers, _pointwise, _products, _reductions, _shapes)
TABLE: dict[str, Entry] = {name: entry for kind in _KINDS for name, entry in kind.ENTRIES.items()}

# Checks of the export, and names of sizes: nothing that flows into a result.
SKIPPED = {"_assert_tensor_metadata", "_assert_scalar", "_assert_async", "sym_constrain_range", "sym_size",
           "sym_constrain_range_for_size", "_guards_fn", "sym_numel", "sym_stride", "record_stream"}

# What they return is memory of their first argument, or may be.
VIEWS = {"view", "_unsafe_view", "reshape", "ravel", "view_as", "reshape_as", "flatten", "unflatten", "unsqueeze",
         "squeeze", "transpose", "swapaxes", "swapdims", "t", "numpy_T", "mT", "movedim", "moveaxis", "adjoint",
         "permute", "expand", "expand_as", "broadcast_to", "split", "split_with_sizes", "chunk", "unbind", "slice",
         "select", "narrow", "alias", "detach", "to", "contiguous", "type_as", "lift_fresh", "diagonal", "as_strided",
         "unfold", "positive", "resolve_conj", "resolve_neg", "real", "imag", "view_as_real", "view_as_complex", "cpu",
         "requires_grad"}


def single(name: str, build: Build, *given: Any) -> Value:
    """An operation by ATen's name, written: the one value that it returns."""
    made = TABLE[name](build, *given)
    if not isinstance(made, Value):
        raise NotUnderstood
    return made
