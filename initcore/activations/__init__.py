"""Activations: phi, its slope, and every fact the other modules need, in one object each.

:func:`get` turns a name or a callable into an :class:`Activation`; :func:`names` lists the names.
"""

from ._table import SELU_ALPHA, SELU_SCALE, Activation, from_callable, get, names

__all__ = ["SELU_ALPHA", "SELU_SCALE", "Activation", "from_callable", "get", "names"]
