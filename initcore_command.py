"""The ``initcore`` command before the package is loaded: Ctrl-C in the first tenth of a second is no traceback.

A module of its own, apart from the package: what it does to the process's signals and to its collector of cycles, a
library must not do. Loading makes objects that stay, which the collector walks again and again for nothing, at the end
once more: a fifth of what a file of 100 MB takes.
"""

import gc
import signal

SELDOM = (20_000, 50, 100)      # objects between collections, and of the two older generations


def main() -> None:
    """Let Ctrl-C end the process while modules load; :func:`initcore.cli.main` takes the signal back."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    gc.set_threshold(*SELDOM)
    try:
        from initcore.cli import main as run
        run()
    finally:
        gc.freeze()


if __name__ == "__main__":
    main()
