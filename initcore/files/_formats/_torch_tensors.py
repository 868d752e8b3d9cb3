"""Tensors of PyTorch's archives: the pickled table that lists them; storages read in place, of any strides."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from ...errors import FileFormatError
from .._tensor import FLOATS, INTEGERS, Stream, Tensor, checked_shape, whole
from .._text import shown_name
from ._pickle_machine import Described, Machine, Stranger
from ._zip import Archive

TABLE = 512 << 20           # bytes of a table of tensors


def tables(archive: Archive) -> list[str]:
    """The members that are tables of tensors; a torch.save file has one."""
    return [name for name in archive.members if name.endswith("/data.pkl") or name == "data.pkl"]


def pickled(archive: Archive, table: str) -> list[Tensor]:
    """Every tensor that a table lists, named by the keys that lead to it."""
    root = table[:-len("data.pkl")]
    if f"{root}constants.pkl" in archive.members:
        raise FileFormatError(f"{archive.shown} is a TorchScript program; save its weights with "
                              "torch.save(torch.jit.load(FILE).state_dict(), NEW).")
    order = "big" if archive.members.get(f"{root}byteorder") and archive.read(f"{root}byteorder", 16) == b"big" else ""
    try:
        made = Machine(archive.read(table, TABLE), archive.shown).run()
    except Stranger as stranger:
        raise FileFormatError(f"{archive.shown} wants {str(stranger)!r}, which a table of tensors does not need and "
                              "which is never run here; save model.state_dict() alone with torch.save.") from None
    return [_described(archive, root, name, one, order) for name, one in _walk(made)]


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
    return Tensor(name, shape, one.dtype, strided(archive, member, name, one, kind), place)


def strided(archive: Archive, member: str, name: str, one: Described, kind: np.dtype) -> Stream | None:
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
