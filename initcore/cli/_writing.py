"""Result files, written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from ..errors import FileFormatError


def write_text(path: Any, text: str) -> None:
    """Write a file whole or not at all: a temporary file beside it, then one rename."""
    file = Path(path)
    if file.is_dir():
        raise FileFormatError(f"{file} is a directory; give the name of a file to write.")
    temporary = None
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        os.chmod(temporary, file.stat().st_mode & 0o777 if file.exists() else 0o666 & ~_umask())
        os.replace(temporary, file)
    except OSError as error:
        if temporary is not None and os.path.exists(temporary):
            os.unlink(temporary)
        raise FileFormatError(f"{file} cannot be written: {error.strerror or error}.") from None


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def check_writable(path: Any) -> None:
    """Refuse, before the work is done, a file that :func:`write_text` could not write."""
    file = Path(path)
    if file.is_dir():
        raise FileFormatError(f"{file} is a directory; give the name of a file to write.")
    if not file.parent.is_dir():
        raise FileFormatError(f"{file} cannot be written: the directory {file.parent} does not exist.")
    if not os.access(file.parent, os.W_OK):
        raise FileFormatError(f"{file} cannot be written: no permission to write in {file.parent}.")
