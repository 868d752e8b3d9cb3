"""``.gguf`` of llama.cpp: metadata, a table of tensors, their bytes. Versions 2 and 3, little-endian.

F32, F16, BF16, F64 are read; Q8_0 and Q4_0 are made float32 as llama.cpp does (blocks of 32 values and one float16
scale); other quantised types are listed and not judged.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..._types import Array
from ...errors import FileFormatError
from .._tensor import FLOATS, INTEGERS, RegularFile, Stream, Tensor, Weights, checked_shape, collect
from .._text import shown_name

_TYPES = {0: "float32", 1: "float16", 2: "Q4_0", 3: "Q4_1", 6: "Q5_0", 7: "Q5_1", 8: "Q8_0", 9: "Q8_1", 10: "Q2_K",
          11: "Q3_K", 12: "Q4_K", 13: "Q5_K", 14: "Q6_K", 15: "Q8_K", 16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS",
          19: "IQ1_S", 20: "IQ4_NL", 21: "IQ3_S", 22: "IQ2_S", 23: "IQ4_XS", 24: "int8", 25: "int16", 26: "int32",
          27: "int64", 28: "float64", 29: "IQ1_M", 30: "bfloat16", 34: "TQ1_0", 35: "TQ2_0", 39: "MXFP4"}
_BLOCK = {"Q8_0": 34, "Q4_0": 18}                     # bytes of 32 values
_SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}
_TEXT, _LIST = 8, 9
_HOW = "convert the model again with llama.cpp"


class _Cursor:
    """Reads numbers and texts one after another; never beyond the end."""

    def __init__(self, file: RegularFile) -> None:
        self.file, self.at, self._from, self._held = file, 0, 0, b""

    def take(self, size: int) -> bytes:
        if size > self.file.size - self.at:
            raise FileFormatError(f"{self.file.shown}: its header wants {size} bytes at {self.at}, beyond the end; the "
                                  f"file is cut short or damaged; {_HOW}.")
        if not self._from <= self.at or self.at + size > self._from + len(self._held):
            self._from, self._held = self.at, self.file.read(self.at, min(max(size, 1 << 16), self.file.size - self.at))
        start = self.at - self._from
        self.at += size
        return self._held[start:start + size]

    def number(self, form: str) -> Any:
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def text(self) -> str:
        return self.take(self.number("<Q")).decode("utf-8", "surrogateescape")

    def value(self, kind: int, depth: int = 0) -> Any:
        """A metadata value; of a list only its length."""
        if kind in _SCALARS:
            return self.number(_SCALARS[kind])
        if kind == _TEXT:
            return self.text()
        if kind != _LIST or depth > 8:
            raise FileFormatError(f"{self.file.shown}: metadata of the unknown type {kind}; {_HOW}.")
        inner, count = self.number("<I"), self.number("<Q")
        if inner in _SCALARS:
            self.take_over(count * struct.calcsize(_SCALARS[inner]))
        else:
            least = 8 if inner == _TEXT else 12
            if count * least > self.file.size - self.at:
                raise FileFormatError(f"{self.file.shown}: a list of {count} entries does not fit the file; {_HOW}.")
            for _ in range(count):
                self.value(inner, depth + 1)
        return count

    def take_over(self, size: int) -> None:
        if size > self.file.size - self.at:
            raise FileFormatError(f"{self.file.shown}: its metadata reach beyond the end; {_HOW}.")
        self.at += size


def read_gguf(path: Any) -> Weights:
    """Every tensor of a .gguf file; shapes as NumPy has them (llama.cpp lists the fastest axis first)."""
    file = RegularFile(path)
    if file.size < 24 or file.read(0, 4) != b"GGUF":
        raise FileFormatError(f"{file.shown} is not a .gguf file; {_HOW}.")
    cursor = _Cursor(file)
    cursor.at = 4
    version, tensors, facts = cursor.number("<I"), cursor.number("<Q"), cursor.number("<Q")
    if version not in (2, 3):
        raise FileFormatError(f"{file.shown} has GGUF version {version if version < 1000 else 'big-endian'}; "
                              f"versions 2 and 3, little-endian, are read; {_HOW}.")
    if tensors * 24 + facts * 12 > file.size:
        raise FileFormatError(f"{file.shown} declares {tensors} tensors and {facts} metadata, more than fit its "
                              f"{file.size} bytes; {_HOW}.")
    config: dict[str, Any] = {}
    for _ in range(facts):
        key = cursor.text()
        config[shown_name(key)] = cursor.value(cursor.number("<I"))
    rows = [_row(cursor) for _ in range(tensors)]
    step = config.get("general.alignment", 32)
    if type(step) is not int or step < 1 or step & (step - 1) or step > 1 << 20:
        raise FileFormatError(f"{file.shown} has the impossible alignment {str(step)[:40]}; {_HOW}.")
    base = -(-cursor.at // step) * step
    return collect(file.shown, "GGUF", [_tensor(file, base, *row) for row in rows], config=config)


def _row(cursor: _Cursor) -> tuple[str, list[int], int, int]:
    name, rank = cursor.text(), cursor.number("<I")
    if rank > 4:
        raise FileFormatError(f"{cursor.file.shown}: {shown_name(name)!r} has {rank} dimensions; 4 are the most; "
                              f"{_HOW}.")
    return name, [cursor.number("<Q") for _ in range(rank)], cursor.number("<I"), cursor.number("<Q")


def _tensor(file: RegularFile, base: int, name: str, sizes: list[int], code: int, offset: int) -> Tensor:
    shape = checked_shape(sizes[::-1], file.shown, name)
    dtype, count, place = _TYPES.get(code, f"GGUF type {code}"), math.prod(shape), (str(file.path), base + offset)
    words = (FLOATS | INTEGERS).get(dtype)
    if words is None and dtype not in _BLOCK:
        return Tensor(name, shape, dtype, None, place)
    if words is None and count % 32:
        raise FileFormatError(f"{file.shown}: {shown_name(name)!r} has {count} values, no whole blocks of 32; {_HOW}.")
    size = count * np.dtype(words).itemsize if words else count // 32 * _BLOCK[dtype]
    if base + offset + size > file.size:
        raise FileFormatError(f"{file.shown}: {shown_name(name)!r} reaches beyond the end; the file is cut short; "
                              f"{_HOW}.")
    if words is not None:
        return Tensor(name, shape, dtype, file.region(base + offset, count, words), place)
    return Tensor(name, shape, "float32", _dequantised(file, base + offset, count // 32, dtype), place)


def _dequantised(file: RegularFile, offset: int, blocks: int, dtype: str) -> Stream:
    size = _BLOCK[dtype]

    def stream(items: int) -> Iterator[Array]:
        held = np.empty(0, np.float32)
        step = -(-items // 32)
        for start in range(0, blocks, step):
            n = min(step, blocks - start)
            raw = np.frombuffer(file.read(offset + start * size, n * size), np.uint8).reshape(n, size)
            scale = np.ascontiguousarray(raw[:, :2]).view("<f2").astype(np.float32)
            if dtype == "Q8_0":
                values = raw[:, 2:].view(np.int8).astype(np.float32)
            else:
                values = np.concatenate([raw[:, 2:] & 15, raw[:, 2:] >> 4], axis=1).astype(np.float32) - 8
            held = np.concatenate([held, (values * scale).reshape(-1)])
            while len(held) >= items:
                yield held[:items]
                held = held[items:]
        if len(held):
            yield held
    return stream
