"""The proof of ties, of the program that the signals were measured in."""

from __future__ import annotations

from typing import Any

from ... import symmetry
from ...errors import InitcoreError
from ...program import Program


def proved(program: Program, training: dict[str, Any]) -> tuple[Any, tuple[str, ...]]:
    """(the proof or None, notes): which units stay tied, and how much of the network it covers."""
    try:
        found = symmetry.analyze(program, **training)
    except InitcoreError as error:
        return None, (f"Nothing was proved of ties: {error}",)
    return found, () if program.coverage.share == 1.0 else (f"The proof of ties: {program.coverage}.",)
