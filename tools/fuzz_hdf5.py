"""Processes for HDF5's library at the price of a fork, for tools/fuzz_files.py: one process has h5py loaded and splits.

The reader's own code (``initcore/files/_formats/_hdf5_process.py``) answers in every one of them, under its own limits;
only the start of an interpreter and the import of h5py, nine tenths of the time a small file takes, happen once.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import signal
import socket
import subprocess
import sys
from typing import Any

READER = pathlib.Path(__file__).parents[1] / "initcore" / "files" / "_formats"


class Forked:
    """A process of the source's, with as much of ``subprocess.Popen`` as a reader asks for."""

    def __init__(self, source: socket.socket) -> None:
        orders, answers, (said, heard) = os.pipe(), os.pipe(), socket.socketpair()
        socket.send_fds(source, [b"x"], [orders[0], answers[1], said.fileno()])
        for end in (orders[0], answers[1]):
            os.close(end)
        said.close()
        self.stdin, self.stdout, self._heard = open(orders[1], "wb"), open(answers[0], "rb"), heard
        self.pid, self.returncode = int(heard.recv(20)), None
        self._handle = os.pidfd_open(self.pid)              # a number may be another's by the time of a signal

    def poll(self) -> int | None:
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code."""
        if self.returncode is None:
            self._heard.settimeout(timeout)
            try:
                self.returncode = int(self._heard.recv(20))
            except TimeoutError:
                raise subprocess.TimeoutExpired("HDF5", timeout) from None
            self._heard.close()
            os.close(self._handle)
        return self.returncode

    def kill(self) -> None:
        if self.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._handle, signal.SIGKILL)


class Source:
    """Starts processes: call it as ``subprocess.Popen`` is called."""

    def __init__(self) -> None:
        self._here, there = socket.socketpair()
        self.process = subprocess.Popen([sys.executable, __file__, str(there.fileno())], pass_fds=[there.fileno()],
                                        stderr=subprocess.DEVNULL)
        there.close()

    def __call__(self, *_: Any, **__: Any) -> Forked:
        return Forked(self._here)


def keep(given: list[int]) -> None:
    """Split off a reader of what was given (orders, answers, a socket to tell), wait for it, tell how it ended."""
    orders, answers, heard = given
    pid = os.fork()
    if pid == 0:
        from _hdf5_process import serve
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        with open(orders, "rb") as asked, open(answers, "wb") as told:
            serve(asked, told)
        os._exit(0)
    os.close(orders)
    os.close(answers)
    with socket.socket(fileno=heard) as tell:
        tell.send(b"%d" % pid)
        tell.send(b"%d" % os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    os._exit(0)


def main(number: int) -> None:
    """Split off a keeper for everything that is asked, until nobody asks."""
    sys.path.insert(0, str(READER))
    import _hdf5_process  # noqa: F401
    import h5py  # noqa: F401
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)           # keepers end by themselves
    with socket.socket(fileno=number) as source:
        while True:
            asked, given, _, _ = socket.recv_fds(source, 1, 3)
            if not asked:
                return
            if os.fork() == 0:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                source.close()
                keep(given)
            for end in given:
                os.close(end)


if __name__ == "__main__":
    main(int(sys.argv[1]))
