"""Activations: phi, its slope, and every fact the other modules need, in one object each.

:func:`get` turns a name or a callable into an :class:`Activation`; :func:`names` lists the names; :func:`register`
makes an Activation of your own known by its name. :meth:`Activation.start` says how weights in front of it are drawn.
"""

from .._doors import called_by
from ._activation import Activation, ActivationLike, Start
from ._callables import from_callable
from ._functions import SELU_ALPHA, SELU_SCALE
from ._table import IDENTITY, get, names, register

__all__ = ["IDENTITY", "SELU_ALPHA", "SELU_SCALE", "Activation", "ActivationLike", "Start", "from_callable", "get",
           "names", "register"]

called_by(globals())
