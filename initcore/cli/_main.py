"""The ``initcore`` command: the door only, so that a missing extra is a sentence and not a traceback.

The commands are put together in ``_commands`` (typer), the demo's text in ``demo/_text`` (rich).
"""

import os
import signal
import sys
import threading
from collections.abc import Sequence
from typing import Any

NARROWEST, WIDEST = 20, 4   # columns, digits of columns
INTERRUPTED = 130           # as shells have it: 128 and the signal's number
_NEEDED = ("typer", "rich", "click")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; exits 0 (clean), 1 (findings), 2 (cannot run) or 130 (Ctrl-C)."""
    try:
        from . import _commands, _guard
    except ImportError as error:
        if (error.name or "").split(".")[0] not in _NEEDED:
            raise
        print(f"initcore: the command line needs {error.name}: pip install 'initcore[cli]'", file=sys.stderr)
        sys.exit(2)
    code = 0
    try:
        _listen()
        code = _run(_commands.app, _guard, arguments)
    except KeyboardInterrupt:
        code = INTERRUPTED
        _guard.say("interrupted.")
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, signal.SIG_IGN)      # nothing is left to stop
    sys.exit(code)


def _listen() -> None:
    """Ctrl-C as an exception, where ``initcore_command`` had left it to end the process while modules load."""
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _run(app: Any, guard: Any, arguments: Sequence[str] | None) -> int:
    import typer
    columns = os.environ.get("COLUMNS", "")
    if not (columns.isdecimal() and len(columns) <= WIDEST and int(columns) >= NARROWEST):
        os.environ.pop("COLUMNS", None)      # 0, nonsense: rich would print nothing, and not say so
    try:
        done = app(args=list(arguments) if arguments is not None else None, prog_name="initcore",
                   standalone_mode=False)
        code = done if isinstance(done, int) else 0
    except typer.Abort:
        code = INTERRUPTED
    except Exception as error:
        code = guard.code_of(error)
    if code == INTERRUPTED:                  # the parser turns the exception into this code, without a word
        guard.say("interrupted.")
    return _flushed(guard, code)


def _flushed(guard: Any, code: int) -> int:
    """The exit code, once everything said has arrived: output that got lost is an error."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        guard.abandon(sys.stdout)
    except (OSError, ValueError) as error:
        return guard.code_of(error) if isinstance(error, OSError) else 2
    return code



if __name__ == "__main__":
    main()
