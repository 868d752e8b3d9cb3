"""Result files: whole or not at all where that can be had, in place where a rename would destroy what stands there.

Design
A. A regular file with one name is replaced by a rename, so that a reader sees the old text or the new one.
B. What is no regular file (a device, a pipe, a socket of the system), and a file with several names (hard links),
   is written in place: a rename would put a new file where it stood. Symbolic links are followed.
C. Owner and mode stay. Where a new file could not have the owner of the old one, the old one is written in place.
D. What goes wrong in place is undone: the old text is put back.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import FileFormatError

_OF_SEVERAL = (".index.json", ".onnx")
_REPORTS = (".txt", ".json", ".sarif", ".html", ".htm", ".md", ".log")
_RESTORED = 64 << 20        # bytes of an old file kept in memory while it is written in place


def write_text(path: Any, text: str) -> None:
    """Write ``text`` (UTF-8) to the file, device or pipe ``path``; FileFormatError says why that fails."""
    file, data = Path(path), text.encode("utf-8", "backslashreplace")
    try:
        target, old = _target(file)
        if old is None or (stat.S_ISREG(old.st_mode) and old.st_nlink == 1 and _replaceable(target, old)):
            _replace(target, data, old)
        elif stat.S_ISREG(old.st_mode):
            _overwrite(target, data, old)
        else:
            _pour(target, data)
    except BrokenPipeError:
        raise FileFormatError(f"{file} cannot be written: nobody reads this pipe any more.") from None
    except OSError as error:
        raise FileFormatError(f"{file} cannot be written: {error.strerror or error}.") from None


def check_writable(path: Any, inputs: Sequence[Any] = ()) -> None:
    """Refuse, before the work is done, a file that :func:`write_text` could not write or one of the ``inputs``."""
    file = Path(path)
    try:
        target, old = _target(file)
        for other in inputs:
            if old is not None and _read_with(other, target, old):
                raise FileFormatError(f"{file} is read by this command; give another name for what it writes.")
    except OSError as error:
        raise FileFormatError(f"{file} cannot be written: {error.strerror or error}.") from None
    if old is not None:
        if not os.access(target, os.W_OK):
            raise FileFormatError(f"{file} cannot be written: no permission.")
    elif not target.parent.is_dir():
        raise FileFormatError(f"{file} cannot be written: the directory {target.parent} does not exist.")
    elif not os.access(target.parent, os.W_OK):
        raise FileFormatError(f"{file} cannot be written: no permission to write in {target.parent}.")


def _read_with(path: Any, target: Path, old: os.stat_result) -> bool:
    """Is the target the input, or may it be a part of one: what lies beside an index or an .onnx file, or in the folder
    of a model, unless its name is that of a report?"""
    if not os.path.exists(path):
        return False
    if os.path.samestat(old, os.stat(path)):
        return True
    given = Path(os.path.realpath(path))
    home = given if given.is_dir() else given.parent if given.name.endswith(_OF_SEVERAL) else None
    if home is None or not stat.S_ISREG(old.st_mode) or home not in (target.parent, *target.parents):
        return False
    return not target.name.endswith(_REPORTS) or target.name.endswith(("config.json", ".index.json"))


def _target(file: Path) -> tuple[Path, os.stat_result | None]:
    """Where the links end, and what stands there (None: nothing yet)."""
    try:
        old = os.stat(file)
    except FileNotFoundError:
        old = None
    except ValueError:                            # a null character in the name
        raise FileFormatError(f"{file} cannot be written: no file can have this name.") from None
    if old is not None and stat.S_ISDIR(old.st_mode):
        raise FileFormatError(f"{file} is a directory; give the name of a file to write.")
    # /dev/stdout and its kind end in names such as pipe:[123] that do not exist: those are opened as given.
    return (file if old is not None and not stat.S_ISREG(old.st_mode) else Path(os.path.realpath(file))), old


def _replaceable(target: Path, old: os.stat_result) -> bool:
    """Can a new file beside the old one take its place with the same owner?"""
    mine = os.geteuid() == 0 or (old.st_uid == os.geteuid() and old.st_gid in (os.getegid(), *os.getgroups()))
    return mine and os.access(target.parent, os.W_OK) and os.access(target, os.W_OK)


def _replace(target: Path, data: bytes, old: os.stat_result | None) -> None:
    """A temporary file beside the target, then one rename; the temporary file goes whatever happens."""
    temporary = target.parent / f".initcore-{secrets.token_hex(8)}"
    try:
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666), "wb") as stream:
            stream.write(data)
            if old is not None:
                if (os.fstat(stream.fileno()).st_uid, os.fstat(stream.fileno()).st_gid) != (old.st_uid, old.st_gid):
                    os.fchown(stream.fileno(), old.st_uid, old.st_gid)
                os.fchmod(stream.fileno(), stat.S_IMODE(old.st_mode))
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def _overwrite(target: Path, data: bytes, old: os.stat_result) -> None:
    """Write over a regular file; on failure its old bytes are put back."""
    with open(target, "r+b", buffering=0) as stream:
        before = stream.read(_RESTORED) if old.st_size <= _RESTORED else None
        try:
            _fill(stream, data)
        except BaseException:
            if before is not None:
                with contextlib.suppress(OSError):
                    _fill(stream, before)
            raise


def _fill(stream: Any, data: bytes) -> None:
    stream.seek(0)
    _all(stream, data)
    stream.truncate(len(data))


def _pour(target: Path, data: bytes) -> None:
    """Write to a device or pipe, which must exist: nothing is created."""
    with open(os.open(target, os.O_WRONLY | os.O_CLOEXEC | os.O_NOCTTY), "wb", buffering=0) as stream:
        _all(stream, data)


def _all(stream: Any, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[stream.write(left) or 0:]
