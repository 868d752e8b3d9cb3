"""The commands of ``initcore``: arguments in, one call of the library, exit code out.

Exit codes: 0 clean, 1 findings at or above ``--fail-level``, 2 cannot run (one or two lines on stderr).
"""

from __future__ import annotations

from typing import Annotated

import typer

from .._version import __version__
from ._check import check
from ._compare import compare
from ._demo import demo
from ._guard import guarded
from ._words import wrapped

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
                  help="Will this network, with these weights, learn at all?")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"initcore {__version__}")
        raise typer.Exit()


@app.callback()
def _main(version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True,
                                                help="Print the version.")] = False) -> None:
    pass


for command in (check, compare, demo):
    app.command()(command)


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
    typer.echo("\n".join(map(wrapped, rules.get(name).page().rstrip("\n").split("\n"))))


@app.command()
@guarded
def config() -> None:
    """Which instruction set runs, which exist, compiler, flags, threads."""
    from ..config import show_config
    show_config()
