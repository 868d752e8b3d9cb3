"""The commands of ``initcore``: arguments in, one call of the library, exit code out.

Exit codes: 0 clean, 1 findings at or above ``--fail-level``, 2 cannot run (one or two lines on stderr).
"""

from __future__ import annotations

import io
import json
import os
import sys
import textwrap
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer
from rich.console import Console

from .._page.html import shown, shown_name
from .._version import __version__
from ..errors import ArgumentError
from ._guard import abandon, guarded, say
from ._writing import check_writable, write_text

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
                  help="Will this network, with these weights, learn at all?")


def _list(text: str | None) -> list[str] | None:
    """A comma-separated option as a list."""
    if text is None:
        return None
    items = [part.strip() for part in text.split(",")]
    if not all(items):
        raise ArgumentError(f"{text!r} has an empty entry; write names with single commas between them.")
    return items


def _one_of(option: str, value: str, known: tuple[str, ...]) -> str:
    if value not in known:
        raise ArgumentError(f"{option} {value!r} is not known; use {', '.join(known)}.")
    return value


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"initcore {__version__}")
        raise typer.Exit()


@app.callback()
def _main(version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True,
                                                help="Print the version.")] = False) -> None:
    pass


@app.command()
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
    _one_of("--format", format, ("text", "json", "sarif", "html"))
    _one_of("--fail-level", fail_level, ("fail", "warn", "info"))
    if output is not None:
        check_writable(output, [path for path in (file, data, baseline) if path is not None])
    if is_target(str(file)):
        with Working(f"checking {file}", quiet) as working:
            found = check_target(str(file), inputs=input, data=data, tell=working.tell, loss=loss, optimizer=optimizer,
                                 l2=l2, stage=stage, select=_list(select), ignore=_list(ignore), fail_level=fail_level,
                                 baseline=None if baseline is None else str(baseline))
        if format == "text":
            _emit(text_of(found) if output is None else rendered(found), output, quiet, clean=True)
        else:
            _emit({"json": found.to_json, "html": found.to_html,
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
        _emit(text_of(report) if output is None else rendered(report), output, quiet, clean=True)
    else:
        text = {"json": report.to_json, "html": report.to_html,
                "sarif": lambda: report.to_sarif(uri=quote(os.fsencode(file.as_posix())))}[format]()
        for note in () if quiet else report.notes:
            typer.echo(shown(f"note: {note}"), err=True)
        _emit(text, output, quiet)
    if not report.failed and not report.enough:
        say(report.line)
    raise typer.Exit(1 if report.failed else 0 if report.enough else 2)


@app.command()
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
    _one_of("--format", format, ("text", "json", "html"))
    if output is not None:
        check_writable(output, [a, b])
    limits = dict(map(_limit, limit or ()))
    with Working(f"comparing {a.name} with {b.name}", quiet) as working:
        found = files.compare(a, b, limits, progress=working.tell)
    text = found.__str__ if output is not None else lambda: compared(found)
    _emit({"text": text, "json": found.to_json, "html": found.to_html}[format](), output, quiet)
    raise typer.Exit(0 if found.ok else 1)


def _limit(given: str) -> tuple[str, float]:
    """change=0.1 as a pair."""
    name, _, most = given.partition("=")
    try:
        return name.strip(), float(most)
    except ValueError:
        raise ArgumentError(f"--limit {given!r} is not of the form change=0.1.") from None


@app.command()
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
    _one_of("STORY", story, ("starts", "shards"))
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
            typer.echo("\n".join(_wrapped(line) for text in lines for line in text.split("\n")))
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


@app.command()
@guarded
def gain(
    name: Annotated[str, typer.Argument(metavar="NAME", help="An activation: tanh, relu, leaky_relu_0.2, ...")],
    criterion: Annotated[str | None, typer.Option(
        help="second_moment, variance or gradient. (default: all three)")] = None,
    q: Annotated[float, typer.Option(help="Variance of the pre-activations.")] = 1.0,
) -> None:
    """The factor on 1/sqrt(fan_in) that keeps a signal's, or a gradient's, size."""
    from ..gains import CRITERIA
    from ..gains import gain as compute
    for one in CRITERIA if criterion is None else (criterion,):
        value = compute(name, criterion=one, q=q)
        typer.echo(f"{value:.15g}" if criterion is not None else f"{one:14} {value:.15g}")


@app.command()
@guarded
def rule(
    name: Annotated[str | None, typer.Argument(metavar="RULE", help="SAT201, SYM101, ... Without: list all.")] = None,
) -> None:
    """Print the page of one rule: what it says, when it speaks, what to do."""
    from .. import rules
    if name is None:
        for known in rules.CATALOGUE.values():
            typer.echo(f"{known.id}  {known.severity:4}  {known.title}")
        return
    typer.echo("\n".join(map(_wrapped, rules.get(name).page().rstrip("\n").split("\n"))))


@app.command()
@guarded
def config() -> None:
    """Which instruction set runs, which exist, compiler, flags, threads."""
    from ..config import show_config
    show_config()


def _wrapped(line: str) -> str:
    """A line of prose in 80 columns; headings and tables stay as they are."""
    return line if line.startswith(("#", "|")) else "\n".join(
        textwrap.wrap(line, 80, break_on_hyphens=False, break_long_words=False))


def _emit(text: str, output: Path | None, quiet: bool = False, clean: bool = False) -> None:
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
