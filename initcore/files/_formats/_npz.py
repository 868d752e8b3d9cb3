"""``.npz`` and ``.npy``: NumPy's arrays, read from their headers; nothing pickled is touched."""

from __future__ import annotations

import ast
import re
import struct
import warnings
from typing import Any

import numpy as np

from ...errors import FileFormatError
from .._tensor import FLOATS, INTEGERS, RegularFile, Stream, Tensor, Weights, checked_shape, collect, whole
from .._text import shown_name
from ._zip import Archive

_WORD = re.compile("[<>=|]?[A-Za-z][0-9]{0,9}")     # a dtype as NumPy writes it; np.dtype reads a language of its own
_HEADER = 65_536            # bytes of an .npy header that are read
_HOW_NPZ = "an .npz archive; save it with numpy.savez"
_FROM = {np.dtype(v): k for k, v in (FLOATS | INTEGERS).items() if k != "bfloat16"} | {np.dtype("V2"): "bfloat16"}


def read_npz(path: Any) -> Weights:
    """Every array of an .npz archive (an .npy file under another name is read too)."""
    if RegularFile(path).read(0, min(6, RegularFile(path).size)) == b"\x93NUMPY":
        raise FileFormatError(f"{shown_name(path)} holds a single array, not an archive; save with numpy.savez.")
    archive = Archive(path, _HOW_NPZ)
    tensors = []
    for member in archive.members:
        if member.endswith("/"):
            continue
        size = archive.entry(member).file_size
        head = b"".join(archive._pieces(member, 0, min(size, _HEADER)))
        name = member[:-4] if member.endswith(".npy") else member
        if head[:6] != b"\x93NUMPY":
            raise FileFormatError(f"{archive.shown}: {shown_name(member)!r} is no array; an .npz archive holds arrays "
                                  "only: save it with numpy.savez.")
        tensors.append(_tensor(name, head, size, archive.shown,
                               lambda offset, count, kind, m=member: archive.region(m, offset, count, kind),
                               (str(path), member)))
    return collect(archive.shown, "npz", tensors)


def read_npy(path: Any) -> Weights:
    """The one array of an .npy file, called "x"."""
    file = RegularFile(path)
    head = file.read(0, min(file.size, _HEADER))
    if head[:6] != b"\x93NUMPY":
        raise FileFormatError(f"{file.shown} is not an .npy array of numbers, or it is damaged; save it with "
                              "numpy.save.")
    return collect(file.shown, "npy", [_tensor("x", head, file.size, file.shown, file.region, (str(path), 0))])


def _tensor(name: str, head: bytes, size: int, source: str, region: Any, place: Any) -> Tensor:
    shown = shown_name(name)
    descr, fortran, shape, offset = _header(head, source, shown)
    kind = None
    if isinstance(descr, str) and _WORD.fullmatch(descr):
        try:
            kind = np.dtype(descr)
        except (TypeError, ValueError):
            kind = None
    if kind is None or kind.hasobject or kind.kind not in "fiubcV":
        what = "it is not an .npy array of numbers: " if place[1] == 0 else ""
        raise FileFormatError(f"{source}: {what}{shown!r} holds Python objects or a dtype NumPy cannot store as "
                              "numbers; save it as float32.")
    count = int(np.prod(shape, dtype=object)) if shape else 1
    if count * kind.itemsize > size - offset:
        raise FileFormatError(f"{source}: {shown!r} declares {count} values of {kind} but has {size - offset} bytes; "
                              "it is damaged.")
    dtype = _FROM.get(kind.newbyteorder("<") if kind.itemsize > 1 else kind, str(kind))
    stream: Stream | None = None
    if dtype in FLOATS or dtype in INTEGERS:
        words = kind if dtype != "bfloat16" else np.dtype("<u2")
        stream = region(offset, count, words)
        if fortran and len(shape) > 1:
            stream = _turned(stream, shape)
    return Tensor(name, shape, dtype, stream, place)


def _turned(stream: Stream, shape: tuple[int, ...]) -> Stream:
    """C order of an array stored in Fortran order."""
    return whole(lambda: np.ascontiguousarray(np.concatenate(list(stream(1 << 20)) or [np.empty(0, "f4")])
                                              .reshape(shape[::-1]).T))


def _header(head: bytes, source: str, shown: str) -> tuple[Any, bool, tuple[int, ...], int]:
    """(descr, fortran_order, shape, where the data begin) of an .npy header, versions 1 to 3."""
    wide = head[6:7] != b"\x01"
    try:
        if head[6:7] not in (b"\x01", b"\x02", b"\x03"):
            raise ValueError
        length = struct.unpack("<I" if wide else "<H", head[8:12] if wide else head[8:10])[0]
        begin = (12 if wide else 10) + length
        text = head[12 if wide else 10:begin].decode("utf-8")
        if begin > len(head) or text.count("(") > 8 or text.count("[") > 64:
            raise ValueError
        with warnings.catch_warnings():                         # Python's words on what is no Python
            warnings.simplefilter("ignore")
            facts = ast.literal_eval(text.strip())
        fortran = facts["fortran_order"]
        if not isinstance(facts, dict) or not isinstance(fortran, bool):
            raise ValueError
        shape = facts["shape"]
    except (ValueError, SyntaxError, TypeError, KeyError, IndexError, struct.error, MemoryError, RecursionError):
        raise FileFormatError(f"{source}: {shown!r} is not an .npy array of numbers, or it is damaged; save it with "
                              "numpy.save.") from None
    return facts.get("descr"), fortran, checked_shape(shape, source, shown), begin
