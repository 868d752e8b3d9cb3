"""``initcore demo``: the lesson on real digits, as it happens and as a document."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from .._page.html import shown_name
from ..errors import ArgumentError
from ._guard import guarded
from ._words import one_of, wrapped
from ._writing import check_writable, write_text


@guarded
def demo(
    story: Annotated[str, typer.Argument(metavar="[STORY]", help="starts, or shards (needs PyTorch).")] = "starts",
    epochs: Annotated[int, typer.Option(help="Epochs of every run.")] = 25,
    seed: Annotated[int, typer.Option(help="Of weights and minibatches.")] = 0,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write everything here.")] = None,
    html_file: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write a page of pictures here.")
                         ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")] = False,
) -> None:
    """Start one network eight ways on real digits: foretell each, train it, compare. Or: two ranks, one seed."""
    from .. import demo as stories
    from ..demo._text import TextView
    one_of("STORY", story, ("starts", "shards"))
    for file in (json_file, html_file):
        if file is not None:
            check_writable(file)
    if story == "shards":
        if html_file is not None:
            raise ArgumentError("--html draws the story of the starts; that of the shards has no page.")
        from ._view import Working
        with Working("two processes train", quiet):
            lines: list[str] = []
            document = stories.shards(lines.append)
        if not quiet:
            typer.echo("\n".join(wrapped(line) for text in lines for line in text.split("\n")))
    else:
        view = TextView(Console(file=io.StringIO()) if quiet else None)
        try:
            document = stories.run(epochs=epochs, seed=seed, view=view)
        finally:
            view.close()
    if json_file is not None:
        write_text(json_file, json.dumps(document, indent=1, allow_nan=False) + "\n")
        _wrote(json_file, quiet)
    if html_file is not None:
        write_text(html_file, stories.page(document))
        _wrote(html_file, quiet)


def _wrote(file: Path, quiet: bool) -> None:
    if not quiet:
        typer.echo(f"wrote {shown_name(file)}")
