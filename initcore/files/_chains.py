"""Weights from files: .npz and .safetensors into named arrays, and those into a :class:`Network`.

Reading is here; what the names mean (which layer, which order, which layout) is in ``_naming``.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .. import activations
from ..errors import ArgumentError, FileFormatError, MissingExtraError, ShapeError
from ..network import Array, Dense, Network
from . import _naming
from ._text import shown_name

# What safetensors calls an element type -> NumPy. BF16 is the upper half of a float32.
_SAFETENSORS = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4", "I16": "<i2",
                "I8": "i1", "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "?"}


class Loaded(NamedTuple):
    """A network read from a file, and how it was read.

    ``network``; ``tensors``: the weight tensor's name per layer; ``layouts``: "io" or "oi" per layer;
    ``notes``: what was assumed, widened or left out, one sentence each.
    """

    network: Network
    tensors: tuple[str, ...]
    layouts: tuple[str, ...]
    notes: tuple[str, ...]


def read_arrays(path: Any) -> dict[str, Array]:
    """Every array of an .npz or .safetensors file, by name, in file order; bfloat16 comes as float32."""
    file = Path(path)
    if not file.exists():
        raise FileFormatError(f"{file}: no such file.")
    if file.is_dir():
        raise FileFormatError(f"{file} is a directory; give an .npz or .safetensors file.")
    readers = {".npz": _read_npz, ".safetensors": _read_safetensors}
    reader = readers.get(file.suffix.lower())
    if reader is None:
        raise FileFormatError(f"{file}: {file.suffix or 'a name without suffix'} is not read; convert the weights to "
                              ".npz (numpy.savez) or .safetensors (safetensors.torch.save_file).")
    try:
        return {shown_name(name): array for name, array in reader(file).items()}
    except OSError as error:
        raise FileFormatError(f"{file} cannot be read: {error.strerror or error}.") from None


def _read_npz(file: Path) -> dict[str, Array]:
    arrays = {}
    try:
        with file.open("rb") as stream:
            archive = np.load(stream, allow_pickle=False)
            if isinstance(archive, np.ndarray):
                raise FileFormatError(f"{file} holds a single array, not an archive; save with numpy.savez.")
            for name in archive.files:
                try:
                    array = archive[name]
                except ValueError:
                    raise FileFormatError(f"{file}: {name!r} holds Python objects or a dtype NumPy cannot store; "
                                          "save it as float32.") from None
                if array.dtype == np.dtype("V2"):     # how older NumPy stores ml_dtypes.bfloat16
                    array = _from_bfloat16(array.view(np.uint16))
                arrays[name] = array
    except (zipfile.BadZipFile, EOFError, ValueError, KeyError) as error:
        if isinstance(error, FileFormatError):
            raise
        raise FileFormatError(f"{file} is not an .npz archive, or it is damaged.") from None
    return arrays


def _read_safetensors(file: Path) -> dict[str, Array]:
    try:
        import safetensors
    except ImportError:
        raise MissingExtraError("reading .safetensors needs the safetensors package: "
                                "pip install 'initcore[safetensors]'") from None
    try:
        tensors = safetensors.deserialize(file.read_bytes())
    except safetensors.SafetensorError as error:
        raise FileFormatError(f"{file} is not a .safetensors file, or it is damaged ({error}).") from None
    arrays = {}
    for name, tensor in tensors:
        kind = str(tensor["dtype"])
        if kind not in _SAFETENSORS:
            raise FileFormatError(f"{file}: {name!r} has element type {kind}, which is not read; save it as F32.")
        array = np.frombuffer(tensor["data"], dtype=_SAFETENSORS[kind]).reshape(tensor["shape"])
        arrays[name] = _from_bfloat16(array) if kind == "BF16" else array
    return arrays


def _from_bfloat16(words: Array) -> Array:
    return (words.astype(np.uint32) << np.uint32(16)).view(np.float32)


def network_from_arrays(arrays: dict[str, Array], *, activation: str | Sequence[str] | None = None,
                        output_activation: str = "identity", layout: str | None = None,
                        order: Sequence[str] | None = None, source: str = "the file") -> Loaded:
    """The dense network that named arrays describe.

    Parameters
    ----------
    arrays : name -> array, as :func:`read_arrays` gives them. PyTorch (``fc1.weight``), Keras
        (``dense_1/kernel:0``), scikit-learn (``coefs_0``), plain (``W1``, ``b1``) and positional
        (``arr_0``) names are understood.
    activation : of the hidden layers: one name, or one per hidden layer. None takes "tanh" and says so.
    output_activation : of the last layer.
    layout : "io" (fan_in, fan_out) or "oi"; None finds it from names and shapes.
    order : the layers' names, first to last, where the names leave it open.

    Raises FileFormatError, with the question to answer, where the arrays do not settle what the network is.
    NaN and infinity are let through: :func:`initcore.check` reports them.
    """
    plan = _naming.plan(arrays, layout=layout, order=order, source=source)
    notes = list(plan.notes)
    hidden = len(plan.layers) - 1
    if activation is None:
        activation = "tanh"
        if hidden:
            notes.append("The file does not say the activation: tanh is assumed; --activation NAME changes it.")
    names = [activation] if isinstance(activation, str) else list(activation)
    if len(names) == 1:
        names *= hidden
    if len(names) != hidden:
        raise ArgumentError(f"activation has {len(names)} names ({', '.join(names)}), but the network has {hidden} "
                            "hidden layer(s); give one name, or one for each.")
    functions = [activations.get(a) for a in [*names, output_activation]]
    dtype, widened = _common_dtype(arrays, plan)
    notes += widened
    layers = []
    for part, function in zip(plan.layers, functions):
        w = arrays[part.weight]
        w = np.ascontiguousarray(w.T if part.layout == "oi" else w, dtype=dtype)
        b = None if part.bias is None else np.ascontiguousarray(arrays[part.bias].reshape(-1), dtype=dtype)
        layers.append(Dense(w, b, function))
    return Loaded(Network(layers, check_finite=False), tuple(p.weight for p in plan.layers),
                  tuple(p.layout for p in plan.layers), tuple(notes))


def _common_dtype(arrays: dict[str, Array], plan: _naming.Plan) -> tuple[np.dtype, list[str]]:
    """The one dtype to compute in, and a sentence where that widens something."""
    used = [name for part in plan.layers for name in (part.weight, part.bias) if name is not None]
    found = {arrays[name].dtype.newbyteorder("=") for name in used}
    dtype = np.result_type(np.float32, *found)
    narrow = sorted(str(k) for k in found if k != dtype)
    return dtype, [f"{', '.join(narrow)} values are widened to {dtype}."] if narrow else []


def load_network(path: Any, **options: Any) -> Loaded:
    """:func:`network_from_arrays` of :func:`read_arrays`."""
    return network_from_arrays(read_arrays(path), source=str(path), **options)


def _read_npy(file: Path) -> Array:
    try:
        return np.asarray(np.load(file, allow_pickle=False))
    except OSError as error:
        raise FileFormatError(f"{file} cannot be read: {error.strerror or error}.") from None
    except (ValueError, EOFError):
        raise FileFormatError(f"{file} is not an .npy array of numbers, or it is damaged.") from None


def load_data(path: Any, network: Network) -> tuple[Array, Array | None]:
    """Inputs ``x (rows, features)`` in the network's dtype, and targets ``y`` or None, from an .npz or .npy file.

    The arrays are called x and y (any case; an .npy holds x alone); x may be integer pixels, and images are flattened.
    """
    if Path(path).suffix.lower() == ".npy" and Path(path).is_file():
        arrays = {"x": _read_npy(Path(path))}
    else:
        arrays = {name.lower(): array for name, array in read_arrays(path).items()}
    if "x" not in arrays:
        raise FileFormatError(f"{path} has no array 'x'; it holds {_naming.listing(arrays)}. "
                              "Save the inputs with numpy.savez(FILE, x=inputs, y=targets).")
    x, y = arrays["x"], arrays.get("y")
    if x.dtype.kind not in "fiub":
        raise FileFormatError(f"{path}: x holds {x.dtype}; inputs must be numbers.")
    if x.ndim > 2:
        x = x.reshape(len(x), -1)
    if x.ndim != 2 or x.shape[1] != network.widths[0] or len(x) == 0:
        raise ShapeError(f"{path}: x has shape {arrays['x'].shape}, but the network takes rows of "
                         f"{network.widths[0]} features.")
    if y is not None and (y.ndim == 0 or len(y) != len(x)):
        raise ShapeError(f"{path}: y has shape {y.shape}, but x has {len(x)} rows.")
    if y is not None and y.dtype.kind == "f":
        y = y.astype(network.dtype)
    return np.ascontiguousarray(x, dtype=network.dtype), y
