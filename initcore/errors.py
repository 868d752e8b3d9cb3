"""The exceptions of initcore: one small tree, each also the built-in a caller expects.

::

    InitcoreError
     +-- ArgumentError (ValueError)      a value outside what is allowed
     |    +-- ShapeError                 a rank, size or layout that does not fit
     |    +-- NonFiniteError             NaN or infinity where the mathematics has none
     |    +-- UnknownNameError           no activation, initialiser, loss ... of that name
     |    +-- TorchValueError (RuntimeError) a value PyTorch answers with RuntimeError
     |    +-- ProgramError               a module or function that cannot be read as a program
     |    +-- DeviceError (RuntimeError) a tensor, device or placement that cannot be filled
     +-- DTypeError (TypeError)          an element type that is not supported
     |    +-- TorchDTypeError (NotImplementedError) one that PyTorch's own random functions refuse, or should
     +-- ArgumentTypeError (TypeError)   an object of the wrong kind
     +-- UsageError (RuntimeError)       a call at the wrong time, or in the wrong place
     +-- MissingExtraError (ImportError) an optional dependency is not installed
     +-- FileFormatError (ValueError)    a file that holds no network we can read
     +-- UntrainableError (AssertionError) a check found what must not be; holds the report

Every message names the argument, what was given, what is allowed and the remedy.
"""

import importlib
from collections.abc import Iterable

__all__ = ["ArgumentError", "ArgumentTypeError", "DTypeError", "FileFormatError", "InitcoreError", "InitcoreWarning",
           "MissingExtraError", "NonFiniteError", "ProgramError", "ShapeError", "UnknownNameError", "UntrainableError"]


_LONGEST = 1500             # characters of a message; what is left out stood in what was given


class InitcoreError(Exception):
    """Base of every exception initcore raises on purpose."""

    def __init__(self, *what: object) -> None:
        text = what[0] if len(what) == 1 else None
        if isinstance(text, str) and len(text) > _LONGEST and not isinstance(self, AssertionError):
            half = _LONGEST // 2
            what = (f"{text[:half]} [{len(text) - 2 * half} characters left out] {text[-half:]}",)
        super().__init__(*what)


class ArgumentError(InitcoreError, ValueError):
    """A value outside what is allowed."""


class ShapeError(ArgumentError):
    """A rank, size or layout that does not fit."""


class NonFiniteError(ArgumentError):
    """NaN or infinity where the mathematics has none."""


class UnknownNameError(ArgumentError):
    """No activation, initialiser, loss or rule of that name."""


class TorchValueError(ArgumentError, RuntimeError):
    """A value outside what is allowed, where PyTorch raises RuntimeError."""


class ProgramError(ArgumentError):
    """A module or function that cannot be read as a program; the message names its line and the remedy."""


class DeviceError(ArgumentError, RuntimeError):
    """A tensor, a device or a placement that cannot be filled."""


class DTypeError(InitcoreError, TypeError):
    """An element type that is not supported."""


class TorchDTypeError(DTypeError, NotImplementedError):
    """An element type that is not supported, where PyTorch raises NotImplementedError (a RuntimeError)."""


class ArgumentTypeError(InitcoreError, TypeError):
    """An object of the wrong kind."""


class UsageError(InitcoreError, RuntimeError):
    """A call at the wrong time, or in the wrong place."""


class MissingExtraError(InitcoreError, ImportError):
    """An optional dependency is not installed."""


class FileFormatError(InitcoreError, ValueError):
    """A file that holds no network we can read."""


class UntrainableError(InitcoreError, AssertionError):
    """A check found something at or above its fail level; ``report`` is the whole verdict."""

    def __init__(self, report: object) -> None:
        super().__init__(str(report))
        self.report = report


class InitcoreWarning(UserWarning):
    """Base of every warning initcore gives."""


def needs(package: str, extra: str, what: str, more: str = "") -> None:
    """Import the ``package`` of an extra; where that cannot be done, ``MissingExtraError`` says what needs it and the
    remedy, to which ``more`` is added."""
    try:
        importlib.import_module(package)
    except ImportError as error:
        inside = error.name is not None and not package.startswith(error.name)     # it is here, and lacks another
        why = f" ({error})" if inside else ""
        raise MissingExtraError(f"{what} needs the {package} package{why}: pip install 'initcore[{extra}]'{more}."
                                ) from (error if inside else None)


def unknown_name(argument: str, given: object, known: Iterable[str]) -> UnknownNameError:
    """The error for a misspelt name, with the nearest known one."""
    import difflib
    names = sorted(known)
    near = difflib.get_close_matches(given.lower()[:80], names, n=1, cutoff=0.5) if isinstance(given, str) else []
    shown = repr(given[:80]) if isinstance(given, str) else f"an object of type {type(given).__name__}"
    hint = f"did you mean {near[0]!r}? " if near else ""
    return UnknownNameError(f"{argument}={shown} is not known; {hint}Known: {', '.join(names)}.")


def unknown_argument(given: str, known: Iterable[str]) -> ArgumentTypeError:
    """The error for a keyword argument that no initialiser has, with the nearest known one."""
    import difflib
    near = difflib.get_close_matches(given, list(known), n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}=? " if near else ""
    return ArgumentTypeError(f"{given}= is not an argument here; {hint}help() of the function lists them.")
