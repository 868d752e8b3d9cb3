"""Operations whose units have several parts: attention and recurrent cells."""

from __future__ import annotations

import numpy as np

from ..._types import Array
from .._program import Op
from .._vocabulary import CELLS
from ._layouts import reshape
from ._scores import KEYS, VALUES
from ._trace import Trace
from ._tracks import UNIT, Track, Unsaid, data, plain_dims, size


def attention(trace: Trace, op: Op, tracks: list[Track | None]) -> list[Track]:
    """Scores of q and k summed over channels, softmax over keys, values weighed."""
    q, k, v, mask = [*tracks, None][:4]
    assert q is not None and k is not None and v is not None
    q, k, v = trace.as_units(q), trace.as_units(k), trace.as_units(v)
    lead = len(q.shape) - 2
    share = int(op.attributes.get("queries", 1))
    if share > 1:
        heads = k.shape[lead - 1]
        q = reshape(q, (*q.shape[:lead - 1], heads, share, *q.shape[lead:]))
        k, v = (reshape(t, (*t.shape[:lead], 1, *t.shape[lead:])) for t in (k, v))
    ta, tb = q.shape[-2], k.shape[-2]
    shape = (*q.shape[:-2], ta, tb, q.shape[-1])
    s = trace.join([reshape(q, (*q.shape[:-1], 1, q.shape[-1])), reshape(k, (*k.shape[:-2], 1, tb, k.shape[-1]))],
                   shape, "product", (KEYS, 1))
    s = _sum_last(trace, s)
    if s.ids is None:
        raise Unsaid("attention of data alone")
    if mask is not None:
        full = (*((1,) * (lead + 2 - len(mask.shape))), *mask.shape)
        if share > 1:
            full = (*full[:lead - 1], *((heads, share) if full[lead - 1] != 1 else (1, 1)), *full[lead:])
        s = trace.join([s, reshape(mask, full)], s.shape, "sum", "mask")
    s = trace.alike(s, "softmax")
    if op.attributes.get("dropout"):
        s = trace.alike(s, "dropout")
        assert s.ids is not None
        trace.discrete(s.ids)
    y = trace.join([reshape(s, (*s.shape, 1)), reshape(v, (*v.shape[:-2], 1, tb, v.shape[-1]))],
                   (*s.shape, v.shape[-1]), "product", (VALUES, 0))
    y = trace.alike(y, "spread", "linear", dims=(*y.dims[:-2], y.dims[-1]))
    return [reshape(y, op.outputs[0].shape)]


def _sum_last(trace: Trace, y: Track) -> Track:
    if y.ids is None:
        return Track(y.dims[:-1])
    n = sum(f.kind == UNIT for f in y.dims[-1])
    if not n:
        return trace.alike(y, "spread", "linear", dims=y.dims[:-1])
    return trace.sum_over(y, list(range(y.ids.ndim - n, y.ids.ndim)), y.dims[:-1], "reduce", "sum")


def recur(trace: Trace, op: Op, tracks: list[Track | None]) -> list[Track]:
    """Cells: a unit is what its gates make of it, at all times alike."""
    x, h0, c0, *weights = tracks
    assert x is not None
    if x.ids is not None and any(f.kind == UNIT for d in x.dims[:-1] for f in d):
        raise Unsaid("units in the place of time")
    a = op.attributes
    cell, layers, both = a["cell"], int(a.get("layers", 1)), bool(a.get("bidirectional", False))
    per, ways, biased = CELLS[cell], 1 + both, bool(a.get("biases", True))
    state = [None if t is None or t.data else trace.as_units(t) for t in (h0, c0)]
    if any(t is not None for t in state):
        steps = x.shape[:-1][1 if a.get("batch_first") else 0] if len(x.shape) == 3 else 1
        if steps != 1 or layers * ways != 1 or None in state[:2 if cell == "lstm" else 1]:
            raise Unsaid("an initial state that learns")
    projected = bool(a.get("projected", False))
    each = (4 if biased else 2) + projected
    if len(weights) != each * layers * ways or any(w is None or w.weights is None for w in weights):
        raise Unsaid("a cell with other weights than its own")
    lead = x.dims[:-1]
    finals = []
    for layer in range(layers):
        outs = [_cell(trace, x, weights[each * (layer * ways + way):][:each], cell, per, state, projected)  # type: ignore[arg-type]
                for way in range(ways)]
        if layer < layers - 1 and a.get("dropout"):
            for k, t in enumerate(outs):
                outs[k] = trace.alike(t, "dropout")
                trace.discrete(outs[k].ids)  # type: ignore[arg-type]
        finals += outs
        if ways == 1:
            x = outs[0]
        else:
            ids: Array = np.concatenate([trace.alike(t, "sum", "concatenate").ids for t in outs])
            x = Track((*lead, *plain_dims((len(ids),), UNIT)), ids)
    results = [x]
    for v in op.outputs[1:]:
        if layers * ways == 1 and v.shape[-1] == finals[0].shape[-1]:
            results.append(trace.alike(finals[0], "spread", "linear",
                                       dims=(*plain_dims(v.shape[:-1]), finals[0].dims[-1])))
            continue
        results.append(_states(trace, finals, v.shape) if v in trace.used else data(v.shape))
    return results


def _states(trace: Trace, finals: list[Track], shape: tuple[int, ...]) -> Track:
    """The last states of several layers: theirs, whatever is done with them."""
    for t in finals:
        trace.output(t)
    return data(shape)


def _cell(trace: Trace, x: Track, weights: list[Track], cell: str, per: int, start: list[Track | None],
          projected: bool) -> Track:
    """The units of one layer in one direction; from a state ``start`` that learns, one step.

    projected : the last weight makes other units of the cell's, which are what the next step and the others see.
    """
    w_ih, w_hh, *biases = weights
    n = w_hh.shape[0] // per
    if projected and any(t is not None for t in start):
        raise Unsaid("a projected state that learns")
    parts = (0, 1, 2, 3) if cell == "lstm" else (0, 1, 2, 3) if cell == "gru" else (0,)
    gates = [trace.family((n,), "weigh", ("gate", p)) for p in parts]
    given = [_own(t, n) for t in start if t is not None]
    state = trace.family((n,), "mix" if given else "recur", cell)
    for ids in (*(g.ids for g in gates), *given):
        trace.unions.append((state.ids, ids))
        state.operands.append(("in", ids))
    seen = Track((*x.dims[:-1], *plain_dims((n,), UNIT)), state.ids)
    if projected:
        last = biases.pop().weights
        assert last is not None
        m, wide = w_hh.shape[1], last.array
        short = trace.family((m,), "weigh", "projection")
        trace.use(last, lambda a: wide(a).T.reshape(1, 1, n, m), state.ids.reshape(1, 1, n), short.ids.reshape(1, 1, m))
        seen = Track((*x.dims[:-1], *plain_dims((m,), UNIT)), short.ids)
    assert seen.ids is not None
    before = given[0] if given else seen.ids
    into = list(range(per))
    within = [0, 1, 3] if cell == "gru" else into
    over = Track((x.dims[-1],), x.ids)
    for w, target, source in ((w_ih, into, over), (w_hh, within, Track((seen.dims[-1],), before))):
        for k, p in enumerate(target):
            _gate(trace, source, w, slice(k * n, (k + 1) * n), gates[p].ids)
    for b, target in zip(biases, (into, within)):
        for k, p in enumerate(target):
            assert b.weights is not None
            bare, rows = b.weights.array, slice(k * n, (k + 1) * n)
            trace.use(b.weights, lambda m, bare=bare, rows=rows: bare(m)[rows].reshape(1, 1, 1, n), None,  # type: ignore
                      gates[p].ids.reshape(1, 1, -1), lift=True)
    return seen


def _own(t: Track, n: int) -> Array:
    """The units of a state: all of them along its last dim."""
    if t.ids is None or t.ids.size != n or any(f.kind != UNIT for f in t.dims[-1]):
        raise Unsaid("a state of other units")
    return t.ids.ravel()


def _gate(trace: Trace, x: Track, w: Track, rows: slice, target: Array) -> None:
    assert w.weights is not None
    bare, factors = w.weights.array, list(x.dims[-1])
    if x.ids is not None and any(f.kind != UNIT for f in factors):
        raise Unsaid("a cell that reads units and data in one dim")
    p = size(factors)
    source = None if x.ids is None else x.ids.reshape(1, 1, p)
    trace.use(w.weights, lambda m: bare(m)[rows].T.reshape(1, 1, p, -1), source, target.reshape(1, 1, -1))
