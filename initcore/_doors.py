"""A door is the ``__init__.py`` of a room: what it exports is called by the door, not by the file it was written in.

The package's own door knows every room; what a room below needs of those above, it is told here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Judge = Callable[..., Any]
JUDGES: list[Callable[[Any], Judge | None]] = []
"""Who else judges what :func:`initcore.check` is given: each tells the judge of a thing, or None."""


def called_by(door: dict[str, Any]) -> None:
    """Let what ``__all__`` exports from the door's own room, or from a private one, name the door as its module.

    ``door`` is the door's ``globals()``, at its end. What a pickle, a traceback or help() shows is then the public
    place, which stays where files do not.
    """
    room = door["__name__"]
    for name in door["__all__"]:
        thing = door[name]
        if hasattr(thing, "__qualname__") and thing.__module__.startswith((f"{room}.", "initcore._")):
            thing.__module__ = room
