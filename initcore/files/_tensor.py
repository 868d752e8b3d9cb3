"""A tensor of a file: name, shape, element type, and its values on request, block by block.

Design
A. A reader makes one :class:`Tensor` for everything the file lists, also for what cannot be judged, and reads no
   values. Values come as blocks of raw words in C order, read by ``pread`` and never mapped: memory is bounded by a
   block, and a file that shrinks while it is read is an error message and not a signal.
B. bfloat16 has no NumPy type: its words are uint16, and :func:`widened` makes float32 of them (exact).
"""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from .._types import Array
from ..errors import FileFormatError
from ..program import Program
from ._text import shown_name

Stream = Callable[[int], Iterator[Array]]     # items a block -> blocks of raw words, all of that many but the last
FLOATS = {"float16": "<f2", "bfloat16": "<u2", "float32": "<f4", "float64": "<f8"}
INTEGERS = {f"{u}int{8 * n}": f"<{k}{n}" for u, k in (("", "i"), ("u", "u")) for n in (1, 2, 4, 8)} | {"bool": "?"}
MOST = 150_000              # tensors of one model
_LONGEST = 500              # characters of a name that are shown
LARGEST = 1 << 46           # elements of one tensor; beyond, a header lies


@dataclass(frozen=True, eq=False)
class Tensor:
    """One tensor. ``dtype``: NumPy's name, "bfloat16", or the format's own word for what is not read.

    ``stream`` gives the raw words (None: not read); ``place`` says where they lie, equal for two names of one memory.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    stream: Stream | None = None
    place: Any = None
    role: str | None = None               # where the format itself says what the tensor is

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @property
    def judged(self) -> bool:
        """Are these floating-point values that can be read?"""
        return self.dtype in FLOATS and self.stream is not None

    def _replace_role(self, role: str) -> Tensor:
        return replace(self, role=role)

    def blocks(self, items: int) -> Iterator[Array]:
        """Raw words in C order, ``items`` at a time."""
        if self.stream is None:
            raise FileFormatError(f"{self.name!r} holds {self.dtype}, which is not read.")
        return self.stream(max(1, items))

    def array(self) -> Array:
        """All values, as one array; bfloat16 comes as float32."""
        parts = [widened(block, self.dtype) for block in self.blocks(1 << 20)]
        kind = np.dtype(np.float32 if self.dtype == "bfloat16" else (FLOATS | INTEGERS).get(self.dtype, self.dtype))
        whole = np.concatenate(parts) if parts else np.empty(0, kind)
        return whole.reshape(self.shape)

    @classmethod
    def of(cls, name: str, array: Any) -> Tensor:
        """A tensor of an array in memory."""
        a = np.asarray(array)
        dtype = a.dtype.newbyteorder("=").name
        if dtype == "bfloat16":
            a = a.view(np.uint16)

        def stream(items: int) -> Iterator[Array]:
            flat = a.reshape(-1)
            return (flat[i:i + items] for i in range(0, flat.size, items))
        return cls(name, a.shape, dtype, stream)


def widened(words: Array, dtype: str) -> Array:
    """Raw words as numbers in native byte order: bfloat16 as float32, everything else as it is."""
    if dtype == "bfloat16":
        return (words.astype(np.uint32) << np.uint32(16)).view(np.float32)
    return words if words.dtype.isnative else words.astype(words.dtype.newbyteorder("="))


@dataclass(eq=False)
class Weights:
    """What a file or folder holds: ``tensors`` by name in file order; ``notes``: what a reader should know;
    ``config``: the document that came with it ({}: none); ``format``: in words; ``graph``: makes the
    :class:`initcore.program.Program` of the wiring that the file tells (None: it tells none), with sizes of the
    caller's, by dim, where they are open."""

    source: str
    format: str
    tensors: dict[str, Tensor]
    notes: list[str] = field(default_factory=list)
    config: Mapping[str, Any] = field(default_factory=dict)
    graph: Callable[..., Program] | None = None


def collect(source: str, kind: str, tensors: Iterator[Tensor] | list[Tensor], **more: Any) -> Weights:
    """The tensors under names that can be shown, of bearable length; two that would look the same are told apart."""
    out: dict[str, Tensor] = {}
    for tensor in tensors:
        if len(out) >= MOST:
            raise FileFormatError(f"{source} holds more than {MOST} tensors; no model has so many.")
        name = clear = shown_name(tensor.name if len(tensor.name) <= _LONGEST else
                                  f"{tensor.name[:_LONGEST]}... ({len(tensor.name)} characters)")
        number = 2
        while name in out:
            name, number = f"{clear} ({number})", number + 1
        dtype = shown_name(tensor.dtype)
        out[name] = tensor if (name, dtype) == (tensor.name, tensor.dtype) else replace(tensor, name=name, dtype=dtype)
    return Weights(source, kind, out, **more)


class RegularFile:
    """A regular file opened for reading at any place; closed with the last tensor that needs it.

    Pipes, devices, sockets and folders are refused before a byte is read.
    """

    def __init__(self, path: Any) -> None:
        self.path, self._handle = Path(path), -1
        self.shown = shown_name(path)
        try:
            self._handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
            state = os.fstat(self._handle)
        except FileNotFoundError:
            raise FileFormatError(f"{self.shown}: no such file.") from None
        except (OSError, ValueError) as error:
            raise FileFormatError(f"{self.shown} cannot be read: {getattr(error, 'strerror', error)}.") from None
        if not stat.S_ISREG(state.st_mode):
            kind = "a directory" if stat.S_ISDIR(state.st_mode) else "a pipe or a device"
            raise FileFormatError(f"{self.shown} is {kind}, no file of weights.")
        self.size = state.st_size

    def __del__(self) -> None:
        if self._handle >= 0:
            os.close(self._handle)

    def read(self, offset: int, size: int) -> bytes:
        """Exactly these bytes."""
        parts, have = [], 0
        while have < size:
            try:
                part = os.pread(self._handle, size - have, offset + have)
            except OSError as error:
                raise FileFormatError(f"{self.shown} cannot be read: {error.strerror or error}.") from None
            if not part:
                raise FileFormatError(f"{self.shown} ends at byte {offset + have}, {size - have} bytes too early; "
                                      "the file is cut short.")
            parts.append(part)
            have += len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def region(self, offset: int, count: int, dtype: str) -> Stream:
        """``count`` words of a NumPy dtype from ``offset`` on."""
        kind = np.dtype(dtype)

        def stream(items: int) -> Iterator[Array]:
            for start in range(0, count, items):
                n = min(items, count - start)
                yield np.frombuffer(self.read(offset + start * kind.itemsize, n * kind.itemsize), kind)
        return stream


class Part(RegularFile):
    """A part of a regular file, as a file by itself: a stored member of an archive."""

    def __init__(self, file: RegularFile, start: int, size: int) -> None:
        self._inside, self._start, self._handle = file, start, -1
        self.path, self.shown, self.size = file.path, file.shown, size

    def read(self, offset: int, size: int) -> bytes:
        """Exactly these bytes."""
        if offset < 0 or offset + size > self.size:
            raise FileFormatError(f"{self.shown}: what is packed inside is cut short.")
        return self._inside.read(self._start + offset, size)


def whole(load: Callable[[], Array]) -> Stream:
    """A stream over an array that can only be had at once."""
    def stream(items: int) -> Iterator[Array]:
        flat = load().reshape(-1)
        yield from (flat[i:i + items] for i in range(0, flat.size, items))
    return stream


def checked_shape(shape: Any, source: str, name: str) -> tuple[int, ...]:
    """A shape out of a file: a short list of sizes whose product a file can hold."""
    if (not isinstance(shape, (list, tuple)) or len(shape) > 32
            or not all(type(n) is int and 0 <= n <= LARGEST for n in shape) or math.prod(shape) > LARGEST):
        raise FileFormatError(f"{source}: {shown_name(name)!r} has the impossible shape {str(shape)[:80]}; the file is "
                              "damaged.")
    return tuple(shape)
