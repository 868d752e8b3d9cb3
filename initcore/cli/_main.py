"""The ``initcore`` command: the door only, so that a missing extra is a sentence and not a traceback.

The commands are in ``_commands`` (typer), the demo's text in ``_demo_view`` (rich).
"""

import sys
from collections.abc import Sequence

_NEEDED = ("typer", "rich", "click")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; exits 0 (clean), 1 (findings) or 2 (cannot run)."""
    try:
        from ._commands import app
    except ImportError as error:
        if (error.name or "").split(".")[0] not in _NEEDED:
            raise
        print(f"initcore: the command line needs {error.name}: pip install 'initcore[cli]'", file=sys.stderr)
        sys.exit(2)
    app(args=list(arguments) if arguments is not None else None, prog_name="initcore")


if __name__ == "__main__":
    main()
