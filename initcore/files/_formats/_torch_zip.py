"""PyTorch's zip files: ``.pt``, ``.pth``, ``.bin``, ``.ckpt`` (torch.save) and ``.pt2`` (torch.export.save).

The table of tensors is a pickle, read by :mod:`._pickle_machine`, which runs nothing; the values are members of the
archive, stored as they are.
"""

from __future__ import annotations

from typing import Any

from ...errors import FileFormatError
from .._tensor import RegularFile, Weights, collect
from ._torch_exported import is_exported, read_exported
from ._torch_tensors import pickled, tables
from ._zip import Archive

_HOW = "a PyTorch file; save it with torch.save(model.state_dict(), FILE)"
_LEGACY = bytes.fromhex("80028a0a6cfc9c46f9206aa850192e")


def read_torch(path: Any) -> Weights:
    """Every tensor of a torch.save file, or of a torch.export.save archive and its graph."""
    file = RegularFile(path)
    head = file.read(0, min(file.size, 512))
    if head[:4] != b"PK\x03\x04":
        raise FileFormatError(_refusal(file.shown, head))
    archive = Archive(path, _HOW)
    if is_exported(archive):
        return read_exported(archive)
    found = tables(archive)
    if len(found) != 1:
        raise FileFormatError(f"{archive.shown} is no PyTorch file: it has {len(found) or 'no'} data.pkl; save it "
                              "with torch.save(model.state_dict(), FILE).")
    return collect(archive.shown, "PyTorch", pickled(archive, found[0]))


def _refusal(shown: str, head: bytes) -> str:
    how = "load it with torch (1.6 or newer) and save model.state_dict() again with torch.save"
    if head.startswith(_LEGACY[:13]):
        return f"{shown} is in PyTorch's old format (before 1.6), which cannot be read without running it; {how}."
    if head[257:262] == b"ustar":
        return f"{shown} is in PyTorch's oldest format (a tar archive); {how}."
    if head[:1] == b"\x80":
        return f"{shown} is a bare pickle, which cannot be read without running it; {how}."
    return f"{shown} is not {_HOW.split(';')[0]}, or it is damaged; {_HOW.split('; ')[1]}."
