"""Threads: how many, and how work is split over them.

Design
A. Kernels are single-threaded. Python-level code splits an index range into pieces that do not share outputs; the
   caller's thread and workers take them one by one, the caller from the end.
B. One thread unless the caller asks, by ``threads=`` in a call or :func:`set_num_threads`; a process that
   never asks never has a second thread.
C. How a range is split never changes a bit of the result (guarantee G3): kernels fix their summation order,
   and random numbers belong to an index, not to a thread.
D. `run` returns only when none of its pieces runs, whatever is raised meanwhile. An interrupt is remembered, what has
   not begun is dropped, what runs is asked to stop; then the interrupt is raised. The waiting is compiled
   (src/doors/threads.pxi), since between two lines of Python a second interrupt could end it.
E. Workers are done without where none can be started: under a limit, or while the interpreter ends. They are daemons
   and hold what they work on, so that nothing they touch can go before them.
"""

from __future__ import annotations

import itertools
import os
import sys
import threading
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

from ._checks import integer

_MOST = 256                     # workers there may be; they are made only when there is work for them
_LONG = 1 << 20                 # elements a piece may have where Ctrl-C is answered between pieces,
SHORT = 1 << 16                # and should have where a thread has several,
_EACH = 4                       # at most so many but for long arrays
_default = 1


def set_num_threads(n: int) -> None:
    """Set the number of threads used where ``threads=`` is not given (initially 1).

    The whole process shares it. More than 256 are taken as 256. ArgumentError below 1.
    PyTorch: ``torch.set_num_threads``.

    >>> set_num_threads(2); get_num_threads()
    2
    >>> set_num_threads(1)
    """
    global _default
    _default = min(integer("n", n, low=1), _MOST)


def get_num_threads() -> int:
    """The number of threads used where ``threads=`` is not given."""
    return _default


def resolve(threads: Any) -> int:
    """The thread count a call's ``threads=`` means: None is the process's default; never more than workers may be."""
    if threads is None:
        return _default
    count = threads if type(threads) is int and threads >= 1 else integer("threads", threads, low=1)
    return count if count < _MOST else _MOST


def chunks(n: int, parts: int, align: int = 1) -> list[tuple[int, int]]:
    """``range(n)`` as at most ``parts`` non-empty ``(start, stop)`` pieces of nearly equal size.

    Every start is a multiple of ``align``.

    >>> chunks(10, 3), chunks(10, 2, align=4), chunks(3, 8, align=4), chunks(0, 2)
    ([(0, 3), (3, 6), (6, 10)], [(0, 4), (4, 10)], [(0, 3)], [])
    """
    blocks = -(-n // align)
    parts = min(parts, blocks)
    edges = [min(blocks * i // parts * align, n) for i in range(parts)] + [n] if parts > 0 else []
    return list(itertools.pairwise(edges))


def run(task: Callable[..., object], pieces: list[tuple[Any, ...]], threads: int | None = None,
        stop: Callable[[], object] | None = None) -> None:
    """``task(*piece)`` for every piece, in at most ``threads`` threads (default: one a piece), the caller's among them.

    Returns when all are done. An exception in any piece is raised here after the others have ended (that of the first
    such piece). An interrupt drops what has not begun, calls ``stop``, which should make running pieces end early,
    and is raised when they have ended.
    """
    call = _Call(task, pieces)
    interrupt = None
    try:
        _hire(call, min(len(pieces), len(pieces) if threads is None else threads) - 1)
        call.work(call.todo.pop)
    except BaseException as e:
        interrupt = e
    _settle(call, interrupt, stop)


def split(task: Callable[..., object], n: int, threads: int, *, align: int = 1) -> None:
    """``task(start, stop)`` over ``range(n)`` in ``threads`` threads; the starts are multiples of ``align``.

    Pieces have at most ``_LONG`` elements: interrupts are answered between them. Each thread has several where they do
    not get too short, so that a slow core delays the others by a part of its work only.
    """
    each = max(1, min(_EACH, n // (threads * SHORT)), -(-n // (threads * _LONG)))
    run(task, list(chunks(n, threads * each, align)), threads)


class _Call:
    """One `run`: what is to do, who is at it, what went wrong.

    Lists and queues are changed by one operation at a time, which no other thread can divide. A worker enters
    ``inside`` before it takes a piece and ``left`` after its last one: where ``todo`` is empty and both are equally
    long, no piece runs.
    """

    __slots__ = ("errors", "inside", "left", "pid", "task", "todo", "wake")

    def __init__(self, task: Callable[..., object], pieces: list[tuple[Any, ...]]) -> None:
        self.task: Callable[..., object] | None = task
        self.todo = deque(enumerate(pieces))
        self.inside: list[None] = []
        self.left: list[None] = []
        self.wake: SimpleQueue[None] = SimpleQueue()
        self.errors: list[tuple[int, BaseException]] = []
        self.pid = os.getpid()

    def work(self, take: Callable[[], tuple[int, tuple[Any, ...]]]) -> None:
        """Do pieces until there are none."""
        task = self.task
        while self.todo:
            try:
                i, piece = take()
            except IndexError:
                return
            try:
                task(*piece)            # type: ignore[misc]    # set while there are pieces
            except BaseException as e:
                self.errors.append((i, e))
                if not isinstance(e, Exception):
                    self.todo.clear()

    def help(self) -> None:
        """What a worker does."""
        self.inside.append(None)
        try:
            self.work(self.todo.popleft)
        finally:
            self.left.append(None)
            self.wake.put(None)


class _Workers:
    """The threads of this process: a queue of calls, how many wait for one, how many there are."""

    def __init__(self) -> None:
        self.calls: SimpleQueue[_Call] = SimpleQueue()
        self.idle: list[None] = []
        self.made: list[None] = []

    def secure(self) -> bool:
        """Whether a worker is free for one call more: one that waits, else a new one."""
        try:
            self.idle.pop()
        except IndexError:
            if len(self.made) >= _MOST:
                return False
            try:
                threading.Thread(target=self.serve, name=f"initcore_{len(self.made)}", daemon=True).start()
            except (RuntimeError, MemoryError):     # a limit on threads, or the interpreter is ending
                return False
            self.made.append(None)
        return True

    def serve(self) -> None:
        """Help with one call after the other."""
        while True:
            call = self.calls.get()
            call.help()
            del call                    # an idle worker keeps nothing alive
            self.idle.append(None)


_workers: _Workers | None = None


def _settle(call: _Call, interrupt: BaseException | None, stop: Callable[[], object] | None) -> None:
    """Wait until no piece runs, then raise what there is to raise; initcore.kernels puts its compiled one here."""
    raise SystemError("initcore.kernels is not imported.")


def _hire(call: _Call, count: int) -> None:
    """Offer the call to ``count`` workers, or as many as there can be."""
    global _workers
    if count <= 0 or sys.is_finalizing():
        return
    if _workers is None:
        _workers = _Workers()
    for _ in range(count):
        if not call.todo or not _workers.secure():
            return
        _workers.calls.put(call)


def _after_fork() -> None:
    """A forked child has none of the parent's threads."""
    global _workers
    _workers = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
