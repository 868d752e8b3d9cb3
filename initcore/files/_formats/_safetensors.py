"""``.safetensors``: eight bytes of length, a JSON header, the tensors' bytes one after another.

Format: https://huggingface.co/docs/safetensors. What its own library checks is checked here: the header's length,
offsets that neither overlap nor leave a hole, sizes that match the shapes.
"""

from __future__ import annotations

from typing import Any

from ...errors import FileFormatError
from .._tensor import FLOATS, INTEGERS, MOST, RegularFile, Tensor, Weights, checked_shape, collect
from .._text import parse_json, shown_name

_HEADER = 100_000_000       # bytes, the library's own limit
# The format's word -> ours, and bits an element. Those without a NumPy type are listed and not judged.
_KINDS = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16", "I64": "int64", "I32": "int32",
          "I16": "int16", "I8": "int8", "U64": "uint64", "U32": "uint32", "U16": "uint16", "U8": "uint8",
          "BOOL": "bool"}
_BITS = {"F64": 64, "F32": 32, "F16": 16, "BF16": 16, "I64": 64, "I32": 32, "I16": 16, "I8": 8, "U64": 64, "U32": 32,
         "U16": 16, "U8": 8, "BOOL": 8, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8,
         "F6_E2M3": 6, "F6_E3M2": 6, "F4": 4, "C64": 64, "C128": 128}
_HOW = "save it again with safetensors.torch.save_file"


def read_safetensors(path: Any) -> Weights:
    """Every tensor of a .safetensors file."""
    file = RegularFile(path)
    if file.size < 8:
        raise FileFormatError(f"{file.shown} is not a .safetensors file: it has {file.size} bytes; {_HOW}.")
    length = int.from_bytes(file.read(0, 8), "little")
    if length > min(_HEADER, file.size - 8):
        raise FileFormatError(f"{file.shown} is not a .safetensors file, or it is damaged: its header would have "
                              f"{length} bytes; {_HOW}.")
    text = file.read(8, length)
    if text.count(b'"data_offsets"') > MOST:             # before a million dictionaries are made of it
        raise FileFormatError(f"{file.shown} holds more than {MOST} tensors; no model has so many.")
    header = parse_json(text, file.shown, what="header")
    if not isinstance(header, dict):
        raise FileFormatError(f"{file.shown} is not a .safetensors file: its header is no table of tensors; {_HOW}.")
    header.pop("__metadata__", None)
    spans = [_span(file, name, entry, 8 + length) for name, entry in header.items()]
    _contiguous(file, sorted((start, stop, t.name) for start, stop, t in spans), 8 + length)
    return collect(file.shown, "safetensors", [tensor for _, _, tensor in spans])


def _span(file: RegularFile, name: str, entry: Any, base: int) -> tuple[int, int, Tensor]:
    shown = shown_name(name)
    if not isinstance(entry, dict) or not {"dtype", "shape", "data_offsets"} <= entry.keys():
        raise FileFormatError(f"{file.shown}: {shown!r} has no dtype, shape and data_offsets; {_HOW}.")
    shape, kind, offsets = checked_shape(entry["shape"], file.shown, name), entry["dtype"], entry["data_offsets"]
    if (not isinstance(offsets, list) or len(offsets) != 2 or not all(type(n) is int for n in offsets)
            or not 0 <= offsets[0] <= offsets[1] <= file.size - base):
        raise FileFormatError(f"{file.shown}: {shown!r} lies at {str(offsets)[:60]}, outside the file, which is cut "
                              f"short or damaged; {_HOW}.")
    start, stop = base + offsets[0], base + offsets[1]
    bits = _BITS.get(kind) if isinstance(kind, str) else None
    tensor = Tensor(name, shape, shown_name(_KINDS.get(str(kind), str(kind))[:40]), None, (str(file.path), start, stop))
    if bits is None:                                  # a type of a later version: listed, not judged
        return start, stop, tensor
    if tensor.size * bits != 8 * (stop - start):
        raise FileFormatError(f"{file.shown}: {shown!r} of shape {shape} and type {kind} has {stop - start} bytes; the "
                              f"file is damaged; {_HOW}.")
    words = (FLOATS | INTEGERS).get(tensor.dtype)
    if words is None:
        return start, stop, tensor
    return start, stop, Tensor(name, shape, tensor.dtype, file.region(start, tensor.size, words), tensor.place)


def _contiguous(file: RegularFile, spans: list[tuple[int, int, str]], at: int) -> None:
    for start, stop, name in spans:
        if start != at:
            raise FileFormatError(f"{file.shown}: {shown_name(name)!r} starts at byte {start} where {at} is due: "
                                  f"tensors overlap or leave a hole; {_HOW}.")
        at = stop
    if at != file.size:
        raise FileFormatError(f"{file.shown}: {file.size - at} bytes follow the last tensor; the file is damaged; "
                              f"{_HOW}.")
