"""Keras's HDF5 files: ``.h5`` of Keras 2, ``.weights.h5`` and ``.keras`` of Keras 3; h5py reads them.

Only what lies in the file is followed: soft and external links, external and virtual datasets are refused. The
config.json of a ``.keras`` file is data: no layer is built of it, nothing is imported.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..._types import Array
from ...errors import FileFormatError, MissingExtraError
from .._graphs._keras import keras_graph
from .._graphs._keras_names import keras_name
from .._tensor import FLOATS, INTEGERS, RegularFile, Stream, Tensor, Weights, checked_shape, collect
from .._text import parse_json, shown_name
from ._zip import Archive

_NODES, _DEEPEST = 1_000_000, 100
_RATIO, _SMALL = 100, 64 << 20          # declared bytes over stored ones, and what may be declared anyhow
_EMBEDDED = 4 << 30                     # bytes of the weights inside a .keras file
_HOW = "save it again with Keras: model.save_weights(\"FILE.weights.h5\")"


def read_hdf5(path: Any) -> Weights:
    """Every dataset of numbers in an HDF5 file, by its path."""
    file = RegularFile(path)
    if b"\x89HDF" not in file.read(0, min(file.size, 4096)):
        raise FileFormatError(f"{file.shown} is not an HDF5 file, or it is damaged; {_HOW}.")
    return _read(file.shown, str(file.path), file.size, "HDF5")


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
    data = archive.read(name, _EMBEDDED)
    folders: dict[str, str] = {}
    found = _read(archive.shown, io.BytesIO(data), len(data), "Keras", folders,
                  config=config if isinstance(config, dict) else {})
    found.graph = keras_graph(config, folders)
    return found


def _read(shown: str, source: Any, size: int, kind: str, folders: dict[str, str] | None = None,
          **more: Any) -> Weights:
    try:
        import h5py
    except ImportError:
        raise MissingExtraError("reading .h5 and .keras needs the h5py package: pip install "
                                "'initcore[files]'") from None
    try:
        handle = h5py.File(source, "r", locking=False)
        tensors = [_tensor(shown, handle, path, size) for path in _datasets(h5py, handle, shown, folders)]
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, UnicodeError, AttributeError) as error:
        if isinstance(error, FileFormatError):
            raise
        raise FileFormatError(f"{shown} is not an HDF5 file, or it is damaged; {_HOW}.") from None
    return collect(shown, kind, tensors, **more)


def _datasets(h5py: Any, handle: Any, shown: str, folders: dict[str, str] | None) -> Iterator[str]:
    """Paths of all datasets; a node that is reached twice is named once, so that cycles end.

    folders : is told the folder of each layer, by the path of its model and its name.
    """
    seen: set[Any] = set()
    todo: list[tuple[str, int]] = [("/", 0)]
    while todo:
        path, depth = todo.pop()
        group = handle[path]
        owner, _, last = path.strip("/").rpartition("/")
        if folders is not None and last == "vars" and isinstance(named := group.attrs.get("name"), str):
            folders[f"{owner.rpartition('/')[0]}/{named[:500]}"] = owner
        for key in sorted(group, reverse=True):
            link = group.get(key, getlink=True)
            below = f"{path.rstrip('/')}/{key}"
            if not isinstance(link, h5py.HardLink):
                raise FileFormatError(f"{shown}: {shown_name(below)!r} is a link to another place, which is not "
                                      f"followed; {_HOW}.")
            node = group[key]
            mark = h5py.h5o.get_info(node.id).addr
            if mark in seen:
                continue
            seen.add(mark)
            if len(seen) > _NODES or depth > _DEEPEST:
                raise FileFormatError(f"{shown} has more than {_NODES} nodes or {_DEEPEST} levels; no library writes "
                                      "this.")
            if isinstance(node, h5py.Dataset):
                yield below
            elif isinstance(node, h5py.Group):
                todo.append((below, depth + 1))


def _tensor(shown: str, handle: Any, path: str, size: int) -> Tensor:
    data = handle[path]
    name = keras_name(path)
    if data.external or data.is_virtual:
        raise FileFormatError(f"{shown}: {shown_name(path)!r} keeps its values in another file, which is not opened; "
                              f"{_HOW}.")
    shape = checked_shape(data.shape if data.shape is not None else (0,), shown, name)
    dtype = data.dtype.newbyteorder("=").name
    if data.dtype == np.dtype("V2"):
        dtype = "bfloat16"
    declared, stored = data.dtype.itemsize * int(np.prod(shape, dtype=object)), data.id.get_storage_size()
    if declared > max(_SMALL, _RATIO * stored) or (stored > size):
        raise FileFormatError(f"{shown}: {shown_name(path)!r} declares {declared} bytes but holds {stored}; the file "
                              "is damaged or made to exhaust memory.")
    if data.chunks and int(np.prod(data.chunks, dtype=object)) * data.dtype.itemsize > max(_SMALL, declared):
        raise FileFormatError(f"{shown}: {shown_name(path)!r} has chunks larger than itself; the file is damaged.")
    read = dtype in FLOATS or dtype in INTEGERS
    return Tensor(name, shape, dtype, _stream(shown, data, dtype) if read and 0 not in shape else None, (path,))


def _stream(shown: str, data: Any, dtype: str) -> Stream:
    def stream(items: int) -> Iterator[Array]:
        try:
            if not data.shape:
                yield np.atleast_1d(_words(data[()], dtype))
                return
            row = int(np.prod(data.shape[1:], dtype=object)) if len(data.shape) > 1 else 1
            held = np.empty(0, data.dtype.newbyteorder("=") if dtype != "bfloat16" else np.uint16)
            step = max(1, items // row)
            for start in range(0, data.shape[0], step):
                held = np.concatenate([held, _words(data[start:start + step], dtype)])
                while len(held) >= items:
                    yield held[:items]
                    held = held[items:]
            if len(held):
                yield held
        except (OSError, RuntimeError, ValueError, KeyError) as error:
            raise FileFormatError(f"{shown}: {shown_name(data.name)!r} cannot be read "
                                  f"({shown_name(error)[:120]}); the file is damaged.") from None
    return stream


def _words(values: Any, dtype: str) -> Array:
    a = np.ascontiguousarray(values)
    return (a.view(np.uint16) if dtype == "bfloat16" else a.astype(a.dtype.newbyteorder("="), copy=False)).reshape(-1)
