"""What the commands share: a choice among words, lines of 80 columns, a result printed or written."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

import typer

from .._page.html import shown, shown_name
from ..errors import ArgumentError
from ._guard import abandon
from ._writing import write_text


def one_of(option: str, value: str, known: tuple[str, ...]) -> str:
    if value not in known:
        raise ArgumentError(f"{option} {value!r} is not known; use {', '.join(known)}.")
    return value


def wrapped(line: str) -> str:
    """A line of prose in 80 columns; headings and tables stay as they are."""
    return line if line.startswith(("#", "|")) else "\n".join(
        textwrap.wrap(line, 80, break_on_hyphens=False, break_long_words=False))


def emit(text: str, output: Path | None, quiet: bool = False, clean: bool = False) -> None:
    """Print or write a result. ``clean``: its only escape codes are ours. A reader who leaves changes no verdict."""
    said = (text if clean else shown(text)).rstrip("\n") + "\n"
    if output is not None:
        write_text(output, said)
    elif not quiet and sys.stdout is not None:
        try:
            sys.stdout.write(said)
            sys.stdout.flush()
        except UnicodeEncodeError:
            sys.stdout.write(said.encode("ascii", "backslashreplace").decode("ascii"))
        except BrokenPipeError:
            abandon(sys.stdout)
    if output is not None:
        if not quiet:
            typer.echo(f"wrote {shown_name(output)}", err=True)
