"""Sums of products: weights between units where one side is a parameter, else a product and a sum over units."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..._types import Array
from .._program import Op
from ._layouts import cut, merged, permute, reshape
from ._trace import Trace
from ._tracks import DATA, SAME, UNIT, Factor, Track, Unsaid, data, flat, plain_dims, size

_PLACES = 1 << 12           # places of data that one weight matrix reads
_EXPERTS = 1 << 10


def weigh(trace: Trace, op: Op, tracks: list[Track | None]) -> list[Track]:
    """contract, convolve, look_up."""
    some = [t for t in tracks if t is not None]
    if op.kind == "look_up":
        return [_look_up(trace, op, *some)]
    if op.kind == "route":
        return [_route(trace, *some)]
    if op.kind == "convolve":
        return [_convolve(trace, op, *some)]
    a = op.attributes
    return [contract(trace, some[0], some[1], a["contracting"], a.get("batch") or ((), ()))]


def contract(trace: Trace, a: Track, b: Track, over: Any, batch: Any) -> Track:
    """``sum a b`` over dims; dims of the result: batch, free of a, free of b."""
    (ca, cb), (ba, bb) = over, batch
    fa = [d for d in range(len(a.shape)) if d not in (*ca, *ba)]
    fb = [d for d in range(len(b.shape)) if d not in (*cb, *bb)]
    if a.data and b.data:
        a, b = permute(a, (*ba, *fa, *ca)), permute(b, (*bb, *fb, *cb))
        return Track((*a.dims[:len(ba) + len(fa)], *b.dims[len(bb):len(bb) + len(fb)]))
    if a.weights is not None and b.weights is not None:
        a = _lift_for(trace, a, ca)
    if b.weights is not None:
        x, w = permute(a, (*ba, *fa, *ca)), permute(b, (*bb, *cb, *fb))
        return _weights(trace, x, w, len(ba), len(fa))
    if a.weights is not None:
        x, w = permute(b, (*bb, *fb, *cb)), permute(a, (*ba, *ca, *fa))
        y = _weights(trace, x, w, len(bb), len(fb))
        k, n = len(bb), len(bb) + len(fb)
        return permute(y, (*range(k), *range(n, len(y.shape)), *range(k, n)))
    return _product(trace, permute(a, (*ba, *fa, *ca)), permute(b, (*bb, *fb, *cb)), len(ba), len(fa), len(fb))


def _lift_for(trace: Trace, t: Track, over: Sequence[int]) -> Track:
    """A parameter that is multiplied by another: units along the sum, places of data elsewhere."""
    dims = tuple(tuple(Factor(f.size, SAME if f.kind == SAME else UNIT if d in over else DATA) for f in factors)
                 for d, factors in enumerate(t.dims))
    made, _ = trace._lift(t, [list(d) for d in t.dims], dims)
    return made


def _product(trace: Trace, a: Track, b: Track, batch: int, fa: int, fb: int) -> Track:
    sa, sb = a.shape, b.shape
    over = sa[batch + fa:]
    wide_a = reshape(a, (*sa[:batch + fa], *(1,) * fb, *over))
    wide_b = reshape(b, (*sb[:batch], *(1,) * fa, *sb[batch:]))
    shape = (*sa[:batch], *sa[batch:batch + fa], *sb[batch:batch + fb], *over)
    y = trace.join([wide_a, wide_b], shape, "product", trace.roles.get(trace.op))
    keep = batch + fa + fb
    units = [k for k, (d, f) in enumerate([(d, f) for d, fs in enumerate(y.dims) for f in fs if f.kind == UNIT])
             if d >= keep]
    if y.ids is None:
        return Track(y.dims[:keep])
    if units:
        return trace.sum_over(y, units, y.dims[:keep], "reduce", "sum")
    return trace.alike(y, "spread", "linear", dims=y.dims[:keep])


def _weights(trace: Trace, x: Track, w: Track, batch: int, free: int) -> Track:
    """``x (batch, free, over)`` times the parameter ``w (batch, over, out)``."""
    assert w.weights is not None
    bare = w.weights.array
    out = w.shape[len(x.shape) - free:]
    factors_b, factors_c = flat(x.dims[:batch]), flat(x.dims[batch + free:])
    return _between(trace, x, batch, free, factors_b, factors_c, out, w.weights,
                    lambda a: bare(a).reshape(size(factors_b), 1, size(factors_c), -1))


def _between(trace: Trace, x: Track, batch: int, free: int, factors_b: list[Factor], factors_c: list[Factor],
             out: Sequence[int], weights: Any, matrix: Any) -> Track:
    """``matrix(parameter) (E, taps, P, Q)``: E batches, P positions of x, Q results, taps that are conditions each."""
    sizes = [f.size for f in factors_c]
    units = [i for i, f in enumerate(factors_c) if f.kind == UNIT]
    if x.ids is None:
        units = list(range(len(sizes)))
    places = [i for i in range(len(sizes)) if i not in units]
    taps = int(np.prod([sizes[i] for i in places], dtype=np.int64))
    e, p, q = size(factors_b), int(np.prod([sizes[i] for i in units], dtype=np.int64)), int(np.prod(out))
    loose = [f for f in flat(x.dims[batch:batch + free]) if f.kind == UNIT]
    h = size(loose)
    if taps > _PLACES or e > _EXPERTS or h > 64:
        raise Unsaid("weights of too many places")

    def arrange(a: Array) -> Array:
        m: Array = matrix(a)
        m = m.reshape(e, m.shape[1], *sizes, q)
        k = len(sizes)
        m = m.transpose([0, 1, *(2 + i for i in places), *(2 + i for i in units), 2 + k])
        return m.reshape(e, -1, p, q)

    source = None
    if x.ids is not None:
        shape = [f.size if f.kind == UNIT else 1 for f in factors_b]
        source = np.broadcast_to(x.ids.reshape(*shape, h, p), (*(f.size for f in factors_b), h, p)).reshape(e, h, p)
    outs = [n for n in out if n != 1]
    batches = [f.size for f in factors_b]
    made = trace.family([*batches, *(f.size for f in loose), *outs], "weigh")
    trace.use(weights, arrange, source, made.ids.reshape(e, h, q))
    differ = [i for i, f in enumerate(factors_b) if f.kind == DATA]
    if differ:
        shape = [n if i in differ else 1 for i, n in enumerate(batches)] + [1] * (len(loose) + len(outs))
        place = np.arange(int(np.prod(shape))).reshape(shape)
        trace.place(made.ids, np.broadcast_to(place, made.shape))
    dims = (*(tuple(Factor(f.size, UNIT) for f in d) for d in x.dims[:batch]), *x.dims[batch:batch + free],
            *plain_dims(out, UNIT))
    return Track(dims, made.ids)


def _look_up(trace: Trace, op: Op, table: Track, index: Track) -> Track:
    d, shape = int(op.attributes.get("dim", 0)), op.outputs[0].shape
    k = len(index.shape)
    if not index.data:
        raise Unsaid("an index that learns")
    if table.weights is not None:
        order = [d, *(i for i in range(len(table.shape)) if i != d)]
        moved = permute(table, order)
        n, out = moved.shape[0], moved.shape[1:]
        assert moved.weights is not None
        bare = moved.weights.array
        x = Track((*index.dims, *plain_dims((n,))))
        y = _between(trace, x, 0, k, [], list(x.dims[-1]), out, moved.weights, lambda a: bare(a).reshape(1, 1, n, -1))
        return permute(y, (*range(k, k + d), *range(k), *range(k + d, len(y.shape))))
    if table.ids is None:
        return data(shape)
    if any(f.kind == UNIT for f in table.dims[d]):
        if index.known is None or any(f.kind != UNIT for f in table.dims[d]):
            raise Unsaid("units chosen by data")
        where = np.asarray(index.known).astype(np.int64)
        flat_dim = Track((*table.dims[:d], merged(table.dims[d]), *table.dims[d + 1:]), None)
        at = sum(f.kind == UNIT for f in flat(flat_dim.dims[:d]))
        whole = table.ids.reshape([f.size for f in flat(flat_dim.dims) if f.kind == UNIT])
        ids = np.take(whole, where.ravel(), axis=at)
        y = Track((*table.dims[:d], *plain_dims((where.size,), UNIT), *table.dims[d + 1:]),
                  ids if where.size != 1 else np.squeeze(ids, at))
        return reshape(y, shape)
    bare_dims = (*table.dims[:d], *index.dims, *table.dims[d + 1:])
    bare_dims = tuple(tuple(Factor(f.size, DATA) for f in row) if d <= i < d + k else row
                      for i, row in enumerate(bare_dims))
    return trace.alike(table, "spread", "linear", dims=bare_dims)


def _route(trace: Trace, x: Track, w: Track, ends: Track) -> Track:
    """Which matrix a row meets is data: the matrices are to a unit what the taps of a convolution are."""
    if w.weights is None or not ends.data:
        raise Unsaid("experts that are no parameter")
    bare, (experts, n, out) = w.weights.array, w.shape
    x = trace.as_units(x) if x.weights is not None else x
    return _between(trace, x, 0, 1, [], list(x.dims[-1]), (out,), w.weights,
                    lambda a: bare(a).reshape(1, experts, n, out))


def _convolve(trace: Trace, op: Op, x: Track, w: Track) -> Track:
    a, y_shape = op.attributes, op.outputs[0].shape
    b, c, *space = a["x_dims"]
    o, i, *taps = a["w_dims"]
    groups, back = int(a.get("groups", 1)), bool(a.get("transposed", False))
    if w.weights is None:
        if x.data and w.data:
            return data(y_shape)
        raise Unsaid("a convolution with weights that are no parameter")
    x = trace.as_units(x) if x.weights is not None else x
    if any(f.kind == UNIT for d in space for f in x.dims[d]):
        raise Unsaid("a convolution along units")
    moved = permute(w, (o, i, *taps))
    n_out, n_in = moved.shape[:2]
    if back:
        n_out, n_in = n_out * groups, n_in // groups
    per = n_out // groups
    channels = list(x.dims[c])
    if groups > 1:
        channels = cut(channels, {n_in})
    inner: list[Factor] = []
    while size(inner) < n_in:
        inner.insert(0, channels.pop())
    if size(inner) != n_in or size(channels) != groups:
        raise Unsaid("groups that split units")
    dims = (x.dims[b], tuple(channels), tuple(inner))
    thin = Track(dims)
    if x.ids is not None:
        thin = Track(dims, _arranged(x, b, c).reshape([f.size for f in flat(dims) if f.kind == UNIT]))
    assert moved.weights is not None
    bare = moved.weights.array

    def matrix(m: Array) -> Array:
        m = bare(m).reshape(*moved.shape[:2], -1)
        m = m.reshape(per, groups, n_in, -1).transpose(1, 3, 2, 0) if back else \
            m.reshape(groups, per, n_in, -1).transpose(0, 3, 2, 1)
        return m                                             # (groups, taps, in, out)

    if groups > 1 and n_in == 1 and x.ids is not None:
        made = _depthwise(trace, thin, groups, per, moved, matrix)
    else:
        lead = permute(thin, (1, 0, 2))
        made = _between(trace, lead, 1, 1, flat(lead.dims[:1]), flat(lead.dims[2:]), (per,), moved.weights, matrix)
        made = permute(made, (1, 0, 2))
    result: list[tuple[Factor, ...]] = [()] * len(y_shape)
    result[b], result[c] = made.dims[0], (*made.dims[1], *made.dims[2])
    ids = made.ids
    assert ids is not None
    if b > c:
        k = sum(f.kind == UNIT for f in made.dims[0])
        ids = ids.transpose([*range(k, ids.ndim), *range(k)])
    for d in space:
        result[d] = plain_dims((y_shape[d],))[0]
    return Track(tuple(result), ids)


def _arranged(x: Track, b: int, c: int) -> Array:
    """The units with those of the batch dim first."""
    assert x.ids is not None
    k, n = (sum(f.kind == UNIT for f in x.dims[d]) for d in (b, c))
    return x.ids if b < c else x.ids.transpose([*range(n, n + k), *range(n)])


def _depthwise(trace: Trace, x: Track, groups: int, per: int, w: Track, matrix: Any) -> Track:
    """Each channel with taps of its own: a product of units, the taps are places."""
    assert w.weights is not None
    if any(f.kind != UNIT for f in x.dims[1]) or any(f.kind == UNIT for f in x.dims[0]):
        raise Unsaid("channels that are data")

    def arrange(a: Array) -> Array:
        m: Array = matrix(a)
        return m.transpose(1, 0, 2, 3).reshape(1, 1, m.shape[1], -1)

    taps = size(flat(w.dims)) // (groups * per)
    ids = trace._lifted(w.weights, arrange, [groups, per] if per > 1 else [groups], taps)
    weights = Track((x.dims[0], *plain_dims((groups, per), UNIT)), ids)
    if len(x.dims[1]) != 1:
        weights = Track((x.dims[0], x.dims[1], *plain_dims((per,), UNIT)),
                        ids.reshape([*(f.size for f in x.dims[1]), *([per] if per > 1 else [])]))
    weights = Track(((), *weights.dims[1:]), weights.ids)
    y = trace.join([Track((x.dims[0], x.dims[1], ()), x.ids), weights], (*x.shape[:2], per), "product", "depthwise")
    return y
