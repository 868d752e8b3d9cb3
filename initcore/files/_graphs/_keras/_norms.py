"""Keras's normalisations."""

from __future__ import annotations

from ...._aten import NotUnderstood
from ....program import Value
from ._layer import Entry, Layer, axes, one


def _gains(la: Layer) -> tuple[Value | None, Value | None, int]:
    """Scale, offset, and how many variables they take."""
    scale, center = bool(la.config.get("scale", True)), bool(la.config.get("center", True))
    return la.weight(0) if scale else None, la.weight(int(scale)) if center else None, scale + center


def _batch_norm(la: Layer, xs: list[Value]) -> Value:
    x = one(xs)
    (channel,) = axes(la, x)
    gamma, beta, n = _gains(la)
    return la.build.emit("normalize", x, gamma, beta, la.weight(n, buffer=True), la.weight(n + 1, buffer=True),
                         shape=x.shape, method="batch", channel=channel, eps=float(la.config.get("epsilon", 1e-3)),
                         training=la.config.get("trainable") is not False)


def _layer_norm(la: Layer, xs: list[Value]) -> Value:
    x = one(xs)
    dims = axes(la, x)
    if dims != tuple(range(dims[0], len(x.shape))):
        raise NotUnderstood
    method = "rms" if la.config.get("rms_scaling") else "layer"
    gamma, beta, _ = _gains(la)
    return la.build.emit("normalize", x, gamma, beta, None, None, shape=x.shape, method=method, dims=dims,
                         eps=float(la.config.get("epsilon", 1e-3)))


def _rms_norm(la: Layer, xs: list[Value]) -> Value:
    x = one(xs)
    return la.build.emit("normalize", x, la.weight(0), None, None, None, shape=x.shape, method="rms",
                         dims=axes(la, x), eps=float(la.config.get("epsilon", 1e-6)))


def _group_norm(la: Layer, xs: list[Value]) -> Value:
    x = one(xs)
    k = len(x.shape) - 2
    if axes(la, x) != (k + 1,):
        raise NotUnderstood
    gamma, beta, _ = _gains(la)
    groups = int(la.config["groups"])
    first = la.build.permute(x, (0, k + 1, *range(1, k + 1)))
    y = la.build.emit("normalize", first, gamma, beta, None, None, shape=first.shape, method="group", channel=1,
                      groups=first.shape[1] if groups == -1 else groups, eps=float(la.config.get("epsilon", 1e-3)))
    return la.build.permute(y, (0, *range(2, k + 2), 1))

ENTRIES: dict[str, Entry] = {
    "BatchNormalization": _batch_norm, "LayerNormalization": _layer_norm, "RMSNormalization": _rms_norm,
    "GroupNormalization": _group_norm,
}
