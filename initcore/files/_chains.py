"""Named tensors into a :class:`Network` of dense layers, and data for it.

The values are here; what the names mean (which layer, which order, which layout) is in ``_naming``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import activations
from .._checks import array, describe, flag, texts
from .._types import Array
from ..errors import ArgumentError, ArgumentTypeError, FileFormatError, ShapeError
from ..network import Dense, Network, require_network
from . import _naming
from ._open import open_weights
from ._orders import LAYOUTS
from ._tensor import Tensor
from ._text import shown_name


class Loaded(NamedTuple):
    """A network read from a file, and how it was read.

    ``network``; ``tensors``: the weight tensor's name per layer; ``layouts``: "io" or "oi" per layer;
    ``biases``: names of the biases; ``notes``: what was assumed, widened or left out, one sentence each.
    """

    network: Network
    tensors: tuple[str, ...]
    layouts: tuple[str, ...]
    notes: tuple[str, ...]
    biases: tuple[str, ...] = ()


def read_arrays(path: Any) -> dict[str, Array]:
    """Every array of numbers of a file of weights, by name, in file order; bfloat16 comes as float32.

    path : what :func:`open_weights` takes. Raises FileFormatError where it cannot be read, and says why.

    >>> import os, tempfile
    >>> file = os.path.join(tempfile.mkdtemp(), "net.npz")
    >>> np.savez(file, w=np.eye(2))
    >>> read_arrays(file)["w"].tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    weights = open_weights(path)
    return {name: tensor.array() for name, tensor in weights.tensors.items() if tensor.stream is not None}


def network_from_arrays(arrays: Mapping[str, Any], *, activation: str | Sequence[str] | None = None,
                        output_activation: str = "identity", layout: str | None = None,
                        order: Sequence[str] | None = None, source: str = "the file",
                        folded_bias: bool = False) -> Loaded:
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
    folded_bias : the last row (column in layout "oi") of every matrix is the bias.

    Raises FileFormatError, with the question to answer, where the arrays do not settle what the network is.
    NaN and infinity are let through: :func:`initcore.check` reports them.
    """
    if not isinstance(arrays, Mapping):
        raise ArgumentTypeError(f"arrays must be a dictionary of names and arrays, got {describe(arrays)}.")
    tensors = {shown_name(name): a if isinstance(a, Tensor) else Tensor.of(shown_name(name), array("arrays", a))
               for name, a in arrays.items()}
    if flag("folded_bias", folded_bias):
        tensors, layout = _unfolded(tensors, layout, order, source)
    plan = _naming.plan(tensors, layout=layout, order=order, source=source)
    notes = list(plan.notes)
    hidden = len(plan.layers) - 1
    if activation is None:
        activation = "tanh"
        if hidden:
            notes.append("The file does not say the activation: tanh is assumed; --activation NAME changes it.")
    names = texts("activation", activation)
    if len(names) == 1:
        names *= hidden
    if len(names) != hidden:
        raise ArgumentError(f"activation has {len(names)} names ({', '.join(names)}), but the network has {hidden} "
                            "hidden layer(s); give one name, or one for each.")
    functions = [activations.get(a) for a in [*names, output_activation]]
    dtype, widened = _common_dtype(tensors, plan)
    notes += widened
    layers = []
    for part, function in zip(plan.layers, functions):
        w = tensors[part.weight].array()
        w = w[:, np.newaxis] if w.ndim == 1 else w
        w = np.ascontiguousarray(w.T if part.layout == "oi" else w, dtype=dtype)
        b = None if part.bias is None else np.ascontiguousarray(
            tensors[part.bias].array().reshape(-1), dtype=dtype)
        layers.append(Dense(w, b, function))
    return Loaded(Network(layers, check_finite=False), tuple(p.weight for p in plan.layers),
                  tuple(p.layout for p in plan.layers), tuple(notes),
                  tuple(p.bias for p in plan.layers if p.bias is not None))


def _unfolded(tensors: Mapping[str, Tensor], layout: str | None, order: Sequence[str] | None,
              source: str) -> tuple[dict[str, Tensor], str]:
    """Weights and biases of matrices that hold both, in the first layout in which they chain."""
    error: FileFormatError | None = None
    for one in LAYOUTS if layout is None else (layout,):
        parts: dict[str, Tensor] = {}
        for name, tensor in tensors.items():
            found = _naming.parse(name)
            if found is None or not found[1] or tensor.ndim != 2 or not tensor.judged:
                continue
            a = tensor.array() if one == "io" else tensor.array().T
            parts[name] = Tensor.of(name, a[:-1] if one == "io" else a[:-1].T)
            parts[f"{found[0]}.bias"] = Tensor.of(f"{found[0]}.bias", a[-1])
        try:
            _naming.plan(parts, layout=one, order=order, source=source)
            return parts, one
        except FileFormatError as wrong:
            error = error or wrong
    raise error or ArgumentError(f"layout={layout!r} is not known; use 'io' or 'oi'.")


def _common_dtype(tensors: Mapping[str, Tensor], plan: _naming.Plan) -> tuple[np.dtype, list[str]]:
    """The one dtype to compute in, and a sentence where that widens something."""
    used = [name for part in plan.layers for name in (part.weight, part.bias) if name is not None]
    found = {tensors[name].dtype for name in used}
    dtype = np.dtype(np.float64 if "float64" in found else np.float32)
    narrow = sorted(k for k in found if k != dtype.name)
    return dtype, [f"{', '.join(narrow)} values are widened to {dtype}."] if narrow else []


def load_network(path: Any, **options: Any) -> Loaded:
    """:func:`network_from_arrays` of :func:`read_arrays`; ``options`` are those of the former.

    >>> import os, tempfile
    >>> file = os.path.join(tempfile.mkdtemp(), "net.npz")
    >>> np.savez(file, W1=np.ones((4, 3)), W2=np.ones((3, 2)))
    >>> load_network(file, activation="relu").network
    Network(4 -> 3 -> 2, float64)
    """
    return network_from_arrays(open_weights(path).tensors, source=shown_name(path), **options)


def load_data(path: Any, network: Network) -> tuple[Array, Array | None]:
    """Inputs ``x (rows, features)`` in the network's dtype, and targets ``y`` or None, from an .npz or .npy file.

    The arrays are called x and y (any case; an .npy holds x alone); x may be integer pixels, and images are flattened.
    """
    require_network(network)
    arrays, shown = {name.lower(): array for name, array in read_arrays(path).items()}, shown_name(path)
    if "x" not in arrays:
        raise FileFormatError(f"{shown} has no array 'x'; it holds {_naming.listing(arrays)}. "
                              "Save the inputs with numpy.savez(FILE, x=inputs, y=targets).")
    x, y = arrays["x"], arrays.get("y")
    if x.dtype.kind not in "fiub":
        raise FileFormatError(f"{shown}: x holds {x.dtype}; inputs must be numbers.")
    if x.ndim > 2:
        x = x.reshape(len(x), -1)
    if x.ndim != 2 or x.shape[1] != network.widths[0] or len(x) == 0:
        raise ShapeError(f"{shown}: x has shape {arrays['x'].shape}, but the network takes rows of "
                         f"{network.widths[0]} features.")
    if y is not None and (y.ndim == 0 or len(y) != len(x)):
        raise ShapeError(f"{shown}: y has shape {y.shape}, but x has {len(x)} rows.")
    if y is not None and y.dtype.kind == "f":
        y = y.astype(network.dtype)
    return np.ascontiguousarray(x, dtype=network.dtype), y
