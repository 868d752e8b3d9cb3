"""Threads: how many, and how work is split over them.

Design
A. Kernels are single-threaded. Python-level code splits an index range into pieces that do not share
   outputs and runs them in one lazily made thread pool; the caller's thread does the last piece itself.
B. One thread unless the caller asks, by ``threads=`` in a call or :func:`set_num_threads`; a process that
   never asks never has a second thread.
C. How a range is split never changes a bit of the result (guarantee G3): kernels fix their summation order,
   and random numbers belong to an index, not to a thread.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ._checks import integer

if TYPE_CHECKING:               # imported when the first pool is made: 4 ms nobody else should pay
    from concurrent.futures import Future, ThreadPoolExecutor

_MOST = 256                     # workers the pool may grow to; they are made only when there is work for them
_default = 1
_pool: ThreadPoolExecutor | None = None
_lock = threading.Lock()


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
    """The thread count a call's ``threads=`` means: None is the process's default; never more than the pool has."""
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


def run(task: Callable[..., object], pieces: list[tuple[Any, ...]]) -> None:
    """``task(*piece)`` for every piece, at once, one thread each; the caller's thread takes the last one.

    Returns when all are done. An exception in any piece is raised here, after the others have ended.
    """
    futures: list[Future[object]] = []
    rest = pieces
    if len(pieces) > 1:
        pool = _get_pool()
        try:
            for piece in pieces[:-1]:
                futures.append(pool.submit(task, *piece))
        except RuntimeError:    # the interpreter is shutting down: no new work in threads
            pass
        rest = pieces[len(futures):]
    error: BaseException | None = None
    try:
        for piece in rest:
            task(*piece)
    except BaseException as e:
        error = e
    for future in futures:
        raised = future.exception()
        error = error or raised
    if error is not None:
        raise error


def split(task: Callable[..., object], n: int, threads: int, *, align: int = 1) -> None:
    """``task(start, stop)`` over ``range(n)`` in ``threads`` pieces whose starts are multiples of ``align``."""
    run(task, list(chunks(n, threads, align)))


def _get_pool() -> ThreadPoolExecutor:
    global _pool
    with _lock:
        if _pool is None:
            from concurrent.futures import ThreadPoolExecutor
            _pool = ThreadPoolExecutor(_MOST, thread_name_prefix="initcore")
        return _pool


def _after_fork() -> None:
    """A forked child has none of the parent's threads: forget the pool and its lock."""
    global _pool, _lock
    _pool, _lock = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
