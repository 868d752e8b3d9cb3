"""Keras's HDF5 files: ``.h5`` of Keras 2, ``.weights.h5`` and ``.keras`` of Keras 3; h5py reads them.

The library runs in a process of its own (``_hdf5_library``): it is large, written in C, and has faults. Only what lies
in the file is followed: soft and external links, external and virtual datasets are refused. The
config.json of a ``.keras`` file is data: no layer is built of it, nothing is imported.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any
from zipfile import ZIP_STORED

import numpy as np

from ..._types import Array
from ...errors import FileFormatError
from .._graphs._keras._graph import keras_graph
from .._graphs._keras._names import keras_name
from .._tensor import FLOATS, INTEGERS, RegularFile, Stream, Tensor, Weights, checked_shape, collect
from .._text import parse_json, shown_name
from ._hdf5_library import Damaged, Library
from ._hdf5_process import DATASETS, DEEPEST, NODES
from ._zip import Archive

_RATIO, _SMALL = 100, 64 << 20          # declared bytes over stored ones, and what may be declared anyhow
_EMBEDDED = 4 << 30                     # bytes of compressed weights inside a .keras file
_HOW = "save it again with Keras: model.save_weights(\"FILE.weights.h5\")"


def read_hdf5(path: Any) -> Weights:
    """Every dataset of numbers in an HDF5 file, by its path."""
    file = RegularFile(path)
    if b"\x89HDF" not in file.read(0, min(file.size, 4096)):
        raise FileFormatError(f"{file.shown} is not an HDF5 file, or it is damaged; {_HOW}.")
    return _read(file.shown, Library(file.shown, file.path, 0, file.size), file.size, "HDF5")


def read_keras(path: Any) -> Weights:
    """Every variable of a .keras archive, by layer, with its config.json as ``config``."""
    archive = Archive(path, "a .keras file; save it with model.save(\"FILE.keras\")")
    name = next((n for n in ("model.weights.h5", "model.weights.npz") if n in archive.members), None)
    if name is None or "config.json" not in archive.members:
        raise FileFormatError(f"{archive.shown} is no .keras file: it has no config.json or no weights; save it with "
                              "model.save(\"FILE.keras\").")
    config = parse_json(archive.read("config.json", 64 << 20), archive.shown, what="config.json")
    if name.endswith(".npz"):
        raise FileFormatError(f"{archive.shown} holds its weights as .npz; unpack {name} and give that file.")
    entry = archive.entry(name)
    if entry.compress_type == ZIP_STORED:                # as Keras packs it: read where it lies
        library = Library(archive.shown, archive.file.path, archive.start(name), entry.file_size)
    else:
        library = Library(archive.shown, "", 0, entry.file_size, archive.read(name, _EMBEDDED))
    folders: dict[str, str] = {}
    found = _read(archive.shown, library, entry.file_size, "Keras", folders,
                  config=config if isinstance(config, dict) else {})
    found.graph = keras_graph(config, folders)
    return found


def _read(shown: str, library: Library, size: int, kind: str, folders: dict[str, str] | None = None,
          **more: Any) -> Weights:
    """folders : is told the folder of each layer, by the path of its model and its name."""
    try:
        told = library.ask({})[0]
    except Damaged:
        raise FileFormatError(f"{shown} is not an HDF5 file, or it is damaged; {_HOW}.") from None
    if folders is not None:
        folders.update(told["folders"])
    return collect(shown, kind, [_tensor(library, row, size) for row in told["rows"]], **more)


def _tensor(library: Library, row: dict[str, Any], size: int) -> Tensor:
    path, shown = row["path"], library.shown
    if "link" in row:
        raise FileFormatError(f"{shown}: {shown_name(path)!r} is a link to another place, which is not followed; "
                              f"{_HOW}.")
    if "endless" in row:
        raise FileFormatError(f"{shown} has more than {NODES} nodes, {DATASETS} tensors or {DEEPEST} levels; no "
                              "library writes this.")
    if row["elsewhere"]:
        raise FileFormatError(f"{shown}: {shown_name(path)!r} keeps its values in another file, which is not opened; "
                              f"{_HOW}.")
    name, dtype, stored, chunks = keras_name(path), row["dtype"], row["stored"], row["chunks"]
    shape = checked_shape(row["shape"], shown, name)
    declared = row["itemsize"] * math.prod(shape)
    if declared > max(_SMALL, _RATIO * stored) or (stored > size):
        raise FileFormatError(f"{shown}: {shown_name(path)!r} declares {declared} bytes but holds {stored}; the file "
                              "is damaged or made to exhaust memory.")
    if chunks and math.prod(chunks) * row["itemsize"] > max(_SMALL, declared):
        raise FileFormatError(f"{shown}: {shown_name(path)!r} has chunks larger than itself; the file is damaged.")
    read = (dtype in FLOATS or dtype in INTEGERS) and 0 not in shape
    return Tensor(name, shape, dtype, _stream(library, path, shape, dtype) if read else None, (path,))


def _stream(library: Library, path: str, shape: tuple[int, ...], dtype: str) -> Stream:
    kind = np.dtype((FLOATS | INTEGERS)[dtype]).newbyteorder("=")

    def stream(items: int) -> Iterator[Array]:
        held = np.empty(0, kind)
        try:
            for at in _boxes(shape, items):
                held = np.concatenate([held, np.frombuffer(library.ask({"read": path, "at": at})[1], kind)])
                while len(held) >= items:
                    yield held[:items]
                    held = held[items:]
        except (Damaged, ValueError) as error:
            raise FileFormatError(f"{library.shown}: {shown_name(path)!r} cannot be read "
                                  f"({shown_name(error)[:120]}); the file is damaged.") from None
        if len(held):
            yield held
    return stream


def _boxes(shape: tuple[int, ...], items: int) -> Iterator[list[tuple[int, int]]]:
    """Bounds along every axis of parts of an array in C order, each of at most ``items`` values.

    >>> list(_boxes((2, 3), 2))
    [[(0, 1), (0, 2)], [(0, 1), (2, 3)], [(1, 2), (0, 2)], [(1, 2), (2, 3)]]
    >>> list(_boxes((5, 2), 4)), list(_boxes((), 4))
    ([[(0, 2), (0, 2)], [(2, 4), (0, 2)], [(4, 5), (0, 2)]], [[]])
    """
    if not shape:
        yield []
        return
    axis = next((k for k in range(len(shape)) if math.prod(shape[k + 1:]) <= items), len(shape) - 1)
    step = max(1, items // math.prod(shape[axis + 1:]))
    for outer in itertools.product(*map(range, shape[:axis])):
        for start in range(0, shape[axis], step):
            yield [*((i, i + 1) for i in outer), (start, min(start + step, shape[axis])),
                   *((0, n) for n in shape[axis + 1:])]
