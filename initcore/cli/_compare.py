"""``initcore compare``: two files of weights beside each other, within limits or not."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import ArgumentError
from ._guard import guarded
from ._words import emit, one_of
from ._writing import check_writable


@guarded
def compare(
    a: Annotated[Path, typer.Argument(metavar="A", help="A file or folder of weights, before.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="Another, after.")],
    limit: Annotated[list[str] | None, typer.Option(
        metavar="WHAT=MOST", help="Exit 1 above this: change, spread, ties, dead, gone, added, dtype. May be repeated."
        )] = None,
    format: Annotated[str, typer.Option(help="text, json or html.")] = "text",
    output: Annotated[Path | None, typer.Option(help="Write the comparison here instead of printing it.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors; the exit code tells.")
                     ] = False,
) -> None:
    """What differs between two files of weights. Exit code 0: within the limits, 1: beyond one, 2: cannot run."""
    from .. import files
    from ._view import Working, compared
    one_of("--format", format, ("text", "json", "html"))
    if output is not None:
        check_writable(output, [a, b])
    limits = dict(map(_limit, limit or ()))
    with Working(f"comparing {a.name} with {b.name}", quiet) as working:
        found = files.compare(a, b, limits, progress=working.tell)
    text = found.__str__ if output is not None else lambda: compared(found)
    emit({"text": text, "json": found.to_json, "html": found.to_html}[format](), output, quiet)
    raise typer.Exit(0 if found.ok else 1)


def _limit(given: str) -> tuple[str, float]:
    """change=0.1 as a pair."""
    name, _, most = given.partition("=")
    try:
        return name.strip(), float(most)
    except ValueError:
        raise ArgumentError(f"--limit {given!r} is not of the form change=0.1.") from None
