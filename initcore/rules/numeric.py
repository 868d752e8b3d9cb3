"""NUM401 to RNG502: what the numbers themselves give away."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from .._types import Array
from .._weight_statistics import WeightStatistics
from . import _repeats
from ._catalogue import rule
from ._context import Context
from ._finding import Finding
from ._weights import call


def _call(c: Context, i: int, name: str) -> str:
    return f"ic.init.zeros({c.net.layers[i].fan_out})" if name.endswith(".b") else call(c.net, i)


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
        if not c.statistics(name, a).all_finite and (found := _first_bad(a)):
            count, where = found
            yield c.finding(i, f"{name} holds {count} non-finite value(s), the first {a[where]} at index {where}.",
                            measured=count, expected=0, cause="data", cure=f"re-initialise: {_call(c, i, name)}",
                            tensor=name)
    if c.x is not None and not c.finite_data and (found := _first_bad(c.x)):
        count, where = found
        yield c.finding(None, f"x holds {count} non-finite value(s), the first {c.x[where]} at index {where}.",
                        measured=count, expected=0, cause="data", cure="clean the inputs", tensor="x")
    if c.overflow is not None:
        i = c.overflow
        yield c.finding(i, f"The pre-activations of layers[{i}] overflow in {c.net.dtype.name} on this data.",
                        measured="overflow", expected="finite", cause="weight_scale", cure=_call(c, i, ".w"))


def _garbled(c: Context, seen: WeightStatistics) -> tuple[str, float, float] | None:
    """What is wrong with a tensor that looks like uninitialised memory: words, value, limit."""
    limits = c.numbers["NUM402"]
    if seen.largest > limits["largest"]:
        return f"holds values up to {seen.largest:.3g}: uninitialised memory?", seen.largest, limits["largest"]
    if seen.nonzero and seen.denormal > limits["denormal_share"] * seen.nonzero:
        return (f"holds {seen.denormal} denormal ones among its {seen.nonzero} non-zero values: uninitialised memory?",
                seen.denormal / seen.nonzero, limits["denormal_share"])
    return None


@rule("NUM402", title="garbage range or denormals", severity="fail",
      why="""Values of absurd size, or mostly denormal ones, are what uninitialised memory looks like (numpy.empty,
      torch.empty).""",
      measured="Any weight beyond `largest`, or more than `denormal_share` of the non-zero values denormal.",
      cure="Initialise the tensor.", thresholds={"largest": 1e10, "denormal_share": 0.01})
def garbage(c: Context) -> Iterator[Finding]:
    """Weights that look like uninitialised memory."""
    for i, name, a in c.net.parameters():
        if found := _garbled(c, c.statistics(name, a)):
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
        seen = c.statistics(name, a)
        if _garbled(c, seen) or not seen.all_finite:
            continue
        if seen.largest > numbers["largest"]:
            yield c.finding(i, f"{name} holds {seen.largest:.3g}, infinite in float16.", measured=seen.largest,
                            expected=numbers["largest"], cause="weight_scale", cure=_call(c, i, name), tensor=name)
        elif seen.nonzero and seen.small > numbers["zero_share"] * seen.nonzero:
            yield c.finding(i, f"{seen.small} of {seen.nonzero} non-zero values of {name} are 0 in float16.",
                            measured=seen.small / seen.nonzero, expected=numbers["zero_share"], cause="weight_scale",
                            cure=_call(c, i, name), tensor=name)
    for la in c.signal.layers if c.signal is not None else ():
        high = math.sqrt(la.q) * 6 if la.q == la.q else 0.0
        if high > numbers["largest"]:
            rms = c.signal.input_rms if c.signal is not None else 1.0
            fed = rms > 100 and high < 1000 * rms             # it is the inputs that are large
            yield c.finding(la.index, f"Pre-activations of layers[{la.index}] reach about {high:.3g}, infinite in "
                            "float16.", measured=high, expected=numbers["largest"],
                            cause="input_scale" if fed else "weight_scale",
                            cure=f"divide the inputs by {rms:.4g}" if fed else _call(c, la.index, ".w"),
                            tensor=f"layers[{la.index}].z")
            break


@rule("RNG501", title="identical random tensors in different layers", severity="warn",
      why="""Two layers drawn from the same seed hold the same numbers, up to scale: the layers are correlated and the
      theory of independent weights does not hold.""",
      measured="""The first 256 values of every tensor of at least `elements`, read in its own order and in the
      transposed one: a run of `elements` values that another layer holds too, up to one factor and one offset, wherever
      it begins. One array used twice, an autoencoder's decoder that mirrors its encoder, and matrices made by a formula
      (cosines, the identity) are no finding; the layers that torch.nn.TransformerEncoder and Decoder copy from one are
      information.""",
      cure="One child key a tensor: `key.child(\"layer0.weight\")`.", thresholds={"elements": 12})
def repeated(c: Context) -> Iterator[Finding]:
    """The same draws in two layers."""
    tensors = list(c.net.parameters())
    for k, j, count in _repeats.pairs([(name, a) for _, name, a in tensors], int(c.limits["elements"])):
        (i, name, a), (other, earlier, b) = tensors[k], tensors[j]
        if np.shares_memory(a, b) or i == other or (i + other == len(c.net.layers) - 1 and np.array_equal(a, b.T)):
            continue
        yield c.finding(i, f"{name} repeats the numbers of {earlier}: the same seed was used twice.",
                        measured=f"{count} equal draws", expected="independent draws", cause="data",
                        cure=f"one key a tensor: key.child(\"{name}\")", tensor=name)


@rule("RNG502", title="blocks of one tensor are the same", severity="warn",
      why="""Shards, heads or experts drawn one by one with the same seed are copies of each other; put together they
      make a tensor that says the same several times. Where all that belongs to the copies is equal too they stay
      copies for ever, and SYM101 says so.""",
      measured="""Weights whose columns, or rows, are one block of two or more different random ones, repeated to the
      end, bit for bit.""",
      cure="One child key a shard, or `ic.init` with `global_shape=` and `start=`, which makes any block of one draw.")
def repeated_blocks(c: Context) -> Iterator[Finding]:
    """A tensor put together from copies of one block."""
    for i, layer in enumerate(c.net.layers):
        if found := _repeats.period(layer.w):
            word, size = found
            whole = layer.fan_out if word == "columns" else layer.fan_in
            yield c.finding(i, f"The {whole} {word} of layers[{i}].w are {whole // size} copies of {size}: every shard "
                            "was drawn with the same seed.", measured=size, expected=whole, cause="data",
                            cure=f"key.child(shard) for each shard, or start= and global_shape="
                                 f"{(layer.fan_in, layer.fan_out)} with one key")
