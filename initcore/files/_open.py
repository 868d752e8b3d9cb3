"""Which reader reads a file: by the name's ending, as every library names its files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from .._checks import describe
from ..errors import ArgumentTypeError, FileFormatError
from ._formats._folder import Reader, read_folder, read_index
from ._formats._gguf import read_gguf
from ._formats._hdf5 import read_hdf5, read_keras
from ._formats._msgpack import read_msgpack
from ._formats._npz import read_npy, read_npz
from ._formats._onnx import read_onnx
from ._formats._safetensors import read_safetensors
from ._formats._torch_zip import read_torch
from ._tensor import Weights
from ._text import shown_name

_READERS: dict[str, Reader] = {
    ".npz": read_npz, ".npy": read_npy, ".safetensors": read_safetensors, ".pt": read_torch, ".pth": read_torch,
    ".bin": read_torch, ".ckpt": read_torch, ".pt2": read_torch, ".gguf": read_gguf, ".msgpack": read_msgpack,
    ".h5": read_hdf5, ".hdf5": read_hdf5, ".keras": read_keras, ".onnx": read_onnx}
_ELSEWHERE = {
    ".pkl": "a pickle, which cannot be read without running it", ".pickle": "a pickle, which cannot be read without "
    "running it", ".joblib": "a pickle, which cannot be read without running it",
    ".pb": "a TensorFlow graph", ".tflite": "a TensorFlow Lite model", ".params": "MXNet's own format",
    ".pdparams": "a pickle of Paddle, which cannot be read without running it",
    ".distcp": "a shard of torch.distributed.checkpoint", ".mlmodel": "a Core ML model"}
_HOW = ("convert the weights to .safetensors (safetensors.torch.save_file) or .npz (numpy.savez); also read are .pt, "
        ".gguf, .msgpack, .h5, .keras, .onnx and folders of a model")


def reader_of(path: Path) -> Reader | None:
    """The reader for a file's name, or None."""
    return _READERS.get(path.suffix.lower())


def _can_be(file: Path) -> bool:
    """Whether the system can have a file of this name: no null character, no half of a surrogate pair."""
    try:
        return b"\0" not in os.fsencode(file)
    except ValueError:
        return False


def open_weights(path: Any) -> Weights:
    """What a file or folder of weights lists: names, shapes, types; values are read on request.

    >>> import numpy as np, tempfile, os
    >>> file = os.path.join(tempfile.mkdtemp(), "net.npz")
    >>> np.savez(file, W1=np.zeros((4, 3)))
    >>> [(t.name, t.shape, t.dtype) for t in open_weights(file).tensors.values()]
    [('W1', (4, 3), 'float64')]
    """
    if not isinstance(path, (str, os.PathLike)):
        raise ArgumentTypeError(f"path must be the name of a file or folder, got {describe(path)}.")
    file = Path(path)
    if not _can_be(file):
        raise FileFormatError(f"{shown_name(path)}: no file can have this name.")
    if os.path.isdir(file):
        return read_folder(file, reader_of)
    if not os.path.exists(file):
        raise FileFormatError(f"{shown_name(path)}: no such file.")
    if file.name.lower().endswith(".index.json"):
        return read_index(file, reader_of)
    reader = reader_of(file)
    if reader is None:
        what = _ELSEWHERE.get(file.suffix.lower(), repr(file.suffix) if file.suffix else "a name without suffix")
        raise FileFormatError(f"{shown_name(path)}: {shown_name(what)} is not read; {_HOW}.")
    return reader(file)
