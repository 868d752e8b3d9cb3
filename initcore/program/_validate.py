"""What must be true of a program before anything reads it: every message names the operation and the remedy."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ..errors import ArgumentError, ArgumentTypeError, ShapeError, unknown_name
from ._program import Op, Parameter, Value
from ._vocabulary import CELLS, FREE, FUNCTIONS, REDUCTIONS, VOCABULARY, Entry

_METHODS = ("batch", "layer", "rms", "instance", "group")


def check(inputs: tuple[Value, ...], parameters: tuple[Parameter, ...], constants: Mapping[Value, Any],
          ops: Iterable[Op], outputs: tuple[Value, ...]) -> None:
    """Raise unless every value is made once, before it is used, by an operation of the vocabulary."""
    known: set[Value] = set()
    for what, values in (("inputs", inputs), ("parameters", [p.value for p in parameters]), ("constants", constants)):
        for v in values:
            if not isinstance(v, Value):
                raise ArgumentTypeError(f"{what} must hold program.Value objects, got {type(v).__name__}.")
            if v in known:
                raise ArgumentError(f"{what}: the value {v.name!r} stands there twice; every value is made once.")
            known.add(v)
    for i, op in enumerate(ops):
        about = [op.kind, *([op.source] if op.source else []), *([f"at {op.place}"] if str(op.place) else [])]
        where = f"ops[{i}] ({', '.join(about)})"
        for given in op.inputs:
            if given is not None and given not in known:
                raise ArgumentError(f"{where} uses the value {given.name!r} before it is made; operations stand in the "
                                    "order of execution.")
        _operation(where, op)
        for v in op.outputs:
            if v in known:
                raise ArgumentError(f"{where} makes the value {v.name!r} a second time; a value is assigned once.")
            known.add(v)
    for v in outputs:
        if v not in known:
            raise ArgumentError(f"outputs: nothing makes the value {v.name!r}.")


def _operation(where: str, op: Op) -> None:
    entry = VOCABULARY.get(op.kind)
    if entry is None:
        raise unknown_name("operation", op.kind, list(VOCABULARY))
    low, high = entry.inputs
    if not low <= len(op.inputs) <= high:
        raise ArgumentError(f"{where} has {len(op.inputs)} inputs, {op.kind} takes "
                            f"{low if low == high else f'{low} or more' if high > 9 else f'{low} to {high}'}.")
    if low and op.inputs[0] is None and op.kind != "opaque":
        raise ArgumentError(f"{where} has no first input.")
    if entry.outputs and len(op.outputs) != entry.outputs:
        raise ArgumentError(f"{where} has {len(op.outputs)} outputs, {op.kind} makes {entry.outputs}.")
    _attributes(where, op, entry)


def _attributes(where: str, op: Op, entry: Entry) -> None:
    if op.kind == "opaque":
        return
    missing = [n for n in entry.needs if n not in op.attributes]
    if missing:
        raise ArgumentError(f"{where} lacks the attribute {missing[0]!r}; {op.kind} needs {', '.join(entry.needs)}.")
    allowed = (*entry.needs, *entry.takes, *FREE)
    for name in op.attributes:
        if name not in allowed:
            raise ArgumentError(f"{where} has the attribute {name!r}; {op.kind} knows {', '.join(allowed)}.")
    rank = len(op.inputs[0].shape) if op.inputs and op.inputs[0] is not None else 0
    for name in ("dim", "channel"):
        d = op.attributes.get(name)
        if d is not None and not (isinstance(d, int) and 0 <= d < max(rank, 1)):
            raise ShapeError(f"{where}: {name}={d!r} must be a dim of its first input, 0 to {rank - 1}; readers count "
                             "from the front.")
    if op.kind not in ("broadcast", "permute") and op.attributes.get("dims") is not None:
        for d in op.attributes["dims"]:
            if not 0 <= d < rank:
                raise ShapeError(f"{where}: dims={op.attributes['dims']!r} must be dims of its first input, 0 to "
                                 f"{rank - 1}; readers count from the front.")
    for name, known in (("method", _METHODS), ("cell", tuple(CELLS))):
        if name in op.attributes and op.attributes[name] not in known:
            raise unknown_name(f"{op.kind} {name}", op.attributes[name], known)
    functions = {"elementwise": tuple(FUNCTIONS), "reduce": REDUCTIONS}.get(op.kind)
    if functions and op.attributes["function"] not in functions:
        raise unknown_name(f"{op.kind} function", op.attributes["function"], functions)
    _shapes(where, op)


def _shapes(where: str, op: Op) -> None:
    """The result's shape of what only moves elements, and of products."""
    a, x, y = op.attributes, op.inputs[0] if op.inputs else None, op.outputs[0] if op.outputs else None
    if x is None or y is None:
        return
    want: tuple[int, ...] | None = None
    if op.kind == "permute":
        if sorted(a["dims"]) != list(range(len(x.shape))):
            raise ShapeError(f"{where}: dims={a['dims']!r} must be all dims of {x.shape} in a new order.")
        want = tuple(x.shape[d] for d in a["dims"])
    elif op.kind == "reshape":
        want = tuple(a["shape"])
        if int(np.prod(want)) != int(np.prod(x.shape)):
            raise ShapeError(f"{where}: {x.shape} has other elements than {want}.")
    elif op.kind == "broadcast":
        want = tuple(a["shape"])
        for i, d in enumerate(a["dims"]):
            if not 0 <= d < len(want) or x.shape[i] not in (1, want[d]):
                raise ShapeError(f"{where}: dim {i} of {x.shape} cannot become dim {d} of {want}.")
    elif op.kind == "slice":
        steps = a.get("steps") or (1,) * len(x.shape)
        want = tuple(len(range(n)[b:e:s]) for n, b, e, s in zip(x.shape, a["starts"], a["stops"], steps))
    elif op.kind == "contract":
        want = _contracted(where, op)
    if want is not None and want != y.shape:
        raise ShapeError(f"{where} makes {want} of {x.shape}, its result is declared {y.shape}.")


def _contracted(where: str, op: Op) -> tuple[int, ...]:
    a, b = op.inputs[0], op.inputs[1]
    assert a is not None and b is not None
    ca, cb = op.attributes["contracting"]
    ba, bb = op.attributes.get("batch") or ((), ())
    pairs = [*zip(ca, cb, strict=True), *zip(ba, bb, strict=True)]
    for i, j in pairs:
        if not (0 <= i < len(a.shape) and 0 <= j < len(b.shape)) or a.shape[i] != b.shape[j]:
            raise ShapeError(f"{where}: dim {i} of {a.shape} and dim {j} of {b.shape} cannot be multiplied.")
    free_a = [n for i, n in enumerate(a.shape) if i not in (*ca, *ba)]
    free_b = [n for j, n in enumerate(b.shape) if j not in (*cb, *bb)]
    return tuple([a.shape[i] for i in ba] + free_a + free_b)
