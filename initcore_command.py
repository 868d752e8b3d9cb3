"""The ``initcore`` command before the package is loaded: Ctrl-C in the first tenth of a second is no traceback.

A module of its own, apart from the package: what it does to the process's signals, a library must not do.
"""

import signal


def main() -> None:
    """Let Ctrl-C end the process while modules load; :func:`initcore.cli.main` takes the signal back."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from initcore.cli import main as run
    run()


if __name__ == "__main__":
    main()
