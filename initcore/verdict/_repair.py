"""A network mended after its findings, and proved so by its own check."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import initializers
from ..network import Dense, Network
from ..random import Key, as_key
from ..rules import Finding

Recheck = Callable[[Network], Sequence[Finding]]
_RANDOM = ("weight_scale", "weight_mean", "layout", "symmetry", "data")


def repaired(net: Network, findings: Sequence[Finding], recheck: Recheck, x: np.ndarray | None, rng: Any) -> Network:
    """Mend what was found; if findings remain, mend every hidden layer; the last resort is a quiet last layer.

    ``recheck`` gives the findings of a candidate; ``x`` is the data, where there are usable ones.
    """
    key = as_key(rng)
    if not any(f.severity != "info" for f in findings):
        return net
    usable = x is not None
    x = None if x is None else np.asarray(x, dtype=np.float64)
    found = [f for f in findings if f.severity != "info"]
    scale_input = usable and any(f.cause in ("input_scale", "input_offset") for f in found)
    fresh = {f.layer for f in found if f.cause in _RANDOM and f.layer is not None}
    flat = {f.layer for f in found if f.cause == "bias" and f.layer is not None}
    stack = any(f.cause == "activation" for f in found)
    for attempt in range(4):
        everything = attempt > 0 or stack
        if attempt > 1 and usable:
            scale_input = True
        new = [_layer(net, i, key, everything or i in fresh, i in flat, centred=everything, quiet=attempt > 0)
               for i in range(len(net.layers))]
        if scale_input and x is not None:
            new[0] = _folded(new[0] if everything or 0 in fresh else net.layers[0], x)
        mended = Network(new)
        worse = [f for f in recheck(mended) if f.severity != "info"]
        if not worse:
            break
        fresh |= {f.layer for f in worse if f.layer is not None}
    return mended


def _layer(net: Network, i: int, key: Key, again: bool, flat: bool, *, centred: bool, quiet: bool) -> Dense:
    """Layer i as it is, with zero biases, or drawn again.

    ``centred``: where the layer below gives sigmoid-like outputs with centre c, the bias takes -c times the column
    sums, and weights and bias the factor that makes phi the equivalent odd function of unit slope: a sigmoid stack
    becomes the tanh network of the same weights.
    """
    layer, last = net.layers[i], i == len(net.layers) - 1
    if not again:
        return layer.replace(b=None if layer.b is None else np.zeros_like(layer.b)) if flat else layer
    start = layer.activation.start(layer.fan_in, layer.fan_out, first=i == 0)
    w = initializers.get(start.initializer)((layer.fan_in, layer.fan_out), **start.arguments, dtype="float64",
                                            rng=key.child(f"layer{i}.weight"))
    b = None if layer.b is None else np.zeros(layer.fan_out)
    if centred:
        below = net.layers[i - 1].activation if i else None
        # phi(z) = c + h psi(z / k): k = h / phi'(0) gives psi slope 1 at 0
        if layer.activation.saturating and layer.activation.center:
            w *= layer.activation.half_range / layer.activation.dphi0
        if below is not None and below.saturating and below.center:
            w /= below.half_range
            b = -below.center * w.sum(axis=0)
    if last and quiet:
        w *= 0.1
        b = None if b is None else b * 0.1
    return Dense(w.astype(net.dtype), None if b is None else b.astype(net.dtype), layer.activation)


def _folded(layer: Dense, x: np.ndarray) -> Dense:
    """The layer that does on raw x what ``layer`` does on x centred and scaled to mean square 1."""
    mean = x.mean(axis=0)
    rms = math.sqrt(float(np.mean(np.square(x - mean)))) or 1.0
    w = layer.w.astype(np.float64) / rms
    b = (0.0 if layer.b is None else layer.b.astype(np.float64)) - mean @ w
    return Dense(w.astype(layer.dtype), b.astype(layer.dtype), layer.activation)
