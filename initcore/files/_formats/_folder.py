"""A folder of a model: shards under an index, or single files, and the config.json of transformers.

Only regular files inside the folder are opened. A link may lead where the Hugging Face cache keeps its files:
``snapshots/REVISION/NAME`` to ``blobs/...`` of the same model.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...errors import FileFormatError
from .._graphs._transformers._config import told, transformers_graph
from .._tensor import RegularFile, Tensor, Weights, collect
from .._text import parse_json, shown_name

Reader = Callable[[Any], Weights]
_INDEX = 256 << 20          # bytes
_FILES = 10_000
_SINGLE = ("model.safetensors", "pytorch_model.bin", "flax_model.msgpack", "model.weights.h5", "model.onnx",
           "diffusion_pytorch_model.safetensors", "adapter_model.safetensors")


def read_folder(path: Any, reader_of: Callable[[Path], Reader | None]) -> Weights:
    """The model in a folder: by its index, else by the name its library gives, else all its .safetensors files."""
    folder = Path(path)
    try:
        names = sorted(entry.name for _, entry in zip(range(_FILES), os.scandir(folder)))
    except OSError as error:
        raise FileFormatError(f"{shown_name(path)} cannot be read: {error.strerror or error}.") from None
    index = next((n for n in names if n.endswith((".safetensors.index.json", ".bin.index.json"))), None)
    single = next((n for n in _SINGLE if n in names), None)
    if index is not None:
        weights = read_index(folder / index, reader_of)
    elif single is not None:
        weights = _one(folder, single, reader_of)
    else:
        parts = [n for n in names if n.endswith(".safetensors")] or [n for n in names if n.endswith(".gguf")]
        if not parts:
            known = "model.safetensors, model.safetensors.index.json, pytorch_model.bin"
            raise FileFormatError(f"{shown_name(path)} is a directory without a model's files ({known}, "
                                  "*.safetensors); give the file of weights.")
        weights = _merged(folder, parts, reader_of)
    if "config.json" in names:
        weights.config = {**weights.config, **_config(folder)}
        weights.graph = weights.graph or transformers_graph(weights.config)
        weights.notes += [said for said in [told(weights.config)] if said]
    weights.source = shown_name(path)
    return weights


def read_index(path: Any, reader_of: Callable[[Path], Reader | None]) -> Weights:
    """The shards that an index (``weight_map``: tensor -> file) names; every tensor must be where it says."""
    file = RegularFile(path)
    if file.size > _INDEX:
        raise FileFormatError(f"{file.shown} has {file.size} bytes, more than an index can have.")
    table = parse_json(file.read(0, file.size), file.shown, what="index")
    where = table.get("weight_map") if isinstance(table, dict) else None
    if not isinstance(where, dict) or not all(isinstance(v, str) for v in where.values()):
        raise FileFormatError(f"{file.shown} has no weight_map of tensor and file names; save the model again with "
                              "save_pretrained.")
    folder, shards = file.path.parent, sorted(set(where.values()))
    if len(shards) > _FILES:
        raise FileFormatError(f"{file.shown} names {len(shards)} files; {_FILES} are the most.")
    missing = [s for s in shards if not os.path.lexists(folder / s)]
    if missing:
        raise FileFormatError(f"{file.shown} names {len(shards)} files, but {len(missing)} are missing, the first "
                              f"{shown_name(missing[0])!r}; download the model again.")
    weights = _merged(folder, shards, reader_of)
    lost = [name for name, shard in where.items() if shown_name(name) not in weights.tensors]
    if lost:
        raise FileFormatError(f"{file.shown} names {len(lost)} tensors that its files do not hold, the first "
                              f"{shown_name(lost[0])!r} in {shown_name(where[lost[0]])!r}; download the model again.")
    extra = [name for name in weights.tensors if name not in where]
    if extra:
        weights.notes.append(f"{len(extra)} tensors are in the files but not in the index, the first {extra[0]!r}.")
    weights.source = file.shown
    return weights


def _merged(folder: Path, names: list[str], reader_of: Callable[[Path], Reader | None]) -> Weights:
    if not names:
        raise FileFormatError(f"{shown_name(folder)}: the index names no file; save the model again with "
                              "save_pretrained.")
    tensors: list[Tensor] = []
    seen: dict[str, str] = {}
    notes: list[str] = []
    for name in names:
        part = _one(folder, name, reader_of)
        for key, tensor in part.tensors.items():
            if key in seen:
                raise FileFormatError(f"{shown_name(folder)}: {key!r} is both in {shown_name(seen[key])!r} and in "
                                      f"{shown_name(name)!r}; give one of the files.")
            seen[key] = name
            tensors.append(tensor)
        notes += [note for note in part.notes if note not in notes]
    kind = f"{len(names)} files" if len(names) > 1 else part.format
    return collect(shown_name(folder), kind, tensors, notes=notes)


def _one(folder: Path, name: str, reader_of: Callable[[Path], Reader | None]) -> Weights:
    path = inside(folder, name)
    reader = reader_of(folder / name)
    if reader is None:
        raise FileFormatError(f"{shown_name(folder / name)} is of a kind that is not read.")
    return reader(path)


def inside(folder: Path, name: str) -> Path:
    """The file of that name in the folder; links that leave it (but for the cache's blobs) are refused."""
    shown = shown_name(name)
    if os.path.basename(name) != name or name in ("", ".", "..") or "\0" in name:
        raise FileFormatError(f"{shown_name(folder)}: {shown!r} is no name of a file in this folder.")
    home, target = Path(os.path.realpath(folder)), Path(os.path.realpath(folder / name))
    blobs = home.parent.parent / "blobs" if home.parent.name == "snapshots" else None
    if home not in target.parents and (blobs is None or target.parent != blobs):
        raise FileFormatError(f"{shown_name(folder)}: {shown!r} is a link to another place, which is not followed; "
                              "copy the file here.")
    return target


def _config(folder: Path) -> dict[str, Any]:
    file = RegularFile(inside(folder, "config.json"))
    if file.size > 16 << 20:
        raise FileFormatError(f"{file.shown} has {file.size} bytes, more than a config.json can have.")
    made = parse_json(file.read(0, file.size), file.shown)
    return made if isinstance(made, dict) else {}
