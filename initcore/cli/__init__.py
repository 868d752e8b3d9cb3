"""The ``initcore`` command."""

from .._doors import called_by
from ._main import main

__all__ = ["main"]

called_by(globals())
