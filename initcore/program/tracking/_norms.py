"""Softmax and normalisations: functions of a unit and its group."""

from __future__ import annotations

from typing import Any

from .._program import Op
from ._facts import SQUARES
from ._layouts import reshape
from ._trace import Trace
from ._tracks import DATA, UNIT, Dims, Track, Unsaid


def given(tracks: list[Track | None]) -> list[Track]:
    return [t for t in tracks if t is not None]


def reduced(track: Track, dims: tuple[int, ...], keep: bool) -> tuple[Dims, list[int]]:
    """The dims that remain, and which dims of the unit array go."""
    units, k, new = [], 0, []
    for d, factors in enumerate(track.dims):
        for f in factors:
            if f.kind == UNIT:
                if d in dims:
                    units.append(k)
                k += 1
        if d not in dims:
            new.append(factors)
        elif keep:
            new.append(())
    return tuple(new), units


def softmax(trace: Trace, op: Op, tracks: list[Track | None]) -> list[Track]:
    """Over data a function of each unit; over units one of the unit and its group."""
    x = trace.as_units(given(tracks)[0])
    if x.ids is None:
        return [x]
    return [_grouped(trace, x, tuple(op.attributes["dims"]), "softmax", None)]


def _grouped(trace: Trace, x: Track, dims: tuple[int, ...], role: str, call: Any) -> Track:
    kept, units = reduced(x, dims, True)
    if not units:
        return trace.alike(x, role, call)
    places = any(f.kind == DATA for d in dims for f in x.dims[d])       # a constant need not come out then
    summed = f"{role} over data" if places else SQUARES if call == "rms" else role
    total = trace.sum_over(x, units, kept, "reduce", summed)
    return trace.join([x, total], x.shape, role, call)


def normalize(trace: Trace, op: Op, tracks: list[Track | None]) -> list[Track]:
    """Statistics over data (batch, instance), over units (layer, rms) or groups of them; then gain and shift."""
    x, gamma, beta, mean, var = [*tracks, None, None, None, None][:5]
    assert x is not None
    method, channel = op.attributes["method"], op.attributes.get("channel")
    shape = x.shape
    x = trace.as_units(x)
    if method in ("layer", "rms"):
        dims = tuple(op.attributes.get("dims") or (len(shape) - 1,))
        y = x if x.ids is None else _grouped(trace, x, dims, "norm", method)
    else:
        if channel is None:
            raise Unsaid("a normalisation without its channel dim")
        dims = (channel,)
        if method == "group":
            y = x if x.ids is None else _in_groups(trace, x, channel, int(op.attributes.get("groups", 1)))
        elif method == "batch" and not op.attributes.get("training", True):
            y = x
            for other, role in ((mean, "sum"), (var, "quotient")):
                if other is not None:
                    y = trace.join([y, _placed(other, dims, shape)], shape, role, "running")
        else:
            y = x if x.ids is None else trace.alike(x, "norm", method)
    for other, role in ((gamma, "product"), (beta, "sum")):
        if other is not None:
            y = trace.join([y, _placed(other, dims, shape)], shape, role, "gamma" if role == "product" else "beta")
    return [y]


def _placed(t: Track, dims: tuple[int, ...], shape: tuple[int, ...]) -> Track:
    """A parameter of some dims as one that broadcasts."""
    return reshape(t, [n if d in dims else 1 for d, n in enumerate(shape)])


def _in_groups(trace: Trace, x: Track, channel: int, groups: int) -> Track:
    shape = x.shape
    y = reshape(x, (*shape[:channel], groups, shape[channel] // groups, *shape[channel + 1:]))
    y = _grouped(trace, y, tuple(d for d in range(1, len(y.shape)) if d != channel), "norm", "group")
    return reshape(y, shape)
