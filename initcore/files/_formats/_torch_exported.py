"""``.pt2`` archives of torch.export.save: the weights by their names, and the graph as a program made on request.

Today's form keeps each weight as a member of raw bytes under ``data/weights/`` with a JSON list; what PyTorch pickled
there (``use_pickle``), and the older form (``serialized_*``), hold torch.save files inside the archive, which are read
in place by the machine that reads those.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from ...errors import FileFormatError
from .._graphs._exported import DTYPES, exported
from .._graphs._held import Graph
from .._tensor import FLOATS, INTEGERS, Tensor, Weights, checked_shape, collect
from .._text import parse_json, shown_name
from ._pickle_machine import Described
from ._torch_tensors import TABLE, pickled, strided, tables
from ._zip import Archive

_DOCUMENT = 64 << 20        # bytes of a graph
_OLD = "serialized_exported_program.json"
_HOW = "save it with torch.export.save of torch 2.9 or newer"


def is_exported(archive: Archive) -> bool:
    """Whether the archive is one of torch.export.save."""
    return any("/data/weights/" in f"/{name}" or name == _OLD for name in archive.members)


def read_exported(archive: Archive) -> Weights:
    """The weights of a .pt2 archive, and its graph."""
    if _OLD in archive.members:
        tensors, models = list(_older(archive)), [_OLD]
    else:
        tensors, models = list(_listed(archive)), [name for name in archive.members if name.endswith(".json")
                                                   and "/models/" in f"/{name}"]
    if not tensors:
        raise FileFormatError(f"{archive.shown} holds no list of weights; {_HOW}.")
    notes, graph = [], None
    if len(models) == 1:
        graph = _graph(archive, models[0])
    else:
        notes = [f"It holds {len(models) or 'no'} graphs; of one alone the wiring is read."]
    return collect(archive.shown, "torch.export", tensors, notes=notes, graph=graph)


def _graph(archive: Archive, name: str) -> Graph:
    def made(weights: Weights) -> Any:
        return exported(parse_json(archive.read(name, _DOCUMENT), archive.shown, what=shown_name(name)))(weights)
    return made


def _listed(archive: Archive) -> Iterator[Tensor]:
    """What the JSON lists of weights and constants name."""
    for name in archive.members:
        role = next((role for folder, role in (("weights", None), ("constants", "buffer"))
                     if f"/data/{folder}/" in f"/{name}"), "")
        if role == "" or not name.endswith(("weights_config.json", "constants_config.json")):
            continue
        table = parse_json(archive.read(name, TABLE), archive.shown, what=shown_name(name))
        entries = table.get("config") if isinstance(table, dict) else None
        if not isinstance(entries, dict):
            raise FileFormatError(f"{archive.shown}: {shown_name(name)!r} lists no weights; save it with "
                                  "torch.export.save.")
        for key, entry in entries.items():
            if role is None or (isinstance(entry, dict) and isinstance(entry.get("tensor_meta"), dict)):
                made = _entry(archive, name[:name.rindex("/") + 1], key, entry)
                yield replace(made, role=role) if role else made


def _entry(archive: Archive, folder: str, name: str, entry: Any) -> Tensor:
    shown = shown_name(name)
    try:
        meta, path = entry["tensor_meta"], entry["path_name"]
        sizes, strides = ([int(n["as_int"]) for n in meta[k]] for k in ("sizes", "strides"))
        offset, dtype = int(meta["storage_offset"]["as_int"]), DTYPES.get(meta["dtype"], f"type {meta['dtype']}")
        packed = bool(entry.get("use_pickle"))
    except (KeyError, TypeError, ValueError, AttributeError):
        raise FileFormatError(f"{archive.shown}: {shown!r} is not described as torch.export.save does; the file is "
                              "damaged.") from None
    if not isinstance(path, str) or f"{folder}{path}" not in archive.members:
        raise FileFormatError(f"{archive.shown}: the values of {shown!r} are missing; {_HOW}.")
    if packed:
        return _packed(archive, f"{folder}{path}", name)
    if min([offset, *sizes, *strides], default=0) < 0:
        raise FileFormatError(f"{archive.shown}: {shown!r} has a negative size; the file is damaged.")
    shape = checked_shape(sizes, archive.shown, name)
    one = Described(path, dtype, -1, offset, shape, tuple(strides))
    words = (FLOATS | INTEGERS).get(dtype)
    place = (str(archive.file.path), f"{folder}{path}", offset, shape, tuple(strides))
    stream = None if words is None or 0 in shape else strided(archive, f"{folder}{path}", name, one, np.dtype(words))
    return Tensor(name, shape, dtype, stream, place)


def _packed(archive: Archive, member: str, name: str) -> Tensor:
    """The one tensor of a torch.save file inside the archive."""
    found = _saved(archive, member)
    if len(found) != 1:
        raise FileFormatError(f"{archive.shown}: {shown_name(name)!r} is pickled with {len(found)} tensors in it; "
                              f"{_HOW}.")
    return replace(found[0], name=name, place=(member, found[0].place))


def _saved(archive: Archive, member: str) -> list[Tensor]:
    inside = archive.inside(member)
    found = tables(inside)
    if len(found) != 1:
        raise FileFormatError(f"{archive.shown}: {shown_name(member)!r} is not what torch.save writes; {_HOW}.")
    return pickled(inside, found[0])


def _older(archive: Archive) -> Iterator[Tensor]:
    """The state and the constants of the form that torch 2.8 and older wrote."""
    for member in ("serialized_state_dict.pt", "serialized_state_dict.json", "serialized_constants.pt",
                   "serialized_constants.json"):
        if member in archive.members and archive.members[member].file_size:
            yield from (replace(t, place=(member, t.place)) for t in _saved(archive, member))
