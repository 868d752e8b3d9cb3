"""Keras's layers in the words of :mod:`initcore.program`: one entry each.

An entry takes the :class:`Layer` (what it writes with, its config, its variables) and the values it is called on; it
gives one value, or several. What it cannot say exactly is not understood, and opaque.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from ...._aten import TABLE, NotUnderstood, single
from ....program import Value
from ._layer import Entry, Layer, axes, one
from ._norms import ENTRIES as NORMS

Single = Callable[[Layer, list[Value]], Value]
_UNMASKED = "Padding that Keras masks (mask_zero, Masking) is run like the rest: it says nothing of ties."


def _dense(la: Layer, xs: list[Value]) -> Value:
    x, w = one(xs), la.weight(0)
    out = la.build.contract(x, w, ((len(x.shape) - 1,), (0,)))
    if la.config.get("use_bias", True):
        out = la.build.binary("add", out, la.weight(1))
    return la.active(out)


def _einsum_dense(la: Layer, xs: list[Value]) -> Value:
    out = TABLE["einsum"](la.build, str(la.config["equation"]), [one(xs), la.weight(0)])
    if la.config.get("bias_axes"):
        out = la.build.binary("add", out, la.weight(1))
    return la.active(out)


def _unmasked(la: Layer) -> None:
    if _UNMASKED not in la.held.weights.notes:
        la.held.weights.notes.append(_UNMASKED)


def _masking(la: Layer, xs: list[Value]) -> Value:
    _unmasked(la)
    return one(xs)


def _embedding(la: Layer, xs: list[Value]) -> Value:
    x, table = one(xs), la.weight(0)
    if la.config.get("mask_zero"):
        _unmasked(la)
    return la.build.emit("look_up", table, x, shape=(*x.shape, *table.shape[1:]), dim=0)


def _dropout(shared: bool) -> Entry:
    def entry(la: Layer, xs: list[Value]) -> Value:
        x, rate = one(xs), float(la.config.get("rate", 0.0))
        la.has("noise_shape", None)
        dims = tuple(range(1, len(x.shape) - 1)) if shared else ()
        return la.build.emit("dropout", x, shape=x.shape, rate=rate, dims=dims) if rate else x
    return entry


def _flatten(la: Layer, xs: list[Value]) -> Value:
    x = one(xs)
    la.has("data_format", "channels_last", None)
    return la.build.reshape(x, (x.shape[0], math.prod(x.shape[1:])))


def _reshape(la: Layer, xs: list[Value]) -> Value:
    x = one(xs)
    return la.build.reshape(x, (x.shape[0], *(int(n) for n in la.config["target_shape"])))


def _repeat(la: Layer, xs: list[Value]) -> Value:
    x = one(xs)
    return la.build.expand(la.build.unsqueeze(x, 1), (x.shape[0], int(la.config["n"]), *x.shape[1:]))


def _relu(la: Layer, xs: list[Value]) -> Value:
    la.has("threshold", 0, 0.0, None)
    slope, most = la.config.get("negative_slope") or 0.0, la.config.get("max_value")
    if slope and most is not None:
        raise NotUnderstood
    if most is not None:
        return single("clamp", la.build, one(xs), 0.0, float(most))
    return la.build.activation(f"leaky_relu_{float(slope)!r}" if slope else "relu", one(xs))


def _leaky(la: Layer, xs: list[Value]) -> Value:
    slope = la.config.get("negative_slope", la.config.get("alpha", 0.3))
    return la.build.activation(f"leaky_relu_{float(slope)!r}", one(xs))


def _prelu(la: Layer, xs: list[Value]) -> Value:
    x, slope = one(xs), la.weight(0)
    return la.build.choose(la.build.binary("compare", x, 0.0, function="gt"), x,
                           la.build.binary("multiply", x, slope))


def _merge(kind: str) -> Single:
    def entry(la: Layer, xs: list[Value]) -> Value:
        out = xs[0]
        for x in xs[1:]:
            out = la.build.binary(kind, out, x)
        return out
    return entry


def _average(la: Layer, xs: list[Value]) -> Value:
    return la.build.binary("divide", _merge("add")(la, xs), float(len(xs)))


def _concatenate(la: Layer, xs: list[Value]) -> Value:
    return la.build.concatenate(xs, int(la.config.get("axis", -1)))


def _rescaling(la: Layer, xs: list[Value]) -> Value:
    scaled = la.build.binary("multiply", one(xs), float(la.config["scale"]))
    return la.build.binary("add", scaled, float(la.config.get("offset", 0.0)))


def _softmax(la: Layer, xs: list[Value]) -> Value:
    x = one(xs)
    return la.build.emit("softmax", x, shape=x.shape, dims=axes(la, x), log=False)


def _same(la: Layer, xs: list[Value]) -> Value:
    return one(xs)


ENTRIES: dict[str, Entry] = {
    "Dense": _dense, "EinsumDense": _einsum_dense, "Embedding": _embedding,
    "Masking": _masking, "Dropout": _dropout(False), "AlphaDropout": _dropout(False),
    **{f"SpatialDropout{k}D": _dropout(True) for k in (1, 2, 3)}, "Flatten": _flatten, "Reshape": _reshape,
    "Permute": lambda la, xs: la.build.permute(one(xs), (0, *(int(d) for d in la.config["dims"]))),
    "RepeatVector": _repeat, "ReLU": _relu, "LeakyReLU": _leaky, "PReLU": _prelu, "Softmax": _softmax,
    "ELU": lambda la, xs: TABLE["elu"](la.build, one(xs), la.config.get("alpha", 1.0)),
    "Activation": lambda la, xs: la.active(one(xs)), "Identity": _same, "ActivityRegularization": _same,
    "Add": _merge("add"), "Subtract": _merge("subtract"), "Multiply": _merge("multiply"), "Average": _average,
    "Maximum": _merge("maximum"), "Minimum": _merge("minimum"), "Concatenate": _concatenate, "Rescaling": _rescaling,
    **NORMS,
}
