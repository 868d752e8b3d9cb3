"""``jax.nn.initializers``, name for name and argument for argument, with what initcore's kinds take beside."""

from __future__ import annotations

from typing import Any

from .. import initializers as make
from ._protocol import AxisLike, Initializer, real

_SQRT2 = 2 ** 0.5


def zeros(key: Any, shape: Any, dtype: Any = None, out_sharding: Any = None) -> Any:
    """All 0; itself an initialiser, as in JAX: ``bias_init=ij.zeros``. The key is not looked at.

    >>> zeros(None, (2,)).tolist()
    [0.0, 0.0]
    """
    return _ZEROS(key, shape, dtype, out_sharding)


def ones(key: Any, shape: Any, dtype: Any = None, out_sharding: Any = None) -> Any:
    """All 1; itself an initialiser, as in JAX: ``scale_init=ij.ones``. The key is not looked at.

    >>> ones(None, (2,)).tolist()
    [1.0, 1.0]
    """
    return _ONES(key, shape, dtype, out_sharding)


def constant(value: Any, dtype: Any = None) -> Initializer:
    """All ``value``, one number. :func:`initcore.init.constant`.

    >>> constant(0.5)(None, (2,)).tolist()
    [0.5, 0.5]
    """
    return Initializer(make.constant, {"value": real(value, "value")}, dtype=dtype)


def uniform(scale: Any = 1e-2, dtype: Any = None) -> Initializer:
    """``U[0, scale)``. :func:`initcore.init.uniform`.

    >>> uniform(2.0)
    initcore.jax.uniform(low=0, high=2)
    """
    return Initializer(make.uniform, {"low": 0.0, "high": real(scale, "scale")}, dtype=dtype)


def normal(stddev: Any = 1e-2, dtype: Any = None) -> Initializer:
    """``N(0, stddev^2)``. :func:`initcore.init.normal`.

    >>> normal(0.02)
    initcore.jax.normal(std=0.02)
    """
    return Initializer(make.normal, {"std": real(stddev, "stddev")}, dtype=dtype)


def truncated_normal(stddev: Any = 1e-2, dtype: Any = None, lower: Any = -2.0, upper: Any = 2.0) -> Initializer:
    """``stddev Z``, Z a standard normal cut to [lower, upper]. :func:`initcore.init.trunc_normal`.

    >>> truncated_normal(0.02)
    initcore.jax.trunc_normal(std=0.02, lower=-2, upper=2)
    """
    return Initializer(make.trunc_normal, {"std": real(stddev, "stddev"), "lower": real(lower, "lower"),
                                           "upper": real(upper, "upper")}, dtype=dtype)


def variance_scaling(scale: Any, mode: Any, distribution: str, in_axis: AxisLike = -2, out_axis: AxisLike = -1,
                     batch_axis: AxisLike = (), dtype: Any = None, *, groups: int = 1) -> Initializer:
    """Variance ``scale / fan``: :func:`initcore.init.variance_scaling`; "truncated_normal" is cut at two deviations.

    >>> variance_scaling(2.0, "fan_in", "normal")
    initcore.jax.variance_scaling(scale=2, mode='fan_in', distribution='normal')
    """
    return Initializer(make.variance_scaling, {"scale": real(scale, "scale"), "mode": mode,
                                               "distribution": distribution},
                       in_axis, out_axis, batch_axis, groups, dtype, fan=True)


def _scaled(initializer: Any, gain: Any, mode: Any, axes: tuple[AxisLike, AxisLike, AxisLike], groups: int,
            dtype: Any, **cut: Any) -> Initializer:
    return Initializer(initializer, {"gain": gain, "mode": mode, **cut}, *axes, groups, dtype, fan=True)


def glorot_uniform(in_axis: AxisLike = -2, out_axis: AxisLike = -1, batch_axis: AxisLike = (), dtype: Any = None, *,
                   gain: Any = 1.0, mode: Any = "fan_avg", groups: int = 1) -> Initializer:
    """``U(-l, l)`` of variance ``2 gain^2 / (fan_in + fan_out)``. :func:`initcore.init.glorot_uniform`.

    >>> glorot_uniform() == xavier_uniform()
    True
    """
    return _scaled(make.glorot_uniform, gain, mode, (in_axis, out_axis, batch_axis), groups, dtype)


def glorot_normal(in_axis: AxisLike = -2, out_axis: AxisLike = -1, batch_axis: AxisLike = (), dtype: Any = None, *,
                  gain: Any = 1.0, mode: Any = "fan_avg", truncate: float | None = 2.0, groups: int = 1) -> Initializer:
    """``N(0, 2 gain^2 / (fan_in + fan_out))`` cut at two deviations, the variance kept; ``truncate=None``: not cut.

    :func:`initcore.init.glorot_normal`.

    >>> glorot_normal(truncate=None).arguments["truncate"] is None
    True
    """
    return _scaled(make.glorot_normal, gain, mode, (in_axis, out_axis, batch_axis), groups, dtype, truncate=truncate)


def he_uniform(in_axis: AxisLike = -2, out_axis: AxisLike = -1, batch_axis: AxisLike = (), dtype: Any = None, *,
               gain: Any = _SQRT2, mode: Any = "fan_in", groups: int = 1) -> Initializer:
    """``U(-l, l)`` of variance ``gain^2 / fan_in``, gain^2 = 2. :func:`initcore.init.he_uniform`.

    >>> he_uniform() == kaiming_uniform()
    True
    """
    return _scaled(make.he_uniform, gain, mode, (in_axis, out_axis, batch_axis), groups, dtype)


def he_normal(in_axis: AxisLike = -2, out_axis: AxisLike = -1, batch_axis: AxisLike = (), dtype: Any = None, *,
              gain: Any = _SQRT2, mode: Any = "fan_in", truncate: float | None = 2.0, groups: int = 1) -> Initializer:
    """``N(0, gain^2 / fan_in)`` cut at two deviations, the variance kept; ``truncate=None``: not cut.

    :func:`initcore.init.he_normal`; ``gain`` may be an activation's name.

    >>> import jax
    >>> he_normal()(jax.random.key(0), (64, 32)).shape
    (64, 32)
    """
    return _scaled(make.he_normal, gain, mode, (in_axis, out_axis, batch_axis), groups, dtype, truncate=truncate)


def lecun_uniform(in_axis: AxisLike = -2, out_axis: AxisLike = -1, batch_axis: AxisLike = (), dtype: Any = None, *,
                  gain: Any = 1.0, mode: Any = "fan_in", groups: int = 1) -> Initializer:
    """``U(-l, l)`` of variance ``gain^2 / fan_in``. :func:`initcore.init.lecun_uniform`.

    >>> lecun_uniform().arguments["mode"]
    'fan_in'
    """
    return _scaled(make.lecun_uniform, gain, mode, (in_axis, out_axis, batch_axis), groups, dtype)


def lecun_normal(in_axis: AxisLike = -2, out_axis: AxisLike = -1, batch_axis: AxisLike = (), dtype: Any = None, *,
                 gain: Any = 1.0, mode: Any = "fan_in", truncate: float | None = 2.0, groups: int = 1) -> Initializer:
    """``N(0, gain^2 / fan_in)`` cut at two deviations, the variance kept. :func:`initcore.init.lecun_normal`.

    >>> lecun_normal().arguments["gain"]
    1.0
    """
    return _scaled(make.lecun_normal, gain, mode, (in_axis, out_axis, batch_axis), groups, dtype, truncate=truncate)


def orthogonal(scale: Any = 1.0, column_axis: int = -1, dtype: Any = None) -> Initializer:
    """``scale`` times a Haar matrix of (everything else, ``column_axis``). :func:`initcore.init.orthogonal`.

    >>> orthogonal()
    initcore.jax.orthogonal(gain=1)
    """
    return Initializer(make.orthogonal, {"gain": real(scale, "scale")}, None, column_axis, dtype=dtype, fan=True)


def delta_orthogonal(scale: Any = 1.0, column_axis: int = -1, dtype: Any = None) -> Initializer:
    """0 but for the centre tap, a Haar matrix of (in, out) times ``scale``. :func:`initcore.init.delta_orthogonal`.

    The distribution does not depend on ``column_axis``. The centre of k taps is k // 2, JAX's is (k - 1) // 2.

    >>> delta_orthogonal()
    initcore.jax.delta_orthogonal(gain=1)
    """
    if column_axis not in (-1, -2, 0, 1):
        make.orthogonal((2, 2), in_axis=0, out_axis=column_axis)       # says what is wrong
    return Initializer(make.delta_orthogonal, {"gain": real(scale, "scale")}, dtype=dtype)


xavier_uniform, xavier_normal = glorot_uniform, glorot_normal
kaiming_uniform, kaiming_normal = he_uniform, he_normal
_ZEROS, _ONES = Initializer(make.zeros, {}), Initializer(make.ones, {})
