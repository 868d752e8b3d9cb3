"""``initcore check``: a file or a module judged; the verdict is the exit code."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from .._page.html import shown
from ..errors import ArgumentError
from ._guard import guarded, say
from ._words import emit, one_of
from ._writing import check_writable


@guarded
def check(
    file: Annotated[Path, typer.Argument(metavar="TARGET", help="A file or folder of weights (.safetensors, .npz, .pt, "
                                         ".pt2, .gguf, .h5, .keras, .onnx, .msgpack), or package.module:factory, a "
                                         "PyTorch module or what makes one.")],
    input: Annotated[str | None, typer.Option(help="Shape of a module's inputs: 2x3x224x224; several with commas.")
                     ] = None,
    activation: Annotated[str | None, typer.Option(
        help="Of the hidden layers: one name, or one for each with commas. (default: tanh)")] = None,
    output_activation: Annotated[str, typer.Option(help="Of the last layer.")] = "identity",
    layout: Annotated[str | None, typer.Option(
        help="io: (fan_in, fan_out), oi: (fan_out, fan_in). (default: from names and shapes)")] = None,
    order: Annotated[str | None, typer.Option(help="Layer names, first to last, where names leave it open.")] = None,
    data: Annotated[Path | None, typer.Option(help=".npz with inputs x (and targets y), or .npy with x.")] = None,
    loss: Annotated[str | None, typer.Option(help="softmax_cross_entropy, mse or binary_cross_entropy.")] = None,
    optimizer: Annotated[str, typer.Option(help="What it will be trained with.")] = "sgd",
    l2: Annotated[float, typer.Option(help="Weight of an L2 penalty (adamw: its decay); ties depend on it.")] = 0.0,
    hidden_dropout: Annotated[bool, typer.Option("--hidden-dropout", help="Hidden units are dropped at random.")
                              ] = False,
    stage: Annotated[str | None, typer.Option(
        help="start or trained: a trained network may be certain. (default: from the loss on the data)")] = None,
    select: Annotated[str | None, typer.Option(help="Only these rules or families: SYM,SAT201")] = None,
    ignore: Annotated[str | None, typer.Option(help="Without these rules or families.")] = None,
    fail_level: Annotated[str, typer.Option(help="Least severity that makes exit code 1: fail, warn, info.")] = "fail",
    baseline: Annotated[Path | None, typer.Option(help="An earlier JSON report; its findings are set aside.")] = None,
    format: Annotated[str, typer.Option(help="text, json, sarif or html.")] = "text",
    output: Annotated[Path | None, typer.Option(help="Write the report here instead of printing it.")] = None,
    folded_bias: Annotated[bool, typer.Option("--folded-bias", help="The last row or column of every matrix is a bias.")
                           ] = False,
    partial: Annotated[bool, typer.Option("--partial", help="Be content with any share of the parameters judged.")
                       ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors; the exit code tells.")
                     ] = False,
) -> None:
    """Judge weights before training is paid for. Exit code 0: clean, 1: findings, 2: cannot run."""
    from ..files import check_file
    from ._modules import check_target, is_target
    from ._view import Working, rendered, text_of
    one_of("--format", format, ("text", "json", "sarif", "html"))
    one_of("--fail-level", fail_level, ("fail", "warn", "info"))
    if output is not None:
        check_writable(output, [path for path in (file, data, baseline) if path is not None])
    if is_target(str(file)):
        _of_files_only({"--activation": activation, "--layout": layout, "--order": order, "--folded-bias": folded_bias,
                        "--hidden-dropout": hidden_dropout})
        with Working(f"checking {file}", quiet) as working:
            found = check_target(str(file), inputs=input, data=data, tell=working.tell, loss=loss, optimizer=optimizer,
                                 l2=l2, stage=stage, select=_list(select), ignore=_list(ignore), fail_level=fail_level,
                                 baseline=None if baseline is None else str(baseline))
        if format == "text":
            emit(text_of(found) if output is None else rendered(found), output, quiet, clean=True)
        else:
            emit({"json": found.to_json, "html": found.to_html,
                   "sarif": lambda: found.to_sarif(uri=quote(str(file)))}[format](), output, quiet)
        raise typer.Exit(1 if not found.ok else 0 if found.whole or partial else 2)
    if input is not None:
        raise ArgumentError("--input goes with package.module:factory; a file needs none.")
    with Working(f"checking {file.name}", quiet) as working:
        report = check_file(file, activation=_list(activation), output_activation=output_activation, layout=layout,
                            order=_list(order), data=data, loss=loss, optimizer=optimizer, select=_list(select),
                            ignore=_list(ignore), fail_level=fail_level, partial=partial,
                            folded_bias=folded_bias, progress=working.tell,
                            l2=l2, hidden_dropout=hidden_dropout, stage=stage,
                            baseline=None if baseline is None else str(baseline))
    if format == "text":
        emit(text_of(report) if output is None else rendered(report), output, quiet, clean=True)
    else:
        text = {"json": report.to_json, "html": report.to_html,
                "sarif": lambda: report.to_sarif(uri=quote(os.fsencode(file.as_posix())))}[format]()
        for note in () if quiet else report.notes:
            typer.echo(shown(f"note: {note}"), err=True)
        emit(text, output, quiet)
    if not report.failed and not report.enough:
        say(report.line)
    raise typer.Exit(1 if report.failed else 0 if report.enough else 2)


def _of_files_only(options: dict[str, Any]) -> None:
    """Refuse what a module says itself."""
    for name, value in options.items():
        if value:
            raise ArgumentError(f"{name} goes with a file; a module says it itself.")


def _list(text: str | None) -> list[str] | None:
    """A comma-separated option as a list."""
    if text is None:
        return None
    items = [part.strip() for part in text.split(",")]
    if not all(items):
        raise ArgumentError(f"{text!r} has an empty entry; write names with single commas between them.")
    return items
