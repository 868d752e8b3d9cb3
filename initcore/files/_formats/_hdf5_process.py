"""The process that HDF5's library runs in: ``python -I _hdf5_process.py``, told what to do by ``_hdf5_library.py``.

Design
A. A script by itself: nothing of initcore is imported, the path of modules comes with the first order. It lists and
   reads; what is refused is decided by who asked.
B. An order is a line of JSON, and so is the answer's head; ``bytes`` there says how many follow. Any exception is an
   answer with ``error``. When the orders end, so does the process.
C. Memory is limited to a gigabyte over what was there when the library had been loaded; every order may take a few
   seconds of processor time, more in a large file. Beyond, the system ends the process, and nobody else.
"""

from __future__ import annotations

import io
import json
import os
import sys
from typing import Any, BinaryIO

CACHE, KEPT = 80 << 20, 4       # bytes of a dataset's chunks that stay unpacked; datasets kept open
MEMORY, SECONDS, RATE = 1 << 30, 5, 5e6
NODES, DATASETS, DEEPEST = 1_000_000, 150_000, 100


class Window(io.RawIOBase):
    """The ``size`` bytes from ``start`` on of a file."""

    def __init__(self, path: str, start: int, size: int) -> None:
        self._handle, self._start, self._size, self._at = os.open(path, os.O_RDONLY), start, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + (0, self._at, self._size)[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        os.lseek(self._handle, self._start + self._at, os.SEEK_SET)
        part = os.read(self._handle, max(0, min(len(buffer), self._size - self._at)))
        buffer[:len(part)] = part
        self._at += len(part)
        return len(part)


def limit_memory(more: int) -> None:
    """This much over what the process has now; not where the system cannot say how much that is."""
    try:
        import resource
        with open("/proc/self/statm", encoding="ascii") as file:
            now = int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (now + more, now + more))
    except (ImportError, OSError, ValueError):
        pass


def limit_time(seconds: float) -> None:
    """So many seconds of processor time from now on."""
    try:
        import resource
        used = resource.getrusage(resource.RUSAGE_SELF)
        end = int(used.ru_utime + used.ru_stime + seconds + 1)
        resource.setrlimit(resource.RLIMIT_CPU, (end, resource.getrlimit(resource.RLIMIT_CPU)[1]))
    except (ImportError, OSError, ValueError):
        pass


def listed(h5py: Any, handle: Any) -> dict[str, Any]:
    """``rows``: one for every dataset, by path, or the one of a link, which is not followed; a node that is reached
    twice has one row, so that cycles end. ``folders``: that of each of Keras's layers, by the path of its model and
    its name."""
    seen: set[Any] = set()
    rows: list[dict[str, Any]] = []
    folders: dict[str, str] = {}
    todo = [("/", 0)]
    while todo:
        path, depth = todo.pop()
        group = handle[path]
        owner, _, last = path.strip("/").rpartition("/")
        if last == "vars" and isinstance(named := group.attrs.get("name"), str):
            folders[f"{owner.rpartition('/')[0]}/{named[:500]}"] = owner
        for key in sorted(group, reverse=True):
            below = f"{path.rstrip('/')}/{key}"
            if not isinstance(group.get(key, getlink=True), h5py.HardLink):
                return {"rows": [{"path": below, "link": True}], "folders": {}}
            node = group[key]
            mark = h5py.h5o.get_info(node.id).addr
            if mark in seen:
                continue
            seen.add(mark)
            if len(seen) > NODES or len(rows) > DATASETS or depth > DEEPEST:
                return {"rows": [{"path": below, "endless": True}], "folders": {}}
            if isinstance(node, h5py.Dataset):
                rows.append(described(below, node))
            elif isinstance(node, h5py.Group):
                todo.append((below, depth + 1))
    return {"rows": rows, "folders": folders}


def described(path: str, data: Any) -> dict[str, Any]:
    """What the file says about a dataset."""
    return {"path": path, "shape": [0] if data.shape is None else list(data.shape), "dtype": word(data.dtype),
            "itemsize": data.dtype.itemsize, "elsewhere": bool(data.external or data.is_virtual),
            "stored": data.id.get_storage_size(), "chunks": list(data.chunks or ())}


def word(dtype: Any) -> str:
    """NumPy's name of a type; two bytes without meaning are bfloat16."""
    return "bfloat16" if dtype.kind == "V" and dtype.itemsize == 2 and not dtype.names else str(
        dtype.newbyteorder("=").name)


def values(data: Any, at: list[list[int]]) -> bytes:
    """The values between these bounds, an axis a pair, in this machine's byte order."""
    import numpy as np
    a = np.ascontiguousarray(data[tuple(slice(*pair) for pair in at)])
    return (a if a.dtype.kind == "V" else a.astype(a.dtype.newbyteorder("="), copy=False)).tobytes()


def serve(orders: BinaryIO, answers: BinaryIO) -> None:
    """Answer orders until they end."""
    begin = json.loads(orders.readline())
    sys.path[:] = begin["modules"]
    import h5py
    packed = orders.read(begin["bytes"])
    limit_memory(MEMORY + len(packed))
    allowed = SECONDS + begin["size"] / RATE
    handle: Any = None
    opened: dict[str, Any] = {}

    def answer(order: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        nonlocal handle
        if handle is None:
            source = io.BytesIO(packed) if packed else Window(begin["file"], begin["start"], begin["size"])
            handle = h5py.File(source, "r", locking=False, rdcc_nbytes=CACHE)
        if "read" not in order:
            return listed(h5py, handle), b""
        path = order["read"]
        if path not in opened:
            if len(opened) >= KEPT:
                del opened[next(iter(opened))]
            opened[path] = handle[path]
        return {}, values(opened[path], order["at"])

    for line in orders:
        limit_time(allowed)
        try:
            head, payload = answer(json.loads(line))
        except Exception as error:
            head, payload = {"error": f"{error}"[:300]}, b""
        answers.write(json.dumps({**head, "bytes": len(payload)}).encode() + b"\n" + payload)
        answers.flush()


if __name__ == "__main__":
    import signal
    signal.signal(signal.SIGINT, signal.SIG_IGN)            # Ctrl-C is for who gives the orders
    serve(sys.stdin.buffer, sys.stdout.buffer)
