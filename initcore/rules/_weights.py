"""What the weights of one layer look like (spread, whose scale, whether a layout was mistaken), and what a person would
write instead: the call and the standard deviation it draws, from the activation's entry."""

from __future__ import annotations

import math

import numpy as np

from .._types import Array
from ..activations import Start
from ..network import Dense, Network

CUT = 0.87962566103423978         # standard deviation of a normal of 1 cut at two sigmas
_CUT_KURTOSIS = 2.3655            # and its fourth moment over the square of its second


def spread(layer: Dense) -> tuple[float, float]:
    """Mean and standard deviation of all weights, in float64."""
    seen = layer.look()
    return seen.total_mean, seen.std


def off_centre(layer: Dense) -> bool:
    """Is the weights' mean large beside their deviation, and larger than so many draws make it?"""
    mean, std = spread(layer)
    return abs(mean) > 0.5 * std and abs(mean) > 6 * std / math.sqrt(max(layer.w.size, 1))


def fits(layer: Dense, fan: float, constants: tuple[float, ...]) -> bool:
    """Is fan times the mean square of the weights one of the constants, within four standard errors (and 1%)?"""
    value = fan * layer.look().mean_square
    slack = 1.01 + 4 * math.sqrt(2 / layer.w.size)
    return any(1 / slack <= value / c <= slack for c in constants)


def library_scale(layer: Dense) -> bool:
    """Has a layer PyTorch's default variance 1/(3 fan_in), or small_init's 2/(5 fan_in)? Small, and chosen by many."""
    return fits(layer, layer.fan_in, (1 / 3, 0.4))


def wrong_layout(net: Network, i: int, ratio: float) -> bool:
    """Does the variance of layer i fit fan_out where it should fit fan_in (or their mean)?

    Only schemes with a fan_in default count: He for the ReLU family, LeCun, PyTorch's uniform. Not taken for a
    mistake: a standard deviation of 0.1, 0.05, 0.02 and the like (also as the nominal one of a normal cut at two
    sigmas, or the bound of a uniform), which was picked by hand and fits by chance; weights of a few values only; and
    a network all of whose layers fit fan_out, which was asked for (``mode="fan_out"``).
    """
    layer = net.layers[i]
    return _fits_fan_out(layer, ratio) and not (
        len(net.layers) > 1 and all(fits(la, la.fan_out, (2.0, max(la.activation.squared_gain, 1.0)))
                                    for la in net.layers))


def maybe_meant(net: Network, ratio: float) -> bool:
    """May ``mode="fan_out"`` have been asked for, for all one can tell?

    So it is where no layer that tells the fans apart was drawn by fan_in: one hidden layer alone, or several below a
    last layer that is zero or a library's default. A last layer of He's or LeCun's own scale by fan_in says that the
    same call was meant for the others.
    """
    hidden, head = net.layers[:-1], net.layers[-1]
    telling = [la for la in hidden if la.w.size >= 256
               and max(la.fan_in, la.fan_out) >= ratio * min(la.fan_in, la.fan_out)]
    if not all(_fits_fan_out(la, ratio) for la in telling):
        return False
    mean_fan = (head.fan_in + head.fan_out) / 2
    same_call = fits(head, head.fan_in, (1.0, 2.0)) and not fits(head, mean_fan, (1.0, 2.0))
    return not same_call and (len(hidden) == 1 or head.look().nonzero == 0 or library_scale(head))


def _fits_fan_out(layer: Dense, ratio: float) -> bool:
    return _fits_wrong(layer, ratio, layer.fan_out, (layer.fan_in + layer.fan_out) / 2)


def wrong_scale_of(layer: Dense, ratio: float, taps: int = 1) -> str:
    """Which wrong fan the variance of a weight fits, in words; "" where it fits none.

    ``taps`` of a kernel: libraries count them in both fans, and they are forgotten easily.

    >>> rng = np.random.default_rng(0)
    >>> wrong_scale_of(Dense(rng.normal(0, 2 ** -1.5, (400, 8)).astype("float32"), None, "tanh"), 2.0)
    'the variance fits fan_out=8 instead of fan_in=400'
    """
    n, m = layer.fan_in, layer.fan_out
    others = [("fan_out", m * taps)] + [("fan_out", m), ("fan_in without the taps", n // taps)] * (taps > 1)
    for word, fan in others:
        if fan and _fits_wrong(layer, ratio, fan, (n + m * taps) / 2):
            return f"the variance fits {word}={fan} instead of fan_in={n}"
    return ""


def _fits_wrong(layer: Dense, ratio: float, m: float, mean_fan: float) -> bool:
    """Does the variance fit a fan of m, within sampling error, where it should fit fan_in?"""
    n, size = layer.fan_in, layer.w.size
    if size < 256 or max(n, m) < ratio * min(n, m):
        return False
    mean, std = spread(layer)
    if not std > 0 or abs(mean) > 5 * std / math.sqrt(size) or len(np.unique(layer.w[:4096].ravel()[:4096])) < 32:
        return False
    known = [1.0, max(layer.activation.squared_gain, 1.0)]
    largest = layer.look().largest
    uniform = largest <= 1.001 * math.sqrt(3) * std * (1 + 3 / math.sqrt(size))
    if uniform:                              # bounded as a uniform distribution is
        known.append(1 / 3)
    # a normal would reach further
    cut = not uniform and size >= 512 and largest < (2 / CUT + 5 / math.sqrt(size)) * std
    # what was picked: the bound of a uniform, the nominal deviation of a normal cut at two sigmas, the deviation
    picked, unit = (largest, math.sqrt(3)) if uniform else (largest / 2, 1 / CUT) if cut else (std, 1.0)
    by_hand = min(abs(_leading(picked / k) - 1) for k in (1, 2, 5))
    by_fan = min(abs(picked / (unit * math.sqrt(k / m)) - 1) for k in known)
    if by_hand < (min(by_fan, 0.01) if uniform or cut else min(3 / math.sqrt(2 * size), by_fan + 0.001)):
        return False
    return (fits(layer, m, tuple(known)) and not fits(layer, n, (1 / 3, 1.0, 2.0, 25 / 9))
            and not fits(layer, mean_fan, (1.0, 2.0, 25 / 9)) and not orthogonal(layer.w)
            and _drawn(layer, 1.8 if uniform else _CUT_KURTOSIS if cut else 3.0))


def _drawn(layer: Dense, kurtosis: float) -> bool:
    """Have the weights the fourth moment of the law they seem drawn from? Training leaves no law what it was."""
    mean, std = spread(layer)
    found = float(np.mean(((layer.w.astype(np.float64) - mean) / std) ** 4))
    return abs(found - kurtosis) < 6 * math.sqrt(24 / layer.w.size)


def _leading(value: float) -> float:
    """value by the power of ten that brings it nearest to 1: 0.0998 -> 0.998."""
    return value / float(10 ** round(math.log10(value)))


def orthogonal(w: Array) -> bool:
    """Are the shorter side's vectors (the first 64 of them) orthogonal? Their scale is no fan's.

    Independent vectors of length m have cosines of about 1/sqrt(m); a tenth of that leaves room for bfloat16.
    """
    rows = np.asarray((w if w.shape[0] <= w.shape[1] else w.T)[:64], dtype=np.float64)
    gram = rows @ rows.T
    norms = np.sqrt(np.diag(gram))
    if len(rows) < 2 or not norms.all():
        return False
    cosines = gram / np.outer(norms, norms) - np.eye(len(rows))
    return bool(np.sqrt(np.sum(cosines ** 2) / (len(rows) * (len(rows) - 1))) < 0.1 / math.sqrt(rows.shape[1]))


def start(net: Network, i: int) -> Start:
    """How layer i's weights would be drawn."""
    layer = net.layers[i]
    return layer.activation.start(layer.fan_in, layer.fan_out, first=i == 0)


def call(net: Network, i: int) -> str:
    """The call that makes good weights for layer i."""
    return start(net, i).call((net.layers[i].fan_in, net.layers[i].fan_out))


def deviation(net: Network, i: int, std: float) -> str:
    """The cure of weights of the wrong size: number, and the call that draws it."""
    wanted, layer = start(net, i).std, net.layers[i]
    slip = variance_as_deviation(std, wanted, layer.w.size, layer.fan_in, layer.fan_out)
    return f"standard deviation {wanted:.4g} instead of {std:.4g}{slip}: {call(net, i)}"


def variance_as_deviation(std: float, wanted: float, size: int, fan_in: int, fan_out: int) -> str:
    """That a deviation is the variance of He, LeCun or Glorot itself, in words; "" where it is not, within sampling
    error, or where the two are nearly alike.

    >>> variance_as_deviation(0.02, 0.1, 20000, 100, 200)
    ', which is the variance 2/fan_in itself'
    """
    variances = {"2/fan_in": 2 / fan_in, "1/fan_in": 1 / fan_in, "2/(fan_in + fan_out)": 2 / (fan_in + fan_out)}
    slack = 4 / math.sqrt(2 * max(size, 1))
    found = [(abs(std / v - 1), word) for word, v in variances.items() if std < 0.5 * wanted]
    return f", which is the variance {min(found)[1]} itself" if found and min(found)[0] < min(slack, 0.1) else ""


def zero_bias(net: Network, i: int) -> str:
    """The cure of a bias."""
    return f"zero biases: ic.init.zeros({net.layers[i].fan_out})"
