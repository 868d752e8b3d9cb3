"""Whatever happens: one sentence on stderr and exit code 2, never a traceback.

What is not the user's fault is written to a report file, which the sentence names.
"""

from __future__ import annotations

import contextlib
import os
import platform
import sys
import tempfile
import traceback
from collections.abc import Callable
from functools import wraps
from typing import Any

import typer

from .._page.html import shown
from .._version import __version__
from ..errors import InitcoreError

LISTENER_GONE = 1           # `initcore demo | head`: what `head` left unread is nobody's error, and no verdict either


def say(text: Any) -> None:
    """One line on stderr, whatever state stderr is in."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        print(f"initcore: {' '.join(shown(text).split())}", file=sys.stderr, flush=True)


def guarded(command: Callable[..., None]) -> Callable[..., None]:
    """The command with every exception turned into a sentence and exit code 2."""
    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except (typer.Exit, typer.Abort):
            raise
        except Exception as error:
            raise typer.Exit(code_of(error)) from None
    return run


def code_of(error: Exception) -> int:
    """Say what happened; the exit code that tells it."""
    if isinstance(error, BrokenPipeError) and error.filename is None:
        abandon(sys.stdout)
        return LISTENER_GONE
    if isinstance(error, InitcoreError):
        say(error)
    elif hasattr(error, "format_message"):               # a wrong option, in the parser's words
        words = error.format_message()
        if words:                                        # none where the help was asked for, and shown
            say(f"{words} 'initcore --help' tells what there is.")
    elif isinstance(error, OSError):
        if error.filename is None:
            abandon(sys.stdout)
        say(f"{error.filename or 'standard output'}: {error.strerror or error}.")
    elif isinstance(error, MemoryError):
        say("not enough memory for this network.")
    else:
        say(f"an error of initcore's own ({type(error).__name__}): {_report(error)}")
    return 2


def abandon(stream: Any) -> None:
    """Let what a stream still holds go nowhere, so that the flush at exit does not complain either."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def _report(error: Exception) -> str:
    """Where the details were written."""
    lines = [f"initcore {__version__}, Python {platform.python_version()}, {platform.platform()}",
             f"arguments: {sys.argv[1:]!r}", "", *traceback.format_exception(error)]
    try:
        handle, name = tempfile.mkstemp(prefix="initcore-report-", suffix=".txt")
        with open(handle, "w", encoding="utf-8", errors="backslashreplace") as stream:
            stream.write("\n".join(lines))
    except OSError:
        return f"{error}; please report this command and this sentence."
    return f"the details are in {name}; please report them."
