"""What every operation of the vocabulary does to the units of its inputs: one rule for each ``Entry.axes``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from ... import activations
from .._program import Op
from .._vocabulary import FUNCTIONS, VOCABULARY
from . import _cells as cells
from . import _moves as moves
from . import _products as products
from ._norms import given, normalize, reduced, softmax
from ._trace import Trace
from ._tracks import DATA, SAME, UNIT, Factor, Track, Unsaid, data, plain_dims

Tracks = list[Track]
Rule = Callable[[Trace, Op, list[Track | None]], Tracks]
_LINEAR = ("neg", "cast", "scale")
_ROLES = {"add": "sum", "subtract": "sum", "multiply": "product", "divide": "quotient", "choose": "choose"}
_EDGES = ("max", "min", "amax", "amin")
_BLIND = ("any", "all", "argmax", "argmin", "count")         # reductions without a gradient


def _shape(op: Op, k: int = 0) -> tuple[int, ...]:
    return op.outputs[k].shape


def elementwise(trace: Trace, op: Op, tracks: list[Track | None]) -> Tracks:
    """The same function of each unit."""
    some = given(tracks)
    name = op.attributes.get("function", "")
    if (scaled := _scaled(op, some, name)) is not None:
        return [scaled]
    if len(some) == 1:
        x = trace.as_units(some[0])
        if x.ids is None:
            return [x if name == "cast" else replace(x, known=None)]
        if op.kind == "activation":
            return [trace.alike(x, "phi", activations.get(op.attributes["activation"]))]
        role = "sum" if name in _LINEAR else "function"
        call = (name, op.attributes.get("exponent")) if name == "power" else name
        return [trace.alike(x, role, call, FUNCTIONS[name][2])]
    role = _ROLES.get(op.kind, "mix")
    if role == "choose" and not some[0].data:
        role = "mix"
    return [trace.join(some, _shape(op), role, op.kind)]


def _scaled(op: Op, some: Tracks, name: str) -> Track | None:
    """A parameter times a number, or of another type, is a parameter still."""
    w = some[0].weights
    number: float | None = None
    if name == "neg":
        number = -1.0
    elif name == "scale":
        number = op.attributes.get("factor")
    elif name == "cast":
        return some[0] if w is not None else None
    elif op.kind in ("multiply", "divide") and len(some) == 2:
        a, b = some
        if b.weights is not None and op.kind == "multiply":
            a, b = b, a
        w = a.weights
        if w is not None and b.known is not None and b.known.size == 1 and a.shape == _shape(op):
            number = float(b.known.ravel()[0])
            number = 1 / number if op.kind == "divide" and number else number
            some = [a]
    if w is None or number is None:
        return None
    before, factor = w.array, float(number)
    return replace(some[0], weights=replace(w, array=lambda x: before(x) * factor, copied=True), known=None)


def compare(trace: Trace, op: Op, tracks: list[Track | None]) -> Tracks:
    """A function of each unit without a gradient."""
    return [trace.join(given(tracks), _shape(op), "mix", op.kind, grows=False)]


def reduce(trace: Trace, op: Op, tracks: list[Track | None]) -> Tracks:
    """Over data: a function of each unit. Over units: one of their group, whatever their order."""
    x = tracks[0]
    assert x is not None
    x = trace.as_units(x)
    dims = op.attributes.get("dims")
    dims = tuple(range(len(x.shape))) if dims is None else tuple(dims)
    new, units = reduced(x, dims, bool(op.attributes.get("keep", False)))
    function = op.attributes["function"]
    if x.ids is None:
        return [Track(new)]
    if function in _BLIND:
        return [Track(tuple(tuple(Factor(f.size, SAME if f.kind == SAME else DATA) for f in d) for d in new))]
    if not units:
        return [trace.alike(x, "spread", "linear" if function in ("sum", "mean") else function, dims=new)]
    if function in _EDGES:                      # of equal units one takes all of the gradient: rounding says which
        assert x.ids is not None
        trace.discrete(x.ids)
    return [trace.sum_over(x, units, new, "reduce", function)]


def _by_place(trace: Trace, x: Track, units: list[int]) -> None:
    """Colour units by their place along some dims of the unit array."""
    assert x.ids is not None
    shape = [n if k in units else 1 for k, n in enumerate(x.ids.shape)]
    place = np.broadcast_to(np.arange(int(np.prod(shape))).reshape(shape), x.ids.shape)
    trace.place(x.ids, place)


def dropout(trace: Trace, op: Op, tracks: list[Track | None]) -> Tracks:
    """Draws of a unit's own part it from all others."""
    x = given(tracks)[0]
    if x.data or not op.attributes["rate"]:
        return [x]
    x = trace.as_units(x)
    y = trace.alike(x, "dropout")
    shared, k, own = op.attributes.get("dims") or (), 0, []
    for d, factors in enumerate(x.dims):
        for f in factors:
            if f.kind == UNIT:
                if d not in shared:
                    own.append(k)
                k += 1
    if own:
        _by_place(trace, y, own)
    return [y]


def detach(trace: Trace, op: Op, tracks: list[Track | None]) -> Tracks:
    """No gradient passes."""
    x = given(tracks)[0]
    if x.weights is not None:
        return [replace(x, weights=replace(x.weights, frozen=True))]
    return [x if x.ids is None else trace.alike(x, "detach", grows=False)]


def fresh(trace: Trace, op: Op, tracks: list[Track | None]) -> Tracks:
    """Data, whatever it is made of: no gradient passes."""
    return [data(v.shape) for v in op.outputs]


def spread(trace: Trace, op: Op, tracks: list[Track | None]) -> Tracks:
    """A function of each unit along data only."""
    x = trace.as_units(given(tracks)[0])
    if x.ids is None:
        return [data(v.shape) for v in op.outputs]
    where = op.attributes.get("dims")
    where = (op.attributes["dim"],) if where is None else tuple(where)
    shape = _shape(op)
    if len(shape) != len(x.shape) or any(f.kind == UNIT for d in where for f in x.dims[d]):
        raise Unsaid("along units")
    dims = tuple(plain_dims((n,))[0] if d in where else x.dims[d] for d, n in enumerate(shape))
    linear = op.kind == "resample" or op.attributes.get("function") in ("mean", "average", "sum", "add")
    call = "linear" if linear and op.kind in ("pool", "resample", "cumulate") else op.kind
    y = trace.alike(x, "spread", call, dims=dims)
    return [y, *(data(v.shape) for v in op.outputs[1:])]


def topk(trace: Trace, op: Op, tracks: list[Track | None]) -> Tracks:
    """Along data: a function of each unit. Along units: the largest, of which only data say whose they are."""
    x, d = trace.as_units(given(tracks)[0]), int(op.attributes["dim"])
    if x.ids is None or not any(f.kind == UNIT for f in x.dims[d]):
        return spread(trace, op, tracks)
    new, units = reduced(x, (d,), True)
    trace.discrete(x.ids)                       # equal units may be cut apart
    y = trace.sum_over(x, units, new, "reduce", "topk")
    k = _shape(op)[d]
    y = Track((*new[:d], *plain_dims((k,)), *new[d + 1:]), y.ids)
    return [y, *(data(v.shape) for v in op.outputs[1:])]


def gather(trace: Trace, op: Op, tracks: list[Track | None]) -> Tracks:
    """Elements along a dim of data; which ones may differ from unit to unit."""
    x, index = given(tracks)
    d, shape = op.attributes["dim"], _shape(op)
    x = trace.as_units(x)
    if x.ids is None:
        return [data(shape)]
    if not index.data or any(f.kind == UNIT for f in x.dims[d]):
        raise Unsaid("along units, or by an index that learns")
    if any(n != m for i, (n, m) in enumerate(zip(x.shape, shape)) if i != d):
        raise Unsaid("a part of the units")
    bare = replace(x, dims=(*x.dims[:d], (), *x.dims[d + 1:]))
    which = Track((*index.dims[:d], (), *index.dims[d + 1:]))
    y = trace.join([bare, which], (*shape[:d], 1, *shape[d + 1:]), "choose")
    return [replace(y, dims=(*y.dims[:d], *plain_dims((shape[d],)), *y.dims[d + 1:]))]


def scatter(trace: Trace, op: Op, tracks: list[Track | None]) -> Tracks:
    """Elements put to places along a dim of data."""
    x, index, *more = given(tracks)
    d, shape = op.attributes["dim"], _shape(op)
    parts = [x, index, *more]
    if all(t.data for t in parts):
        return [data(shape)]
    if not index.data:
        raise Unsaid("an index that learns")
    if any(f.kind == UNIT for t in parts if t.ids is not None and d < len(t.dims) for f in t.dims[d]):
        raise Unsaid("along units")
    thin = (*shape[:d], 1, *shape[d + 1:])
    bare = []
    for t in parts:
        if len(t.shape) != len(shape):
            if t is index and len(t.shape) == 1:               # one place for a whole row
                continue
            raise Unsaid("shapes that do not go together")
        if t.weights is not None or any(n != m for i, (n, m) in enumerate(zip(t.shape, shape)) if i != d):
            raise Unsaid("a part of the units")
        bare.append(Track((*t.dims[:d], (), *t.dims[d + 1:]), t.ids))
    y = trace.join(bare, thin, "mix" if x.data else "choose")
    return [replace(y, dims=(*y.dims[:d], *plain_dims((shape[d],)), *y.dims[d + 1:]))]


def opaque(trace: Trace, op: Op, tracks: list[Track | None]) -> Tracks:
    """Not understood."""
    raise Unsaid(op.source or "opaque")


RULES: dict[str, Rule] = {
    "elementwise": elementwise, "compare": compare, "reduce": reduce, "softmax": softmax, "normalize": normalize,
    "dropout": dropout, "detach": detach, "data": fresh, "spread": spread, "gather": gather, "scatter": scatter,
    "opaque": opaque, "relocate": moves.relocate, "weigh": products.weigh, "attention": cells.attention,
    "recur": cells.recur, "topk": topk,
}


def rule_of(op: Op) -> Rule:
    """The rule of an operation."""
    return RULES[VOCABULARY[op.kind].axes]
