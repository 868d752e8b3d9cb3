"""INP701 and INP702: the inputs by themselves, whatever stands above them."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from .._types import Array
from ._catalogue import rule
from ._context import Context
from ._finding import Finding


def _named(features: Array, of: int) -> str:
    """The features in words: "feature 3", "features 3, 7 and 9 more", "all 20 features"."""
    if len(features) == of and of > 1:
        return f"all {of} features"
    shown = ", ".join(str(int(i)) for i in features[:4])
    more = f" and {len(features) - 4} more" if len(features) > 4 else ""
    return f"feature{'s' * (len(features) > 1)} {shown}{more} of {of}"


def _moments(c: Context) -> tuple[Array, Array] | None:
    """Mean and standard deviation of every feature, where there are data to judge; of constant ones exactly 0."""
    if c.x is None or c.state is None or not len(c.x) or not c.x.shape[1]:
        return None
    std = np.sqrt(np.maximum(c.state.variance, 0))
    return c.state.mean, np.where((c.x == c.x[:1]).all(axis=0), 0.0, std)


@rule("INP701", title="inputs not scaled or centred", severity="warn",
      why="""The gradient of a weight is proportional to its input: a feature a thousand times larger than the others
      needs a step a million times smaller, and an offset makes every unit of the first layer move together. No
      weights mend that for training, standardised inputs do.""",
      measured="""Each feature's mean and standard deviation, with at least `rows` rows. Warn where a standard deviation
      (of a constant feature its size) is above `large`, where a mean is above `offset` standard deviations and
      above 1, and where the root mean square of all inputs is below `small`. Information where the first layer's
      weights undo it feature by feature: the signal is sound then, the steps are not; a mean above `far` standard
      deviations stays a warning.""",
      cure="""Standardise each feature, `(x - x.mean(0)) / x.std(0)` with the training set's numbers; pixels by one
      number, 255.""",
      thresholds={"large": 10.0, "small": 0.01, "offset": 5.0, "far": 50.0, "rows": 8})
def unscaled(c: Context) -> Iterator[Finding]:
    """Inputs that are too large, too small or off centre, with the features named."""
    found, limits = _moments(c), c.limits
    if found is None or c.x is None or len(c.x) < limits["rows"]:
        return
    mean, std = found
    size = np.where(std > 0, std, np.abs(mean))
    n, severity = len(mean), "info" if _undone(c, mean, std) else "warn"
    large = np.flatnonzero(size > limits["large"])
    rms = math.sqrt(float(np.mean(np.square(mean) + np.square(std))))
    if len(large):
        order = large[np.argsort(-size[large], kind="stable")]
        even = len(large) > n / 2 and size.max() < 30 * np.median(size)
        factor = 255.0 if even and c.x.min() >= 0 and 100 < c.x.max() <= 255 else float(rms if even else size[order[0]])
        constant = not even and std[order[0]] == 0         # there is nothing to divide by
        what = "is constant at" if constant else "standard deviation"
        value = mean[order[0]] if constant else size[order[0]]
        k = int(order[0])
        yield c.finding(
            None, f"The inputs are not scaled: {_named(order, n)}: {what} {float(value):.3g}"
            f"{'' if len(order) == 1 else ' and others as large' if constant else ' and below'}.", severity=severity,
            measured=float(size.max()), expected=limits["large"], cause="input_scale",
            cure=(f"leave feature {k} out, or subtract {float(value):.4g}: it says nothing" if constant else
                  f"divide the inputs by {factor:.4g}" if even else
                  f"divide feature {k} by {factor:.4g}: x = (x - x.mean(0)) / x.std(0)"), tensor="x")
    elif 0 < rms < limits["small"]:
        yield c.finding(None, f"The inputs are tiny: root mean square {rms:.3g}.", severity=severity, measured=rms,
                        expected=f"at least {limits['small']:g}", cause="input_scale",
                        cure=f"divide the inputs by {rms:.4g}", tensor="x")
    off = np.flatnonzero((np.abs(mean) > np.maximum(limits["offset"] * std, 1.0)) & (std > 0))
    if len(off):
        ratio = np.abs(mean[off]) / std[off]
        order = off[np.argsort(-ratio, kind="stable")]
        k = int(order[0])
        far = ratio.max() > limits["far"]              # no step suits what even sound weights make of these
        yield c.finding(
            None, f"The inputs are not centred: {_named(order, n)}: mean {float(mean[k]):.3g} at standard deviation "
            f"{float(std[k]):.3g}.", severity="warn" if far else severity, measured=float(ratio.max()),
            expected=limits["offset"], cause="input_offset",
            cure=f"subtract each feature's mean (feature {k}: {float(mean[k]):.4g}): "
            "x = (x - x.mean(0)) / x.std(0)", tensor="x")


def _undone(c: Context, mean: Array, std: Array) -> bool:
    """Do the first layer's weights undo the scale and the offset, feature by feature?"""
    if c.steps is None:
        return False
    w = c.net.layers[0].w
    share = std * np.sqrt(np.mean(np.square(w, dtype=np.float64), axis=1)) if w.shape[1] else std
    share = share[std > 0]
    z = c.steps[0]
    offset, spread = float(np.mean(np.square(z.mean))), float(np.mean(np.square(z.std)))
    return bool(len(share) and share.max() <= 8 * np.median(share) and offset <= 4 * spread and 1e-2 < spread < 16)


@rule("INP702", title="inputs constant or all zero", severity="fail",
      why="""Where every row of the inputs is the same the network can learn one answer only; where all are 0 no weight
      of the first layer ever gets a gradient.""",
      measured="""The features that vary over at least `rows` rows. Fail where there is none (warn with fewer rows);
      single constant features are no finding.""",
      cure="Look at the data's loading: a batch repeated, a column chosen wrongly, a scale that rounds to 0.",
      thresholds={"rows": 8})
def constant(c: Context) -> Iterator[Finding]:
    """Inputs that say nothing."""
    found = _moments(c)
    if found is None or c.x is None or len(c.x) < 2:
        return
    mean, std = found
    if not std.any():
        what = "are all 0" if not mean.any() else f"are one row, repeated {len(c.x)} times"
        yield c.finding(None, f"The inputs {what}: they tell nothing apart.",
                        severity="fail" if len(c.x) >= c.limits["rows"] else "warn", measured=0,
                        expected="at least one feature that varies", cause="data",
                        cure="mend the loading of the data; no weights can help", tensor="x")
