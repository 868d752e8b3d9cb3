"""PyTorch's zip files: ``.pt``, ``.pth``, ``.bin``, ``.ckpt`` (torch.save) and ``.pt2`` (torch.export.save).

The table of tensors is a pickle, read by :mod:`._pickle_machine`, which runs nothing; the values are members of the
archive, stored as they are. Of a ``.pt2`` the weights are read, by their names; its graph is not.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from ...errors import FileFormatError
from .._tensor import FLOATS, INTEGERS, RegularFile, Stream, Tensor, Weights, checked_shape, collect, whole
from .._text import parse_json, shown_name
from ._pickle_machine import Described, Machine, Stranger
from ._zip import Archive

_TABLE = 512 << 20          # bytes of a table of tensors
_HOW = "a PyTorch file; save it with torch.save(model.state_dict(), FILE)"
_LEGACY = bytes.fromhex("80028a0a6cfc9c46f9206aa850192e")
# torch's numbers for element types in .pt2 (torch/_export/serde/schema.py, ScalarType)
_SCALARS = {1: "uint8", 2: "int8", 3: "int16", 4: "int32", 5: "int64", 6: "float16", 7: "float32", 8: "float64",
            12: "bool", 13: "bfloat16"}


def read_torch(path: Any) -> Weights:
    """Every tensor of a torch.save file, named by the keys that lead to it."""
    file = RegularFile(path)
    head = file.read(0, min(file.size, 512))
    if head[:4] != b"PK\x03\x04":
        raise FileFormatError(_refusal(file.shown, head))
    archive = Archive(path, _HOW)
    tables = [name for name in archive.members if name.endswith("/data.pkl") or name == "data.pkl"]
    if len(tables) != 1:
        if any("/data/weights/" in f"/{name}" for name in archive.members):
            return _read_exported(archive)
        raise FileFormatError(f"{archive.shown} is no PyTorch file: it has {len(tables) or 'no'} data.pkl; save it "
                              "with torch.save(model.state_dict(), FILE).")
    root = tables[0][:-len("data.pkl")]
    if f"{root}constants.pkl" in archive.members:
        raise FileFormatError(f"{archive.shown} is a TorchScript program; save its weights with "
                              "torch.save(torch.jit.load(FILE).state_dict(), NEW).")
    order = "big" if archive.members.get(f"{root}byteorder") and archive.read(f"{root}byteorder", 16) == b"big" else ""
    try:
        made = Machine(archive.read(tables[0], _TABLE), archive.shown).run()
    except Stranger as stranger:
        raise FileFormatError(f"{archive.shown} wants {str(stranger)!r}, which a table of tensors does not need and "
                              "which is never run here; save model.state_dict() alone with torch.save.") from None
    tensors = [_described(archive, root, name, one, order) for name, one in _walk(made)]
    return collect(archive.shown, "PyTorch", tensors)


def _refusal(shown: str, head: bytes) -> str:
    how = "load it with torch (1.6 or newer) and save model.state_dict() again with torch.save"
    if head.startswith(_LEGACY[:13]):
        return f"{shown} is in PyTorch's old format (before 1.6), which cannot be read without running it; {how}."
    if head[257:262] == b"ustar":
        return f"{shown} is in PyTorch's oldest format (a tar archive); {how}."
    if head[:1] == b"\x80":
        return f"{shown} is a bare pickle, which cannot be read without running it; {how}."
    return f"{shown} is not {_HOW.split(';')[0]}, or it is damaged; {_HOW.split('; ')[1]}."


def _walk(made: Any) -> Iterator[tuple[str, Described]]:
    """Every tensor with the keys that lead to it; what is reached twice is named once."""
    seen: set[int] = set()
    todo = [("", made)]
    while todo:
        name, value = todo.pop()
        if isinstance(value, Described):
            yield name or "tensor", value
            continue
        if isinstance(value, (dict, list, tuple)) and id(value) not in seen and len(name) < 4096:
            seen.add(id(value))
            pairs = list(value.items() if isinstance(value, dict) else enumerate(value))
            todo += [(f"{name}.{key}" if name else str(key), item) for key, item in reversed(pairs)
                     if isinstance(item, (dict, list, tuple))]


def _described(archive: Archive, root: str, name: str, one: Described, order: str) -> Tensor:
    member = f"{root}data/{one.key}"
    shape = checked_shape(one.shape, archive.shown, name)
    if member not in archive.members:
        raise FileFormatError(f"{archive.shown}: {shown_name(name)!r} lies in {shown_name(one.key)!r}, which is "
                              "missing; the file is damaged.")
    words = (FLOATS | INTEGERS).get(one.dtype)
    place = (str(archive.file.path), one.key, one.offset, shape, one.strides)
    if words is None or math.prod(shape) == 0:
        return Tensor(name, shape, one.dtype, None, place)
    kind = np.dtype(words).newbyteorder(">") if order else np.dtype(words)
    return Tensor(name, shape, one.dtype, _strided(archive, member, name, one, kind), place)


def _strided(archive: Archive, member: str, name: str, one: Described, kind: np.dtype) -> Stream | None:
    """The words of a tensor with any strides; None where it repeats elements of its storage (an expanded tensor)."""
    pairs = [(n, s) for n, s in zip(one.shape, one.strides) if n > 1]
    reach = 1 + sum((n - 1) * s for n, s in pairs)
    have = archive.entry(member).file_size // kind.itemsize
    if one.offset + reach > have:
        raise FileFormatError(f"{archive.shown}: {shown_name(name)!r} reaches beyond its storage of {have} elements; "
                              "the file is damaged.")
    count = math.prod(one.shape)
    expected, contiguous = 1, True
    for n, s in reversed(pairs):
        contiguous &= s == expected
        expected *= n
    if contiguous:
        return archive.region(member, one.offset * kind.itemsize, count, str(kind.str))
    if count > reach:
        return None
    flat = archive.region(member, one.offset * kind.itemsize, reach, str(kind.str))

    def load() -> np.ndarray:
        span = np.concatenate(list(flat(1 << 20)))
        bytes_ = tuple(s * kind.itemsize for s in one.strides)
        return np.ascontiguousarray(np.lib.stride_tricks.as_strided(span, one.shape, bytes_, writeable=False))
    return whole(load)


def _read_exported(archive: Archive) -> Weights:
    """The weights of a .pt2 archive."""
    tensors = []
    for name in archive.members:
        if not name.endswith("weights_config.json") or "/data/weights/" not in f"/{name}":
            continue
        table = parse_json(archive.read(name, _TABLE), archive.shown, what=shown_name(name))
        entries = table.get("config") if isinstance(table, dict) else None
        if not isinstance(entries, dict):
            raise FileFormatError(f"{archive.shown}: {shown_name(name)!r} lists no weights; save it with "
                                  "torch.export.save.")
        tensors += [_exported(archive, name[:name.rindex("/") + 1], key, entry) for key, entry in entries.items()]
    if not tensors:
        raise FileFormatError(f"{archive.shown} holds no list of weights; save it with torch.export.save of torch 2.9 "
                              "or newer.")
    return collect(archive.shown, "torch.export", tensors, notes=[
        "Of a .pt2 the weights are judged, not yet its graph."])


def _exported(archive: Archive, folder: str, name: str, entry: Any) -> Tensor:
    shown = shown_name(name)
    try:
        meta, path = entry["tensor_meta"], entry["path_name"]
        sizes, strides = ([int(n["as_int"]) for n in meta[k]] for k in ("sizes", "strides"))
        offset, dtype = int(meta["storage_offset"]["as_int"]), _SCALARS.get(meta["dtype"], f"type {meta['dtype']}")
        pickled = bool(entry.get("use_pickle"))
    except (KeyError, TypeError, ValueError, AttributeError):
        raise FileFormatError(f"{archive.shown}: {shown!r} is not described as torch.export.save does; the file is "
                              "damaged.") from None
    if pickled or not isinstance(path, str) or f"{folder}{path}" not in archive.members:
        raise FileFormatError(f"{archive.shown}: {shown!r} is pickled or missing; save it with torch.export.save.")
    if min([offset, *sizes, *strides], default=0) < 0:
        raise FileFormatError(f"{archive.shown}: {shown!r} has a negative size; the file is damaged.")
    shape = checked_shape(sizes, archive.shown, name)
    one = Described(path, dtype, -1, offset, shape, tuple(strides))
    words = (FLOATS | INTEGERS).get(dtype)
    place = (str(archive.file.path), path, offset, shape, tuple(strides))
    stream = None if words is None or 0 in shape else _strided(archive, f"{folder}{path}", name, one, np.dtype(words))
    return Tensor(name, shape, dtype, stream, place)
