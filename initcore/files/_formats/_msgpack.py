"""Flax's ``.msgpack`` (flax.serialization): nested maps whose leaves are arrays, read without loading them.

An array is an extension of type 1 that holds, packed again, its shape, the name of its type and its bytes; arrays
beyond 1 GB are maps of chunks.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from ..._types import Array
from ...errors import FileFormatError
from .._tensor import FLOATS, INTEGERS, RegularFile, Stream, Tensor, Weights, checked_shape, collect
from .._text import shown_name

_DEEPEST, _MOST = 100, 4_000_000        # levels; values
_CHUNKED = "__msgpack_chunked_array__"
_HOW = "save the parameters with flax.serialization.to_bytes"


class _Bytes(NamedTuple):
    """Bytes that stay in the file."""

    offset: int
    size: int


class _Leaf(NamedTuple):
    shape: tuple[int, ...]
    dtype: str
    data: _Bytes


class _Reader:
    def __init__(self, file: RegularFile) -> None:
        self.file, self.at, self.values, self._from, self._held = file, 0, 0, 0, b""

    def fail(self) -> FileFormatError:
        return FileFormatError(f"{self.file.shown} is not a Flax .msgpack file, or it is damaged near byte {self.at}; "
                               f"{_HOW}.")

    def take(self, size: int) -> bytes:
        if size > self.file.size - self.at:
            raise self.fail()
        if not self._from <= self.at or self.at + size > self._from + len(self._held):
            self._from, self._held = self.at, self.file.read(self.at, min(max(size, 1 << 16), self.file.size - self.at))
        start = self.at - self._from
        self.at += size
        return self._held[start:start + size]

    def count(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def span(self, size: int) -> _Bytes:
        if size > self.file.size - self.at:
            raise self.fail()
        self.at += size
        return _Bytes(self.at - size, size)

    def value(self, depth: int = 0) -> Any:
        """The next value; text and small numbers as they are, bytes as the place where they lie."""
        self.values += 1
        if depth > _DEEPEST or self.values > _MOST:
            raise self.fail()
        code = self.take(1)[0]
        if code <= 0x7f:
            return code
        if code >= 0xe0:
            return code - 256
        if code <= 0x8f:
            return self.map(code & 15, depth)
        if code <= 0x9f:
            return self.list(code & 15, depth)
        if code <= 0xbf:
            return self.text(code & 31)
        if code in (0xc0, 0xc2, 0xc3):
            return {0xc0: None, 0xc2: False, 0xc3: True}[code]
        if code in (0xc4, 0xc5, 0xc6):
            return self.span(self.count(1 << code - 0xc4))
        if code in (0xc7, 0xc8, 0xc9):
            return self.extension(self.count(1 << code - 0xc7), depth)
        if code in (0xca, 0xcb):
            return float(np.frombuffer(self.take(4 << code - 0xca), ">f4" if code == 0xca else ">f8")[0])
        if 0xcc <= code <= 0xcf:
            return self.count(1 << code - 0xcc)
        if 0xd0 <= code <= 0xd3:
            return int.from_bytes(self.take(1 << code - 0xd0), "big", signed=True)
        if 0xd4 <= code <= 0xd8:
            return self.extension(1 << code - 0xd4, depth)
        if code in (0xd9, 0xda, 0xdb):
            return self.text(self.count(1 << code - 0xd9))
        if code in (0xdc, 0xdd):
            return self.list(self.count(2 << code - 0xdc), depth)
        if code in (0xde, 0xdf):
            return self.map(self.count(2 << code - 0xde), depth)
        raise self.fail()

    def text(self, size: int) -> str:
        if size > 1 << 20:
            raise self.fail()
        return self.take(size).decode("utf-8", "surrogateescape")

    def list(self, count: int, depth: int) -> list[Any]:
        if count > self.file.size - self.at:
            raise self.fail()
        return [self.value(depth + 1) for _ in range(count)]

    def map(self, count: int, depth: int) -> dict[Any, Any]:
        if 2 * count > self.file.size - self.at:
            raise self.fail()
        out: dict[Any, Any] = {}
        for _ in range(count):
            key = self.value(depth + 1)
            if not isinstance(key, (str, int)) or key in out:
                raise self.fail()
            out[key] = self.value(depth + 1)
        return out

    def extension(self, size: int, depth: int) -> Any:
        kind = self.take(1)[0]
        end = self.at + size
        if kind not in (1, 3):                           # a complex number: no weight
            return self.span(size)
        parts = self.value(depth + 1)
        if self.at != end or not isinstance(parts, list) or len(parts) != 3 or not isinstance(parts[2], _Bytes):
            raise self.fail()
        name = parts[1].decode("latin-1") if isinstance(parts[1], bytes) else str(parts[1])
        return _Leaf(checked_shape(parts[0], self.file.shown, "an array"), name[:40], parts[2])


def read_msgpack(path: Any) -> Weights:
    """Every array of a Flax .msgpack file, named by the keys that lead to it."""
    file = RegularFile(path)
    reader = _Reader(file)
    try:
        made = reader.value()
    except UnicodeDecodeError:
        raise reader.fail() from None
    if reader.at != file.size or not isinstance(made, dict):
        raise reader.fail()
    return collect(file.shown, "Flax msgpack", list(_walk(file, made)))


def _walk(file: RegularFile, made: Any) -> Iterator[Tensor]:
    todo: list[tuple[str, Any]] = [("", made)]
    while todo:
        name, value = todo.pop()
        if isinstance(value, dict) and value.get(_CHUNKED) is True:
            yield _joined(file, name, value)
        elif isinstance(value, dict):
            todo += [(f"{name}/{key}" if name else str(key), item) for key, item in reversed(list(value.items()))]
        elif isinstance(value, _Leaf):
            yield Tensor(name or "array", value.shape, value.dtype, _stream(file, name, value.shape, value.dtype,
                                                                            [value.data]), value.data)


def _joined(file: RegularFile, name: str, value: dict[Any, Any]) -> Tensor:
    """An array kept in chunks: {"shape": {"0": n, ...}, "chunks": {"0": flat array, ...}}."""
    try:
        shape = checked_shape([value["shape"][str(i)] for i in range(len(value["shape"]))], file.shown, name)
        chunks = [value["chunks"][str(i)] for i in range(len(value["chunks"]))]
        dtype = chunks[0].dtype
        if any(chunk.dtype != dtype for chunk in chunks):
            raise ValueError
    except (KeyError, IndexError, TypeError, ValueError, AttributeError):
        raise FileFormatError(f"{file.shown}: the chunks of {shown_name(name)!r} do not fit together; "
                              f"{_HOW}.") from None
    return Tensor(name, shape, dtype, _stream(file, name, shape, dtype, [chunk.data for chunk in chunks]))


def _stream(file: RegularFile, name: str, shape: tuple[int, ...], dtype: str, parts: list[_Bytes]) -> Stream | None:
    words = (FLOATS | INTEGERS).get(dtype)
    if words is None:
        return None
    kind = np.dtype(words)
    have = sum(part.size for part in parts)
    if have != math.prod(shape) * kind.itemsize or any(part.size % kind.itemsize for part in parts):
        raise FileFormatError(f"{file.shown}: {shown_name(name)!r} of shape {shape} and type {dtype} has "
                              f"{have} bytes; {_HOW}.")
    if len(parts) == 1:
        return file.region(parts[0].offset, math.prod(shape), words)

    def stream(items: int) -> Iterator[Array]:
        held = np.empty(0, kind)
        for part in parts:
            for block in file.region(part.offset, part.size // kind.itemsize, words)(items):
                held = np.concatenate([held, block])
                if len(held) >= items:
                    yield held[:items]
                    held = held[items:]
        if len(held):
            yield held
    return stream
