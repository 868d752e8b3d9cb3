"""Zip archives, bounded: stored members are read where they lie, compressed ones block by block.

What is declared is compared with what is there: the number of members with the size of the directory, each member
with the file, compressed ones with the greatest ratio deflate can have. Encrypted members are refused by name.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..._types import Array
from ...errors import FileFormatError
from .._tensor import Part, RegularFile, Stream
from .._text import shown_name

_RATIO = 1032               # of deflate, at most
_MEMBERS = 300_000


class _Seekable(io.RawIOBase):
    """A regular file as the standard library's readers want it."""

    def __init__(self, file: RegularFile) -> None:
        self._file, self._at = file, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + (0, self._at, self._file.size)[whence]
        if self._at < 0:
            raise ValueError("negative place")
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        part = self._file.read(self._at, max(0, min(len(buffer), self._file.size - self._at)))
        buffer[:len(part)] = part
        self._at += len(part)
        return len(part)


class Archive:
    """The members of a zip file by name; the file by its path, or as a :class:`Part` of another."""

    def __init__(self, path: Any, how: str) -> None:
        self.file, self.how = path if isinstance(path, RegularFile) else RegularFile(path), how
        self.shown = self.file.shown
        try:
            self._bounded_directory()
            self._zip = zipfile.ZipFile(io.BufferedReader(_Seekable(self.file), 1 << 16))
            entries = self._zip.infolist()
        except FileFormatError:
            raise
        except (zipfile.BadZipFile, EOFError, ValueError, OSError, NotImplementedError, RuntimeError,
                UnicodeDecodeError, zlib.error):
            raise FileFormatError(f"{self.shown} is not {how.split(';')[0]}, or it is damaged or cut short; "
                                  f"{how.split('; ')[-1]}.") from None
        self.members: dict[str, zipfile.ZipInfo] = {}
        for entry in entries:
            if entry.filename in self.members:
                raise FileFormatError(f"{self.shown} has {shown_name(entry.filename)!r} twice; it is damaged.")
            self.members[entry.filename] = entry
        self._checked_for_overlap(entries)

    def _bounded_directory(self) -> None:
        """Refuse a directory of more members than any library writes before it is read."""
        size = min(self.file.size, 65_557)
        tail = self.file.read(self.file.size - size, size)
        at = tail.rfind(b"PK\x05\x06")
        if at < 0 or len(tail) < at + 22:
            raise zipfile.BadZipFile
        count = int.from_bytes(tail[at + 10:at + 12], "little")
        wide = tail.rfind(b"PK\x06\x06")
        if wide >= 0:
            count = max(count, int.from_bytes(tail[wide + 32:wide + 40], "little"))
        length = int.from_bytes(tail[at + 12:at + 16], "little")
        if max(count, length // 46 if length < 0xffffffff else 0) > _MEMBERS:
            raise FileFormatError(f"{self.shown} has {count} members or more; {_MEMBERS} are read at most.")

    def _checked_for_overlap(self, entries: list[zipfile.ZipInfo]) -> None:
        end = 0
        for entry in sorted(entries, key=lambda e: e.header_offset):
            if entry.header_offset < end:
                raise FileFormatError(f"{self.shown}: member {shown_name(entry.filename)!r} overlaps another; no "
                                      "library writes this.")
            end = entry.header_offset + 30 + entry.compress_size
        if end > self.file.size:
            raise FileFormatError(f"{self.shown} ends before its last member does; the file is cut short.")

    def entry(self, name: str) -> zipfile.ZipInfo:
        """A member that can be read."""
        entry = self.members[name]
        shown = shown_name(name)
        if entry.flag_bits & 1:
            raise FileFormatError(f"{self.shown}: {shown!r} is encrypted; unpack it with its password and pack it "
                                  "again without.")
        if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise FileFormatError(f"{self.shown}: {shown!r} is compressed in a way NumPy and PyTorch do not use; "
                                  "pack it again with deflate or without compression.")
        ratio = 1 if entry.compress_type == zipfile.ZIP_STORED else _RATIO
        if entry.file_size > ratio * max(entry.compress_size, 1) or entry.compress_size > self.file.size:
            raise FileFormatError(f"{self.shown}: {shown!r} declares {entry.file_size} bytes but holds "
                                  f"{entry.compress_size}; the file is damaged or made to exhaust memory.")
        return entry

    def read(self, name: str, most: int) -> bytes:
        """A small member, whole."""
        entry = self.entry(name)
        if entry.file_size > most:
            raise FileFormatError(f"{self.shown}: {shown_name(name)!r} has {entry.file_size} bytes, more than the "
                                  f"{most} it may have.")
        return b"".join(self._pieces(name, 0, entry.file_size))

    def start(self, name: str) -> int:
        """Where the bytes of a stored member begin in the file."""
        entry = self.entry(name)
        head = self.file.read(entry.header_offset, 30)
        if head[:4] != b"PK\x03\x04":
            raise FileFormatError(f"{self.shown}: {shown_name(name)!r} is not where the directory says; the file is "
                                  "damaged.")
        begin = entry.header_offset + 30 + int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little")
        if begin + entry.compress_size > self.file.size:
            raise FileFormatError(f"{self.shown}: {shown_name(name)!r} reaches beyond the end; the file is cut short.")
        return begin

    def inside(self, name: str) -> Archive:
        """The archive that a stored member is."""
        entry = self.entry(name)
        if entry.compress_type != zipfile.ZIP_STORED:
            raise FileFormatError(f"{self.shown}: {shown_name(name)!r} is compressed once more; {self.how}.")
        return Archive(Part(self.file, self.start(name), entry.file_size), self.how)

    def region(self, name: str, offset: int, count: int, dtype: str) -> Stream:
        """``count`` words of a member from ``offset`` on."""
        entry, kind = self.entry(name), np.dtype(dtype)
        if offset + count * kind.itemsize > entry.file_size:
            raise FileFormatError(f"{self.shown}: {shown_name(name)!r} has {entry.file_size} bytes, too few for its "
                                  "tensor; the file is damaged.")
        if entry.compress_type == zipfile.ZIP_STORED:
            return self.file.region(self.start(name) + offset, count, dtype)

        def stream(items: int) -> Iterator[Array]:
            held, want, left = bytearray(), items * kind.itemsize, count * kind.itemsize
            for piece in self._pieces(name, offset, left):
                held += piece
                while len(held) >= want:
                    yield np.frombuffer(bytes(held[:want]), kind)
                    del held[:want]
            if held:
                yield np.frombuffer(bytes(held), kind)
        return stream

    def _pieces(self, name: str, offset: int, size: int) -> Iterator[bytes]:
        """``size`` bytes of a member from ``offset`` on, up to a megabyte at a time."""
        have, shown = 0, shown_name(name)
        try:
            with self._zip.open(self.members[name]) as stream:
                while offset:
                    skipped = len(stream.read(min(offset, 1 << 20)))
                    if not skipped:
                        break
                    offset -= skipped
                while have < size:
                    piece = stream.read(min(size - have, 1 << 20))
                    if not piece:
                        break
                    have += len(piece)
                    yield piece
        except FileFormatError:
            raise
        except (zipfile.BadZipFile, EOFError, ValueError, zlib.error, RuntimeError, NotImplementedError) as error:
            raise FileFormatError(f"{self.shown}: {shown!r} is damaged ({shown_name(error)}).") from None
        if have < size:
            raise FileFormatError(f"{self.shown}: {shown!r} ends {size - have} bytes too early; it is damaged.")
