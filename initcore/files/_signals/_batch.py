"""What a network out of a file is run on: the user's rows, or numbers of given moments in the shapes it tells."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ..._types import Array
from ...errors import FileFormatError, ShapeError
from ...program import Program, Value
from .. import _naming
from .._chains import read_arrays
from .._text import shown_name

ASSUMED = "inputs drawn: normal, mean 0, variance 1"
ROWS = 64                   # that are drawn
MOST = 2048                 # of the user's rows that are looked at
_MASKS = ("mask", "valid")


class Data(NamedTuple):
    """Rows by the names of inputs, targets or None, where they come from."""

    arrays: Mapping[str, Array]
    y: Array | None
    shown: str


class Batch(NamedTuple):
    """batches : the inputs, a program's batch each. features : all rows of them. y : the targets of those rows."""

    batches: tuple[Mapping[Value, Array], ...]
    features: Mapping[Value, Array]
    y: Array | None
    said: str
    given: bool


def read_data(path: Any) -> Data:
    """``.npz`` of inputs (x, or the names of the network's inputs) and targets y, or ``.npy`` of x."""
    arrays, shown = {name.lower(): array for name, array in read_arrays(path).items()}, shown_name(path)
    y = arrays.pop("y", None)
    if not arrays:
        raise FileFormatError(f"{shown} holds no inputs. Save them with numpy.savez(FILE, x=inputs, y=targets).")
    for name, a in arrays.items():
        if a.dtype.kind not in "fiub":
            raise FileFormatError(f"{shown}: {name} holds {a.dtype}; inputs must be numbers.")
    return Data(arrays, y, shown)


def of_data(data: Data, program: Program, most: int) -> Batch:
    """Rows of the user's for the program's inputs, as many of its batches as there are and ``most`` allows."""
    found = _named(data, program)
    size = batch_of(program)
    rows = min(len(a) for a in found.values())
    count = min(rows // max(size, 1), most, max(MOST // max(size, 1), 1))
    if count < 1:
        raise ShapeError(f"{data.shown}: {rows} row(s) of inputs; the network was exported for batches of {size}, "
                         "which they do not fill.")
    y = data.y
    if y is not None and (y.ndim == 0 or len(y) < rows):
        raise ShapeError(f"{data.shown}: y has shape {y.shape}, but the inputs have {rows} rows.")
    rows = count * size
    arrays = {v: _fitted(data, v, a)[:rows] for v, a in found.items()}
    batches = tuple({v: a[k * size:(k + 1) * size] for v, a in arrays.items()} for k in range(count))
    return Batch(batches, arrays, None if y is None else y[:rows], f"{rows} rows of {data.shown}", True)


def drawn(program: Program, most: int) -> Batch:
    """Normal numbers; whole numbers within the table they look up; ones where they look up none, as masks do."""
    size = batch_of(program)
    count = max(1, min(ROWS // max(size, 1), most))
    limits = _limits(program)
    rng = np.random.default_rng(0)

    def one(v: Value) -> Array:
        if any(word in v.name for word in _MASKS) or v.dtype == "bool":
            return np.ones(v.shape, np.int64)
        if "float" in v.dtype:
            return rng.standard_normal(v.shape).astype(np.float64 if v.dtype == "float64" else np.float32)
        return rng.integers(0, limits[v], v.shape) if v in limits else np.ones(v.shape, np.int64)
    batches = tuple({v: one(v) for v in program.inputs} for _ in range(count))
    features = {v: np.concatenate([b[v] for b in batches]) if v.shape else batches[0][v] for v in program.inputs}
    whole = "; whole numbers at random" if limits else ""
    return Batch(batches, features, None, ASSUMED + whole, False)


def batch_of(program: Program) -> int:
    """The rows that the program was traced for."""
    sizes = [v.shape[0] for v in program.inputs if v.shape]
    return sizes[0] if sizes else 1


def wished(data: Data, program: Program) -> dict[int, int]:
    """Sizes by dim that an input of the data has and the program has not: for a graph whose sizes are open."""
    found: dict[int, int] = {}
    for v, a in _named(data, program).items():
        if len(a.shape) == len(v.shape):
            found |= {d: n for d, (n, m) in enumerate(zip(a.shape, v.shape)) if d and n != m}
    return found


def _named(data: Data, program: Program) -> dict[Value, Array]:
    """The array of every input."""
    names = {v: v.name.lower() for v in program.inputs}
    if len(names) == 1 and len(data.arrays) == 1:
        return dict(zip(names, data.arrays.values()))
    if len(names) == 1 and "x" in data.arrays:
        return {next(iter(names)): data.arrays["x"]}
    missing = [v for v, name in names.items() if name not in data.arrays]
    if missing:
        wants = _naming.listing(f"{v.name} {v.shape}" for v in names)
        raise FileFormatError(f"{data.shown} has no array {shown_name(missing[0].name)!r}; the network takes {wants}, "
                              f"the file holds {_naming.listing(data.arrays)}.")
    return {v: data.arrays[name] for v, name in names.items()}


def _fitted(data: Data, v: Value, a: Array) -> Array:
    """Rows in the shape of an input; dims of size one come and go, and pixels are laid flat."""
    want = v.shape[1:]
    same = [n for n in a.shape[1:] if n != 1] == [n for n in want if n != 1]
    if not (same or (len(want) == 1 and math.prod(a.shape[1:]) == want[0])):
        turned = sorted(a.shape[1:]) == sorted(want)
        raise ShapeError(f"{data.shown}: the rows of {v.name or 'x'} have the shape {a.shape[1:]}, the network takes "
                         f"{want}" + ("; move their dims with numpy.transpose." if turned else "."))
    if ("float" in v.dtype) != (a.dtype.kind == "f") and "float" not in v.dtype:
        raise ShapeError(f"{data.shown}: {v.name or 'x'} holds {a.dtype}, the network takes whole numbers.")
    return a.reshape(len(a), *want)


def _limits(program: Program) -> dict[Value, int]:
    """How large the whole numbers of an input may be: the rows of the smallest table that they look up."""
    comes: dict[Value, set[Value]] = {v: {v} for v in program.inputs if "float" not in v.dtype}
    limits: dict[Value, int] = {}
    for op in program.ops:
        seen = {x for v in op.inputs if v is not None for x in comes.get(v, ())}
        rows = 0
        if op.kind == "look_up" and op.inputs[0] is not None:
            seen = comes.get(op.inputs[1], set()) if op.inputs[1] is not None else set()
            rows = op.inputs[0].shape[op.attributes.get("dim", 0)]
        elif op.kind == "one_hot":
            rows = int(op.attributes["classes"])
        for x in seen if rows else ():
            limits[x] = min(limits.get(x, rows), rows)
        if seen and not rows and all("float" not in v.dtype for v in op.outputs):
            comes.update((v, seen) for v in op.outputs)
    return {v: max(n, 1) for v, n in limits.items()}
