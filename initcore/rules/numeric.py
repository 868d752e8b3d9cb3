"""NUM401 to RNG501: what the numbers themselves give away."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from ._catalogue import rule
from ._context import Context
from ._conventions import initializer_call
from ._finding import Finding

Array = np.ndarray


def _call(c: Context, i: int, name: str) -> str:
    layer = c.net.layers[i]
    return (f"ic.init.zeros({layer.fan_out})" if name.endswith(".b")
            else initializer_call(layer.activation, layer.fan_in, layer.fan_out))


def _first_bad(a: Array) -> tuple[int, tuple[int, ...]] | None:
    """How many values are not finite, and where the first stands."""
    bad = ~np.isfinite(a)
    return (int(bad.sum()), tuple(int(k) for k in np.argwhere(bad)[0])) if bad.any() else None


@rule("NUM401", title="non-finite value", severity="fail",
      why="NaN or infinity in a weight spreads to every output in one step.",
      measured="Every weight, bias and, given data, input; and the activations, which may overflow.",
      cure="Load the weights again or re-initialise the layer named.")
def non_finite(c: Context) -> Iterator[Finding]:
    """NaN and infinity, in weights, inputs and sums."""
    for i, name, a in c.net.parameters():
        if found := _first_bad(a):
            count, where = found
            yield c.finding(i, f"{name} holds {count} non-finite value(s), the first {a[where]} at index {where}.",
                            measured=count, expected=0, cause="data", cure=f"re-initialise: {_call(c, i, name)}",
                            tensor=name)
    if c.x is not None and (found := _first_bad(c.x)):
        count, where = found
        yield c.finding(None, f"x holds {count} non-finite value(s), the first {c.x[where]} at index {where}.",
                        measured=count, expected=0, cause="data", cure="clean the inputs", tensor="x")
    if c.overflow is not None:
        i = c.overflow
        yield c.finding(i, f"The pre-activations of layers[{i}] overflow in {c.net.dtype.name} on this data.",
                        measured="overflow", expected="finite", cause="weight_scale", cure=_call(c, i, ".w"))


def _size(a: Array) -> tuple[float, int, Array]:
    """The largest absolute value of the finite ones, how many are not 0, and all of them."""
    size = np.abs(a[np.isfinite(a)])
    return float(size.max(initial=0)), int(np.count_nonzero(size)), size


def _garbled(c: Context, i: int, a: Array) -> tuple[str, float, float] | None:
    """What is wrong with a tensor that looks like uninitialised memory: words, value, limit."""
    numbers = c.numbers["NUM402"]
    largest, nonzero, size = _size(a)
    if largest > numbers["largest"]:
        return f"holds values up to {largest:.3g}: uninitialised memory?", largest, numbers["largest"]
    tiny = int(np.count_nonzero((size > 0) & (size < np.finfo(a.dtype).tiny)))
    if nonzero and tiny > numbers["denormal_share"] * nonzero:
        return (f"holds {tiny} denormal ones among its {nonzero} non-zero values: uninitialised memory?",
                tiny / nonzero, numbers["denormal_share"])
    return None


@rule("NUM402", title="garbage range or denormals", severity="fail",
      why="""Values of absurd size, or mostly denormal ones, are what uninitialised memory looks like (numpy.empty,
      torch.empty).""",
      measured="Any weight beyond `largest`, or more than `denormal_share` of the non-zero values denormal.",
      cure="Initialise the tensor.", thresholds={"largest": 1e10, "denormal_share": 0.01})
def garbage(c: Context) -> Iterator[Finding]:
    """Weights that look like uninitialised memory."""
    for i, name, a in c.net.parameters():
        if found := _garbled(c, i, a):
            text, value, limit = found
            yield c.finding(i, f"{name} {text}", measured=value, expected=limit, cause="data", cure=_call(c, i, name),
                            tensor=name)


@rule("NUM403", title="overflow or underflow in half precision", severity="warn",
      why="In float16 values beyond 65504 become infinite and values below 3e-8 become 0.",
      measured="""Weights or pre-activations (mean and six standard deviations) beyond `largest`; or more than
      `zero_share` of a tensor's non-zero values below `smallest`.""",
      cure="Scale the weights; use bfloat16 or loss scaling.",
      thresholds={"largest": 65504.0, "smallest": 2.0 ** -25, "zero_share": 0.5})
def half_precision(c: Context) -> Iterator[Finding]:
    """Weights and sums that float16 cannot hold."""
    numbers = c.limits
    for i, name, a in c.net.parameters():
        if _garbled(c, i, a) or _first_bad(a):
            continue
        largest, nonzero, size = _size(a)
        lost = int(np.count_nonzero((size > 0) & (size < numbers["smallest"])))
        if largest > numbers["largest"]:
            yield c.finding(i, f"{name} holds {largest:.3g}, infinite in float16.", measured=largest,
                            expected=numbers["largest"], cause="weight_scale", cure=_call(c, i, name), tensor=name)
        elif nonzero and lost > numbers["zero_share"] * nonzero:
            yield c.finding(i, f"{lost} of {nonzero} non-zero values of {name} are 0 in float16.",
                            measured=lost / nonzero, expected=numbers["zero_share"], cause="weight_scale",
                            cure=_call(c, i, name), tensor=name)
    for la in c.signal.layers if c.signal is not None else ():
        high = math.sqrt(la.q) * 6 if la.q == la.q else 0.0
        if high > numbers["largest"]:
            yield c.finding(la.index, f"Pre-activations of layers[{la.index}] reach about {high:.3g}, infinite in "
                            "float16.", measured=high, expected=numbers["largest"], cause="weight_scale",
                            cure=_call(c, la.index, ".w"), tensor=f"layers[{la.index}].z")
            break


@rule("RNG501", title="identical random tensors in different layers", severity="warn",
      why="""Two layers drawn from the same seed hold the same numbers, up to scale: the layers are correlated and the
      theory of independent weights does not hold.""",
      measured="Weights of different layers, of at least `elements` each, whose first elements agree up to one common "
               "factor.",
      cure="One child key a tensor: `key.child(\"layer0.weight\")`.", thresholds={"elements": 8})
def repeated(c: Context) -> Iterator[Finding]:
    """The same draws in two layers, up to one factor; one array used twice is sharing and no finding."""
    need = int(c.limits["elements"])
    seen: list[tuple[int, str, Array]] = []
    for i, name, a in c.net.parameters():
        head = a.ravel()[:64].astype(np.float64)
        if len(head) < need or not np.isfinite(head).all():
            continue
        if len(np.unique(head)) < 0.9 * len(head):
            continue                        # constants, eye, sparse: equal by construction, not by a seed
        tolerance = 64 * float(np.finfo(a.dtype).eps)
        for j, other, earlier in seen:
            k = min(len(head), len(earlier))
            if i == j or np.shares_memory(a, dict((n, p) for _, n, p in c.net.parameters())[other]):
                continue
            u, v = head[:k], earlier[:k]
            scale = np.linalg.norm(u) * np.linalg.norm(v)
            if scale > 0 and 1 - abs(float(u @ v)) / scale <= tolerance:
                yield c.finding(i, f"{name} repeats the numbers of {other}: the same seed was used twice.",
                                measured=f"{k} equal draws", expected="independent draws", cause="data",
                                cure=f"one key a tensor: key.child(\"{name}\")", tensor=name)
                break
        seen.append((i, name, head))
