"""HDF5's library at arm's length: a process of its own opens the file, so that a crash or a hang in it is a sentence.

The process lives as long as a tensor may ask for values; they come over a pipe, a block at a time.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
import weakref
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ...errors import FileFormatError, MissingExtraError

_SCRIPT = Path(__file__).with_name("_hdf5_process.py")
# One thread of OpenBLAS's, no plugins of filters from whatever folder a variable names.
_SURROUNDINGS = {"OPENBLAS_NUM_THREADS": "1", "HDF5_PLUGIN_PRELOAD": "::"}
_HOW = "save it again with Keras: model.save_weights(\"FILE.weights.h5\")"


class Damaged(Exception):
    """The library refused, in its own words."""


class Library:
    """One HDF5 file in a process: ``size`` bytes from ``start`` on of ``file``, or the bytes ``packed`` themselves."""

    def __init__(self, shown: str, file: Any, start: int, size: int, packed: bytes = b"") -> None:
        if find_spec("h5py") is None:
            raise MissingExtraError("reading .h5 and .keras needs the h5py package: pip install "
                                    "'initcore[files]'") from None
        import subprocess
        self.shown, self._lock = shown, threading.Lock()
        try:
            self.process = subprocess.Popen([sys.executable or "python3", "-I", str(_SCRIPT)], stdin=subprocess.PIPE,
                                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                            env={**os.environ, **_SURROUNDINGS})
        except OSError as error:
            raise FileFormatError(f"{shown} cannot be read: HDF5 is read in a process of its own, which cannot be "
                                  f"started ({error.strerror or error}).") from None
        self._end = weakref.finalize(self, _ended, self.process)
        self._say({"modules": [str(Path(p).absolute()) for p in sys.path], "file": os.path.abspath(file),
                   "start": start, "size": size, "bytes": len(packed)}, packed)

    def ask(self, order: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        """The answer's head and bytes. Damaged: the library found the file damaged. FileFormatError: it did not survive
        the question."""
        with self._lock:
            try:
                self._say(order)
                assert self.process.stdout is not None
                line = self.process.stdout.readline()
                head = json.loads(line) if line.endswith(b"\n") else {"bytes": 1}
                payload = self.process.stdout.read(head["bytes"])
            except BaseException:               # interrupted between question and answer: they would not match again
                self._end()
                raise
        if len(payload) < head["bytes"]:
            raise self._failed()
        if "error" in head:
            raise Damaged(head["error"])
        return head, payload

    def _say(self, order: dict[str, Any], more: bytes = b"") -> None:
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(order).encode() + b"\n" + more)
            self.process.stdin.flush()
        except (OSError, ValueError):           # it is gone
            raise self._failed() from None

    def _failed(self) -> FileFormatError:
        """Why there is no answer."""
        import subprocess
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(2)                # a crash takes a moment to be one
        self._end()
        code = self.process.returncode
        name = next((s.name for s in signal.Signals if s == -code), f"exit code {code}")
        what = "takes HDF5's library too long" if name in ("SIGXCPU", "SIGKILL") else "makes HDF5's library fail"
        return FileFormatError(f"{self.shown} {what} ({name}); the file is damaged or made to do harm; {_HOW}.")


def _ended(process: Any) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        with contextlib.suppress(OSError):
            pipe.close()
